// Pictures of every page in every state, for people to look at: phone and desktop, light and dark.
// `checks/browser.py --pictures DIR` takes them all, with `--only NAME` those with NAME in their name.

import { join } from "node:path";
import { test } from "node:test";

import { page, stage } from "./lib/browser.mjs";
import { busy, makeContests } from "./lib/contests.mjs";
import { every, reach } from "./lib/scenes.mjs";

const folder = process.env.LANDSLIDE_PICTURES ?? "pictures";
const PHONE = { width: 360, height: 780 };
const DESKTOP = { width: 1280, height: 800 };
const STUDIO = { width: 1920, height: 1080 };

const it = stage();
let made;
/** Once for all, and after the node is there. */
const contests = () => (made ??= makeContests(it.server).then(() => {
  busy(it.server, "tv", 40);
  busy(it.server, "tv", 12, "--gateway", "sms", "--batch", "6");
}));

for (const scene of every) {
  const isWall = scene.group === "wall";
  for (const [size, viewport] of Object.entries({ phone: PHONE, desktop: isWall ? STUDIO : DESKTOP })) {
    for (const colourScheme of /** @type {const} */ (["light", "dark"])) {
      // A wall has a theme of its own, whatever its screen prefers.
      if (isWall && colourScheme === "dark") continue;
      const name = `${scene.name}-${size}-${colourScheme}`;
      test(`picture: ${name}`, async () => {
        await contests();
        const view = await page(it.browser, { ...viewport, colourScheme, locale: scene.language, javaScript: scene.script });
        await reach(view, it.server, scene);
        // What glides, has arrived.
        await view.page.waitForTimeout(isWall ? 2_500 : 400);
        const isWhole = size === "desktop" && ["console", "show"].includes(scene.group) && !scene.name.includes("-ask-");
        await view.page.screenshot({ path: join(folder, `${name}.png`), fullPage: isWhole });
        await view.context.close();
      });
    }
  }
}
