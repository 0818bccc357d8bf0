// Who gets into the console, who does not, and what a hostile title can do there: nothing.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

import { page, stage } from "./lib/browser.mjs";
import { says } from "./lib/console.mjs";
import { counted, vote } from "./lib/contests.mjs";
import { signIn, signInto } from "./lib/scenes.mjs";
import { contest, start, until } from "./lib/server.mjs";

const it = stage();

const sessionOf = async (context) => (await context.cookies()).find(({ name }) => name.endsWith("landslide-session"));

test("access: a wrong token is told so, and the right one lets in", async () => {
  const view = await page(it.browser, { allowed: [/status of 401/] });
  await view.page.goto(`${it.server.url}/admin`);
  await view.page.waitForSelector("#sign-in:not([hidden])");
  await view.page.fill("#token", "not it");
  await view.page.fill("#name", "Zoë");
  await view.page.click("#sign-in button");
  await says(view.page, "#problem", "not the administrator");
  assert.equal(await sessionOf(view.context), undefined);
  assert.ok(await view.page.isHidden("#content"));
  await view.page.fill("#token", it.server.token);
  await view.page.click("#sign-in button");
  await view.page.waitForSelector("#content:not([hidden])");
  assert.equal(await view.page.inputValue("#token"), "", "the token does not stay in the page");
  const { httpOnly, sameSite, path, domain } = await sessionOf(view.context);
  assert.deepEqual({ httpOnly, sameSite, path, domain }, { httpOnly: true, sameSite: "Strict", path: "/", domain: "127.0.0.1" });
  assert.equal(await view.page.evaluate(() => document.cookie), "");
  await view.close();
});

test("access: after some attempts a network is refused, the right token too", async () => {
  // Peers on the loopback are not limited unless they are told to be.
  const server = await start({ args: ["--limit-loopback", "true"] });
  try {
    const view = await page(it.browser, { allowed: [/status of (401|429)/] });
    await view.page.goto(`${server.url}/admin`);
    await view.page.waitForSelector("#sign-in:not([hidden])");
    const attempt = (token) => view.page.evaluate(async (token) => {
      const body = JSON.stringify({ token, name: "x" });
      return (await fetch("/admin/session", { method: "POST", body, headers: { "content-type": "application/json" } })).status;
    }, token);
    const statuses = [];
    while (statuses.at(-1) !== 429 && statuses.length < 200) statuses.push(await attempt(`guess ${statuses.length}`));
    assert.deepEqual([...new Set(statuses)], [401, 429], "guesses are refused, then not looked at");
    // At once, so that the limit has not let one in again: of several right ones, not all come through.
    const right = await Promise.all(Array.from({ length: 10 }, () => attempt(server.token)));
    assert.ok(right.includes(429), `over the limit a right guess is not told from a wrong one: ${right}`);
    await view.context.clearCookies();
    await until("the page says so", async () => {
      await view.page.fill("#token", "one more");
      await view.page.fill("#name", "x");
      await view.page.click("#sign-in button");
      await view.page.waitForFunction(() => document.getElementById("problem")?.textContent);
      return (await view.page.textContent("#problem")).includes("Too many");
    });
    await view.close();
  } finally {
    await server.stop();
  }
});

test("access: signed out means out, by the back button too", async () => {
  const { slug } = await contest(it.server);
  const view = await page(it.browser, { allowed: [/status of 401/] });
  const { page: tab } = view;
  await signIn(tab, it.server);
  const { name, value } = await sessionOf(view.context);
  await tab.goto(`${it.server.url}/admin/contests/${slug}`);
  await tab.waitForSelector("#close:not([hidden])");
  await tab.click("#sign-out");
  await tab.waitForSelector("#sign-in:not([hidden])");
  assert.equal(await sessionOf(view.context), undefined, "the browser has no session any more");
  await tab.goBack();
  await tab.waitForSelector("#sign-in:not([hidden])");
  assert.ok(await tab.isHidden("#content"), "nothing of the contest is seen");
  assert.equal((await view.context.request.get(`${it.server.url}/v1/admin/contests`)).status(), 401);
  for (const path of ["protocol", "edit"]) {
    await tab.goto(`${it.server.url}/admin/contests/${slug}/${path}`);
    await tab.waitForSelector("#sign-in:not([hidden])");
    assert.ok(!(await tab.content()).includes("Your favourite"), path);
  }
  // A changed cookie was never one.
  const forged = value.replace(/.$/, (digit) => (digit === "0" ? "1" : "0"));
  const answer = await fetch(`${it.server.url}/v1/admin/contests`, { headers: { cookie: `${name}=${forged}` } });
  assert.equal(answer.status, 401);
  await view.close();
});

