// A service with more than one address: its pages go to the next when the first is dead.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, page } from "./lib/browser.mjs";
import { proxy } from "./lib/proxy.mjs";
import { contest, freePort, start } from "./lib/server.mjs";
import { counted, CUT_OFF, recorded, vote } from "./lib/voter.mjs";

let server, browser, first, second;

before(async () => {
  // Both addresses stand in the settings, so they are there before the node.
  const port = await freePort();
  first = await proxy({ url: `http://127.0.0.1:${port}` });
  second = await proxy({ url: `http://127.0.0.1:${port}` });
  server = await start({ port, args: ["--vote-addresses", `${first.url},${second.url}`] });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await first?.stop();
  await second?.stop();
  await server?.stop();
});

test("addresses: the first is dead at the tap, so the ballot goes to the next", async () => {
  const { slug, path } = await contest(server, { policy: "unlimited" });
  const view = await page(browser, { allowed: [CUT_OFF] });
  await view.page.goto(`${first.url}${path}`);
  await first.refuse();
  await vote(view.page);
  const id = await recorded(view.page);
  const sent = second.of("POST", "/ballots");
  assert.deepEqual(sent.map(({ status, body }) => [status, JSON.parse(body).ballot_id]), [[201, id]]);
  assert.equal(sent[0].headers.origin, first.url, "from the first one's page");
  await counted(server, slug, { votes: { "the-wire": 1 }, recorded: 1 });
  await view.close();
  await first.listen();
});

test("addresses: a lost reply of the first and the answer of the next are one ballot", async () => {
  const { slug, path } = await contest(server, { policy: "unlimited" });
  const view = await page(browser, { allowed: [CUT_OFF] });
  first.rule = ({ method }) => (method === "POST" ? "lose" : "pass");
  await view.page.goto(`${first.url}${path}`);
  await vote(view.page);
  await recorded(view.page);
  const lost = first.of("POST", `/${slug}/ballots`);
  const heard = second.of("POST", `/${slug}/ballots`);
  assert.ok(lost.length >= 1 && heard.length === 1);
  await counted(server, slug, { votes: { "the-wire": 1 }, recorded: lost.length + 1 });
  await view.close();
});

test("addresses: no other site's page reads the answer, and none is asked with cookies", async () => {
  const { slug } = await contest(server);
  const ask = (origin) => fetch(`${server.url}/v1/contests/${slug}/ballots`, {
    method: "OPTIONS",
    headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type" },
  });
  const ours = await ask(first.url);
  assert.equal(ours.headers.get("access-control-allow-origin"), first.url);
  assert.equal(ours.headers.get("access-control-allow-credentials"), null);
  const foreign = await ask("https://elsewhere.example");
  assert.equal(foreign.headers.get("access-control-allow-origin"), null);
});
