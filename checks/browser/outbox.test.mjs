// A tap always arrives, and is counted once: over a bad network, and a node that is killed.
//
// The contests are of the policy `unlimited`, where every ballot id counts: nothing but the outbox
// stands between a retry and a second vote.

import assert from "node:assert/strict";
import { test } from "node:test";
import { page, stage } from "./lib/browser.mjs";
import { close, contest, minutes, until } from "./lib/server.mjs";
import { choose, counted, CUT_OFF, message, recorded, vote, waiting } from "./lib/voter.mjs";

const it = stage({ net: true });

/** A contest, and a voter's page of it over the bad network. */
async function voter(rule = () => "pass", overrides = {}) {
  const made = await contest(it.server, { policy: "unlimited", ...overrides });
  const isBallot = ({ method, path }) => method === "POST" && path.includes(`/${made.slug}/`);
  it.net.rule = (seen) => (isBallot(seen) ? rule(seen) : "pass");
  const view = await page(it.browser, { allowed: [CUT_OFF] });
  await view.page.goto(`${it.net.url}${made.path}`);
  const sent = () => it.net.seen.filter(isBallot);
  /** How many rows the node has acknowledged, whether or not anybody heard of it. */
  const rows = () => sent().filter(({ status }) => status === 201).length;
  return {
    ...made, ...view, sent,
    rows,
    once: () => counted(it.server, made.slug, { votes: { "the-wire": 1 }, recorded: rows() }),
  };
}

const ids = (sent) => new Set(sent.map(({ body }) => JSON.parse(body).ballot_id));

test("outbox: a tap is recorded and counted", async () => {
  const one = await voter();
  await vote(one.page);
  assert.equal(await recorded(one.page), [...ids(one.sent())][0]);
  assert.equal(one.sent().length, 1);
  await one.once();
  await one.close();
});

test("outbox: offline at the tap, then online", async () => {
  const one = await voter();
  await one.context.setOffline(true);
  await vote(one.page);
  const said = await waiting(one.page);
  assert.equal(said, message("waiting_offline", { choice: "The Wire" }));
  await one.context.setOffline(false);
  await recorded(one.page);
  await one.once();
  await one.close();
});

for (const [what, fate] of [["every reply is lost", "lose"], ["every request is cut off", "refuse"]]) {
  test(`outbox: ${what} for a while`, async () => {
    let away = true;
    const one = await voter(() => (away ? fate : "pass"));
    await vote(one.page);
    assert.equal(await waiting(one.page), message("waiting", { choice: "The Wire" }));
    away = false;
    await recorded(one.page);
    assert.equal(one.rows() > 1, fate === "lose", "the node has recorded what it was sent");
    assert.equal(ids(one.sent()).size, 1, "every try sends the same ballot id");
    await one.once();
    await one.close();
  });
}

for (const isRecorded of [true, false]) {
  const when = isRecorded ? "after it has recorded the ballot" : "before it has read the ballot";
  test(`outbox: the node is killed between tap and reply, ${when}, and restarted`, async () => {
    let killed = null;
    const one = await voter(async ({ nth }) => {
      if (nth > 1) return "pass";
      if (isRecorded) return "hold";
      killed = it.server.kill();
      await killed;
      return "refuse";
    });
    await vote(one.page);
    // Dead before it is started again: else the kill would hit the new one.
    await until("the node has had the ballot, or is gone", () => one.sent()[0]?.status === 201 || killed !== null);
    await (killed ?? it.server.kill());
    await it.net.refuse();
    assert.equal(await waiting(one.page), message("waiting", { choice: "The Wire" }));
    await it.server.restart();
    await it.net.listen();
    // It may have tried by itself meanwhile.
    await one.page.locator("#try-now").dispatchEvent("click");
    await recorded(one.page);
    assert.equal(one.rows(), isRecorded ? 2 : 1);
    await one.once();
    await one.close();
  });
}

test("outbox: closed after a reply was lost: it says that it does not know", async () => {
  let away = true;
  const one = await voter(() => (away ? "lose" : "pass"));
  one.allow(/status of 409/);
  await vote(one.page);
  await waiting(one.page);
  await close(it.server, one.slug);
  away = false;
  await doesNotKnow(one);
  await one.once();
});

// On a connection that was used before, a browser sends a request again by itself when the reply is
// lost: the page hears of one answer, that of the second.
test("outbox: closed between two sends that are one to the page: it says that it does not know", async () => {
  const one = await voter(async ({ nth }) => {
    if (nth === 1) return "lose";
    if (nth === 2) await close(it.server, one.slug);
    return "pass";
  });
  one.allow(/status of 409/);
  await vote(one.page);
  await doesNotKnow(one);
  await one.once();
});

