// Orders that are drawn for each device.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { drawn } from "../assets/order.js";

const CHOICES = ["a", "b", "c", "d"];

test("a device has the same order again, in another contest another one", () => {
  const devices = Array.from({ length: 50 }, () => randomUUID());
  for (const device of devices) assert.deepEqual(drawn(CHOICES, `${device}one`), drawn([...CHOICES].reverse(), `${device}one`));
  const same = devices.filter((device) => drawn(CHOICES, `${device}one`).join() === drawn(CHOICES, `${device}two`).join());
  assert.ok(same.length < 15, `${same.length} of 50 have both times the same`);
});

test("every choice stands everywhere, and every order comes, equally often", () => {
  const orders = new Map();
  const places = CHOICES.map(() => CHOICES.map(() => 0));
  for (let n = 0; n < 24_000; n += 1) {
    const order = drawn(CHOICES, `${randomUUID()}edition`);
    orders.set(order.join(), (orders.get(order.join()) ?? 0) + 1);
    order.forEach((choice, place) => (places[CHOICES.indexOf(choice)][place] += 1));
  }
  assert.equal(orders.size, 24);
  // Seven deviations off the mean.
  for (const count of orders.values()) assert.ok(Math.abs(count - 1_000) < 7 * Math.sqrt(1_000), `an order came ${count} times`);
  for (const count of places.flat()) assert.ok(Math.abs(count - 6_000) < 7 * Math.sqrt(4_500), `a place ${count} times`);
});
