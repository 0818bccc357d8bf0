// Every page in every state that is worth a look: pictures are taken of these, and they are checked
// for what every page must be. A scene is an address, and what is done there before one looks.

/**
 * @typedef {object} Scene
 * @property {string} name
 * @property {"voter" | "show" | "wall" | "console" | "docs"} group
 * @property {string} path
 * @property {string} [language] of the visitor
 * @property {boolean} [script] false: without
 * @property {boolean} [signedIn] as an administrator
 * @property {(page: import("playwright-core").Page) => Promise<unknown>} [ready] brings it into the state
 * @property {(page: import("playwright-core").Page) => Promise<unknown>} [before] before the page is loaded
 */

const seen = (selector) => (page) => page.waitForSelector(selector);
const first = (page) => page.locator("input[name=choice]").first();

/** Chooses the first and presses the button. */
async function cast(page) {
  await first(page).check();
  await page.click(".cast button");
}

/** What the server answers to a ballot or a form never arrives. */
const cutBallots = (page) => page.route("**/v1/contests/*/ballots", (route) => route.abort());

const times = (page) => page.waitForFunction(() => document.getElementById("countdown")?.textContent !== "");
const counted = (page) => page.waitForFunction(() => !document.getElementById("state") || document.getElementById("state")?.textContent);

/** @type {Scene[]} */
const voter = [
  { name: "index", path: "/" },
  { name: "vote", path: "/c/tv", ready: times },
  { name: "vote-chosen", path: "/c/secret", ready: async (page) => { await times(page); await first(page).check(); } },
  { name: "vote-soon", path: "/c/later", ready: times },
  { name: "vote-many", path: "/c/songs", ready: seen("#search:not([hidden])") },
  { name: "vote-found", path: "/c/songs", ready: async (page) => { await page.fill("#search-field", "river"); await page.waitForFunction(() => document.getElementById("search-state")?.textContent); } },
  { name: "vote-sending", path: "/c/secret", before: cutBallots, ready: async (page) => { await cast(page); await page.waitForSelector("#try-now:not([hidden])"); } },
  { name: "vote-receipt", path: "/c/tv", ready: async (page) => { await cast(page); await page.waitForSelector("#receipt:not([hidden])"); } },
  { name: "vote-ended", path: "/c/ended-final", ready: seen("#results:not([hidden])") },
  { name: "vote-arabic", path: "/c/arabic", language: "ar", ready: times },
  { name: "vote-embedded", path: "/c/tv/embed", ready: times },
  { name: "plain-vote", path: "/c/secret", script: false },
  { name: "plain-confirm", path: "/c/secret", script: false, ready: async (page) => { await cast(page); await page.waitForSelector("#confirm"); } },
  { name: "plain-recorded", path: "/c/secret", script: false, ready: async (page) => { await cast(page); await page.click("#confirm button"); await page.waitForSelector("#receipt"); } },
  { name: "plain-first", path: "/c/secret", script: false, ready: async (page) => { for (const n of [0, 1]) { await page.goto(new URL("/c/secret", page.url()).href); await page.locator("input[name=choice]").nth(n).check(); await page.click(".cast button"); await page.click("#confirm button"); await page.waitForSelector("#receipt"); } } },
  { name: "plain-refused", path: "/c/songs", script: false, ready: async (page) => { await page.goto(new URL("/c/songs", page.url()).href); await page.locator("form#vote").evaluate((form) => { for (const input of form.querySelectorAll("input")) input.required = false; }); await page.click(".cast button"); await page.waitForSelector("#problem"); } },
  { name: "vote-texts", path: "/c/texts", ready: async (page) => { await page.waitForSelector("#vote:not(.undrawn)"); await first(page).check(); } },
  { name: "not-found", path: "/c/nothing-here" },
].map((scene) => ({ group: "voter", ...scene }));

/** @type {Scene[]} */
const show = [
  { name: "results", path: "/c/tv/results", ready: counted },
  { name: "results-by-votes", path: "/c/tv/results", ready: async (page) => { await counted(page); await page.check("#by-votes"); } },
  { name: "results-hidden", path: "/c/secret/results" },
  { name: "results-soon", path: "/c/later/results" },
  { name: "results-final", path: "/c/ended-final/results", language: "de", ready: counted },
  { name: "results-certified", path: "/c/ended-certified/results", ready: counted },
  { name: "results-arabic", path: "/c/arabic/results", language: "ar", ready: counted },
].map((scene) => ({ group: "show", ...scene }));

/** @type {Scene[]} */
const wall = [
  { name: "wall", path: "/c/tv/wall" },
  { name: "wall-light", path: "/c/tv/wall?theme=light&top=10" },
  { name: "wall-tied", path: "/c/texts/wall?top=2" },
  { name: "wall-hidden", path: "/c/secret/wall" },
  { name: "wall-soon", path: "/c/later/wall?theme=light" },
  { name: "wall-final", path: "/c/ended-final/wall" },
  { name: "wall-arabic", path: "/c/arabic/wall", language: "ar" },
].map((scene) => ({ group: "wall", ready: (page) => page.waitForSelector("#address:not(:empty)", { state: "attached" }), ...scene }));