async function doesNotKnow({ page, close }) {
  const said = await page.locator("#problem").innerText();
  assert.equal(said, message("closed_unknown", { choice: "The Wire" }));
  assert.equal(await page.locator("#receipt").isVisible(), false, "it does not claim a record");
  await close();
}

test("outbox: closed before the tap, unseen by the page: it says that nothing was recorded", async () => {
  const one = await voter();
  one.allow(/status of 409/);
  await choose(one.page);
  await close(it.server, one.slug);
  await vote(one.page);
  const said = await one.page.locator("#problem").innerText();
  assert.equal(said, message("closed_refused", { choice: "The Wire" }));
  assert.equal(await one.page.locator("#vote").isVisible(), false, "nothing to vote with is left");
  await one.page.reload();
  assert.equal(await one.page.locator("#problem").innerText(), said, "and again after a reload");
  await one.close();
  await counted(it.server, one.slug, { votes: {}, recorded: 0 });
});

for (const [how, hours] of [["ahead", 1], ["behind", -1]]) {
  for (const isKnown of [true, false]) {
    const server = isKnown ? "" : ", and the server's is not known";
    test(`outbox: the phone's clock is an hour ${how}${server}`, async () => {
      const made = await contest(it.server, {
        policy: "unlimited", opens_at: minutes(-5), closes_at: minutes(60),
      });
      it.net.rule = ({ path }) => (path === "/v1/time" && !isKnown ? "refuse" : "pass");
      const view = await page(it.browser, { allowed: [CUT_OFF, ...(isKnown ? [] : [/status of 422/])] });
      await view.context.addInitScript(setWrong, hours * 3_600_000);
      await view.page.goto(`${it.net.url}${made.path}`);
      const off = (await view.page.evaluate(() => Date.now())) - Date.now();
      assert.ok(Math.abs(off - hours * 3_600_000) < 60_000, "the clock is wrong");
      if (isKnown) {
        const countdown = await view.page.locator("#countdown bdi").innerText();
        assert.match(countdown, /^(1:00:00|5[789]:\d\d)$/, "the countdown goes by the server's clock");
      }
      await vote(view.page);
      await recorded(view.page);
      const posts = it.net.seen.filter(({ method, path }) => method === "POST" && path.includes(`/${made.slug}/`));
      assert.deepEqual(posts.map(({ status }) => status), isKnown ? [201] : [422, 201]);
      const shown = Date.parse(await view.page.locator("#receipt-time time").getAttribute("datetime"));
      assert.ok(Math.abs(shown - (await it.server.now())) < 600_000, "the receipt's time is the server's");
      await counted(it.server, made.slug, { votes: { "the-wire": 1 }, recorded: 1 });
      await view.close();
    });
  }
}

/** @param {number} millis that this phone's clock is ahead */
function setWrong(millis) {
  const right = Date;
  globalThis.Date = class extends right {
    constructor(...given) {
      if (given.length) super(...given);
      else super(right.now() + millis);
    }
    static now = () => right.now() + millis;
  };
}

test("self: an outbox that makes a new ballot id for each retry is found out", async () => {
  // Lost until there is a second id, for ever if there is none.
  const one = await voter(() => (ids(one.sent()).size < 2 ? "lose" : "pass"));
  await one.context.route("**/outbox.js", async (route) => {
    const response = await route.fetch();
    const source = await response.text();
    const line = "this.change(pending, { tries, unknown: pending.unknown || !limited });";
    assert.ok(source.includes(line), "the bug has its place in the outbox");
    const bug = line.replace("{ tries,", "{ tries, ballot_id: uuidV7(this.now()),");
    await route.fulfill({ response, body: source.replace(line, bug) });
  });
  await one.page.reload();
  await vote(one.page);
  await recorded(one.page);
  await assert.rejects(one.once(), /votes counted/);
  await counted(it.server, one.slug, { votes: { "the-wire": 2 }, recorded: one.rows() });
  await one.close();
});

test("self: a wrong expectation of the counts is found out", async () => {
  const one = await voter();
  await vote(one.page);
  await recorded(one.page);
  for (const wrong of [{ votes: {} }, { votes: { dark: 1 } }, { votes: { "the-wire": 2 } }, { votes: { "the-wire": 1 }, recorded: 2 }, { votes: { "the-wire": 1 }, late: 1 }]) {
    await assert.rejects(counted(it.server, one.slug, wrong), assert.AssertionError);
  }
  await one.close();
});
