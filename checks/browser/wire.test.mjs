// What goes over the wire: few bytes, one request before a vote is possible, from our own host alone,
// under a strict policy, and nothing twice.

import assert from "node:assert/strict";
import { test } from "node:test";
import { page, stage } from "./lib/browser.mjs";
import { contest, minutes, until } from "./lib/server.mjs";
import { counted, recorded, vote } from "./lib/voter.mjs";

const it = stage({ net: true });

/** Of a first view, headers and all. */
const BYTES_MAX = 25_000;
const TITLES = [
  "Breaking Bad", "The Wire", "Dark", "Borgen", "Fleabag", "Severance", "The Sopranos", "Chernobyl", "Succession", "Babylon Berlin",
];
/** As large as an ordinary contest gets: ten choices, hours, results that are shown. */
const ordinary = () => ({
  policy: "latest", results: "live", opens_at: minutes(-5), closes_at: minutes(115),
  choices: TITLES.map((title) => ({ choice: title.toLowerCase().replaceAll(" ", "-"), title })),
});

/** What a first view loads but for the stream of results, which goes on, as `[path, bytes of the body, bytes with its headers]`. */
async function firstView(url, locale) {
  const view = await page(it.browser, { locale, width: 360, height: 780 });
  const session = await view.context.newCDPSession(view.page);
  await session.send("Network.enable");
  const loaded = new Map();
  session.on("Network.requestWillBeSent", ({ requestId, request }) => loaded.set(requestId, { url: request.url, body: 0, all: null }));
  session.on("Network.dataReceived", ({ requestId, encodedDataLength }) => void (loaded.get(requestId).body += encodedDataLength));
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => void (loaded.get(requestId).all = encodedDataLength));
  await view.page.goto(url, { waitUntil: "networkidle" });
  await view.page.locator("#countdown bdi").waitFor();
  // A stream of results does not end.
  const done = [...loaded.values()].filter((one) => !one.url.endsWith("/stream"));
  await until("everything has come", () => done.every((one) => one.all !== null));
  await view.close();
  // Of the document Chromium says only the whole.
  const headers = { "accept-encoding": "gzip", "accept-language": locale };
  done[0].body = Number((await fetch(url, { headers })).headers.get("content-length"));
  return done.map((one) => [new URL(one.url).pathname, one.body, one.all]);
}

for (const locale of ["en-GB", "de", "ar"]) {
  test(`wire: a first view has at most ${BYTES_MAX / 1000} KB, in ${locale}`, async (t) => {
    const { url, slug } = await contest(it.server, ordinary());
    await until("it is counted", async () => (await it.server.admin(`contests/${slug}/counts`)).ok);
    const loaded = await firstView(url, locale);
    assert.ok(loaded.length > 5, "scripts are counted, too");
    const sum = loaded.reduce((one, [, , all]) => one + all, 0);
    const rows = [...loaded, ["first view", loaded.reduce((one, [, body]) => one + body, 0), sum]];
    t.diagnostic(`bytes over the wire (${locale}): body, with headers`);
    for (const [path, body, all] of rows) {
      t.diagnostic(`${String(body).padStart(7)} ${String(all).padStart(7)}  ${path.replace(/[0-9a-f]{16}/, "…").replace(slug, "{contest}")}`);
    }
    assert.ok(sum <= BYTES_MAX, `${sum} bytes`);
  });
}

test("wire: after one request a vote is possible, and painted, while everything else is away", async () => {
  const { slug, path } = await contest(it.server);
  it.net.rule = ({ method, path: asked }) => (method === "POST" || asked === path ? "pass" : new Promise(() => {}));
  const view = await page(it.browser, { width: 360, height: 780 });
  await view.page.goto(`${it.net.url}${path}`, { waitUntil: "commit" });
  await until("it is painted", () => view.page.evaluate(() => performance.getEntriesByName("first-contentful-paint").length));
  assert.deepEqual(it.net.of("GET", path).length, 1);
  const colours = await view.page.evaluate(() => getComputedStyle(document.querySelector(".cast button")).backgroundColor);
  assert.notEqual(colours, "rgb(239, 239, 239)", "the style came with it");
  await vote(view.page);
  await view.page.locator("#confirm button").click();
  await view.page.locator("#receipt").waitFor();
  await counted(it.server, slug, { votes: { "the-wire": 1 }, recorded: 1 });
  await view.close();
});

