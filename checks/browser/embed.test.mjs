// The vote in another site's page: where third-party cookies are blocked, where nothing is kept at all,
// and not at all where the contest does not name the site.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { page, stage } from "./lib/browser.mjs";
import { contest, until } from "./lib/server.mjs";
import { site, strict } from "./lib/strict.mjs";
import { counted, CUT_OFF, message, recorded, vote } from "./lib/voter.mjs";

const it = stage({ net: true });
let news;
before(async () => (news = await site("")));
after(() => news?.stop());

const element = ({ slug }) => `<!doctype html><html lang="en"><title>News</title>
  <script type="module" src="${it.net.url}/assets/landslide-vote.js"></script>
  <h1>News</h1><landslide-vote contest="${slug}"></landslide-vote><p>after`;
const plain = ({ slug }) => `<!doctype html><html lang="en"><title>News</title>
  <h1>News</h1><iframe title="Vote" width="600" height="900" src="${it.net.url}/c/${slug}/embed"></iframe>`;

/** A contest that the news site may frame, shown by it to a visitor who keeps these cookies. */
async function visitor(blocked, { html = element, rule = () => "pass", ...overrides } = {}, options = {}) {
  const made = await contest(it.server, { policy: "unlimited", embed_origins: [news.origin], ...overrides });
  news.html(html(made));
  const isBallot = ({ method, path }) => method === "POST" && path.includes(`/${made.slug}/ballots`);
  it.net.rule = (seen) => (isBallot(seen) ? rule(seen) : "pass");
  const view = await strict(blocked, { ...options, allowed: [CUT_OFF] });
  await view.page.goto(news.origin);
  const inside = view.page.frameLocator("iframe");
  const frame = () => until("the frame is there", () => view.page.frames().find((one) => one.url().includes("/embed")));
  return { ...made, ...view, inside, frame, posts: () => it.net.seen.filter(isBallot) };
}

/** Whether a third party's cookie sticks in the frame, as our own would have to without `Partitioned`. */
const cookieSticks = (frame) => frame.evaluate(() => {
  document.cookie = "probe=1; SameSite=None; Secure";
  return document.cookie.includes("probe=1");
});
const storageSticks = (frame) => frame.evaluate(() => {
  try {
    localStorage.setItem("probe", "1");
    return localStorage.getItem("probe") === "1";
  } catch {
    return false;
  }
});

for (const [blocked, sticks] of [["all", true], ["third party", false]]) {
  const how = sticks ? "with all cookies" : "with third-party cookies blocked";
  test(`embed: a vote in the element on a foreign origin, ${how}`, async () => {
    const one = await visitor(blocked);
    await vote(one.inside, "Dark");
    const first = await recorded(one.inside);
    assert.equal(await cookieSticks(await one.frame()), sticks, "the browser blocks what it should");
    await one.page.reload();
    assert.equal(await recorded(one.inside), first, "the receipt is kept in the frame's own storage");
    await one.inside.getByRole("button", { name: message("vote_again") }).click();
    await vote(one.inside, "The Wire");
    await until("another receipt", async () => (await recorded(one.inside)) !== first);
    const devices = new Set(one.posts().map(({ body }) => JSON.parse(body).device));
    assert.equal(devices.size, 1, "it is the same device");
    await counted(it.server, one.slug, { votes: { dark: 1, "the-wire": 1 }, recorded: 2 });
    await one.close();
  });
}

test("embed: the frame is as high as its page, whatever it shows", async () => {
  const one = await visitor("third party");
  const frame = await one.frame();
  const isWhole = async () => {
    const outer = await one.page.locator("iframe").evaluate(({ clientHeight }) => clientHeight);
    const inner = await frame.evaluate(() => document.body.getBoundingClientRect().height);
    return Math.abs(outer - inner) <= 1;
  };
  await until("the form is shown whole", isWhole);
  await vote(one.inside);
  await recorded(one.inside);
  await until("the receipt is shown whole", isWhole);
  await one.close();
});

test("embed: a reload while it is sending, with third-party cookies blocked, is one ballot", async () => {
  let away = true;
  const one = await visitor("third party", { rule: () => (away ? "lose" : "pass") });
  await vote(one.inside);
  await until("a ballot is sent", () => one.posts().some(({ status }) => status === 201));
  await one.page.reload();
  away = false;
  await recorded(one.inside);
  const rows = one.posts().filter(({ status }) => status === 201).length;
  assert.ok(rows > 1);
  await counted(it.server, one.slug, { votes: { "the-wire": 1 }, recorded: rows });
  await one.close();
});

