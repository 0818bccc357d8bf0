// One contest, live: where it stands, what can be done next, its counts as they grow.

import { api, clock, contestPath, element, find, keep, Problem, say, showError, start } from "./console.js";
import { Chart } from "./console-chart.js";
import { Choices, showBallots, showChannels } from "./console-counts.js";
import { setUpLife, showLife } from "./console-life.js";
import { showNodes } from "./console-nodes.js";
import { allLines, channelLines, Points } from "./console-points.js";
import { freshness, grouped, moment, perSecond, phase, RESULTS, span, timeOfDay, utc, zone } from "./console-words.js";

const POLL_MILLIS = 1_000;
const MINUTES_5 = 300;
/** A page that has not looked for so long asks the server for what it missed. */
const GAP_SECONDS = 15;
const POINTS_MAX = 60_000;
const contest = decodeURIComponent(location.pathname.split("/")[3] ?? "");
const points = new Points();
let isLoaded = false;
/** @type {any} */
let told = null;
/** @type {Choices} */
let choices;
/** @type {Chart[]} */
let charts = [];

async function look() {
  const { body } = await api(contestPath(contest, "/live"));
  told = body;
  const row = body.counts;
  const last = points.all.at(-1);
  const missed = row && last && Date.parse(row.counted_through) / 1000 - last.time > GAP_SECONDS;
  if (!isLoaded || missed || points.all.length > POINTS_MAX) {
    points.load((await api(contestPath(contest, "/series"))).body);
    isLoaded = true;
  }
  const isNew = row ? points.add(row.counted_through, row.ballots.recorded, row.channels) : false;
  showHead();
  showLife(told);
  find("choices-none").hidden = Boolean(row);
  if (row) showCounts(row);
  if (isNew || !charts[0].points.length) showCharts();
  showNodes(body.nodes, clock.now(), body.lease.holder);
  showLease();
}

function showHead() {
  document.title = `${told.title}: Landslide`;
  say(find("title"), told.title);
  say(find("slug"), contest);
  for (const [id, time] of [["opens", told.opens_at], ["closes", told.closes_at]]) {
    find(id).replaceChildren(moment(time));
    say(find(`${id}-utc`), time ? utc(time) : "");
  }
  say(find("results"), RESULTS[told.results]);
  /** @type {HTMLAnchorElement} */ (find("voter-page")).href = `/c/${encodeURIComponent(contest)}`;
}

/** @param {any} row */
function showCounts(row) {
  say(find("total"), grouped(row.total));
  say(find("recorded"), grouped(row.ballots.recorded));
  say(find("rate"), perSecond(points.now));
  const peak = points.all.reduce((highest, { rate }) => Math.max(highest, rate ?? 0), 0);
  say(find("peak"), `peak ${perSecond(peak)}`);
  say(find("status"), row.status);
  say(find("generation"), `generation ${grouped(row.generation)}`);
  choices.update(row.choices);
  showBallots(row.ballots);
  showChannels(row.channels);
}

function showCharts() {
  const end = points.all.at(-1)?.time ?? clock.now() / 1000;
  const recent = points.last(MINUTES_5);
  charts[0].show(recent, allLines(recent), [end - MINUTES_5, end]);
  const opened = told.opens_at ? Date.parse(told.opens_at) / 1000 : end;
  const first = Math.max(points.all[0]?.time ?? opened, opened);
  // A contest that has just begun does not fill the paper with its first seconds.
  charts[1].show(points.all, allLines(points.all), [Math.min(first, end - 60), end]);
  const channels = Object.keys(told.counts?.channels ?? {});
  // One channel alone has the same line as all.
  find("chart-channels").hidden = channels.length < 2;
  if (channels.length > 1) charts[2].show(recent, channelLines(recent, points.channels, channels), [end - MINUTES_5, end]);
}

/** Between two answers, what moves with the clock. */
function tick() {
  if (!told) return;
  const now = clock.now();
  const row = told.counts;
  if (row) {
    const { text, level } = freshness(row, now);
    say(find("through"), timeOfDay(Date.parse(row.counted_through)));
    say(find("age"), text);
    find("age").className = level || "quiet";
    find("fresh").dataset.level = level;
  }
  const next = { draft: told.opens_at, open: told.closes_at, closed: null }[phase(told, now)];
  say(find("countdown"), next ? `${phase(told, now) === "draft" ? "opens" : "closes"} in ${span(Date.parse(next) - now)}` : "");
}

function showLease() {
  const { holder, expires_at: until } = told.lease;
  const isDone = told.counts && told.counts.status !== "provisional";
  const words = isDone ? "nobody any more: it is counted to the end"
    : !holder ? "nobody yet"
    : until && Date.parse(until) < clock.now() - 10_000 ? `${holder}, whose lease ended ${moment(until).textContent}`
    : holder;
  say(find("lease"), words);
}

async function showRecord() {
  const { body } = await api(contestPath(contest, "/audit"));
  const acts = body.entries.toReversed().map((/** @type {any} */ { at, what, by }) =>
    element("li", {}, element("span", {}, what), " ", element("small", { class: "quiet" }, moment(at, true), ", ", element("bdi", {}, by))));
  find("record").replaceChildren(...acts);
}

/** After a change: everything at once, not at the next poll. */
async function renew() {
  await Promise.all([look(), showRecord()]);
}

void start(() => {
  choices = new Choices(find("choices"), find("by-votes"), find("filter"));
  charts = [
    new Chart(find("chart-recent"), "the last five minutes"),
    new Chart(find("chart-whole"), "the whole contest"),
    new Chart(find("chart-channels"), "by channel, the last five minutes"),
  ];
  for (const link of document.querySelectorAll("a[data-path]")) {
    const { path = "" } = /** @type {HTMLElement} */ (link).dataset;
    /** @type {HTMLAnchorElement} */ (link).href = path.startsWith("~")
      ? `/admin/contests/${encodeURIComponent(contest)}${path.slice(1)}` : contestPath(contest, path);
  }
  /** @type {HTMLAnchorElement} */ (find("duplicate")).href = `/admin/new?from=${encodeURIComponent(contest)}`;
  say(find("zone"), `Times are in ${zone}.`);
  setUpLife(contest, () => told, renew);
  void showRecord().catch((error) => {
    if (!(error instanceof Problem && error.status === 404)) showError(error);
  });
  void keep(POLL_MILLIS, look);
  setInterval(tick, 100);
});
