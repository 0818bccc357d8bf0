// An administrator's evening: from the sign-in to the printed protocol, while others vote.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { page, stage } from "./lib/browser.mjs";
import { openConsole, says as waitFor, shown, text, yes } from "./lib/console.mjs";
import { busy, counted, sendAsGateway, vote } from "./lib/contests.mjs";
import { wordsOf } from "./lib/pdf.mjs";
import { signIn } from "./lib/scenes.mjs";
import { contest, until } from "./lib/server.mjs";

const it = stage();

const says = (view, selector, part) => waitFor(view.page, selector, part);
const console_ = (path, options, name) => openConsole(it, path, options, name);
const number = (text) => Number(text.replaceAll(",", ""));

test("admin: from the sign-in to the printed protocol, while bench votes", { timeout: 300_000 }, async () => {
  const view = await page(it.browser, { context: { acceptDownloads: true } });
  const { page: tab } = view;
  await signIn(tab, it.server, "Zoë");

  // Made, with what is wrong said where it is wrong.
  await tab.click("nav >> text=New contest");
  await tab.fill("#title", "Life & death <b>");
  assert.equal(await tab.inputValue("#contest"), "life-death-b");
  await tab.fill("#contest", "life");
  await tab.fill("#choices", "Ada");
  await tab.click("#save");
  await tab.waitForSelector("#choices[aria-invalid=true]");
  const wrong = await text(view, "#choices-wrong");
  assert.equal(wrong, await text(view, "#problem"));
  assert.match(await tab.getAttribute("#choices", "aria-describedby"), /^choices-wrong choices-hint$/);
  assert.equal(await tab.evaluate(() => document.activeElement?.id), "choices");
  view.allow(/status of 422/);
  await tab.fill("#choices", "Ada\nBob");
  await tab.fill("#shards", "16");
  await tab.fill("#opens", "2031-01-01T20:00");
  await tab.fill("#closes", "2031-01-01T19:00");
  await tab.click("#save");
  await tab.waitForSelector("#closes[aria-invalid=true], #opens[aria-invalid=true]");
  assert.equal(await tab.locator("[aria-invalid]").count(), 1, "only what is wrong now");
  for (const id of ["#opens", "#closes"]) await tab.fill(id, "");
  await tab.fill("#choices", "Ada\nbob | Bob | the second\nعمر\nZoe");
  await tab.selectOption("#policy", "one");
  await tab.click("#save");
  await tab.waitForURL("**/admin/contests/life");

  // Changed as a draft, without any question.
  await tab.click("text=Edit");
  await tab.waitForFunction(() => document.getElementById("title")?.value);
  assert.equal(await tab.inputValue("#choices"), "Ada\nbob | Bob | the second\nchoice-3 | عمر\nZoe");
  await tab.fill("#title", "Life & death");
  await tab.click("#save");
  await says(view, "#progress", "Saved.");

  // Opened: what freezes is said first, and is frozen then.
  await tab.goto(`${it.server.url}/admin/contests/life`);
  await shown(view, "#open");
  await tab.click("#open");
  await says(view, "#ask[open] #ask-text", "cannot be changed");
  assert.match(await text(view, "#ask-text"), /4 choices, 16 shards, results hidden/);
  await yes(view, "Open voting");
  await shown(view, "#close");
  const { stop } = busy(it.server, "life", 40, "--choices", "uniform");
  await tab.click("text=Edit");
  await tab.waitForFunction(() => document.getElementById("title")?.value);
  assert.equal(await tab.inputValue("#choices"), "ada | Ada\nbob | Bob | the second\nchoice-3 | عمر\nzoe | Zoe", "by name: titles can be corrected");
  for (const id of ["#policy", "#shards", "#opens", "#public-from", "#order"]) assert.ok(await tab.isDisabled(id), `${id} is frozen`);

  // Changed while open: asked twice; a no at the second leaves it.
  await tab.fill("#title", "Life or death");
  await tab.click("#save");
  assert.match(await text(view, "#ask-text"), /Life & death.*Life or death/);
  await yes(view, "Change an open contest?");
  await says(view, "#ask[open] #ask-title", "Really");
  await tab.click("#ask-no");
  assert.equal((await it.server.must("contests/life")).title, "Life & death");
  await tab.click("#save");
  await yes(view, "Change an open contest?");
  await yes(view, "Really");
  await says(view, "#progress", "Saved.");
  assert.equal((await it.server.must("contests/life")).title, "Life or death");

  // Live: numbers and the chart move, and say how fresh they are.
  await tab.goto(`${it.server.url}/admin/contests/life`);
  await tab.waitForFunction(() => Number(document.getElementById("total")?.textContent?.replaceAll(",", "")) > 40);
  const [total, points] = [number(await text(view, "#total")), await pointsOf(view)];
  await tab.waitForFunction((before) => Number(document.getElementById("total")?.textContent?.replaceAll(",", "")) > before, total);
  await until("the chart has more points", async () => (await pointsOf(view)) > points);
  await tab.waitForFunction(() => /^\d+\.\d s ago$/.test(document.getElementById("age")?.textContent ?? ""));
  await tab.waitForFunction(() => Number(document.getElementById("rate")?.textContent) > 0);
  const sent = it.server.must("contests/life/counts");
  assert.ok(number(await text(view, "#total")) <= number(await text(view, "#recorded")));
  assert.equal((await sent).ballots.duplicate + (await sent).ballots.late + (await sent).ballots.void, 0);

  // Revealed while it is open: asked twice; hidden again by an edit.
  await tab.click("#reveal");
  await yes(view, "Reveal the results?");
  await yes(view, "Voting is still open");
  await says(view, "#results", "shown live");
  assert.equal((await fetch(`${it.server.url}/v1/contests/life/results`)).status, 200);

  // Closed, counted to the end, certified.
  await stop();
  await tab.click("#close");
  await says(view, "#ask[open] #ask-text", "never opens again");
  await tab.selectOption("#close-in", "0s");
  await yes(view, "Close voting?");
  await shown(view, "#certify");
  await shown(view, "#certify:not([disabled])");
  await tab.click("#certify");
  await yes(view, "Certify the count?");
  await says(view, "#stages [aria-current]", "Certified");
  await says(view, "#record", "certified");

  await sameEverywhere(view, "life");
  await view.close();
});

