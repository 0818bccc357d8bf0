// The packages of npm, from the cache folder that checks/browser.py keeps them in; a program run by
// hand finds those of `npm ci` in checks/browser, too.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const folder = process.env.LANDSLIDE_BROWSER_MODULES;
const require = createRequire(folder ? join(folder, "package.json") : import.meta.url);

/** @type {typeof import("playwright-core")} */
export const playwright = require("playwright-core");

export const axeSource = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
