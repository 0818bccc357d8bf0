// Run: node --test clients/js/test/

import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox, TRIES_QUICK_MAX, uuidV7 } from "../outbox.js";

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const NOW = Date.parse("2026-11-23T21:00:00Z");
const TIME = "2026-11-23T21:00:01Z";
const KEY = "landslide.outbox.tv";

/** A browser whose server answers as told, one answer a request. */
function browser(...answers) {
  const stored = new Map();
  const made = { sent: [], waits: [], stored, now: NOW, cookie: "", isSecure: false, addresses: undefined, locks: null, onWait() {} };
  made.storage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => void stored.set(key, value) };
  made.open = (more = {}) => new Outbox("tv", {
    ...more,
    storage: made.storage,
    fetch: async (path, { body }) => {
      const ballot = JSON.parse(body);
      made.sent.push({ path, ...ballot, pendingThen: stored.get(KEY) });
      const answer = answers.shift();
      if (typeof answer === "function") return answer(ballot);
      throw new TypeError("no network");
    },
    wait: async (millis) => {
      made.waits.push(millis);
      await new Promise((resolve) => setImmediate(resolve));
      made.onWait();
    },
    now: () => made.now,
    random: () => 0.5,
    cookie: made.cookie,
    isSecure: made.isSecure,
    addresses: made.addresses,
    locks: made.locks,
  });
  return made;
}

const recorded = ({ ballot_id }) => Response.json({ ballot_id, contest: "tv", recorded_at: TIME }, { status: 201 });
const problem = (status, more = {}, headers = {}) => () =>
  Response.json({ type: "urn:x", title: "t", status, detail: "why", ...more }, { status, headers });
const lost = null;
const millisOf = (id) => parseInt(id.replace("-", "").slice(0, 12), 16);

test("a ballot is stored whole before it is sent", async () => {
  const at = browser(recorded);
  const box = at.open();
  box.cast("a", "A");
  const answer = await box.deliver();
  assert.equal(at.sent[0].path, "/v1/contests/tv/ballots");
  assert.match(at.sent[0].ballot_id, ID);
  assert.match(at.sent[0].device, /^[0-9a-f-]{14}4/);
  const { pending } = JSON.parse(at.sent[0].pendingThen);
  assert.deepEqual([pending.ballot_id, pending.choice, pending.device], [at.sent[0].ballot_id, "a", at.sent[0].device]);
  assert.equal(answer.recorded.recorded_at, TIME);
  assert.equal(box.state.pending, null);
  assert.deepEqual([box.state.count, at.waits.length, box.isKept], [1, 0, true]);
});

test("every failure repeats the same ballot, also after a reload", async () => {
  const log_in_page = () => new Response("<html>", { status: 200 });
  const foreign = () => new Response("blocked", { status: 403 });
  const at = browser(lost, problem(503, {}, { "retry-after": "7" }), problem(429), log_in_page, foreign, problem(500), recorded);
  at.open().cast("a", "A");
  const box = at.open();
  await box.deliver();
  assert.equal(at.waits.length, 6);
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
  const hours = { opens_at: TIME, closes_at: new Date(NOW).toISOString() };
  const closed = problem(409, hours);
  for (const [answers, unknown] of [[[closed], false], [[problem(429), closed], false], [[lost, closed], true]]) {
    const box = browser(...answers).open();
    box.cast("a", "A");
    const answer = await box.deliver();
    const refused = { status: 409, type: "urn:x", detail: "why", unknown, ...hours, choice: "a", title: "A" };
    assert.deepEqual(answer.refused, refused);
    assert.deepEqual([box.state.pending, box.state.refused, box.state.count], [null, refused, 0]);
    box.cast("b");
    assert.equal(box.state.refused, null, "what was refused is said until the next cast");
  }
});

test("a refusal for the close is not certain for what was sent before it", async () => {
  // The browser may have sent it twice, and tells of the second time alone.
  const at = browser(problem(409, { opens_at: null, closes_at: TIME }));
  const box = at.open();
  box.cast("a");
  assert.equal((await box.deliver()).refused.unknown, true);
});

