// Without script a vote is two forms, and still one ballot.

import assert from "node:assert/strict";
import { test } from "node:test";
import { page, stage } from "./lib/browser.mjs";
import { close, contest } from "./lib/server.mjs";
import { site } from "./lib/strict.mjs";
import { counted, message, vote } from "./lib/voter.mjs";

const it = stage();

async function voter(overrides = {}) {
  const made = await contest(it.server, { policy: "unlimited", ...overrides });
  const view = await page(it.browser, { javaScript: false, width: 360, height: 780 });
  await view.page.goto(made.url);
  return { ...made, ...view };
}

const confirm = (page) => page.locator("#confirm button");
const heading = (page) => page.locator("#receipt h2").innerText();

test("noscript: the form is posted, confirmed and recorded", async () => {
  const one = await voter();
  await vote(one.page);
  assert.match(await one.page.locator("main").innerText(), new RegExp(message("confirm_text")));
  await confirm(one.page).click();
  assert.equal(await heading(one.page), message("recorded"));
  await counted(it.server, one.slug, { votes: { "the-wire": 1 }, recorded: 1 });
  await one.close();
});

test("noscript: the confirmation twice, by a double tap and a reload, is one ballot", async () => {
  const one = await voter();
  await vote(one.page);
  const id = await one.page.locator("[name=ballot_id]").getAttribute("value");
  await confirm(one.page).dblclick();
  assert.equal(await heading(one.page), message("recorded"));
  await one.page.reload();
  assert.equal(await one.page.locator("#receipt-ballot").innerText(), id);
  await counted(it.server, one.slug, { votes: { "the-wire": 1 } });
  await one.close();
});

test("noscript: the whole way again with the same choice is still one vote of that device", async () => {
  const one = await voter({ policy: "one" });
  for (let n = 0; n < 2; n += 1) {
    await one.page.goto(one.url);
    await vote(one.page);
    await confirm(one.page).click();
    assert.equal(await heading(one.page), message("recorded"));
  }
  await counted(it.server, one.slug, { votes: { "the-wire": 1 }, recorded: 2 });
  await one.close();
});

test("noscript: under the first-vote rule a later vote is not said to count", async () => {
  const one = await voter({ policy: "one" });
  const secure = (await one.context.cookies()).length;
  assert.equal(secure, 0);
  for (const [n, choice] of ["Dark", "The Wire", "The Wire"].entries()) {
    await one.page.goto(one.url);
    await vote(one.page, choice);
    assert.equal((await one.page.locator("#confirm").innerText()).includes(message("first_before", { first: "Dark" })), n > 0);
    await confirm(one.page).click();
    assert.equal(await one.page.locator("#receipt-choice").innerText(), "Dark", "what counts");
    const said = await one.page.locator("#receipt").innerText();
    assert.equal(said.includes(message("meaning")), n === 0);
    assert.equal(said.includes(message("first_text", { first: "Dark", choice })), n > 0);
    assert.equal(await heading(one.page), message(n ? "first_title" : "recorded"));
  }
  // A cookie that says something else, or nothing at all, is only a cookie.
  const [{ value, ...kept }] = (await one.context.cookies(one.url)).filter(({ name }) => name === "voted");
  assert.deepEqual([kept.path, kept.sameSite, value.split(".")[1]], [`/c/${one.slug}`, "Lax", "dark"]);
  for (const broken of ["", "x", value.replace("dark", "<b>"), value.replace(/^./, "z")]) {
    await one.context.addCookies([{ ...kept, value: broken }]);
    await one.page.goto(one.url);
    await vote(one.page, "The Wire");
    await confirm(one.page).click();
    assert.equal(await one.page.locator("#receipt-choice").innerText(), "The Wire");
  }
  await counted(it.server, one.slug, { votes: { dark: 1 }, recorded: 7 });
  await one.close();
});

test("noscript: who begins without script and goes on with it is one voter", async () => {
  const one = await voter({ policy: "one" });
  await vote(one.page);
  await confirm(one.page).click();
  await heading(one.page);
  const storageState = await one.context.storageState();
  const view = await page(it.browser, { context: { storageState } });
  await view.page.goto(one.url);
  await vote(view.page, "Dark");
  await view.page.locator("#receipt:not([hidden])").waitFor();
  assert.equal(await view.page.locator("#receipt-title").innerText(), message("first_title"));
  assert.equal(await view.page.locator("#receipt-choice").innerText(), "The Wire", "what counts");
  assert.match(await view.page.locator("#receipt").innerText(), new RegExp(message("first_text", { first: "The Wire", choice: "Dark" })));
  await counted(it.server, one.slug, { votes: { "the-wire": 1 }, recorded: 2 });
  await view.close();
  await one.close();
});

test("noscript: nothing chosen, and a close before the confirmation, are said", async () => {
  const one = await voter();
  await one.page.locator("form#vote").evaluate((form) => {
    for (const input of form.querySelectorAll("input")) input.required = false;
  });
  one.allow(/status of 4(22|00|09)/);
  await one.page.locator(".cast button").click();
  assert.equal(await one.page.locator("#problem").innerText(), message("refused_choice_missing"));
  assert.equal(await one.page.locator("input").count(), 0, "a sentence and a way back, not all choices again");
  await one.page.getByRole("link", { name: message("back") }).click();
  await vote(one.page);
  await close(it.server, one.slug);
  await confirm(one.page).click();
  assert.equal(await one.page.locator("#problem").innerText(), message("refused_closed"));
  await counted(it.server, one.slug, { votes: {}, recorded: 0 });
  await one.close();
});

test("noscript: another site's form votes for nobody, and its visitor finds the way to the page", async () => {
  const news = await site("");
  try {
    for (const origin of [news.origin, news.sameSite]) {
      const made = await contest(it.server, { policy: "unlimited" });
      const id = "01890a5d-ac96-774b-bcce-b302099a8057";
      news.html(`<!doctype html><html lang="en"><title>News</title><h1>News</h1>
        <form method="post" action="${made.url}"><input type="hidden" name="choice" value="dark">
        <input type="hidden" name="ballot_id" value="${id}"><button>Win a car</button></form>`);
      const options = { javaScript: false, origins: [origin], allowed: [/status of 403/] };
      const view = await page(it.browser, options);
      await view.page.goto(origin);
      await view.page.getByRole("button").click();
      assert.equal(await view.page.locator("h1").innerText(), message("not_ours"));
      await view.page.locator("main a").click();
      await vote(view.page);
      await confirm(view.page).click();
      assert.equal(await heading(view.page), message("recorded"));
      await counted(it.server, made.slug, { votes: { "the-wire": 1 }, recorded: 1 });
      await view.close();
    }
  } finally {
    await news.stop();
  }
});

test("noscript: in another site's frame the form is our own", async () => {
  const news = await site("");
  try {
    const made = await contest(it.server, { policy: "unlimited", embed_origins: [news.origin] });
    news.html(`<!doctype html><html lang="en"><title>News</title><h1>News</h1>
      <iframe title="Vote" width="600" height="900" src="${made.url}/embed"></iframe>`);
    const view = await page(it.browser, { javaScript: false, origins: [news.origin] });
    await view.page.goto(news.origin);
    const inside = view.page.frameLocator("iframe");
    await vote(inside);
    await inside.locator("#confirm button").click();
    await inside.locator("#receipt h2").waitFor();
    await counted(it.server, made.slug, { votes: { "the-wire": 1 }, recorded: 1 });
    await view.close();
  } finally {
    await news.stop();
  }
});
