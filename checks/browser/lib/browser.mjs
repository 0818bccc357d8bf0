// Chromium, and pages whose every fault is noted: errors of the console and of scripts, violations of
// the content security policy, requests to foreign hosts.

import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";
import { axeSource, playwright } from "./modules.mjs";
import { proxy } from "./proxy.mjs";
import { PATIENCE_MILLIS, start } from "./server.mjs";

const ARGS = [
  "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
/** WCAG 2.2 AA, and what axe calls best practice. */
const AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** What every launch has. */
export const launchOptions = (args = []) => ({
  executablePath: process.env.LANDSLIDE_CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: [...ARGS, ...args],
  timeout: PATIENCE_MILLIS,
});

/** Starts Chromium. @param {{args?: string[]}} [options] more flags of its command line */
export const launch = ({ args } = {}) => playwright.chromium.launch(launchOptions(args));

/**
 * A node and a browser for the tests of one file; they are there once the first test runs.
 * @param {object} [options]
 * @param {Parameters<typeof start>[0]} [options.server]
 * @param {Parameters<typeof launch>[0]} [options.launch]
 * @param {boolean} [options.net] with a network that misbehaves in between, see `proxy.mjs`
 * @returns {{server: import("./server.mjs").Server, browser: import("playwright-core").Browser, net: any}}
 */
export function stage(options = {}) {
  const it = {};
  before(async () => {
    it.server = await start(options.server);
    it.browser = await launch(options.launch);
    if (options.net) it.net = await proxy(it.server);
  });
  // What a case that went red leaves behind is not the next one's trouble.
  afterEach(async () => {
    for (const context of it.browser.contexts()) await context.close();
    if (it.net) it.net.rule = () => "pass";
    await it.net?.listen();
    if (!it.server.isRunning) await it.server.restart();
  });
  after(async () => {
    await it.browser?.close();
    await it.net?.stop();
    await it.server?.stop();
  });
  return it;
}

/**
 * A page in a context of its own.
 *
 * `check()` asserts that nothing was wrong so far, in no tab and frame of the context; `close()` does
 * so and closes the context. `allow(pattern)` takes out what a case brings about on purpose: it is
 * held against `text (address)` of a fault, as in `/status of 412/`. `faults` is what was noted, and
 * `requests` every request.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {object} [options]
 * @param {number} [options.width] of the viewport in CSS pixels
 * @param {number} [options.height]
 * @param {"light" | "dark"} [options.colourScheme]
 * @param {boolean} [options.javaScript]
 * @param {string} [options.locale]
 * @param {boolean} [options.offline]
 * @param {boolean} [options.reducedMotion]
 * @param {string[]} [options.origins] that may be asked, beside those of the loopback
 * @param {RegExp[]} [options.allowed] faults that the case brings about on purpose
 * @param {import("playwright-core").BrowserContextOptions} [options.context] anything else
 */
export async function page(browser, options = {}) {
  const {
    width = 1280, height = 800, colourScheme = "light", javaScript = true, locale = "en-GB",
    offline = false, reducedMotion = false, ...more
  } = options;
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: colourScheme,
    javaScriptEnabled: javaScript,
    locale,
    offline,
    timezoneId: "Europe/London",
    reducedMotion: reducedMotion ? "reduce" : "no-preference",
    ...more.context,
  });
  return watched(context, more);
}

/** The same over a context that is there already. @param {import("playwright-core").BrowserContext} context */
export async function watched(context, { origins = [], allowed = [] } = {}) {
  context.setDefaultTimeout(PATIENCE_MILLIS);
  const faults = [];
  const requests = [];
  const patterns = [...allowed];
  context.on("console", (message) => {
    if (message.type() === "error") faults.push(`console: ${message.text()} (${message.location().url})`);
  });
  context.on("weberror", (error) => {
    faults.push(`script: ${error.error().stack ?? error.error()} (${error.page()?.url()})`);
  });
  context.on("request", (request) => {
    requests.push(request);
    const { protocol, hostname, origin } = new URL(request.url());
    const isOurs = ["127.0.0.1", "localhost"].includes(hostname) || origins.includes(origin);
    if (/^(http|ws)s?:$/.test(protocol) && !isOurs) faults.push(`foreign host: ${request.url()}`);
  });
  // Said in the console by most browsers anyway; here with the directive, from every frame.
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => {
      console.error(`CSP: ${event.effectiveDirective} forbids ${event.blockedURI || "inline"}`);
    });
  });
  const check = () => {
    const left = faults.filter((fault) => !patterns.some((pattern) => pattern.test(fault)));
    assert.deepEqual(left, [], "the page is without faults");
  };
  return {
    context,
    page: context.pages()[0] ?? (await context.newPage()),
    faults,
    requests,
    check,
    allow: (...more) => void patterns.push(...more),
    async close() {
      await context.close();
      check();
    },
  };
}

/**
 * Runs axe-core over what the page shows now, and asserts that it finds nothing. Its source is
 * evaluated in a world of its own, which the page's content security policy is not asked about and
 * the page's scripts do not see.
 * @param {import("playwright-core").Page} page
 * @param {string} [what] for the message
 */
export async function axe(page, what = page.url()) {
  const found = await axeViolations(page);
  const lines = found.flatMap(({ id, help, nodes }) => [
    `${id}: ${help}`,
    ...nodes.map((node) => `    ${node.target.join(" ")}  ${node.failureSummary.replace(/\s+/g, " ")}`),
  ]);
  assert.ok(found.length === 0, `axe-core, ${what}:\n  ${lines.join("\n  ")}`);
}

/** What axe-core finds. @param {import("playwright-core").Page} page */
export async function axeViolations(page) {
  // A colour that is on its way from one to another is neither.
  await page.evaluate(() => Promise.all(document.getAnimations().filter((one) => one.effect?.getTiming().iterations !== Infinity)
    .map((one) => one.finished.catch(() => {}))));
  const session = await page.context().newCDPSession(page);
  try {
    const { frameTree } = await session.send("Page.getFrameTree");
    const { executionContextId } = await session.send("Page.createIsolatedWorld", {
      frameId: frameTree.frame.id, worldName: "axe",
    });
    const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
      expression: `${axeSource};axe.run(document, {runOnly: ${JSON.stringify(AXE_TAGS)}, iframes: false}).then((found) => found.violations)`,
      contextId: executionContextId,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(`axe-core: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  } finally {
    await session.detach();
  }
}