test("wire: what a browser has is not sent again", async () => {
  const made = await contest(it.server, ordinary());
  const page = await fetch(made.url);
  const html = await page.text();
  const assets = [...new Set(html.match(/\/assets\/[0-9a-f]{16}\/[\w.-]+/g))];
  assert.ok(assets.length > 4);
  for (const path of [made.path, `${made.path}/embed`, "/", `/v1/contests/${made.slug}`, ...assets]) {
    const url = new URL(path, it.server.url);
    const first = await fetch(url);
    const etag = first.headers.get("etag");
    assert.match(etag, /^"[^"]+"$/, path);
    assert.ok((await first.text()).length > 0);
    const again = await fetch(url, { headers: { "if-none-match": etag } });
    assert.deepEqual([again.status, (await again.text()).length], [304, 0], path);
    const changed = await fetch(url, { headers: { "if-none-match": '"another"' } });
    assert.equal(changed.status, 200, path);
    const kept = assets.includes(path) ? /immutable/ : /max-age=\d/;
    assert.match(first.headers.get("cache-control"), kept, path);
  }
  assert.equal(page.headers.get("set-cookie"), null, "nothing in the page is one visitor's");
});

test("wire: a second view asks for the page alone, and is answered that it has it", async () => {
  const { path } = await contest(it.server);
  const view = await page(it.browser);
  await view.page.goto(`${it.net.url}${path}`, { waitUntil: "networkidle" });
  const before = it.net.seen.length;
  await view.page.reload({ waitUntil: "networkidle" });
  const asked = it.net.seen.slice(before).map(({ path, status }) => [path, status]);
  assert.deepEqual(asked.find(([one]) => one === path), [path, 304]);
  assert.deepEqual(asked.filter(([one]) => one.startsWith("/assets/")), [], "the files are the browser's");
  await view.close();
});

test("wire: every page's policy forbids what stands inline, and every other host", async () => {
  const { slug, path } = await contest(it.server, {
    embed_origins: ["https://news.example"],
    choices: [{ choice: "a", title: "A", picture: "https://pictures.example/a.jpg" }, { choice: "b", title: "B" }],
  });
  const form = { method: "POST", headers: { "content-type": "application/x-www-form-urlencoded" } };
  const answers = {
    page: await fetch(it.server.url + path),
    frame: await fetch(`${it.server.url}${path}/embed`),
    "all votes": await fetch(it.server.url),
    "not found": await fetch(`${it.server.url}/c/no-such-vote`),
    confirm: await fetch(it.server.url + path, { ...form, body: "choice=a" }),
    refused: await fetch(it.server.url + path, { ...form, body: "" }),
  };
  for (const [name, { headers }] of Object.entries(answers)) {
    const policy = headers.get("content-security-policy");
    const directives = Object.fromEntries(policy.split(";").map((one) => one.trim().split(/\s+(.*)/)));
    assert.doesNotMatch(policy, /unsafe|\*|http:/, name);
    assert.equal(directives["default-src"], "'none'", name);
    assert.equal(directives["script-src"], "'self'", name);
    assert.match(directives["style-src"], /^'self' 'sha256-[\w+/=]+'$/, name);
    for (const what of ["connect-src", "form-action"]) assert.equal(directives[what], "'self'", `${name}: ${what}`);
    assert.equal(directives["base-uri"], "'none'", name);
    assert.equal(directives["frame-ancestors"], name === "frame" ? "https://news.example" : "'none'", name);
    assert.match(directives["img-src"], /^'self' data:( https:\/\/pictures\.example)?$/, name);
    assert.equal(headers.get("x-content-type-options"), "nosniff", name);
  }
  assert.ok(slug);
});

test("wire: a vote from beginning to end asks our own host alone", async () => {
  const { url } = await contest(it.server, ordinary());
  const view = await page(it.browser);
  await view.page.goto(url, { waitUntil: "load" });
  view.allow(/status of 404.*\/results\)/);
  await vote(view.page);
  await recorded(view.page);
  const hosts = new Set(view.requests.map((request) => new URL(request.url()).host));
  assert.deepEqual([...hosts], [`127.0.0.1:${it.server.port}`]);
  await view.close();
});
