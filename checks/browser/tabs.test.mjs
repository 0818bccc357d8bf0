// One ballot from one voter, whatever fingers, tabs and reloads do meanwhile; and the hours, as a page
// that is open lives through them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { page, stage } from "./lib/browser.mjs";
import { contest, minutes, until } from "./lib/server.mjs";
import { counted, CUT_OFF, message, recorded, vote } from "./lib/voter.mjs";

const it = stage({ net: true });

/** A contest where every ballot id counts, a page of it, and what has been sent. */
async function voter(rule = () => "pass", overrides = {}) {
  const made = await contest(it.server, { policy: "unlimited", ...overrides });
  const isBallot = ({ method, path }) => method === "POST" && path.includes(`/${made.slug}/`);
  it.net.rule = (seen) => (isBallot(seen) ? rule(seen) : "pass");
  const view = await page(it.browser, { allowed: [CUT_OFF] });
  const url = `${it.net.url}${made.path}`;
  await view.page.goto(url);
  const posts = () => it.net.seen.filter(isBallot);
  return { ...made, ...view, url, posts, rows: () => posts().filter(({ status }) => status === 201).length };
}

test("tabs: a double tap is one ballot", async () => {
  const one = await voter();
  await one.page.getByLabel("The Wire").check();
  await one.page.locator(".cast button").dblclick();
  await recorded(one.page);
  await counted(it.server, one.slug, { votes: { "the-wire": 1 }, recorded: 1 });
  await one.close();
});

test("tabs: five submissions in one moment are one ballot", async () => {
  const one = await voter();
  await one.page.getByLabel("The Wire").check();
  await one.page.evaluate(() => {
    for (let n = 0; n < 5; n += 1) document.querySelector("form").requestSubmit();
  });
  await recorded(one.page);
  await counted(it.server, one.slug, { votes: { "the-wire": 1 }, recorded: 1 });
  assert.equal(one.posts().length, 1);
  await one.close();
});

test("tabs: a second tab sees that the first one sends, and what came of it", async () => {
  let away = true;
  const one = await voter(() => (away ? "lose" : "pass"));
  const second = await one.context.newPage();
  await second.goto(one.url);
  await vote(one.page);
  await second.locator("#sending:not([hidden])").waitFor();
  assert.equal(await second.locator("#vote").isVisible(), false, "it offers no second vote meanwhile");
  away = false;
  assert.equal(await recorded(one.page), await recorded(second));
  await counted(it.server, one.slug, { votes: { "the-wire": 1 }, recorded: one.rows() });
  await one.close();
});

test("tabs: taps in two tabs at once are one voter", async () => {
  const one = await voter(() => "pass", { policy: "one" });
  const second = await one.context.newPage();
  await second.goto(one.url);
  await one.page.getByLabel("The Wire").check();
  await second.getByLabel("Dark").check();
  const tap = (tab) => tab.evaluate(() => document.querySelector("form").requestSubmit());
  await Promise.all([tap(one.page), tap(second)]);
  await recorded(one.page);
  await recorded(second);
  const devices = new Set(one.posts().map(({ body }) => JSON.parse(body).device));
  assert.equal(devices.size, 1);
  // Whichever was first by the server's clock.
  const { choices } = await until("it is counted", async () => {
    const { ok, body } = await it.server.admin(`contests/${one.slug}/counts`);
    return ok && body.ballots.recorded === one.rows() && body;
  });
  const counts = choices.filter(({ votes }) => votes).map(({ title }) => title);
  for (const tab of [one.page, second]) assert.deepEqual([await tab.locator("#receipt-choice").innerText()], counts, "what the page says is what counts");
  await one.close();
});

for (const [what, again] of [
  ["reloaded", async (one) => (await one.page.reload(), one.page)],
  ["closed and opened again", async (one) => {
    await one.page.close();
    const next = await one.context.newPage();
    await next.goto(one.url);
    return next;
  }],
]) {
  for (const isRecorded of [true, false]) {
    const when = isRecorded ? "the node has it" : "the node has it not";
    test(`tabs: ${what} while it is sending, and ${when}`, async () => {
      let away = true;
      const one = await voter(() => (away ? (isRecorded ? "hold" : "refuse") : "pass"));
      await vote(one.page);
      await until("a ballot is sent", () => (isRecorded ? one.rows() : one.posts().length));
      assert.ok(await one.page.locator("#sending").isVisible());
      away = false;
      await recorded(await again(one));
      await counted(it.server, one.slug, { votes: { "the-wire": 1 }, recorded: one.rows() });
      assert.equal(new Set(one.posts().map(({ body }) => JSON.parse(body).ballot_id)).size, 1);
      await one.close();
    });
  }
}

test("tabs: a vote is changed, and the receipt outlives a reload", async () => {
  const one = await voter(() => "pass", { policy: "latest" });
  await vote(one.page, "Dark");
  const first = await recorded(one.page);
  await one.page.reload();
  assert.equal(await recorded(one.page), first);
  await one.page.getByRole("button", { name: message("vote_change") }).click();
  await vote(one.page, "The Wire");
  await until("another receipt", async () => (await recorded(one.page)) !== first);
  assert.equal(await one.page.locator("#receipt-choice").innerText(), "The Wire");
  await counted(it.server, one.slug, { votes: { "the-wire": 1 }, recorded: 2 });
  await one.close();
});

test("tabs: a page that waits opens by itself", async () => {
  const opens_at = minutes(5 / 60);
  const one = await voter(() => "pass", { opens_at, closes_at: minutes(60) });
  const fields = one.page.locator("fieldset");
  // The node's clock is this machine's.
  if (Date.now() < Date.parse(opens_at) - 2000) assert.ok(await fields.evaluate((one) => one.disabled), "before the opening");
  await one.page.locator("fieldset:enabled").waitFor();
  await vote(one.page);
  await recorded(one.page);
  await counted(it.server, one.slug, { votes: { "the-wire": 1 }, recorded: 1 });
  await one.close();
});

test("tabs: a vote of another tab that comes second is not said to count", async () => {
  const one = await voter(() => "pass", { policy: "one" });
  // As a page that knows nothing of the other: it was open before, and the browser tells it nothing.
  const second = await one.context.newPage();
  await second.addInitScript(() => addEventListener("storage", (event) => event.stopImmediatePropagation(), true));
  await second.goto(one.url);
  await vote(one.page, "Dark");
  const first = await recorded(one.page);
  await vote(second, "The Wire");
  await second.locator("#receipt-title", { hasText: message("first_title") }).waitFor();
  for (const tab of [second, one.page]) {
    assert.equal(await tab.locator("#receipt-choice").innerText(), "Dark");
    assert.equal(await recorded(tab), first);
    await tab.getByText(message("first_text", { first: "Dark", choice: "The Wire" })).locator("visible=true").first().waitFor();
    assert.equal((await tab.locator("#receipt").innerText()).includes(message("meaning")), false);
  }
  await counted(it.server, one.slug, { votes: { dark: 1 }, recorded: 2 });
  await one.close();
});
