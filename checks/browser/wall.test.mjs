// The studio's wall: a screen that nobody touches for days.

import assert from "node:assert/strict";
import { test } from "node:test";

import { page, stage } from "./lib/browser.mjs";
import { counted, vote } from "./lib/contests.mjs";
import { contest, until } from "./lib/server.mjs";
import { message } from "./lib/voter.mjs";

const it = stage();
const STUDIO = { width: 1920, height: 1080 };
const CHOICES = ["breaking-bad", "the-wire", "dark"];

async function votes(slug, total, choices = CHOICES) {
  for (let n = 0; n < total; n += 1) await vote(it.server, slug, choices[n % choices.length]);
}

/** A wall whose contest has so many votes, which it shows. */
async function wall(total, options = {}) {
  const made = await contest(it.server, { results: "live" });
  await votes(made.slug, total);
  await counted(it.server, made.slug, (row) => row.total === total);
  const view = await page(it.browser, { ...STUDIO, ...options });
  if (options.clock) await view.page.clock.install();
  await view.page.goto(`${it.server.url}${made.path}/wall`);
  await reaches(view, total);
  return { ...view, ...made };
}

const reaches = (view, wanted) => view.page.waitForFunction((wanted) => Number(document.getElementById("total")?.textContent?.replaceAll(",", "")) === wanted, wanted);
const state = (view) => view.page.textContent("#state");

test("wall: nothing jumps while counts change and places stay", async () => {
  // Without the slow wandering against burn-in, which moves everything by some pixels in minutes.
  const view = await wall(30, { reducedMotion: true });
  const boxes = () => view.page.$$eval("h1, .when, #bars li, #bars .name, #bars .share, #bars .votes, #bars svg, .way img, .scan, .address, footer, #state", (all) => all.map((element) => {
    const { left, right, top, height } = element.getBoundingClientRect();
    // Numbers stand at their right end, whatever their length; words at their left.
    const side = element.matches(".share, .votes, #state") ? right : left;
    return [element.className || element.tagName, side, top, height].map((part) => (typeof part === "number" ? Math.round(10 * part) / 10 : part)).join(" ");
  }));
  await view.page.evaluate(() => {
    const seen = /** @type {any} */ (globalThis);
    seen.shifted = 0;
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => (seen.shifted += /** @type {any} */ (entry).value))).observe({ type: "layout-shift" });
  });
  const before = await boxes();
  assert.ok(before.length > 15);
  for (const upTo of [40, 120, 1_020]) {
    const there = await view.page.evaluate(() => Number(document.getElementById("total")?.textContent?.replaceAll(",", "")));
    await votes(view.slug, upTo - there);
    await reaches(view, upTo);
    assert.deepEqual(await boxes(), before, `with ${upTo} votes`);
  }
  assert.equal(await view.page.evaluate(() => /** @type {any} */ (globalThis).shifted), 0);
  assert.deepEqual(await view.page.evaluate(() => document.getAnimations().length), 0, "nothing moves for those who want it so");
  await view.close();
});

test("wall: who overtakes glides to the new place", async () => {
  const view = await wall(9, { clock: true });
  assert.ok(await view.page.evaluate(() => document.getAnimations().length) > 0, "it wanders against burn-in");
  await votes(view.slug, 9, ["dark"]);
  await reaches(view, 18);
  const leader = () => view.page.$eval("#bars li", (row) => /** @type {HTMLElement} */ (row).dataset.choice);
  const places = () => view.page.$$eval("#bars li", (rows) => rows.map((row) => row.getAnimations().length));
  // Places change after a while, not with each count; the next counts come with the next votes.
  await until("dark leads", async () => {
    await view.page.clock.runFor(4_000);
    await vote(it.server, view.slug, "dark");
    return (await leader()) === "dark";
  });
  assert.ok((await places()).length === CHOICES.length);
  await view.close();
});

