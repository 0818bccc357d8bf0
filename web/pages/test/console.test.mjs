// The console's arithmetic. Its pages are tried in a browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { choicesOf, linesOf, placeOf, slugOf } from "../assets/console-choices.js";
import { channelLines, Points } from "../assets/console-points.js";
import { freshness, phase, perSecond, shares, span, stage } from "../assets/console-words.js";

const at = (/** @type {number} */ seconds) => new Date(seconds * 1000).toISOString();

test("rates are of recorded ballots over the time that is counted through", () => {
  const points = new Points();
  points.load({ columns: ["counted_through", "counted", "recorded"], rows: [[at(0), 1, 10], [at(4), 1, 50], [at(3), 9, 99]] });
  assert.deepEqual(points.all.map(({ rate }) => rate), [null, 10]);
  assert.equal(points.add(at(4), 60, {}), false, "the same row again");
  assert.equal(points.add(at(6), 40, {}), true);
  assert.equal(points.now, 0, "nobody votes less than not at all");
  points.add(at(400), 40, {});
  assert.equal(points.last(300).length, 1);
  assert.equal(points.last(394).length, 2, "both ends are in");
});

test("a channel's line is of its counted votes, also where it began later", () => {
  const points = new Points();
  points.load({ columns: ["counted_through", "recorded", "channel:web"], rows: [[at(0), 5, 4], [at(2), 9, 8]] });
  points.add(at(4), 20, { sms: 6, web: 10 });
  points.add(at(6), 22, { sms: 7, web: 11 });
  assert.deepEqual(points.channels, ["web", "sms"]);
  const [sms, web] = channelLines(points.last(300), points.channels, ["sms", "web"]);
  assert.deepEqual([sms.label, sms.totals, sms.rates], ["sms", [0, 0, 6, 7], [null, 0, 3, 0.5]]);
  assert.deepEqual([web.totals, web.rates], [[4, 8, 10, 11], [null, 2, 1, 0.5]]);
});

test("choices survive the way into lines and back", () => {
  const choices = [
    { choice: "ada", title: "Ada" },
    { choice: "bob", title: "Bob | the second" },
    { choice: "3", title: "عمر" },
    { choice: "ada-2", title: "Ada" },
    { choice: "a", title: "b | c", picture: "x" },
  ];
  const known = new Map(choices.map((choice) => [choice.choice, choice]));
  assert.deepEqual(choicesOf(linesOf(choices), known), choices);
  assert.deepEqual(choicesOf(" Ada \n\nÄda\n♥\n").map(({ choice }) => choice), ["ada", "ada-2", "choice-3"]);
  assert.equal(slugOf(`${"x".repeat(59)} y`, ""), "x".repeat(59), "no dash at the end");
});

test("a row is fresh, late or stale, and a final one does not age", () => {
  const row = (/** @type {string} */ status) => ({ status, counted_through: at(0) });
  assert.deepEqual([1_234, 10_001, 60_001].map((now) => freshness(row("provisional"), now).level), ["", "amber", "red"]);
  assert.equal(freshness(row("provisional"), 1_234).text, "1.2 s ago");
  assert.equal(freshness(row("certified"), 9e9).level, "");
});

test("the hours decide, and the count what comes after the close", () => {
  const hours = { opens_at: at(10), closes_at: at(20) };
  assert.deepEqual([9_999, 10_000, 19_999, 20_000].map((now) => phase(hours, now)), ["draft", "open", "open", "closed"]);
  assert.equal(phase({ opens_at: null, closes_at: null }, 0), "draft");
  assert.equal(phase({ opens_at: at(0), closes_at: null }, 9e12), "open");
  assert.equal(stage({ status: "open" }, { status: "final" }), "open");
  assert.equal(stage({ status: "closed" }, { status: "final" }), "final");
  assert.equal(stage({ status: "closed" }, null), "closed");
});

test("numbers in words", () => {
  assert.deepEqual([...shares([1, 2]), ...shares([0]), perSecond(null), perSecond(1.25), perSecond(1234.5)], ["33.3 %", "66.7 %", "0.0 %", "–", "1.3", "1,235"]);
  assert.deepEqual([span(1), span(61_000), span(3_661_000), span(90_000_000)], ["0:01", "1:01", "1:01:01", "1 d 1 h"]);
});

test("what is said of a choice stands under it, and a mistake is found in its line", () => {
  const choices = [
    { choice: "ada", title: "Ada", text: "The first programmer\nand a countess" },
    { choice: "arrow", title: "> Arrow" },
    { choice: "bob", title: "Bob" },
  ];
  const lines = linesOf(choices);
  assert.equal(lines, "Ada\n> The first programmer\n> and a countess\narrow | > Arrow\nBob");
  assert.deepEqual(choicesOf(lines), choices);
  assert.deepEqual(choicesOf("Ada\n\n  > said  ")[0], { choice: "ada", title: "Ada", text: "said" });
  const kept = new Map([["ada", { choice: "ada", title: "Ada", text: "gone", picture: "/a.jpg" }]]);
  assert.deepEqual(choicesOf("Ada", kept), [{ choice: "ada", title: "Ada", picture: "/a.jpg" }]);
  assert.deepEqual([placeOf(lines, 0), placeOf(lines, 1)?.line, placeOf(`\n${lines}`, 2)?.line, placeOf(lines, 3)], [{ line: 1, start: 0, end: 3 }, 4, 6, null]);
  const { start = 0, end = 0 } = placeOf(lines, 2) ?? {};
  assert.equal(lines.slice(start, end), "Bob");
});

test("in an open contest a title is corrected under the same name", () => {
  const lines = linesOf([{ choice: "breaking-bda", title: "Breaking Bda" }], true);
  assert.equal(lines, "breaking-bda | Breaking Bda");
  assert.deepEqual(choicesOf(lines.replace("| Breaking Bda", "| Breaking Bad")), [{ choice: "breaking-bda", title: "Breaking Bad" }]);
});
