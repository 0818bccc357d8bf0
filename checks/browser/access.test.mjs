// For everybody: the keyboard alone, what a screen reader hears, and less motion.

import assert from "node:assert/strict";
import { test } from "node:test";
import { page, stage } from "./lib/browser.mjs";
import { contest, until } from "./lib/server.mjs";
import { counted, CUT_OFF, message, recorded, vote, waiting } from "./lib/voter.mjs";

const it = stage({ net: true });

/** What has the focus, and the line around it (its label's, where that shows it). */
const focus = (page) => page.evaluate(() => {
  const at = document.activeElement;
  const line = (element) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    return outlineStyle !== "none" && parseFloat(outlineWidth) > 0;
  };
  const { width, height, top, bottom } = at.getBoundingClientRect();
  return {
    what: at.id || at.value || at.textContent.trim(),
    visible: line(at) || (at.closest("label") ? line(at.closest("label")) : false),
    inView: width > 0 && height > 0 && bottom > 0 && top < innerHeight,
  };
});

test("access: with the keyboard alone, from the address to the record", async () => {
  const { slug, url } = await contest(it.server, { policy: "latest" });
  const view = await page(it.browser, { width: 360, height: 500 });
  await view.page.goto(url);
  const stops = [];
  const tab = async () => {
    await view.page.keyboard.press("Tab");
    const at = await focus(view.page);
    assert.deepEqual([at.visible, at.inView], [true, true], `the focus is seen on ${at.what}`);
    stops.push(at.what);
    return at.what;
  };
  await tab();
  assert.equal(stops[0], message("skip"));
  await view.page.keyboard.press("Enter");
  assert.equal((await focus(view.page)).what, "main", "the link skips to the content");
  while ((await tab()) !== "breaking-bad") assert.ok(stops.length < 10, stops.join());
  await view.page.keyboard.press("Space");
  await view.page.keyboard.press("ArrowDown");
  assert.equal((await focus(view.page)).what, "the-wire");
  await tab();
  assert.equal(stops.at(-1), message("vote"));
  await view.page.keyboard.press("Enter");
  await recorded(view.page);
  await until("the receipt has the focus", async () => (await focus(view.page)).what === "receipt");
  // And changed, the same way.
  await tab();
  assert.equal(stops.at(-1), message("vote_change"));
  await view.page.keyboard.press("Space");
  assert.equal((await focus(view.page)).what, "the-wire", "it goes on at what was chosen");
  await view.page.keyboard.press("ArrowDown");
  await view.page.keyboard.press("Enter");
  await until("the change is recorded", async () => (await view.page.locator("#receipt-choice").innerText()) === "Dark");
  await counted(it.server, slug, { votes: { dark: 1 }, recorded: 2 });
  await view.close();
});

/**
 * Notes what is said by the live regions that a screen reader knew of before: by those that were
 * there, and shown, when the page had loaded.
 */
const listen = (page) => page.evaluate(() => {
  const heard = (globalThis.heard = []);
  for (const region of document.querySelectorAll("[role=status], [role=alert], [aria-live]")) {
    if (!region.checkVisibility()) continue;
    new MutationObserver(() => region.textContent && heard.push(region.textContent))
      .observe(region, { childList: true, characterData: true, subtree: true });
  }
});
const heard = (page) => page.evaluate(() => globalThis.heard);

test("access: a screen reader hears that it is sent and that it is recorded, each once", async () => {
  const { url } = await contest(it.server);
  const view = await page(it.browser);
  await view.page.goto(url);
  await listen(view.page);
  await vote(view.page);
  await recorded(view.page);
  const choice = { choice: "The Wire" };
  assert.deepEqual(await heard(view.page), [message("sending", choice), message("announce_recorded", choice)]);
  await view.close();
});

test("access: a screen reader hears that it waits, once for all tries, and what came of it", async () => {
  const { path } = await contest(it.server);
  let away = true;
  it.net.rule = ({ method }) => (method === "POST" && away ? "refuse" : "pass");
  const view = await page(it.browser, { allowed: [CUT_OFF] });
  await view.page.goto(`${it.net.url}${path}`);
  await listen(view.page);
  await vote(view.page);
  await waiting(view.page);
  const tries = it.net.of("POST", "/ballots").length;
  await until("it has tried again", () => it.net.of("POST", "/ballots").length > tries + 1);
  away = false;
  await recorded(view.page);
  const choice = { choice: "The Wire" };
  const said = ["sending", "waiting", "announce_recorded"].map((key) => message(key, choice));
  assert.deepEqual(await heard(view.page), said);
  await view.close();
});

test("access: nothing moves for whom less motion is better", async () => {
  const { url } = await contest(it.server);
  const moving = async (reducedMotion) => {
    const view = await page(it.browser, { reducedMotion });
    await view.page.goto(url);
    await view.page.getByLabel("The Wire").check();
    const found = await view.page.evaluate(() => [
      ...document.getAnimations().map((one) => one.effect.target.tagName),
      ...[...document.querySelectorAll("*")].filter((one) => {
        const { transitionDuration, animationName } = getComputedStyle(one);
        return animationName !== "none" || transitionDuration.split(",").some((time) => parseFloat(time) > 0);
      }).map((one) => one.tagName),
    ]);
    await view.close();
    return found;
  };
  assert.deepEqual(await moving(true), []);
  assert.notDeepEqual(await moving(false), [], "the check sees what moves for others");
});