test("access: a session is over when the token is another", async () => {
  const server = await start();
  try {
    const view = await page(it.browser, { allowed: [/status of 401|ERR_CONNECTION/] });
    await signIn(view.page, server);
    server.env.LANDSLIDE_ADMIN_TOKEN = "another token for checks";
    await server.restart();
    await view.page.waitForSelector("#sign-in:not([hidden])");
    assert.ok(await view.page.isHidden("#content"));
    await view.close();
  } finally {
    await server.stop();
  }
});

test("access: another site's page changes nothing with an administrator's browser", async () => {
  const { slug } = await contest(it.server, { draft: true });
  const target = `${it.server.url}/v1/admin/contests/${slug}/open`;
  const foreign = createServer((_, reply) => reply.setHeader("content-type", "text/html").end(`<!doctype html><title>Foreign</title>
    <form method="post" action="${target}"><button>Win a prize</button></form>`));
  await new Promise((done) => foreign.listen(0, "127.0.0.1", done));
  try {
    // By name and by number: neither the same host nor the same site.
    const elsewhere = [`http://localhost:${foreign.address().port}`, `http://127.0.0.1:${foreign.address().port}`];
    const view = await page(it.browser, { allowed: [/status of (401|403)|CORS|ERR_FAILED|favicon\.ico/] });
    await signInto(view.context, it.server);
    for (const origin of elsewhere) {
      await view.page.goto(origin);
      const [answer] = await Promise.all([view.page.waitForResponse(target), view.page.click("button")]);
      assert.ok([401, 403].includes(answer.status()), `a form of ${origin}: ${answer.status()}`);
      await view.page.goto(origin);
      for (const init of [{ mode: "no-cors" }, { mode: "cors", headers: { "x-csrf-token": "0".repeat(64) } }]) {
        const read = await view.page.evaluate(async ([target, init]) => {
          const answer = await fetch(target, { method: "POST", credentials: "include", ...init }).catch(() => null);
          return answer && answer.type !== "opaque" ? answer.status : null;
        }, [target, init]);
        assert.equal(read, null, `a script of ${origin} reads nothing`);
      }
      assert.equal((await it.server.must(`contests/${slug}`)).opens_at, null, `still a draft after ${origin}`);
    }
    // The console's own page, but without the second secret.
    await view.page.goto(`${it.server.url}/admin`);
    const post = (headers) => view.page.evaluate(async ([target, headers]) => (await fetch(target, { method: "POST", headers })).status, [target, headers]);
    assert.equal(await post({}), 403);
    assert.equal(await post({ "x-csrf-token": "0".repeat(64) }), 403);
    assert.equal((await it.server.must(`contests/${slug}`)).opens_at, null);
    const csrf = await view.page.evaluate(async () => (await (await fetch("/admin/session")).json()).csrf);
    assert.equal(await post({ "x-csrf-token": csrf }), 200, "and with it, it opens");
    await view.close();
  } finally {
    foreign.close();
  }
});

const HOSTILE = {
  script: "<script>globalThis.hacked = 1</script>",
  image: "\"><img src=x onerror=\"globalThis.hacked = 1\">",
  quotes: `'"\`}}{{7*7}} &lt;b&gt; \\ </title></textarea></svg>`,
  override: "\u202eevol\u202d \u2066isolated",
  long: "W".repeat(200),
  formula: "=HYPERLINK(\"http://evil\")",
};

