// Finding a choice, the order of choices, and shares that are true.

import assert from "node:assert/strict";
import { test } from "node:test";

import { page, stage } from "./lib/browser.mjs";
import { contest, minutes, until } from "./lib/server.mjs";
import { message, recorded, vote } from "./lib/voter.mjs";

const it = stage();
const many = Array.from({ length: 20 }, (_, n) => ({ choice: `song-${n}`, title: `Song number ${n + 1}` }));
const order = (tab) => tab.locator("#vote .choice bdi").allInnerTexts();

test("choices: one is found in a browser that does not know :has()", async () => {
  const { url } = await contest(it.server, { choices: many });
  const view = await page(it.browser);
  await view.page.addInitScript(() => {
    for (const name of ["matches", "closest", "querySelector", "querySelectorAll"]) {
      const known = Element.prototype[name];
      Element.prototype[name] = function (selector) {
        if (selector.includes(":has(")) throw new SyntaxError(`${selector} is not a valid selector`);
        return known.call(this, selector);
      };
    }
  });
  await view.page.goto(url);
  await view.page.getByLabel("Song number 20", { exact: true }).check();
  await view.page.fill("#search-field", "number 7");
  await view.page.locator("#search-state:not(:empty)").waitFor();
  assert.deepEqual(await view.page.locator("#vote .choice:visible bdi").allInnerTexts(), ["Song number 7", "Song number 17", "Song number 20"]);
  await view.close();
});

test("choices: an order that is drawn is the device's own, and stays; results keep the contest's", async () => {
  const made = await contest(it.server, { choices: many, order: "drawn", results: "live" });
  const set = many.map(({ title }) => title);
  const seen = [];
  for (let n = 0; n < 2; n += 1) {
    const view = await page(it.browser, { allowed: [/status of 404/] });
    await view.page.goto(made.url);
    await view.page.locator("#vote:not(.undrawn)").waitFor();
    const first = await order(view.page);
    assert.deepEqual([...first].sort(), [...set].sort());
    await view.page.reload();
    await view.page.locator("#vote:not(.undrawn)").waitFor();
    assert.deepEqual(await order(view.page), first, "again the same");
    await vote(view.page, "Song number 3");
    await recorded(view.page);
    await view.page.goto(`${made.url}/results`);
    await view.page.locator("#results-rows tr:nth-child(20)").waitFor();
    assert.deepEqual(await view.page.locator("#results-rows bdi").allInnerTexts(), set);
    await view.close();
    seen.push(first.join());
  }
  assert.notEqual(seen[0], seen[1]);
  assert.ok(!seen.includes(set.join()));
  const plain = await page(it.browser, { javaScript: false });
  await plain.page.goto(made.url);
  assert.deepEqual(await order(plain.page), set, "without script as set, and at once");
  await plain.close();
  const [one, other] = await Promise.all([1, 2].map(async () => (await fetch(made.url)).text()));
  assert.equal(one, other, "the page is the same for all");
});

test("choices: an order that cannot be drawn does not hide the choices", async () => {
  const made = await contest(it.server, { order: "drawn" });
  const view = await page(it.browser, { allowed: [/ERR_FAILED/] });
  await view.page.route("**/assets/**", (route) => route.abort());
  await view.page.goto(made.url, { waitUntil: "domcontentloaded" });
  const visibility = () => view.page.locator(".choice").first().evaluate((one) => getComputedStyle(one).visibility);
  await view.page.waitForFunction(() => getComputedStyle(document.querySelector(".choice")).visibility === "visible");
  assert.equal(await visibility(), "visible");
  await view.close();
});

test("choices: shares are true and add up, on every page, in every language, with script and without", async () => {
  const choices = many.slice(0, 7);
  const made = await contest(it.server, { results: "live", choices, opens_at: minutes(-5) });
  const row = (votes) => ({
    contest: made.slug, status: "provisional", counted_through: new Date().toISOString(), total: votes.reduce((sum, one) => sum + one, 0),
    choices: votes.map((one, n) => ({ ...choices[n], votes: one })),
  });
  for (const [locale, votes, wanted] of [
    ["en-GB", [3999, 1], ["99.9%", "0.1%"]],
    ["de", [4, 4, 6], ["28,6 %", "28,6 %", "42,8 %"]],
    ["en-GB", [0, 5], ["0.0%", "100.0%"]],
  ]) {
    for (const [end, cells] of [["", "#results-rows td:nth-child(3)"], ["/results", "#results-rows td:nth-child(3)"], ["/wall", "#bars .share"]]) {
      const view = await page(it.browser, { locale });
      await view.page.route("**/results", (route) => (route.request().resourceType() === "document" ? route.fallback() : route.fulfill({ json: row(votes) })));
      await view.page.route("**/results/stream", () => {});
      await view.page.goto(`${made.url}${end}`);
      // The wall has most votes first; what the server has counted stands there before.
      const [inOrder, other] = end === "/wall" ? [[...wanted].sort(), "sort"] : [wanted, "slice"];
      await until(`${inOrder} on ${end} in ${locale}`, async () => {
        const shown = (await view.page.locator(cells).allInnerTexts()).map((text) => text.replaceAll("\u00a0", " "));
        return shown[other]().join() === inOrder.join();
      });
      await view.close();
    }
  }
});

test("choices: the wall says that there is no place for all that are tied", async () => {
  const choices = many.slice(0, 6);
  const made = await contest(it.server, { results: "live", choices });
  const votes = [3, 3, 3, 3, 3, 3];
  const view = await page(it.browser, { width: 1920, height: 1080 });
  const answer = () => ({ contest: made.slug, status: "provisional", counted_through: new Date().toISOString(), total: 18, choices: choices.map((one, n) => ({ ...one, votes: votes[n] })) });
  await view.page.route("**/results", (route) => route.fulfill({ json: answer() }));
  await view.page.route("**/results/stream", (route) => route.abort());
  view.allow(/ERR_FAILED/);
  await view.page.goto(`${made.url}/wall`);
  await view.page.getByText(message("wall_tied", { n: 1 })).waitFor();
  votes[5] = 2;
  await view.page.locator("#tied:empty").waitFor({ state: "attached" });
  await view.close();
});

test("choices: addresses are typed as people type them", async () => {
  const made = await contest(it.server, { slug: "tv-series", results: "live" });
  const view = await page(it.browser, { locale: "de", allowed: [/status of 404/] });
  for (const [typed, right] of [["TV-Series", ""], ["tv-series/", ""], ["Tv-Series/Results/", "/results"]]) {
    await view.page.goto(`${it.server.url}/c/${typed}?lang=fr`);
    assert.equal(view.page.url(), `${made.url}${right}?lang=fr`);
    await view.page.locator("h1", { hasText: made.definition.title }).waitFor();
  }
  for (const lost of ["/c/", "/c/no-such-vote", "/c/no-such-vote/", "/c/tv-series/nothing", "/c/a/b/c", "/c/no-such-vote/qr.svg", "/c/no-such-vote/results"]) {
    const answer = await view.page.goto(`${it.server.url}${lost}`);
    assert.equal(answer?.status(), 404, lost);
    assert.equal(await view.page.locator("h1").innerText(), message("not_found", {}, "de"), lost);
  }
  await view.close();
});
