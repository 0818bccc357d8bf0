// A page never believes its own past: whatever an organiser changes, every page that is open shows it
// within 15 s, in both directions.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";

import { page, stage } from "./lib/browser.mjs";
import { counted, vote as cast } from "./lib/contests.mjs";
import { contest, minutes } from "./lib/server.mjs";
import { message, recorded, vote } from "./lib/voter.mjs";

const it = stage();
const PROMISED_MILLIS = 15_000;

/** Asserts that this comes to be while the pages promise it, from now on. */
async function soon(what, holds) {
  const began = Date.now();
  while (!(await holds())) {
    assert.ok(Date.now() - began < PROMISED_MILLIS, `not within 15 s: ${what}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** Puts a contest's definition with something else in it. */
const change = async (slug, more) => {
  const now = await it.server.must(`contests/${slug}`);
  return it.server.must(`contests/${slug}`, { json: { ...now, ...more } });
};

/** Views of a contest's pages, each a tab of one browser. @param {string[]} ends of their addresses */
async function tabs(made, ends) {
  const view = await page(it.browser, { allowed: [/status of 40[34]/] });
  const open = async (end) => {
    const tab = await view.context.newPage();
    await tab.goto(`${it.server.url}${made.path}${end}`);
    return [end || "vote", tab];
  };
  return { ...view, tabs: Object.fromEntries(await Promise.all(ends.map(open))) };
}

const phases = (tabs) => Promise.all(Object.values(tabs).map((tab) => tab.locator("[data-phase]").getAttribute("data-phase")));
const all = async (tabs, phase) => (await phases(tabs)).every((one) => one === phase);
const ALL = ["", "/embed", "/results", "/wall"];
/** What the countdowns say. */
const left = (tabs) => Promise.all(["vote", "/embed", "/wall"].map((end) => tabs[end].locator("#countdown").innerText()));
const END = '.hours [data-when="open"] time';
const shown = (tab, selector) => tab.locator(selector).isVisible();

test("follow: a close that is moved later, and one that is moved back again, on every page", async () => {
  const made = await contest(it.server, { opens_at: minutes(-5), closes_at: minutes(18 / 60), results: "live", embed_origins: ["https://news.example"] });
  const view = await tabs(made, ALL);
  await view.tabs.vote.getByLabel("Dark").check();
  const closes_at = minutes(10).replace(/\.\d+/, "");
  await change(made.slug, { closes_at });
  await soon("all know the new end", async () => (await left(view.tabs)).every((text) => /\b9:\d\d/.test(text)));
  await soon("the result page, too", async () => (await view.tabs["/results"].locator(END).getAttribute("datetime")) === closes_at);
  const end = Date.parse(made.definition.closes_at);
  await new Promise((done) => setTimeout(done, Math.max(0, end - Date.now()) + 1_500));
  assert.deepEqual(await phases(view.tabs), ["open", "open", "open", "open"], "past the end that was");
  assert.ok(await view.tabs.vote.getByLabel("Dark").isChecked(), "what was chosen is still chosen");
  assert.equal(await view.tabs.vote.locator(END).getAttribute("datetime"), closes_at);
  await view.tabs.vote.locator(".cast button").click();
  await recorded(view.tabs.vote);
  const { closes_at: sooner } = await change(made.slug, { closes_at: minutes(20 / 60) });
  await soon("all know the earlier end", async () => (await left(view.tabs)).every((text) => /\b0:\d\d/.test(text)));
  await new Promise((done) => setTimeout(done, Math.max(0, Date.parse(sooner) - Date.now()) + 1_500));
  assert.ok(await all(view.tabs, "closed"));
  await view.close();
});

test("follow: opened by hand a day early, closed by hand an hour early, on every page", async () => {
  const made = await contest(it.server, { opens_at: minutes(24 * 60), closes_at: minutes(25 * 60), results: "after_close", embed_origins: ["https://news.example"] });
  const view = await tabs(made, ALL);
  assert.ok(await all(view.tabs, "draft"));
  await it.server.must(`contests/${made.slug}/open`, { method: "POST" });
  await soon("all are open", () => all(view.tabs, "open"));
  assert.equal(await view.tabs.vote.locator("fieldset:enabled").count(), 1);
  await vote(view.tabs.vote);
  await recorded(view.tabs.vote);
  await it.server.must(`contests/${made.slug}/close`, { method: "POST" });
  await soon("all are closed", () => all(view.tabs, "closed"));
  await counted(it.server, made.slug, ({ status }) => status === "final");
  await soon("all show results", async () => (await shown(view.tabs.vote, "#results-rows")) && (await shown(view.tabs["/results"], "#results-rows")) && shown(view.tabs["/wall"], "#bars"));
  await view.close();
});

test("follow: results that are revealed come, and results that are hidden go", async () => {
  const made = await contest(it.server, { results: "hidden" });
  await cast(it.server, made.slug, "dark");
  await counted(it.server, made.slug, (row) => row.total === 1);
  const view = await tabs(made, ["", "/results", "/wall"]);
  const visible = async () => [await shown(view.tabs.vote, "#results-rows"), await shown(view.tabs["/results"], "#results-rows"), await shown(view.tabs["/wall"], "#bars")];
  const are = (wanted) => async () => (await visible()).every((one) => one === wanted);
  assert.ok(await are(false)());
  await change(made.slug, { results: "live" });
  await soon("results are there", are(true));
  await change(made.slug, { results: "hidden" });
  await soon("results are gone", are(false));
  await soon("it says why", async () => (await view.tabs["/results"].locator("#absent").innerText()) === message("results_hidden"));
  await change(made.slug, { results: "after_close" });
  await soon("it says when they come", async () => (await view.tabs["/results"].locator("#absent").innerText()) === message("results_after_close"));
  await view.close();
});

test("follow: titles that are corrected, and nothing that was chosen is lost", async () => {
  const made = await contest(it.server, { results: "live", title: "Your favorite TV series" });
  await cast(it.server, made.slug, "dark");
  await counted(it.server, made.slug, (row) => row.total === 1);
  const view = await tabs(made, ["", "/results", "/wall"]);
  await view.tabs.vote.getByLabel("The Wire").check();
  const choices = made.definition.choices.map((one) => (one.choice === "dark" ? { ...one, title: "Dark (2017)", text: "Winden, again" } : one));
  await change(made.slug, { title: "Your favourite TV series", choices });
  for (const [name, tab] of Object.entries(view.tabs)) {
    await soon(`${name} has the titles`, async () => (await tab.locator("h1").innerText()) === "Your favourite TV series" && (await tab.locator("main").innerText()).includes("Dark (2017)"));
    assert.match(await tab.title(), /favourite/);
  }
  assert.ok(await view.tabs.vote.getByLabel("The Wire").isChecked());
  assert.equal(await view.tabs.vote.locator(".choice small").innerText(), "Winden, again");
  await view.close();
});

test("follow: a draft whose choices are others is loaded anew", async () => {
  const made = await contest(it.server, { opens_at: minutes(60), closes_at: minutes(120) });
  const view = await tabs(made, [""]);
  await change(made.slug, { choices: [...made.definition.choices, { choice: "borgen", title: "Borgen" }] });
  await soon("the new choice is there", () => shown(view.tabs.vote, "text=Borgen"));
  await view.close();
});

test("follow: whoever comes back sees it at once, and while nobody looks nothing is asked", async () => {
  const made = await contest(it.server, {});
  const view = await page(it.browser);
  await view.page.goto(made.url);
  const look = (state) => view.page.evaluate((state) => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);
  const asked = () => view.requests.filter((request) => request.url().endsWith("/state")).length;
  await look("hidden");
  const before = asked();
  await it.server.must(`contests/${made.slug}/close`, { method: "POST" });
  await new Promise((done) => setTimeout(done, 12_000));
  assert.equal(asked(), before);
  await look("visible");
  await view.page.waitForSelector('[data-phase="closed"]', { state: "attached", timeout: 3_000 });
  await view.close();
});

test("follow: a page that is open asks little", async () => {
  const made = await contest(it.server, {});
  const view = await page(it.browser);
  await view.page.clock.install();
  await view.page.goto(made.url);
  const asked = () => view.requests.filter((request) => request.url().endsWith("/state"));
  for (let n = 0; n < 60; n += 1) {
    await view.page.clock.runFor(1_000);
    await new Promise((done) => setTimeout(done, 20));
  }
  assert.ok(asked().length >= 5 && asked().length <= 10, `${asked().length} in a minute`);
  const answer = await fetch(asked()[0].url());
  assert.ok((await answer.text()).length < 1_000);
  assert.equal((await fetch(asked()[0].url(), { headers: { "if-none-match": answer.headers.get("etag") } })).status, 304);
  await view.close();
});

test("follow: after a rehearsal, phones that took part get the form again", async () => {
  const definition = { slug: "show", policy: "one" };
  const made = await contest(it.server, definition);
  const view = await page(it.browser, { allowed: [/ERR_|status of 40[49]/] });
  await view.page.goto(made.url);
  await vote(view.page, "Dark");
  await recorded(view.page);
  await it.server.end();
  rmSync(it.server.dir, { recursive: true });
  await it.server.launch();
  await contest(it.server, definition);
  // The node was away for some seconds: the page waits longer between two looks.
  await view.page.locator("fieldset:enabled").waitFor({ timeout: 45_000 });
  assert.equal(await view.page.locator("#receipt").isVisible(), false);
  await vote(view.page, "The Wire");
  await recorded(view.page);
  await counted(it.server, "show", (row) => row.total === 1 && row.choices[1].votes === 1);
  await view.page.reload();
  await recorded(view.page);
  assert.equal(await view.page.locator("#receipt-choice").innerText(), "The Wire");
  await view.close();
});
