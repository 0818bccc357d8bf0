// What the public is shown: results that move without jumping, a code that leads to the vote, and
// nothing at all where results are hidden.

import assert from "node:assert/strict";
import { test } from "node:test";

import { page, stage } from "./lib/browser.mjs";
import { counted, vote } from "./lib/contests.mjs";
import { read } from "./lib/qr.mjs";
import { contest, until } from "./lib/server.mjs";

const it = stage();

/** Ballots for the choices in turn, until so many are there. */
async function votes(slug, total, choices = ["breaking-bad", "the-wire", "dark"]) {
  for (let n = 0; n < total; n += 1) await vote(it.server, slug, choices[n % choices.length]);
}

const total = (view) => view.page.evaluate(() => Number(document.getElementById("total")?.textContent?.replaceAll(",", "")));
const reaches = (view, wanted) => view.page.waitForFunction((wanted) => Number(document.getElementById("total")?.textContent?.replaceAll(",", "")) === wanted, wanted);

/** Where labels, columns and headings stand. */
const boxes = (view, selector) => view.page.evaluate((selector) => [...document.querySelectorAll(selector)].map((element) => {
  const { left, top, width, height } = element.getBoundingClientRect();
  return [left, top, width, height].map((n) => Math.round(10 * n) / 10).join(" ");
}), selector);

/** Adds up from now on how much the layout shifts. */
const watchShifts = (view) => view.page.evaluate(() => {
  const seen = /** @type {any} */ (globalThis);
  seen.shifted = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => (seen.shifted += /** @type {any} */ (entry).value))).observe({ type: "layout-shift" });
});
const shifted = (view) => view.page.evaluate(() => /** @type {any} */ (globalThis).shifted);

for (const [size, viewport] of Object.entries({ phone: { width: 360, height: 780 }, desktop: { width: 1280, height: 800 } })) {
  test(`show: nothing jumps on the result page while counts change, ${size}`, async () => {
    const { slug, path } = await contest(it.server, { results: "live" });
    await votes(slug, 3);
    await counted(it.server, slug, (row) => row.total === 3);
    const view = await page(it.browser, viewport);
    await view.page.goto(`${it.server.url}${path}/results`);
    await view.page.waitForSelector("#sort label:not([hidden])");
    await reaches(view, 3);
    await watchShifts(view);
    const parts = "h1, .hours, .headline, #state, .sort, .counts thead th, .counts tbody tr, .counts tbody td, .counts tbody svg, .to-vote";
    const before = await boxes(view, parts);
    assert.ok(before.length > 15);
    // Past two, three and four digits, and never the same share.
    for (const upTo of [12, 130, 1_010]) {
      await votes(slug, upTo - (await total(view)), ["the-wire", "dark", "the-wire"]);
      await reaches(view, upTo);
      assert.deepEqual(await boxes(view, parts), before, `with ${upTo} votes`);
    }
    assert.equal(await shifted(view), 0);
    // And were there a shift, it would be seen.
    await view.page.evaluate(() => document.querySelector("h1")?.before(document.createElement("hr")));
    await until("a planted shift is seen", async () => (await shifted(view)) > 0);
    await view.close();
  });
}

test("show: the vote leads to its results, and they lead back", async () => {
  const { slug, path } = await contest(it.server, { results: "live" });
  await votes(slug, 3);
  await counted(it.server, slug, (row) => row.total === 3);
  const view = await page(it.browser, { locale: "de" });
  await view.page.goto(it.server.url + path);
  await view.page.click("#results-title a");
  await view.page.waitForURL(`**${path}/results`);
  await reaches(view, 3);
  await view.page.click(".to-vote a");
  await view.page.waitForURL(`**${path}`);
  await view.page.waitForSelector("#vote");
  await view.close();
});

test("show: most votes first is the reader's choice, and keeps to it", async () => {
  const { slug, path } = await contest(it.server, { results: "live" });
  await votes(slug, 5, ["dark", "dark", "the-wire"]);
  await counted(it.server, slug, (row) => row.total === 5);
  const view = await page(it.browser, { reducedMotion: true });
  await view.page.goto(`${it.server.url}${path}/results`);
  await reaches(view, 5);
  const order = () => view.page.$$eval("#results-rows tr", (rows) => rows.map((row) => /** @type {HTMLElement} */ (row).dataset.choice));
  assert.deepEqual(await order(), ["breaking-bad", "the-wire", "dark"]);
  await view.page.check("#by-votes");
  assert.deepEqual(await order(), ["dark", "the-wire", "breaking-bad"]);
  await view.page.uncheck("#by-votes");
  assert.deepEqual(await order(), ["breaking-bad", "the-wire", "dark"]);
  await view.close();
});