test("access: hostile titles are text wherever they stand", async () => {
  const choices = Object.entries(HOSTILE).map(([choice, title]) => ({ choice, title }));
  const { slug } = await contest(it.server, { slug: "hostile", title: HOSTILE.image + HOSTILE.override, results: "live", choices });
  for (const { choice } of choices) await vote(it.server, slug, choice);
  await counted(it.server, slug, ({ total }) => total === choices.length);
  const view = await page(it.browser, { width: 360, height: 780 });
  await signInto(view.context, it.server, "<b>\"Z'oë\"</b>");
  const paths = ["/admin", `/admin/contests/${slug}`, `/admin/contests/${slug}/edit`, `/admin/contests/${slug}/protocol`, `/admin/new?from=${slug}`,
    `/c/${slug}`, `/c/${slug}/embed`, `/c/${slug}/results`, `/c/${slug}/wall?top=6`, "/"];
  for (const path of paths) {
    await view.page.goto(it.server.url + path);
    const isThere = (title) => [...document.querySelectorAll("h1, th, td, bdi, a, textarea, input")]
      .some((element) => (/** @type {any} */ (element).value ?? element.textContent)?.includes(title));
    const wanted = ["/admin", "/"].includes(path) ? HOSTILE.image : HOSTILE.script;
    await view.page.waitForFunction(isThere, wanted);
    const is = await view.page.evaluate(() => ({
      hacked: /** @type {any} */ (globalThis).hacked, images: document.querySelectorAll("img[src=x]").length,
      isWide: document.documentElement.scrollWidth > innerWidth,
    }));
    assert.deepEqual(is, { hacked: undefined, images: 0, isWide: false }, path);
  }
  // What an administrator edits and saves is what was there.
  await view.page.goto(`${it.server.url}/admin/contests/${slug}/edit`);
  await view.page.waitForFunction(() => /** @type {any} */ (document.getElementById("title"))?.value);
  assert.equal(await view.page.inputValue("#title"), HOSTILE.image + HOSTILE.override);
  const csv = await (await view.context.request.get(`${it.server.url}/v1/admin/contests/${slug}/counts.csv`)).text();
  assert.ok(csv.includes(`"'=HYPERLINK(""http://evil"")"`), "no formula for a spreadsheet");
  await view.close();
});

test("access: by the keyboard alone, from the sign-in to an open contest", async () => {
  const { slug } = await contest(it.server, { draft: true, title: "By keyboard" });
  const view = await page(it.browser);
  const { page: tab } = view;
  const focused = () => tab.evaluate(() => document.activeElement?.id || document.activeElement?.textContent?.trim());
  /** Goes on with the tabulator until it is there; where it is can be seen. */
  const tabTo = async (what) => {
    for (let n = 0; n < 80; n += 1) {
      if (what === await focused()) {
        const outline = await tab.evaluate(() => getComputedStyle(/** @type {Element} */ (document.activeElement)).outlineStyle);
        assert.notEqual(outline, "none", `${what} shows that it has the focus`);
        return;
      }
      await tab.keyboard.press("Tab");
    }
    assert.fail(`the tabulator does not come to ${what}`);
  };
  await tab.goto(`${it.server.url}/admin`);
  await tab.waitForSelector("#sign-in:not([hidden])");
  assert.equal(await focused(), "token", "the first field has the focus");
  await tab.keyboard.type(it.server.token);
  await tabTo("name");
  await tab.keyboard.type("Zoë");
  await tab.keyboard.press("Enter");
  await tab.waitForSelector(`a[href="/admin/contests/${slug}"]`);
  await tabTo("By keyboard");
  await tab.keyboard.press("Enter");
  await tab.waitForSelector("#open:not([hidden])");
  await tabTo("open");
  await tab.keyboard.press("Enter");
  await tab.waitForSelector("#ask[open]");
  assert.equal(await focused(), "ask-no", "what cannot be undone is not one keystroke away");
  await tab.keyboard.press("Escape");
  await tab.waitForSelector("#ask:not([open])", { state: "attached" });
  assert.equal((await it.server.must(`contests/${slug}`)).opens_at, null);
  assert.equal(await focused(), "open", "the focus is where it was");
  await tab.keyboard.press("Enter");
  await tab.waitForSelector("#ask[open]");
  await tabTo("ask-yes");
  await tab.keyboard.press("Enter");
  await tab.waitForSelector("#close:not([hidden])");
  assert.notEqual((await it.server.must(`contests/${slug}`)).opens_at, null);
  await view.close();
});
