// What an administrator changes after all: a close taken back, a draft deleted, titles corrected.

import assert from "node:assert/strict";
import { test } from "node:test";

import { stage } from "./lib/browser.mjs";
import { openConsole, says as waitFor, shown, text, yes } from "./lib/console.mjs";
import { contest } from "./lib/server.mjs";

const it = stage();

const says = (view, selector, part) => waitFor(view.page, selector, part);
const console_ = (path, options, name) => openConsole(it, path, options, name);

test("changes: a close that was a mistake is taken back while it is counted down", async () => {
  const { slug } = await contest(it.server);
  const view = await console_(`/admin/contests/${slug}`);
  await view.page.click("#close");
  assert.equal(await view.page.inputValue("#close-in"), "10s");
  await view.page.selectOption("#close-in", "1m");
  await yes(view, "Close voting?");
  await shown(view, "#cancel-close");
  await view.page.waitForFunction(() => /closes in 0:[0-5]\d/.test(document.getElementById("countdown")?.textContent ?? ""));
  assert.ok(await view.page.isHidden("#close"));
  await view.page.click("#cancel-close");
  await says(view, "#progress", "Voting goes on.");
  await shown(view, "#close");
  const { opens_at, closes_at } = await it.server.must(`contests/${slug}`);
  assert.ok(opens_at && !closes_at);
  await says(view, "#record", "close taken back");
  await view.close();
});

test("changes: a draft is deleted after a second question, and its address is free", async () => {
  const { slug } = await contest(it.server, { draft: true });
  const view = await console_(`/admin/contests/${slug}`);
  await shown(view, "#delete");
  await view.page.click("#delete");
  await yes(view, "Delete this draft?");
  await says(view, "#ask[open] #ask-title", "Really");
  await view.page.click("#ask-no");
  assert.equal((await it.server.admin(`contests/${slug}`)).status, 200);
  await view.page.click("#delete");
  await yes(view, "Delete this draft?");
  await yes(view, "Really");
  await view.page.waitForURL("**/admin");
  assert.equal((await it.server.admin(`contests/${slug}`)).status, 404);
  view.allow(/status of 404/);
  await view.close();
  const open = await contest(it.server);
  const other = await console_(`/admin/contests/${open.slug}`);
  await shown(other, "#close");
  assert.ok(await other.page.isHidden("#delete"), "what has opened is not deleted");
  await other.close();
});

test("changes: titles and texts are corrected while voting is open, with a second question and a record", async () => {
  const { slug, definition } = await contest(it.server, { choices: [{ choice: "breaking-bda", title: "Breaking Bda" }, { choice: "dark", title: "Dark" }] });
  const view = await console_(`/admin/contests/${slug}/edit`, {}, "Zoë");
  await view.page.waitForFunction(() => document.getElementById("title")?.value);
  assert.equal(await view.page.inputValue("#choices"), "breaking-bda | Breaking Bda\ndark | Dark");
  await view.page.fill("#choices", "breaking-bda | Breaking Bad\ndark | Dark\n> Winden, again");
  await view.page.click("#save");
  await yes(view, "Change an open contest?");
  await yes(view, "Really");
  await says(view, "#progress", "Saved.");
  const { choices } = await it.server.must(`contests/${slug}`);
  assert.deepEqual(choices, [{ choice: "breaking-bda", title: "Breaking Bad" }, { ...definition.choices[1], text: "Winden, again" }]);
  const { entries } = await it.server.must(`contests/${slug}/audit`);
  assert.match(JSON.stringify(entries.at(-1)), /Breaking Bda.*Breaking Bad/);
  // Another choice than there was is refused, and nothing is changed.
  view.allow(/status of 409/);
  await view.page.fill("#choices", "breaking-bad | Breaking Bad\ndark | Dark");
  await view.page.click("#save");
  await yes(view, "Change an open contest?");
  await yes(view, "Really");
  await view.page.waitForSelector("#choices[aria-invalid=true]");
  await view.close();
});

test("changes: what is wrong with a choice is said at its line", async () => {
  const view = await console_("/admin/new");
  await view.page.fill("#title", "Twins");
  await view.page.fill("#choices", "Ada\n> The first\n\nBob\n  ADA");
  await view.page.click("#save");
  view.allow(/status of 422/);
  await view.page.waitForSelector("#choices[aria-invalid=true]");
  assert.match(await text(view, "#choices-wrong"), /^Line 5: /);
  const selected = () => view.page.$eval("#choices", (field) => field.value.slice(field.selectionStart, field.selectionEnd));
  assert.equal(await selected(), "  ADA");
  await view.page.fill("#choices", "Ada\nBob\n\u2800");
  await view.page.click("#save");
  await says(view, "#choices-wrong", "Line 3: ");
  await view.close();
});

test("changes: who lists it, who knows of it and in which order it is shown", async () => {
  const view = await console_("/admin/new");
  await view.page.fill("#title", "A secret of tomorrow");
  await view.page.fill("#contest", "tomorrow");
  await view.page.fill("#choices", "Ada\nBob");
  await view.page.fill("#opens", "2031-01-01T20:00");
  await view.page.fill("#public-from", "2030-12-31T20:00");
  await view.page.selectOption("#order", "drawn");
  await view.page.uncheck("#listed");
  await view.page.click("#save");
  await view.page.waitForURL("**/admin/contests/tomorrow");
  const { listed, public_from, order } = await it.server.must("contests/tomorrow");
  assert.deepEqual([listed, public_from, order], [false, "2030-12-31T20:00:00Z", "drawn"]);
  const answers = await Promise.all(["tomorrow", "nothing-here"].map(async (slug) => {
    const answer = await fetch(`${it.server.url}/c/${slug}`);
    return [answer.status, await answer.text(), [...answer.headers].filter(([name]) => name !== "date")];
  }));
  assert.deepEqual(answers[0], answers[1], "byte for byte as one that is not there");
  await view.page.goto(`${it.server.url}/admin/contests/tomorrow/edit`);
  await view.page.waitForFunction(() => document.getElementById("title")?.value);
  assert.deepEqual([await view.page.isChecked("#listed"), await view.page.inputValue("#order"), await view.page.inputValue("#public-from")], [false, "drawn", "2030-12-31T20:00"]);
  await view.close();
});

test("changes: a form that nobody has touched goes along with the contest", async () => {
  const { slug } = await contest(it.server, { draft: true });
  const view = await console_(`/admin/contests/${slug}/edit`);
  await view.page.waitForFunction(() => document.getElementById("title")?.value);
  const now = await it.server.must(`contests/${slug}`);
  await it.server.must(`contests/${slug}`, { json: { ...now, title: "Theirs" } });
  await view.page.waitForFunction(() => document.getElementById("title")?.value === "Theirs");
  await it.server.must(`contests/${slug}/open`, { method: "POST" });
  await view.page.waitForSelector("#policy:disabled");
  await view.close();
});