test("show: without a stream the page asks now and then, and finds back to the stream", async () => {
  const { slug, path } = await contest(it.server, { results: "live" });
  await votes(slug, 2);
  await counted(it.server, slug, (row) => row.total === 2);
  const view = await page(it.browser, { allowed: [/ERR_FAILED/] });
  const { page: tab } = view;
  await tab.clock.install();
  let cut = 0;
  await tab.route("**/results/stream", (route) => ((cut += 1), route.abort()));
  await tab.goto(`${it.server.url}${path}/results`);
  await reaches(view, 2);
  /** Lets time pass, faster than it does, until this is so. */
  const pass = (what, holds) => until(what, async () => {
    await tab.clock.runFor(3_000);
    return holds();
  });
  await pass("three streams were cut", () => cut >= 3);
  await votes(slug, 3);
  await pass("the page has asked", async () => (await total(view)) === 5);
  assert.equal(cut, 3, "it does not try the stream each time");
  await tab.unroute("**/results/stream");
  const streams = () => view.requests.filter((request) => request.url().endsWith("/stream")).length;
  await pass("it tries a stream again", () => streams() > 3);
  const asked = view.requests.length;
  await votes(slug, 3);
  await reaches(view, 8);
  assert.ok(view.requests.slice(asked).every((request) => !request.url().endsWith("/results")), "these came by the stream");
  await view.close();
});

for (const results of ["hidden", "after_close"]) {
  test(`show: with results ${results}, no page, header, file or stream changes with the votes`, async () => {
    const { slug, path } = await contest(it.server, { results });
    const paths = [path, `${path}/embed`, `${path}/results`, `${path}/wall`, `${path}/qr.svg`, "/", "/v1/contests", `/v1/contests/${slug}`, `/v1/contests/${slug}/state`,
      `/v1/contests/${slug}/results`, `/v1/contests/${slug}/results/stream`, `/v1/contests/${slug}/counts`, `/v1/contests/${slug}/ballots`, "/metrics"];
    const look = () => Promise.all(paths.map(async (path) => {
      // As one whom a balancer brings from somewhere else.
      const answer = await fetch(it.server.url + path, { headers: { "x-forwarded-for": "203.0.113.9" } });
      const headers = Object.fromEntries([...answer.headers].filter(([name]) => name !== "date"));
      return [path, answer.status, headers, await answer.text()];
    }));
    const before = await look();
    const answer = await fetch(`${it.server.url}/v1/contests/${slug}/ballots`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ choice: "dark" }) });
    assert.deepEqual(Object.keys(await answer.json()).sort(), ["ballot_id", "contest", "counts", "recorded_at"]);
    await votes(slug, 40, ["the-wire"]);
    await counted(it.server, slug, (row) => row.total === 41);
    assert.deepEqual(await look(), before);
    const statuses = Object.fromEntries(before.map(([path, status]) => [path, status]));
    assert.deepEqual([statuses[path], statuses[`/v1/contests/${slug}/results`], statuses[`/v1/contests/${slug}/results/stream`], statuses["/metrics"]], [200, 403, 403, 401]);

    // A voter's browser is told no number either, before and after the vote.
    const view = await page(it.browser);
    const heard = [];
    view.page.on("response", (response) => heard.push(response.url()));
    await view.page.goto(it.server.url + path);
    await view.page.getByLabel("Dark", { exact: true }).check();
    await view.page.click(".cast button");
    await view.page.waitForSelector("#receipt:not([hidden])");
    assert.ok(!heard.some((url) => url.includes("/results")), `nothing asks for results: ${heard}`);
    assert.equal(await view.page.locator("#results:not([hidden]), .counts:visible, a[href*='/results']:visible").count(), 0);
    await view.close();
    if (results === "hidden") return;
    await it.server.must(`contests/${slug}/close`, { method: "POST" });
    await counted(it.server, slug, ({ status }) => status === "final");
    await until("then they are shown", async () => (await fetch(`${it.server.url}/v1/contests/${slug}/results`)).status === 200);
  });
}

test("show: the QR code leads to the vote", async () => {
  const { url, path } = await contest(it.server, { slug: "qr" });
  const view = await page(it.browser);
  await view.page.goto(`${it.server.url}${path}/wall`);
  // As it is painted, not as it is written.
  const dark = await view.page.evaluate(async (source) => {
    const image = Object.assign(new Image(), { src: source });
    await image.decode();
    const svg = new DOMParser().parseFromString(await (await fetch(source)).text(), "image/svg+xml").documentElement;
    const side = Number(svg.getAttribute("viewBox")?.split(" ")[2]);
    const canvas = new OffscreenCanvas(side * 4, side * 4);
    const painter = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
    painter.drawImage(image, 0, 0, side * 4, side * 4);
    const { data } = painter.getImageData(0, 0, side * 4, side * 4);
    return Array.from({ length: side }, (_, y) => Array.from({ length: side }, (_, x) => data[4 * ((4 * y + 2) * side * 4 + 4 * x + 2)] < 128));
  }, `${path}/qr.svg`);
  const quiet = dark.findIndex((row) => row.some(Boolean));
  assert.ok(quiet >= 4, "four modules of quiet around");
  const modules = dark.slice(quiet, dark.length - quiet).map((row) => row.slice(quiet, dark.length - quiet));
  assert.equal(read(modules), url);
  await view.close();
});
