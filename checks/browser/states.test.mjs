// Every page and state of the voters': axe-core finds nothing, in both colour schemes; and it fits into
// every size without scrolling sideways.

import assert from "node:assert/strict";
import { test } from "node:test";
import { axe, page, stage } from "./lib/browser.mjs";
import { misfits, SIZES } from "./lib/layout.mjs";
import { show, STATE_NAMES } from "./lib/states.mjs";

const it = stage();
const PHONE = { width: 360, height: 780 };

for (const locale of ["en-GB", "ar"]) {
  test(`states: axe-core finds nothing, light and dark, and nothing is too wide, in ${locale}`, async (t) => {
    const view = await page(it.browser, { locale, ...PHONE });
    const found = [];
    for (const name of STATE_NAMES) {
      await show(name, it.server, view, async (tab) => {
        for (const colorScheme of ["light", "dark"]) {
          await tab.emulateMedia({ colorScheme });
          await axe(tab, `${name}, ${colorScheme}`).catch(({ message }) => found.push(message));
        }
        for (const size of SIZES) {
          found.push(...(await misfits(tab, size)).map((misfit) => `${name}, ${misfit}`));
        }
      });
    }
    assert.deepEqual(found, []);
    await view.close();
    t.diagnostic(`${STATE_NAMES.length} pages and states (${locale}): axe-core in two colour schemes, ${SIZES.length} sizes, no finding`);
  });
}
