// What holds for every page and state of the console, the results, the wall and the documentation:
// no fault that axe-core knows of, light on a phone and dark on a desktop, and no sideways scrolling.

import assert from "node:assert/strict";
import { test } from "node:test";

import { axe, page, stage } from "./lib/browser.mjs";
import { makeContests } from "./lib/contests.mjs";
import { every, reach } from "./lib/scenes.mjs";

const it = stage();
let made;
/** Once for all, and after the node is there. */
const contests = () => (made ??= makeContests(it.server));

const PHONE = /** @type {const} */ ({ width: 360, height: 780, colorScheme: "light" });
const DESKTOP = /** @type {const} */ ({ width: 1280, height: 800, colorScheme: "dark" });
/** What a scene brings about on purpose: an edit that comes too late. */
const ALLOWED = { "console-conflict": [/status of 412/] };

/** Near enough to another one. */
const TWINS = ["results-by-votes", "wall-arabic", "console-edit-draft", "console-final", "console-ask-close", "console-ask-certify", "console-interim"];

for (const scene of every.filter(({ group, name }) => group !== "voter" && !TWINS.includes(name))) {
  test(`page: ${scene.name}`, async () => {
    await contests();
    const view = await page(it.browser, { width: PHONE.width, height: PHONE.height, locale: scene.language, allowed: ALLOWED[scene.name] });
    await reach(view, it.server, scene);
    for (const { colorScheme, ...viewport } of [PHONE, DESKTOP]) {
      const size = `${viewport.width} px, ${colorScheme}`;
      await view.page.setViewportSize(viewport);
      await view.page.emulateMedia({ colorScheme });
      const wide = await view.page.evaluate(() => (document.documentElement.scrollWidth <= innerWidth ? []
        : [...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > innerWidth + 1).map((element) => element.outerHTML.slice(0, 80))));
      assert.deepEqual(wide, [], `no sideways scrolling, ${size}`);
      await axe(view.page, `${scene.name}, ${size}`);
    }
    await view.close();
  });
}