test("wall: millions of votes and long titles fit", async () => {
  const title = "The Extraordinary Adventures of a Title that is Rather Long";
  const { slug, path } = await contest(it.server, { results: "live", title: `${title} ${title}`, choices: CHOICES.map((choice) => ({ choice, title: `${title} ${choice}` })) });
  const total = 87_654_321;
  const row = {
    contest: slug, status: "provisional", counted_through: new Date().toISOString(), total,
    choices: [43_827_160, 29_218_107, 14_609_054].map((votes, n) => ({ choice: CHOICES[n], title: `${title} ${CHOICES[n]}`, votes })),
  };
  for (const viewport of [STUDIO, { width: 1280, height: 720 }, { width: 360, height: 780 }]) {
    for (const end of ["wall", "results"]) {
      const view = await page(it.browser, { ...viewport, reducedMotion: true });
      await view.page.route("**/results", (route) => (route.request().resourceType() === "document" ? route.fallback() : route.fulfill({ json: row })));
      await view.page.route("**/results/stream", () => {});
      await view.page.goto(`${it.server.url}${path}/${end}`);
      await reaches(view, total);
      const cut = await view.page.$$eval(".votes, .share:not(svg), td, #total, #state", (all) => all.filter((element) => {
        const { left, right } = element.getBoundingClientRect();
        const inside = document.createRange();
        inside.selectNodeContents(element);
        const lines = new Set([...inside.getClientRects()].map(({ bottom }) => Math.round(bottom)));
        return (lines.size > 1 && element.id !== "state") || (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0) || left < 0 || right > innerWidth;
      }).map((element) => element.className + element.textContent));
      assert.deepEqual(cut, [], `${end} at ${viewport.width}`);
      const rows = await view.page.$$eval("#bars li, #results-rows tr", (rows) => rows.map((row) => {
        const spans = [...row.querySelectorAll(".name, .share:not(svg), .votes, th > bdi, td")].map((part) => part.getBoundingClientRect());
        return spans.some((a, n) => spans.slice(n + 1).some((b) => a.right > b.left + 1 && b.right > a.left + 1 && a.bottom > b.top + 1 && b.bottom > a.top + 1));
      }));
      assert.deepEqual(rows, [false, false, false], `nothing lies over another, ${end} at ${viewport.width}`);
      await view.close();
    }
  }
});

test("wall: the node is killed and started again, and it goes on by itself", async () => {
  const view = await wall(6, { allowed: [/ERR_(CONNECTION|INCOMPLETE|EMPTY|NETWORK)/] });
  await view.page.evaluate(() => (/** @type {any} */ (globalThis).mark = 1));
  await it.server.kill();
  const away = message("wall_away");
  await view.page.waitForFunction((away) => document.getElementById("state")?.textContent === away, away);
  assert.equal(await view.page.textContent("#total"), "6", "what it knew stays");
  await it.server.restart();
  await votes(view.slug, 6);
  await reaches(view, 12);
  assert.notEqual(await state(view), away);
  assert.equal(await view.page.evaluate(() => /** @type {any} */ (globalThis).mark), 1, "without loading itself anew");
  await view.close();
});

test("wall: results hidden while it hangs there are gone from it, and come back", async () => {
  const view = await wall(6, { clock: true });
  const put = async (results) => it.server.must(`contests/${view.slug}`, { json: { ...(await it.server.must(`contests/${view.slug}`)), results } });
  const pass = (what, holds) => until(what, async () => {
    await view.page.clock.runFor(10_000);
    return holds();
  });
  const isShown = () => view.page.isVisible("#bars");
  await put("hidden");
  await pass("the bars are gone", async () => !(await isShown()));
  assert.ok(await view.page.isVisible(".way img"), "the way to the vote stays");
  await put("live");
  await pass("the bars are back", isShown);
  view.allow(/status of 403/);
  await view.close();
});

test("wall: in days it does not grow, and each day it loads itself anew", async () => {
  const view = await wall(6, { clock: true });
  const { page: tab, context, slug } = view;
  const session = await context.newCDPSession(tab);
  await session.send("Performance.enable");
  const measure = async () => {
    await session.send("HeapProfiler.collectGarbage");
    const { metrics } = await session.send("Performance.getMetrics");
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  };
  await tab.evaluate(() => (/** @type {any} */ (globalThis).mark = 1));
  let there = 6;
  /** Hours in which people vote: every timer is due many times, and streams end and begin. */
  const hours = async (count) => {
    for (let n = 0; n < count; n += 1) {
      await tab.clock.fastForward(30 * 60_000);
      await tab.clock.runFor(90_000);
      if (n % 5 === 0) {
        await votes(slug, 3);
        there += 3;
      }
    }
    await until("the last votes are shown", async () => {
      await tab.clock.runFor(5_000);
      return tab.evaluate((there) => document.getElementById("total")?.textContent === String(there), there);
    });
  };
  await hours(10);
  const before = await measure();
  await hours(30);
  const after = await measure();
  assert.equal(await tab.evaluate(() => /** @type {any} */ (globalThis).mark), 1, "not loaded anew in between");
  for (const name of ["Nodes", "JSEventListeners", "Documents"]) {
    assert.ok(after[name] <= before[name] + 10, `${name}: ${before[name]}, then ${after[name]}`);
  }
  assert.ok(after.JSHeapUsedSize < 1.5 * before.JSHeapUsedSize, `memory: ${before.JSHeapUsedSize}, then ${after.JSHeapUsedSize} bytes`);
  console.log(`wall: 20 hours: nodes ${before.Nodes} to ${after.Nodes}, listeners ${before.JSEventListeners} to ${after.JSEventListeners}, memory ${before.JSHeapUsedSize} to ${after.JSHeapUsedSize} bytes`);

  await until("it has loaded itself anew", async () => {
    await tab.clock.fastForward(60 * 60_000).catch(() => {});
    return tab.evaluate(() => /** @type {any} */ (globalThis).mark === undefined).catch(() => false);
  });
  await reaches(view, there);
  await view.close();
});