test("embed: where the browser keeps nothing a vote arrives all the same, and the page says so", async () => {
  let away = true;
  const one = await visitor("none", { rule: () => (away ? "lose" : "pass") });
  assert.deepEqual([await cookieSticks(await one.frame()), await storageSticks(await one.frame())], [false, false]);
  await vote(one.inside);
  const said = one.inside.locator("#progress");
  await one.inside.locator("#try-now:not([hidden])").waitFor();
  assert.match(await said.innerText(), new RegExp(message("not_kept")));
  away = false;
  await recorded(one.inside);
  const rows = one.posts().filter(({ status }) => status === 201).length;
  await counted(it.server, one.slug, { votes: { "the-wire": 1 }, recorded: rows });
  await one.close();
});

test("embed: without script, in a plain frame, with third-party cookies blocked", async () => {
  const one = await visitor("third party", { html: plain }, { javaScript: false });
  await vote(one.inside);
  await one.inside.locator("#confirm button").click();
  assert.equal(await one.inside.locator("#receipt h2").innerText(), message("recorded"));
  await counted(it.server, one.slug, { votes: { "the-wire": 1 }, recorded: 1 });
  await one.close();
});

for (const [what, origins, from] of [
  ["another origin of the same host", () => [news.origin], () => news.sameSite],
  ["any site where the contest names none", () => [], () => news.origin],
]) {
  test(`embed: the frame is refused to ${what}`, async () => {
    const made = await contest(it.server, { embed_origins: origins() });
    news.html(plain(made));
    const view = await page(it.browser, { allowed: [/frame-ancestors|Refused to frame|ERR_BLOCKED_BY_RESPONSE/] });
    await view.page.goto(from());
    await until("the frame has failed", () => view.faults.some((fault) => /frame/i.test(fault)));
    const texts = await Promise.all(view.page.frames().slice(1).map((frame) => frame.locator("body").innerText().catch(() => "")));
    assert.ok(!texts.join().includes("The Wire"), "nothing of the vote is shown");
    await view.close();
  });
}

test("embed: only the page for frames and the results may be framed", async () => {
  const made = await contest(it.server, { embed_origins: [news.origin], results: "live" });
  for (const path of ["", "/wall"]) {
    const { headers, status } = await fetch(`${made.url}${path}`);
    assert.equal(status, 200, path);
    assert.match(headers.get("content-security-policy"), /frame-ancestors 'none'/, path);
  }
  for (const path of ["/embed", "/results"]) {
    const { headers } = await fetch(`${made.url}${path}`);
    assert.match(headers.get("content-security-policy"), new RegExp(`frame-ancestors ${news.origin}`), path);
  }
});

test("embed: live results in another site's frame, which no link leads out of", async () => {
  const made = await contest(it.server, { embed_origins: [news.origin], results: "live" });
  news.html(`<!doctype html><html lang="en"><title>News</title><iframe title="Results" width="600" height="900" src="${made.url}/results"></iframe>`);
  const view = await page(it.browser, { allowed: [/status of 404/] });
  await view.page.goto(news.origin);
  const inside = view.page.frameLocator("iframe");
  const body = JSON.stringify({ choice: "dark", device: crypto.randomUUID() });
  await fetch(`${it.server.url}/v1/contests/${made.slug}/ballots`, { method: "POST", headers: { "content-type": "application/json" }, body });
  await inside.locator("#results-rows tr:nth-child(3) td:nth-child(2)", { hasText: "1" }).waitFor();
  assert.equal(await inside.locator("a:not([target=_blank])").count(), 0);
  assert.equal(await inside.locator("header.top").isVisible(), false);
  await view.close();
});

test("embed: a foreign site's form that posts itself records nothing", async () => {
  const made = await contest(it.server, { policy: "unlimited" });
  const id = "01990000-0000-7000-8000-000000000000";
  news.html(`<!doctype html><html lang="en"><title>Prize</title><form method="post" action="${made.url}">
    <input name="choice" value="dark"><input name="ballot_id" value="${id}"></form>
    <script>document.forms[0].submit()</script>`);
  const view = await page(it.browser, { allowed: [/status of 403/] });
  const answered = view.page.waitForResponse((response) => response.request().method() === "POST");
  await view.page.goto(news.origin);
  assert.equal((await answered).status(), 403);
  await view.page.locator(`a[href$="/c/${made.slug}"]`).waitFor();
  assert.equal(await view.page.locator("[name=ballot_id]").count(), 0);
  await counted(it.server, made.slug, { votes: {}, recorded: 0 });
  await view.close();
});
