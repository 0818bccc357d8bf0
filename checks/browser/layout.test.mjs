// Every page and state fits: on a phone, on a desk, at 400 per cent zoom, with letters twice as large, and
// from right to left.

import assert from "node:assert/strict";
import { test } from "node:test";
import { page, stage } from "./lib/browser.mjs";
import { contest } from "./lib/server.mjs";
import { show, STATE_NAMES } from "./lib/states.mjs";

const it = stage();

/** What a page is looked at in. 1280 pixels at 400 per cent are 320. */
const SIZES = [
  { what: "360 px", width: 360, height: 780 },
  { what: "1280 px", width: 1280, height: 800 },
  { what: "320 px, as 400% zoom", width: 320, height: 256 },
  { what: "1280 px, text at 200%", width: 1280, height: 800, text: 2 },
  { what: "360 px, text at 200%", width: 360, height: 780, text: 2 },
];

/** What stands out at the sides, or is cut off inside. */
const misfits = () => {
  const { clientWidth, scrollWidth } = document.documentElement;
  const found = scrollWidth > clientWidth ? [`the page is ${scrollWidth} px wide of ${clientWidth}`] : [];
  for (const element of document.querySelectorAll("body *")) {
    if (element.closest(".visually-hidden, .skip, option") || !element.checkVisibility()) continue;
    const { left, right, width } = element.getBoundingClientRect();
    const name = `${element.tagName.toLowerCase()}${element.id ? `#${element.id}` : ""} ${element.textContent.trim().slice(0, 30)}`;
    if (width && (left < -1 || right > clientWidth + 1)) found.push(`${name}: from ${left} to ${right}`);
    const isClipped = element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX !== "visible";
    if (isClipped && element.tagName !== "INPUT") found.push(`${name}: its text is cut off`);
  }
  return found;
};

for (const locale of ["en-GB", "ar"]) {
  test(`layout: no page scrolls sideways, in ${locale}`, async () => {
    const view = await page(it.browser, { locale });
    const found = [];
    for (const name of STATE_NAMES) {
      await show(name, it.server, view, async (tab) => {
        for (const { what, width, height, text = 1 } of SIZES) {
          await tab.setViewportSize({ width, height });
          await tab.evaluate((text) => void (document.documentElement.style.fontSize = `${text * 100}%`), text);
          found.push(...(await tab.evaluate(misfits)).map((misfit) => `${name}, ${what}: ${misfit}`));
        }
      });
    }
    assert.deepEqual(found, []);
    await view.close();
  });
}

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
  assert.deepEqual(await view.page.evaluate(misfits), []);
  await view.page.evaluate(() => {
    document.querySelector("h1").style.minWidth = "400px";
    Object.assign(document.querySelector("legend").style, { width: "20px", overflow: "hidden", whiteSpace: "nowrap" });
  });
  const found = await view.page.evaluate(misfits);
  assert.ok(found.some((one) => /^h1/.test(one)) && found.some((one) => /^legend.*cut off/.test(one)), found.join("\n"));
  await view.close();
});
