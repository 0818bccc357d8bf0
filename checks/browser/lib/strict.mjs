// A browser that refuses cookies: those of third parties, or all of them and the storage with them; as
// a visitor's settings do, not as a script that is injected would.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "node:test";
import { launchOptions, watched } from "./browser.mjs";
import { playwright } from "./modules.mjs";

const PREFERENCES = {
  all: { cookie_controls_mode: 0, block_third_party_cookies: false },
  // What "block third-party cookies" writes.
  "third party": { cookie_controls_mode: 1, block_third_party_cookies: true },
  // What "don't allow sites to save data on your device" writes.
  none: { default_content_setting_values: { cookies: 2 } },
};

// Instead of Playwright's own list, which switches the partitioned storage of frames off, too.
const FEATURES = "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,OptimizationHints";

/**
 * A page in a browser of its own, which keeps these cookies.
 * @param {"all" | "third party" | "none"} blocked `all`: as a browser comes; `third party`: blocks those; `none`: keeps none
 * @param {Parameters<typeof watched>[1] & {javaScript?: boolean}} [options]
 */
export async function strict(blocked, { javaScript = true, ...options } = {}) {
  const profile = mkdtempSync(join(tmpdir(), "landslide-profile-"));
  mkdirSync(join(profile, "Default"));
  writeFileSync(join(profile, "Default/Preferences"), JSON.stringify({ profile: PREFERENCES[blocked] }));
  const context = await playwright.chromium.launchPersistentContext(profile, {
    ...launchOptions([FEATURES]),
    viewport: { width: 800, height: 900 },
    locale: "en-GB",
    javaScriptEnabled: javaScript,
  });
  open.set(context, profile);
  return watched(context, options);
}

/** Those that run, with their profiles. */
const open = new Map();

// A case that went red has not closed its own.
afterEach(async () => {
  for (const [context, profile] of open) {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
    open.delete(context);
  }
});

/**
 * Another site, whose every path answers this page. By its name it is another site than the node's
 * 127.0.0.1 is, not only another origin.
 * @param {string} html
 */
export async function site(html) {
  const http = createServer((_, reply) => {
    reply.setHeader("content-type", "text/html; charset=utf-8");
    reply.end(html);
  });
  await new Promise((done) => http.listen(0, "127.0.0.1", done));
  const { port } = http.address();
  return {
    origin: `http://localhost:${port}`,
    sameSite: `http://127.0.0.1:${port}`,
    html: (text) => void (html = text),
    stop: () => new Promise((done) => (http.closeAllConnections(), http.close(done))),
  };
}
