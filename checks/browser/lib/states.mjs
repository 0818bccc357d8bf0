// Every page and state that a voter sees, in small: the least that has every element and message.
// `scenes.mjs` has those that are good to look at.

import { close, contest, minutes, until } from "./server.mjs";
import { CUT_OFF, recorded, vote, waiting } from "./voter.mjs";

const SERIES = [
  "Breaking Bad", "The Wire", "Dark", "Borgen", "Fleabag", "Severance", "The Sopranos", "Chernobyl",
  "مسلسل باب الحارة", "Babylon Berlin",
];
const choices = SERIES.map((title, n) => ({ choice: `series-${n}`, title }));
/** As many as need a search. */
const many = Array.from({ length: 60 }, (_, n) => ({ choice: `song-${n}`, title: `Song number ${n + 1}` }));
const LONG = "W".repeat(120) + " " + "which of these many very long words would you like best ".repeat(1).trim();
const pictured = choices.slice(0, 3).map((choice, n) => ({ ...choice, picture: `/pictures/${n}.svg` }));
const PICTURE = `<svg xmlns="http://www.w3.org/2000/svg" width="112" height="112"><rect width="112" height="112" fill="#3b6ea5"/></svg>`;

const open = (more = {}) => ({ title: "Your favourite TV series", choices, policy: "latest", ...more });
const tapped = async ({ page }) => (await vote(page, "The Wire"), recorded(page));
/** Posts the form as a browser without script does, on a page that has script. */
const posted = async ({ page }, choose = true) => {
  if (choose) await page.getByLabel("The Wire", { exact: true }).check();
  await Promise.all([
    page.waitForURL((url) => url.pathname.startsWith("/c/")),
    page.waitForEvent("load"),
    page.locator("#vote").evaluate((form) => HTMLFormElement.prototype.submit.call(form)),
  ]);
};

/**
 * @typedef {object} State
 * @property {() => Record<string, unknown>} [made] what is particular to its contest
 * @property {(contest: any) => string} [path] by default the contest's page
 * @property {(server: any, contest: any) => Promise<unknown>} [before] the page is opened
 * @property {(view: any, server: any, contest: any) => Promise<unknown>} [act] what the voter does
 * @property {(view: any) => Promise<unknown>} [after] one has looked
 * @property {RegExp[]} [allowed] faults that it brings about
 */

/** @type {Record<string, State>} */
const STATES = {
  "all votes": { path: () => "/" },
  "not open yet": { made: () => open({ opens_at: minutes(90), closes_at: minutes(200) }) },
  open: { made: () => open({ opens_at: minutes(-5), closes_at: minutes(90) }) },
  "with pictures": { made: () => open({ choices: pictured }) },
  "long words": { made: () => open({ title: LONG, choices: choices.map((one) => ({ ...one, title: `${one.title} ${LONG}` })) }) },
  chosen: { made: open, act: ({ page }) => page.getByLabel("The Wire", { exact: true }).check() },
  "many choices": {
    made: () => open({ choices: many }),
    act: async ({ page }) => {
      await page.locator("#search-field").fill("number 1");
      await page.locator("#search-state:not(:empty)").waitFor();
    },
  },
  offline: {
    made: open,
    allowed: [CUT_OFF],
    act: async ({ page, context }) => {
      await context.setOffline(true);
      await vote(page, "The Wire");
      await waiting(page);
    },
    after: ({ context }) => context.setOffline(false),
  },
  "no answer": {
    made: open,
    allowed: [CUT_OFF],
    act: async ({ page }) => {
      await page.route("**/ballots", (route) => route.abort());
      await vote(page, "The Wire");
      await waiting(page);
    },
  },
  recorded: { made: open, act: tapped },
  "recorded, once for all": { made: () => open({ policy: "one" }), act: tapped },
  "choosing again": {
    made: open,
    act: async (view) => {
      await tapped(view);
      await view.page.locator("#again button").click();
    },
  },
  refused: {
    made: open,
    allowed: [/status of 409/],
    act: async ({ page }, server, { slug }) => {
      await close(server, slug);
      await vote(page, "The Wire");
      await page.locator("#problem").waitFor();
    },
  },
  closed: {
    made: open,
    act: async ({ page }, server, { slug }) => {
      await close(server, slug);
      await page.reload();
    },
  },
  "with results": {
    made: () => open({ results: "live" }),
    // Before the first count the page's question is answered with 404.
    before: (server, { slug }) => until("it is counted", async () => (await server.admin(`contests/${slug}/counts`)).ok),
    act: async (view) => {
      await tapped(view);
      await view.page.locator("#results table").waitFor();
    },
  },
  "to confirm": { made: open, act: (view) => posted(view) },
  "recorded without script": {
    made: open,
    act: async (view) => {
      await posted(view);
      await view.page.locator("#confirm button").click();
      await view.page.locator("#receipt").waitFor();
    },
  },
  "nothing chosen": { made: open, allowed: [/status of 4\d\d/], act: (view) => posted(view, false) },
  "not found": { path: () => "/c/no-such-vote", allowed: [/status of 404/] },
  "in a frame": { made: open, path: ({ path }) => `${path}/embed` },
};

export const STATE_NAMES = Object.keys(STATES);

/**
 * Opens one in a new tab of this view, lets `look` have it, and closes the tab.
 * @param {string} name
 * @param {import("./server.mjs").Server} server
 * @param {Awaited<ReturnType<import("./browser.mjs").page>>} view
 * @param {(page: import("playwright-core").Page) => Promise<unknown>} look
 */
export async function show(name, server, view, look) {
  const { made, path = (contest) => contest.path, before, act, after, allowed = [] } = STATES[name];
  const shown = made ? await contest(server, made()) : {};
  await before?.(server, shown);
  const tab = { ...view, page: await view.context.newPage() };
  await tab.page.route("**/pictures/*", (route) => route.fulfill({ contentType: "image/svg+xml", body: PICTURE }));
  view.allow(...allowed);
  await tab.page.goto(`${server.url}${path(shown)}`);
  await act?.(tab, server, shown);
  await look(tab.page);
  await after?.(tab);
  await tab.page.close();
  view.check();
}
