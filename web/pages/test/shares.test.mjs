// The rule for shares, as the server has it too.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { percentIn, shares } from "../assets/shares.js";

const known = JSON.parse(readFileSync(new URL("shares.json", import.meta.url), "utf8"));
const plain = (/** @type {{tenths: number, sign: string}} */ { tenths, sign }) => sign + (tenths / 10).toFixed(1);

test("shares are as the server has them", () => {
  for (const { votes, shown } of known.shares) assert.deepEqual(shares(votes).map(plain), shown, String(votes));
});

test("shares add up, and nobody has none or all who has some", () => {
  let seed = 7;
  const random = (/** @type {number} */ below) => (seed = (seed * 48271) % 2147483647) % below;
  for (let n = 0; n < 2000; n += 1) {
    const votes = Array.from({ length: 1 + random(12) }, () => random(10 ** (1 + random(7))) * random(2));
    const total = votes.reduce((sum, one) => sum + one, 0);
    const all = shares(votes);
    if (!total || all.some(({ sign }) => sign)) continue;
    assert.equal(all.reduce((sum, { tenths }) => sum + tenths, 0), 1000, String(votes));
    all.forEach(({ tenths }, i) => {
      assert.equal(tenths === 0, votes[i] === 0, String(votes));
      assert.equal(tenths === 1000, votes[i] === total, String(votes));
      assert.ok(Math.abs(tenths - (1000 * votes[i]) / total) <= 10, String(votes));
    });
  }
});

test("numbers are written as the server writes them", () => {
  for (const [language, { percent, ...numbers }] of Object.entries(known.languages)) {
    for (const [value, written] of Object.entries(numbers)) assert.equal(new Intl.NumberFormat(language).format(Number(value)), written);
    assert.equal(percentIn(language)({ tenths: 123, sign: "" }), percent);
  }
});