/** Somebody is signed in, and the page has what it shows. */
const live = async (page) => {
  await page.waitForFunction(() => document.querySelector("#stages [aria-current]"));
  await page.waitForFunction(() => document.getElementById("record")?.children.length);
};
const filled = (page) => page.waitForFunction(() => /** @type {HTMLInputElement} */ (document.getElementById("title")).value);
const asked = (id) => async (page) => { await live(page); await page.click(id); await page.waitForSelector("#ask[open]"); };

/** Somebody else saves while the form is open. @param {import("playwright-core").Page} page */
async function conflict(page) {
  await filled(page);
  await page.evaluate(async () => {
    const path = "/v1/admin/contests/draft";
    const { csrf } = await (await fetch("/admin/session")).json();
    const definition = await (await fetch(path)).json();
    const body = JSON.stringify({ ...definition, title: definition.title === "Theirs" ? "Theirs again" : "Theirs" });
    await fetch(path, { method: "PUT", body, headers: { "content-type": "application/json", "x-csrf-token": csrf } });
  });
  await page.fill("#title", "Mine");
  await page.click("#save");
  await page.waitForSelector("#conflict:not([hidden])");
}

/** Nobody has counted for so long. @param {number} seconds */
const stale = (seconds) => (page) => page.route("**/live", async (route) => {
  try {
    const response = await route.fetch();
    const body = await response.json();
    body.counts.counted_through = new Date(Date.parse(body.server_time) - seconds * 1000).toISOString();
    await route.fulfill({ response, json: body });
  } catch (error) {
    // The page may close while it asks.
    if (!page.isClosed()) throw error;
  }
});

/** @type {Scene[]} */
const signedIn = [
  { name: "console-list", path: "/admin", ready: seen("#list:not([hidden]) tbody tr:nth-child(8)") },
  { name: "console-new", path: "/admin/new", ready: seen("#content:not([hidden])") },
  { name: "console-edit-draft", path: "/admin/contests/draft/edit", ready: filled },
  { name: "console-edit-open", path: "/admin/contests/tv/edit", ready: filled },
  { name: "console-conflict", path: "/admin/contests/draft/edit", ready: conflict },
  { name: "console-draft", path: "/admin/contests/later", ready: live },
  { name: "console-live", path: "/admin/contests/tv", ready: live },
  { name: "console-tables", path: "/admin/contests/tv", ready: async (page) => { await live(page); await page.waitForSelector("#chart-channels:not([hidden])"); for (const summary of await page.locator("#content summary").all()) await summary.click(); } },
  { name: "console-late", path: "/admin/contests/tv", before: stale(15), ready: seen("#fresh[data-level=amber]") },
  { name: "console-stale", path: "/admin/contests/tv", before: stale(95), ready: seen("#fresh[data-level=red]") },
  { name: "console-final", path: "/admin/contests/ended-final", ready: live },
  { name: "console-certified", path: "/admin/contests/ended-certified", ready: live },
  { name: "console-ask-open", path: "/admin/contests/draft", ready: asked("#open") },
  { name: "console-ask-close", path: "/admin/contests/tv", ready: asked("#close") },
  { name: "console-closing", path: "/admin/contests/texts", ready: async (page) => { await live(page); if (await page.isVisible("#close")) { await page.click("#close"); await page.selectOption("#close-in", "5m"); await page.click("#ask-yes"); } await page.waitForSelector("#cancel-close:not([hidden])"); } },
  { name: "console-ask-delete", path: "/admin/contests/draft", ready: asked("#delete") },
  { name: "console-edit-texts", path: "/admin/contests/texts/edit", ready: filled },
  { name: "console-ask-certify", path: "/admin/contests/ended-final", ready: asked("#certify:not([disabled])") },
  { name: "console-protocol", path: "/admin/contests/ended-certified/protocol", ready: seen("#print:not([hidden])") },
  { name: "console-interim", path: "/admin/contests/tv/protocol", ready: seen("#print:not([hidden])") },
].map((scene) => ({ group: "console", signedIn: true, ...scene }));

/** @type {Scene[]} */
const others = [
  { name: "console-sign-in", group: "console", path: "/admin", ready: seen("#sign-in:not([hidden])") },
  { name: "docs", group: "docs", path: "/docs", ready: seen("h3.opblock-tag[aria-level]") },
];

/** All of them. */
export const every = [...voter, ...show, ...wall, ...others, ...signedIn];

/**
 * Brings a new page into the scene.
 * @param {{context: import("playwright-core").BrowserContext, page: import("playwright-core").Page}} view
 * @param {import("./server.mjs").Server} server with the contests of `makeContests`
 * @param {Scene} scene
 */
export async function reach({ context, page }, server, { path, signedIn, before, ready }) {
  if (signedIn) await signInto(context, server);
  await before?.(page);
  await page.goto(server.url + path);
  await ready?.(page);
}

/** Signs a browser in, without the page for it. @param {import("playwright-core").BrowserContext} context @param {import("./server.mjs").Server} server */
export async function signInto(context, server, name = "Zoë") {
  const answer = await context.request.post(`${server.url}/admin/session`, { data: { token: server.token, name } });
  if (!answer.ok()) throw new Error(`not signed in: ${await answer.text()}`);
}

/** Signs in as a person does. @param {import("playwright-core").Page} page @param {import("./server.mjs").Server} server */
export async function signIn(page, server, name = "Zoë") {
  await page.goto(`${server.url}/admin`);
  await page.fill("#token", server.token);
  await page.fill("#name", name);
  await page.click("#sign-in button");
  await page.waitForSelector("#content:not([hidden])");
}