test("a page that dies while it sends does not know the outcome", async () => {
  const at = browser(() => new Promise(() => {}), problem(409));
  at.open().cast("a");
  void at.open().send();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(at.sent.length, 1);
  assert.equal((await at.open().send()).refused.unknown, true);
});

test("an id out of time is made again, once, from the server's time", async () => {
  const server_time = "2020-01-01T00:00:00Z";
  const at = browser(problem(422, { server_time }), recorded);
  const box = at.open();
  box.cast("a", "A");
  await box.deliver();
  assert.deepEqual(at.waits, []);
  assert.notEqual(at.sent[0].ballot_id, at.sent[1].ballot_id);
  assert.equal(millisOf(at.sent[1].ballot_id), Date.parse(server_time));
  assert.equal(JSON.parse(at.sent[1].pendingThen).pending.ballot_id, at.sent[1].ballot_id, "stored before it is sent");

  const endless = browser(problem(422, { server_time }), problem(422, { server_time }));
  const other = endless.open();
  other.cast("a", "A");
  assert.equal((await other.deliver()).refused.status, 422);
});

test("a changed vote has the larger id, whatever the clock did meanwhile", async () => {
  const at = browser(recorded, problem(422, { server_time: new Date(NOW).toISOString() }), recorded);
  const box = at.open();
  at.now = NOW + 14 * 60_000; // ahead, but not by too much
  box.cast("a");
  await box.deliver();
  at.now = NOW + 3_600_000; // then by an hour: refused, and made again
  box.cast("b");
  await box.deliver();
  assert.ok(at.sent[2].ballot_id > at.sent[0].ballot_id, at.sent.map(({ ballot_id }) => ballot_id).join());
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
  const [first, second] = [cast(NOW), cast(NOW - 12 * 60_000)];
  assert.ok(second > first);
  assert.equal(cast(NOW - 86_400_000).slice(0, 13), uuidV7(NOW - 86_400_000).slice(0, 13));
});

test("the next address is tried when one fails", async () => {
  const at = browser(lost, problem(503), lost, recorded);
  at.addresses = ["https://a.example", "https://b.example"];
  const box = at.open();
  box.cast("a");
  await box.deliver();
  assert.deepEqual(at.sent.map(({ path }) => path.slice(8, 9)), ["a", "b", "a", "b"]);
});

/** Locks as browsers have them: one holder at a time, the others wait. */
function locks() {
  let last = Promise.resolve();
  return { request: (_, run) => (last = last.then(run)) };
}

for (const [kind, made] of [["locks", locks], ["a lease in the storage", () => null]]) {
  test(`of two tabs one sends, by ${kind}`, async () => {
    const at = browser(lost, lost, recorded);
    at.locks = made();
    const [one, two] = [at.open(), at.open()];
    let told = 0;
    one.subscribe(() => (told += 1));
    one.cast("a", "A");
    const answers = await Promise.all([one.deliver(), two.deliver(), one.deliver()]);
    assert.deepEqual(answers.map((answer) => answer !== null), [true, false, true], "a second call joins the first");
    assert.equal(at.sent.length, 3);
    assert.equal(two.state.count, 1);
    assert.ok(told >= 3);
  });
}

test("where locks are refused it sends all the same, and throws nothing away", async () => {
  const at = browser(recorded);
  at.locks = { request: async () => { throw new DOMException("denied", "SecurityError"); } };
  const box = at.open();
  box.cast("a");
  assert.ok((await box.deliver()).recorded);
});

test("a sender that is gone holds nobody up, nor does a lease from a clock that was ahead", async () => {
  for (const until of [NOW + 9_000, NOW + 3_600_000]) {
    const at = browser(recorded);
    at.stored.set(`${KEY}.sender`, JSON.stringify({ tab: "gone", until }));
    at.onWait = () => (at.now += 1_000);
    const box = at.open();
    box.cast("a");
    assert.ok((await box.deliver()).recorded);
    assert.equal(at.waits.length, until === NOW + 9_000 ? 9 : 0);
  }
});

