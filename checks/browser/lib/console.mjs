// What cases of the console do and look for, again and again.

import { page } from "./browser.mjs";
import { signInto } from "./scenes.mjs";

/** @param {import("playwright-core").Page} tab @param {string} selector @param {string} part waits until it is said */
export const says = (tab, selector, part) => tab.waitForFunction(([selector, part]) => document.querySelector(selector)?.textContent?.includes(part), [selector, part]);

export const text = (view, selector) => view.page.locator(selector).textContent();
export const shown = (view, selector) => view.page.waitForSelector(`${selector}:not([hidden])`);

/** Says yes to the question with this title. */
export const yes = async (view, title) => {
  await says(view.page, "#ask[open] #ask-title", title);
  await view.page.click("#ask-yes");
};

/** A console of a browser of its own, signed in. */
export async function openConsole({ browser, server }, path, options, name) {
  const view = await page(browser, options);
  await signInto(view.context, server, name);
  await view.page.goto(server.url + path);
  return view;
}
