// A page under a thumb, and from right to left. That every state fits into every size is in
// `states.test.mjs`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { page, stage } from "./lib/browser.mjs";
import { misfits } from "./lib/layout.mjs";
import { contest } from "./lib/server.mjs";

const it = stage();

test("layout: whatever is to be pressed is large enough for a thumb", async () => {
  const { url } = await contest(it.server, { policy: "latest" });
  const view = await page(it.browser, { width: 360, height: 780 });
  await view.page.goto(url);
  const small = await view.page.evaluate(() => [...document.querySelectorAll("label.choice, button, .button, input[type=search]")]
    .filter((one) => one.checkVisibility())
    .map((one) => [one.textContent, one.getBoundingClientRect()])
    .filter(([, { width, height }]) => width < 44 || height < 44)
    .map(([text]) => text));
  assert.deepEqual(small, []);
  await view.close();
});

test("layout: in Arabic the page runs from right to left, and a title its own way", async () => {
  const { url } = await contest(it.server, { title: "Which one?" });
  const view = await page(it.browser, { locale: "ar", width: 360, height: 780 });
  await view.page.goto(url);
  const seen = await view.page.evaluate(() => {
    const { lang, dir } = document.documentElement;
    const choice = document.querySelector(".choice");
    const side = (element) => element.getBoundingClientRect().left;
    return {
      lang, dir,
      radioIsRight: side(choice.querySelector("input")) > side(choice.querySelector("bdi")),
      title: getComputedStyle(document.querySelector("h1 bdi")).unicodeBidi,
    };
  });
  assert.deepEqual(seen, { lang: "ar", dir: "rtl", radioIsRight: true, title: "isolate" });
  await view.close();
});

test("self: what is too wide or cut off is found out", async () => {
  const { url } = await contest(it.server);
  const view = await page(it.browser, { width: 360, height: 780 });
  await view.page.goto(url);
  const phone = { what: "phone", width: 360, height: 780 };
  assert.deepEqual(await misfits(view.page, phone), []);
  await view.page.evaluate(() => {
    document.querySelector("h1").style.minWidth = "400px";
    Object.assign(document.querySelector("legend").style, { width: "20px", overflow: "hidden", whiteSpace: "nowrap" });
  });
  const found = await misfits(view.page, phone);
  assert.ok(found.some((one) => /: h1/.test(one)) && found.some((one) => /: legend.*cut off/.test(one)), found.join("\n"));
  await view.close();
});
