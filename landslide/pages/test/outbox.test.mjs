// Run: node --test landslide/pages/test/

import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox, uuidV7 } from "../assets/outbox.js";

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const NOW = Date.parse("2026-11-23T21:00:00Z");
const TIME = "2026-11-23T21:00:01Z";

/** A browser whose server answers as told, one answer a request. */
function browser(...answers) {
  const stored = new Map();
  const made = { sent: [], waits: [], stored, now: NOW };
  made.open = () => new Outbox("tv", {
    storage: { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => void stored.set(key, value) },
    fetch: async (path, { body }) => {
      const ballot = JSON.parse(body);
      made.sent.push({ path, ...ballot, pendingThen: stored.get("landslide.outbox.tv") });
      const answer = answers.shift();
      if (typeof answer === "function") return answer(ballot);
      throw new TypeError("no network");
    },
    wait: async (millis) => void made.waits.push(millis),
    now: () => made.now,
    random: () => 0.5,
    cookie: made.cookie ?? "",
  });
  return made;
}

const recorded = ({ ballot_id }) => Response.json({ ballot_id, contest: "tv", recorded_at: TIME }, { status: 201 });
const problem = (status, more = {}, headers = {}) => () =>
  Response.json({ type: "urn:x", title: "t", status, detail: "why", ...more }, { status, headers });
const lost = null;

test("a ballot is stored whole before it is sent", async () => {
  const at = browser(recorded);
  const box = at.open();
  box.cast("a", "A");
  const answer = await box.send(() => assert.fail("no waiting"));
  assert.equal(at.sent[0].path, "/v1/contests/tv/ballots");
  assert.match(at.sent[0].ballot_id, ID);
  assert.match(at.sent[0].device, /^[0-9a-f-]{14}4/);
  const { pending } = JSON.parse(at.sent[0].pendingThen);
  assert.deepEqual([pending.ballot_id, pending.choice, pending.device], [at.sent[0].ballot_id, "a", at.sent[0].device]);
  assert.equal(answer.recorded.recorded_at, TIME);
  assert.equal(box.state.pending, null);
  assert.equal(box.state.count, 1);
});

test("every failure repeats the same ballot, also after a reload", async () => {
  const log_in_page = () => new Response("<html>", { status: 200 });
  const foreign = () => new Response("blocked", { status: 403 });
  const at = browser(lost, problem(503, {}, { "retry-after": "7" }), problem(429), log_in_page, foreign, problem(500), recorded);
  const box = at.open();
  box.cast("a", "A");
  let waited = 0;
  await at.open().send(() => (waited += 1));
  assert.equal(waited, 6);
  const once = new Set(at.sent.map(({ ballot_id, choice, device }) => [ballot_id, choice, device].join()));
  assert.equal(once.size, 1);
  assert.ok(at.waits[1] >= 7_000, "never sooner than asked");
  assert.equal(box.state.count, 1);
});

test("a second cast while one is pending changes nothing", () => {
  const box = browser().open();
  box.cast("a", "A");
  const before = box.state.pending;
  box.cast("b", "B");
  assert.deepEqual(box.state.pending, before);
});

test("a refusal is certain at first, and not after a lost answer", async () => {
  for (const [answers, unknown] of [[[problem(409)], false], [[problem(429), problem(409)], false], [[lost, problem(409)], true]]) {
    const box = browser(...answers).open();
    box.cast("a", "A");
    const answer = await box.send(() => {});
    assert.deepEqual(answer.refused, { status: 409, detail: "why", unknown, choice: "a", title: "A" });
    assert.equal(box.state.pending, null);
    assert.equal(box.state.count, 0);
  }
});

test("an id out of time is made again, once, from the server's time", async () => {
  const server_time = "2020-01-01T00:00:00Z";
  const at = browser(problem(422, { server_time }), recorded);
  const box = at.open();
  box.cast("a", "A");
  await box.send(() => assert.fail("no waiting"));
  assert.notEqual(at.sent[0].ballot_id, at.sent[1].ballot_id);
  assert.equal(parseInt(at.sent[1].ballot_id.replace("-", "").slice(0, 12), 16), Date.parse(server_time));
  assert.equal(JSON.parse(at.sent[1].pendingThen).pending.ballot_id, at.sent[1].ballot_id, "stored before it is sent");

  const endless = browser(problem(422, { server_time }), problem(422, { server_time }));
  const other = endless.open();
  other.cast("a", "A");
  assert.equal((await other.send(() => {})).refused.status, 422);
});

test("ids grow when the clock steps back a little, and follow a mended clock", () => {
  const at = browser();
  const box = at.open();
  const cast = (now) => {
    at.now = now;
    box.cast("a", "A");
    const id = box.state.pending.ballot_id;
    box.state = { ...box.state, pending: null };
    return id;
  };
  const [first, second] = [cast(NOW), cast(NOW - 5_000)];
  assert.ok(second > first);
  assert.equal(cast(NOW - 86_400_000).slice(0, 13), uuidV7(NOW - 86_400_000).slice(0, 13));
});

test("two tabs settle a ballot once", async () => {
  const at = browser(recorded, recorded);
  const [one, two] = [at.open(), at.open()];
  one.cast("a", "A");
  const answers = await Promise.all([one.send(() => {}), two.send(() => {})]);
  assert.equal(answers.filter(Boolean).length, 1);
  assert.equal(one.state.count, 1);
});

test("the device is one for all contests, and the one of the cookie if there is none", () => {
  const device = "11111111-2222-4333-8444-555555555555";
  const at = browser();
  at.cookie = `x=1; device=${device}`;
  assert.equal(at.open().device(), device);
  at.cookie = "";
  assert.equal(at.open().device(), device);
  const bad = browser();
  bad.cookie = "device=<script>";
  assert.match(bad.open().device(), /^[0-9a-f]{8}-/);
});

test("what is stored and is not ours is no state", () => {
  const at = browser();
  at.stored.set("landslide.outbox.tv", "{");
  assert.equal(at.open().state.pending, null);
});

test("the wait doubles with jitter up to its limit", () => {
  const box = browser().open();
  assert.deepEqual([0, 1, 2, 9, 5000].map((n) => box.backoff(n)), [500, 750, 1_250, 15_250, 15_250]);
});
