// What a voter does and sees, and what became of it in the tally.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { until } from "./server.mjs";

/** What a network that is cut off makes the console say. */
export const CUT_OFF = /net::ERR_(CONNECTION_\w+|EMPTY_RESPONSE|INTERNET_DISCONNECTED|FAILED|ABORTED|NETWORK_CHANGED|SOCKET_NOT_CONNECTED)/;

/** @param {import("playwright-core").Page | import("playwright-core").FrameLocator} page */
export async function choose(page, title = "The Wire") {
  await page.getByLabel(title, { exact: true }).check();
}

/** Chooses and taps; does not wait for what comes of it. */
export async function vote(page, title) {
  await choose(page, title);
  await page.locator(".cast button").click();
}

/** Waits until the page says that it is recorded. Gives the ballot id that it shows. */
export async function recorded(page) {
  await page.locator("#receipt:not([hidden])").waitFor();
  return page.locator("#receipt-ballot").innerText();
}

/** Waits until the page has tried in vain, and says so. Gives what it says. */
export async function waiting(page) {
  await page.locator("#try-now:not([hidden])").waitFor();
  return page.locator("#progress").innerText();
}

const messages = new Map();

/** A message of the pages' own files, so that a case need not be changed with its wording. */
export function message(key, values = {}, language = "en") {
  if (!messages.has(language)) {
    const file = new URL(`../../../web/pages/messages/${language}.json`, import.meta.url);
    const { page, script } = JSON.parse(readFileSync(file, "utf8"));
    messages.set(language, { ...page, ...script });
  }
  const text = messages.get(language)[key];
  assert.equal(typeof text, "string", `${language}.json has a message ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/**
 * Waits until everything that was acknowledged up to now is in the counts, and asserts that they are
 * what is expected.
 * @param {import("./server.mjs").Server} server
 * @param {string} contest
 * @param {{votes: Record<string, number>, recorded?: number, late?: number}} expected `votes`: of each
 *   choice that has any; `recorded`: rows, so retries that arrived count, too
 */
export async function counted(server, contest, { votes, recorded, late = 0 }) {
  const now = await server.now();
  const row = await until(`${contest} is counted`, async () => {
    const { ok, body } = await server.admin(`contests/${contest}/counts`);
    // A closed contest's counts stop at the close until the last count has seen everything.
    return ok && (body.status !== "provisional" || Date.parse(body.counted_through) > now) && body;
  });
  const { ballots, choices, total, channels } = row;
  const seen = Object.fromEntries(choices.filter((one) => one.votes).map((one) => [one.choice, one.votes]));
  assert.deepEqual(seen, votes, `votes counted in ${contest}`);
  const sum = Object.values(votes).reduce((one, other) => one + other, 0);
  assert.deepEqual([total, ballots.counted, channels.web ?? 0], [sum, sum, sum], "every sum is the same");
  assert.equal(ballots.late, late, "late ballots");
  assert.equal(ballots.void, 0, "void ballots");
  assert.equal(ballots.recorded, ballots.counted + ballots.duplicate + ballots.late + ballots.void);
  if (recorded !== undefined) assert.equal(ballots.recorded, recorded, "rows recorded");
  return row;
}
