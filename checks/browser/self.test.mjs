// The checks of the other files can fail: each is shown what it should find.

import assert from "node:assert/strict";
import { test } from "node:test";
import { axeViolations, page, stage } from "./lib/browser.mjs";
import { contest, until } from "./lib/server.mjs";

const it = stage();

const planted = {
  "an error in the console": [/console: planted/, () => console.error("planted")],
  "an error of a script": [/script: .*planted/s, () => void setTimeout(() => { throw new Error("planted"); })],
  "an inline script": [/CSP: script-src-elem forbids inline/, () => {
    const script = document.createElement("script");
    script.textContent = "1";
    document.head.append(script);
  }],
  "an inline style": [/CSP: style-src-attr forbids inline/, () => document.body.setAttribute("style", "color: red")],
};

for (const [name, [expected, plant]] of Object.entries(planted)) {
  test(`self: ${name} is noticed`, async () => {
    const { url } = await contest(it.server);
    const view = await page(it.browser);
    await view.page.goto(url);
    view.check();
    await view.page.evaluate(plant);
    await until(name, () => view.faults.some((fault) => expected.test(fault)));
    assert.throws(view.check);
    view.allow(/./);
    await view.close();
  });
}

test("self: a request to a foreign host is noticed", async () => {
  const { url } = await contest(it.server);
  // The policy would not even let it be made.
  const view = await page(it.browser, { context: { bypassCSP: true } });
  await view.page.route("https://elsewhere.example/", (route) => route.fulfill({ body: "" }));
  await view.page.goto(url);
  view.check();
  await view.page.evaluate(() => fetch("https://elsewhere.example/", { mode: "no-cors" }).then(() => {}));
  assert.deepEqual(view.faults, ["foreign host: https://elsewhere.example/"]);
  view.allow(/./);
  await view.close();
});

test("self: axe-core finds a field without a name", async () => {
  const { url } = await contest(it.server);
  const view = await page(it.browser);
  await view.page.goto(url);
  await view.page.evaluate(() => document.querySelector("main").append(document.createElement("input")));
  assert.deepEqual((await axeViolations(view.page)).map(({ id }) => id), ["label"]);
  await view.close();
});
