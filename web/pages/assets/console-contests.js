// The list of contests: what runs, how fast, how fresh.

import { api, clock, element, find, keep, say, showError, start } from "./console.js";
import { freshness, grouped, moment, perSecond, RESULTS, span, stage } from "./console-words.js";
import { showNodes } from "./console-nodes.js";

const POLL_MILLIS = 2_000;
const body = /** @type {HTMLTableSectionElement} */ (find("contests"));
/** @type {Map<string, HTMLTableRowElement>} */
const rows = new Map();
/** What was recorded when, for the rate. @type {Map<string, {through: number, recorded: number, rate: number | null}>} */
const heard = new Map();

/** @param {any} contest */
function newRow(contest) {
  const path = `/admin/contests/${encodeURIComponent(contest.contest)}`;
  const title = element("a", { href: path, dir: "auto" }, element("bdi"));
  const links = element("span", { class: "links" },
    element("a", { href: `${path}/edit` }, "Edit"),
    element("a", { href: `/admin/new?from=${encodeURIComponent(contest.contest)}` }, "Duplicate"),
    element("a", { href: `${path}/protocol`, hidden: "" }, "Protocol"));
  for (const link of links.children) link.setAttribute("aria-label", `${link.textContent} ${contest.contest}`);
  const row = element("tr", {},
    element("th", { scope: "row" }, title, element("small", { class: "quiet code" }, contest.contest)),
    element("td", {}, element("span", { class: "pill" }), element("small", { class: "quiet" })),
    element("td", { "data-label": "Hours" }, element("span"), element("small", { class: "quiet" })),
    element("td", { class: "num", "data-label": "Votes counted" }, element("span"), element("small", { class: "quiet" })),
    element("td", { class: "num", "data-label": "Votes/s" }),
    element("td", { class: "num", "data-label": "Counted through" }, element("span"), element("small")),
    element("td", {}, links));
  rows.set(contest.contest, /** @type {HTMLTableRowElement} */ (row));
  return /** @type {HTMLTableRowElement} */ (row);
}

/** @param {any} contest */
function show(contest) {
  const row = rows.get(contest.contest) ?? newRow(contest);
  const now = clock.now();
  const counts = contest.counts;
  const at = stage(contest, counts);
  say(/** @type {Element} */ (row.cells[0].querySelector("bdi")), contest.title);
  const pill = row.cells[1].children[0];
  say(pill, at);
  pill.className = `pill ${at === "open" ? "on" : ""}`;
  say(row.cells[1].children[1], `results ${RESULTS[contest.results]}`);
  const next = at === "draft" ? contest.opens_at : contest.closes_at;
  const words = at === "draft" ? "opens" : at === "open" ? "closes" : "closed";
  row.cells[2].children[0].replaceChildren(`${words} `, moment(next, true));
  const left = next ? Date.parse(next) - now : 0;
  say(row.cells[2].children[1], left > 0 ? `in ${span(left)}` : "");
  say(row.cells[3].children[0], counts ? grouped(counts.total) : "–");
  say(row.cells[3].children[1], counts && counts.recorded !== counts.total ? `of ${grouped(counts.recorded)} recorded` : "");
  say(row.cells[4], at === "open" ? perSecond(rateOf(contest.contest, counts)) : "–");
  const fresh = counts ? freshness(counts, now) : { text: "", level: "" };
  row.cells[5].children[0].replaceChildren(counts ? moment(counts.counted_through, true) : "–");
  say(row.cells[5].children[1], fresh.text);
  row.cells[5].children[1].className = fresh.level || "quiet";
  /** @type {HTMLElement} */ (row.cells[6].querySelectorAll("a")[2]).hidden = !counts;
  return row;
}

/** @param {string} contest @param {any} counts */
function rateOf(contest, counts) {
  if (!counts) return null;
  const through = Date.parse(counts.counted_through);
  const before = heard.get(contest);
  if (before && through <= before.through) return before.rate;
  const rate = before ? (Math.max(0, counts.recorded - before.recorded) * 1000) / (through - before.through) : null;
  heard.set(contest, { through, recorded: counts.recorded, rate });
  return rate;
}

/** What was said of contests that cannot be read: an alert is read out once, and not every other second. */
let unreadable = "";

/** @param {{contest: string, reason: string}[]} contests */
function showUnreadable(contests) {
  const text = JSON.stringify(contests);
  if (text === unreadable) return;
  unreadable = text;
  find("unreadable").replaceChildren(...contests.map(({ contest, reason }) =>
    element("p", {}, element("span", { class: "code" }, contest), ` cannot be read by this node: ${reason}`)));
  find("unreadable").hidden = contests.length === 0;
}

const ORDER = ["open", "draft", "closed", "final", "certified"];

async function list() {
  const { body: told } = await api("/v1/admin/overview");
  const contests = told.contests.toSorted((/** @type {any} */ a, /** @type {any} */ b) =>
    ORDER.indexOf(stage(a, a.counts)) - ORDER.indexOf(stage(b, b.counts)) || a.contest.localeCompare(b.contest));
  const shown = contests.map(show);
  shown.forEach((/** @type {HTMLTableRowElement} */ row, /** @type {number} */ n) => {
    if (body.rows[n] !== row) body.insertBefore(row, body.rows[n] ?? null);
  });
  while (body.rows.length > shown.length) body.deleteRow(-1);
  showUnreadable(told.unreadable);
  find("none").hidden = contests.length + told.unreadable.length > 0;
  find("list").hidden = contests.length === 0;
  showNodes(told.nodes, clock.now());
}

void start(() => void keep(POLL_MILLIS, list).catch(showError));