test("the device is one for all contests, and the one of the cookie if there is none", () => {
  const device = "11111111-2222-4333-8444-555555555555";
  const at = browser();
  at.cookie = `x=1; device=${device}`;
  assert.equal(at.open().device(), device);
  at.cookie = "";
  assert.equal(at.open().device(), device);
  // Over TLS the plain name is one that a sibling domain may have set.
  const other = "22222222-2222-4333-8444-555555555555";
  const secure = browser();
  [secure.isSecure, secure.cookie] = [true, `device=${other}; __Host-device=${device}`];
  assert.equal(secure.open().device(), device);
  const set = browser();
  [set.isSecure, set.cookie] = [true, `device=${other}`];
  assert.notEqual(set.open().device(), other);
  const bad = browser();
  bad.cookie = "device=<script>";
  assert.match(bad.open().device(), /^[0-9a-f]{8}-/);
});

test("what is stored and is not ours is no state", () => {
  const at = browser();
  at.stored.set(KEY, "{");
  assert.equal(at.open().state.pending, null);
});

test("where nothing can be stored it works in memory and says so", async () => {
  const forbidden = () => {
    throw new DOMException("denied", "SecurityError");
  };
  const at = browser(lost, recorded);
  at.storage = { getItem: forbidden, setItem: forbidden };
  const box = at.open();
  assert.equal(box.isKept, false);
  box.cast("a");
  assert.ok((await box.deliver()).recorded);
  assert.equal(at.sent[0].ballot_id, at.sent[1].ballot_id);
});

test("a storage that is full in the middle of it loses nothing", async () => {
  const at = browser(lost, recorded);
  const box = at.open();
  const device = box.device();
  at.storage.setItem = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  box.cast("a");
  assert.equal(box.isKept, false);
  assert.ok((await box.deliver()).recorded);
  assert.deepEqual(at.sent.map((ballot) => ballot.device), [device, device]);
});

test("the wait doubles with jitter, and after the budget is minutes", () => {
  const box = browser().open();
  assert.deepEqual([0, 1, 2, 9, TRIES_QUICK_MAX, 5000].map((n) => box.backoff(n)), [500, 750, 1_250, 15_250, 150_000, 150_000]);
});

test("the voter may ask for a try at once", async () => {
  const at = browser(lost, recorded);
  const box = at.open();
  let waiting;
  box.wait = (_, signal) => {
    const over = new Promise((resolve) => signal.addEventListener("abort", resolve));
    waiting = true;
    setImmediate(() => box.retryNow());
    return over;
  };
  box.cast("a");
  assert.ok((await box.deliver()).recorded);
  assert.ok(waiting);
});

test("what is stored of another edition of a contest is forgotten, and not sent", async () => {
  const at = browser(recorded, recorded);
  const [old, tab] = [at.open({ edition: "one" }), at.open({ edition: "one" })];
  old.cast("a", "A");
  await old.deliver();
  assert.equal(tab.state.last.choice, "a");
  old.cast("b", "B");
  const now = at.open({ edition: "two" });
  assert.deepEqual([now.state.last, now.state.pending, now.state.count], [null, null, 0]);
  assert.equal(await now.deliver(), null);
  assert.equal(at.sent.length, 1);
  now.cast("c", "C");
  await now.deliver();
  assert.equal(at.open({ edition: "two" }).state.last.choice, "c");
  assert.equal(old.state.pending, null, "an old page has nothing left to send");
  assert.equal(now.device(), old.device(), "the device is the same");
});

test("what was stored before there were editions is kept", async () => {
  const at = browser(recorded);
  const box = at.open();
  box.cast("a", "A");
  await box.deliver();
  assert.equal(at.open({ edition: "one" }).state.last.choice, "a");
});

test("the first recorded stays the first, whichever was answered last", async () => {
  const at = (time) => ({ ballot_id }) => Response.json({ ballot_id, contest: "tv", recorded_at: time, counts: "first" }, { status: 201 });
  const { open } = browser(at("2026-11-23T21:00:02Z"), at("2026-11-23T21:00:01Z"), at("2026-11-23T21:00:03Z"));
  const box = open();
  for (const choice of ["a", "b", "c"]) {
    box.cast(choice);
    await box.deliver();
  }
  assert.deepEqual([box.state.first.choice, box.state.last.choice, box.state.last.counts], ["b", "c", "first"]);
});