/** How many points the table behind the chart of the last five minutes has. */
async function pointsOf(view) {
  const details = view.page.locator("#chart-recent details");
  if (await details.getAttribute("open") === null) await details.locator("summary").click();
  else for (let n = 0; n < 2; n += 1) await details.locator("summary").click();
  await details.locator("tbody tr").first().waitFor();
  return details.locator("tbody tr").count();
}

/** All pages and files have the very numbers of the counts row, and the protocol prints with them. */
async function sameEverywhere(view, slug) {
  const { page: tab } = view;
  const { url } = it.server;
  const row = await counted(it.server, slug, ({ status }) => status === "certified");
  const votes = row.choices.map((choice) => choice.votes);
  assert.ok(row.total > 40 && votes.reduce((sum, n) => sum + n) === row.total);

  const numbers = async (selector) => (await tab.locator(selector).allTextContents()).map(number);
  assert.deepEqual(await numbers("#choices tr td:nth-child(2)"), votes, "the live view");
  assert.deepEqual(await numbers("#total, #recorded"), [row.total, row.ballots.recorded], "the live view's figures");
  const ballots = Object.fromEntries(await Promise.all(Object.keys(row.ballots).map(async (name) => [name, number(await text(view, `#ballots-${name}`))])));
  assert.deepEqual(ballots, row.ballots, "the live view's ballots");

  const file = async (link) => {
    const [download] = await Promise.all([tab.waitForEvent("download"), tab.click(link)]);
    return { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") };
  };
  const json = await file("a[href$='/counts.json']");
  assert.equal(json.name, `${slug}-counts.json`);
  const { total, choices } = JSON.parse(json.text);
  assert.deepEqual([total, choices.map((choice) => choice.votes)], [row.total, votes], "JSON");
  const csv = await file("a[href$='/counts.csv']");
  assert.equal(csv.name, `${slug}-counts.csv`);
  const lines = csv.text.trim().split("\r\n").slice(1).map((line) => line.split(","));
  assert.deepEqual(lines.filter(([, , , , part]) => part === "choice").map((line) => Number(line.at(-2))), votes, "CSV");
  assert.deepEqual(lines.filter(([, , , , part]) => part === "ballots").map((line) => Number(line.at(-2))), Object.values(row.ballots), "CSV's ballots");
  const series = JSON.parse((await file("a[href$='/series.json']")).text);
  assert.equal(series.rows.at(-1)[series.columns.indexOf("recorded")], row.ballots.recorded, "the series ends with the count");

  const shown = await page(it.browser);
  await shown.page.goto(`${url}/c/${slug}/results`);
  const publicVotes = await shown.page.locator("#results-rows td:nth-child(2)").allTextContents();
  assert.deepEqual(publicVotes.map(number), votes, "the public's result page");
  await shown.close();

  await tab.goto(`${url}/admin`);
  await tab.waitForSelector(`a[href="/admin/contests/${slug}"]`);
  const line = tab.locator("#contests tr", { has: tab.locator(`a[href="/admin/contests/${slug}"]`) });
  assert.equal(number(await line.locator("td").nth(2).locator("span").first().innerText()), row.total, "the list");

  await tab.goto(`${url}/admin/contests/${slug}/protocol`);
  assert.deepEqual(await numbers("#choices tbody td:nth-child(3)"), votes, "the protocol");
  const words = wordsOf(await tab.pdf({ format: "A4" }));
  for (const wanted of [row.batch_set.digest, "Life or death", "by Zoë", row.total.toLocaleString("en"), "Auditor"]) {
    assert.ok(words.includes(wanted.replaceAll(" ", "")), `the printed protocol says ${wanted}`);
  }
}

test("admin: a contest is duplicated without its hours and votes", async () => {
  const { slug, definition } = await contest(it.server, { policy: { up_to: 3 }, results: "live", closes_at: "2030-01-01T00:00:00Z" });
  const view = await console_("/admin");
  await view.page.click(`[aria-label="Duplicate ${slug}"]`);
  await view.page.waitForFunction(() => document.getElementById("title")?.value);
  assert.equal(await view.page.inputValue("#contest"), `${slug}-2`);
  await view.page.click("#save");
  await view.page.waitForURL(`**/admin/contests/${slug}-2`);
  const twin = await it.server.must(`contests/${slug}-2`);
  assert.deepEqual([twin.opens_at, twin.closes_at], [null, null]);
  for (const same of ["title", "choices", "policy", "results", "shards"]) assert.deepEqual(twin[same], definition[same], same);
  // Once more: the address is taken, and nothing is overwritten.
  view.allow(/status of 412/);
  await view.page.goto(`${it.server.url}/admin/new?from=${slug}`);
  await view.page.waitForFunction(() => document.getElementById("title")?.value);
  await view.page.fill("#title", "Another");
  await view.page.click("#save");
  await says(view, "#problem", "already");
  assert.equal((await it.server.must(`contests/${slug}-2`)).title, definition.title);
  await view.close();
});

test("admin: two consoles at once, and neither overwrites the other", async () => {
  const { slug } = await contest(it.server, { draft: true });
  const path = `/admin/contests/${slug}/edit`;
  const [mine, theirs] = [await console_(path, {}, "Mia"), await console_(path, {}, "Theo")];
  for (const { page: tab } of [mine, theirs]) await tab.waitForFunction(() => document.getElementById("title")?.value);
  await theirs.page.fill("#title", "Theirs");
  await theirs.page.click("#save");
  await says(theirs, "#progress", "Saved.");
  mine.allow(/status of 412/);
  await mine.page.fill("#title", "Mine");
  await mine.page.click("#save");
  await shown(mine, "#conflict");
  const table = await text(mine, "#conflict-table");
  for (const wanted of ["Saved by Theo", "Your favourite TV series", "Theirs", "Mine"]) assert.ok(table.includes(wanted), `${wanted} in ${table}`);
  assert.equal((await it.server.must(`contests/${slug}`)).title, "Theirs", "nothing of mine is saved");
  await mine.page.click("#take-theirs");
  assert.equal(await mine.page.inputValue("#title"), "Theirs");
  await mine.page.fill("#title", "Mine after all");
  await mine.page.click("#save");
  await says(mine, "#progress", "Saved.");
  assert.equal((await it.server.must(`contests/${slug}`)).title, "Mine after all");
  await theirs.close();
  await mine.close();
});

test("admin: results revealed are seen, and hidden again are gone", async () => {
  const { slug } = await contest(it.server);
  const view = await console_(`/admin/contests/${slug}`);
  await shown(view, "#reveal");
  const status = async () => (await fetch(`${it.server.url}/v1/contests/${slug}/results`)).status;
  assert.equal(await status(), 403);
  await view.page.click("#reveal");
  await yes(view, "Reveal the results?");
  await yes(view, "Voting is still open");
  await says(view, "#results", "shown live");
  await until("the results are public", async () => (await status()) === 200);
  await view.page.click("text=Edit");
  await view.page.waitForFunction(() => document.getElementById("title")?.value);
  await view.page.selectOption("#results", "hidden");
  await view.page.click("#save");
  await yes(view, "Change an open contest?");
  await yes(view, "Really");
  await says(view, "#progress", "Saved.");
  await until("they are not public any more", async () => (await status()) === 403);
  await view.close();
});

test("admin: votes by channel, as numbers, as lines, and as a table", async () => {
  const { slug } = await contest(it.server);
  const view = await console_(`/admin/contests/${slug}`);
  await vote(it.server, slug, "dark");
  await says(view, "#channels", "web");
  assert.ok(await view.page.isHidden("#chart-channels"), "one channel alone has the line of all");
  await sendAsGateway(it.server, slug, "sms", Array(5).fill("dark"));
  await shown(view, "#chart-channels");
  const channels = () => view.page.$$eval("#channels tr", (rows) => rows.map((row) => /** @type {HTMLTableRowElement} */ (row).innerText.split(/\s+/).filter(Boolean).slice(0, 2).join(" ")));
  assert.deepEqual(await channels(), ["sms 5", "web 1"]);
  await view.page.waitForFunction(() => /now sms [\d.]+\/s, web [\d.]+\/s, peak/.test(document.querySelector("#chart-channels .plot")?.getAttribute("aria-label") ?? ""));
  await view.page.click("#chart-channels summary");
  await view.page.locator("#chart-channels tbody tr").first().waitFor();
  assert.deepEqual(await view.page.locator("#chart-channels thead th").allTextContents(), ["Through", "sms/s", "web/s", "Recorded"]);
  // All five came in one stretch: five over its seconds.
  const rates = (await view.page.locator("#chart-channels tbody td:nth-child(2)").allTextContents()).filter((rate) => Number(rate) > 0);
  assert.equal(rates.length, 1, `one stretch with votes by sms: ${rates}`);
  await view.page.reload();
  await shown(view, "#chart-channels");
  assert.deepEqual(await channels(), ["sms 5", "web 1"], "and so it was kept");
  await view.close();
});

test("admin: nothing jumps in the live view while counts change", async () => {
  const { slug } = await contest(it.server);
  const send = async (count) => { for (let n = 0; n < count; n += 1) await vote(it.server, slug, ["dark", "the-wire"][n % 2]); };
  await send(2);
  await counted(it.server, slug, ({ total }) => total === 2);
  const view = await console_(`/admin/contests/${slug}`);
  const reaches = (wanted) => view.page.waitForFunction((wanted) => document.getElementById("total")?.textContent === wanted, wanted);
  await reaches("2");
  await view.page.waitForFunction(() => document.getElementById("record")?.children.length && document.getElementById("rate")?.textContent !== "–");
  await view.page.evaluate(() => {
    const seen = /** @type {any} */ (globalThis);
    seen.shifts = [];
    const said = (/** @type {any} */ { node, previousRect, currentRect }) =>
      `${node?.id || node?.className || node?.textContent}: ${JSON.stringify([previousRect, currentRect])}`;
    // A line that the window's edge cuts was seen to "shift" from where it is to where it is.
    const moved = (/** @type {any} */ { previousRect, currentRect }) => JSON.stringify(previousRect) !== JSON.stringify(currentRect);
    const noted = (/** @type {any} */ { sources }) => sources.length === 0 || sources.some(moved) ? [sources.map(said)] : [];
    new PerformanceObserver((list) => seen.shifts.push(...list.getEntries().flatMap(noted))).observe({ type: "layout-shift" });
  });
  for (const [more, wanted] of /** @type {const} */ ([[10, "12"], [118, "130"], [900, "1,030"]])) {
    await send(more);
    await reaches(wanted);
  }
  assert.deepEqual(await view.page.evaluate(() => /** @type {any} */ (globalThis).shifts), []);
  await view.page.evaluate(() => document.querySelector(".figures")?.before(document.createElement("hr")));
  await view.page.waitForFunction(() => /** @type {any} */ (globalThis).shifts.length > 0);
  await view.close();
});
