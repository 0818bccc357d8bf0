// The wall: a screen that nobody touches for days. It comes back from everything by itself, and loads
// itself anew when the program has changed, and once a day.

import { glide, Ranking } from "./calm-order.js";
import { ServerClock } from "./clock.js";
import { ResultsFeed } from "./results-feed.js";
import { duration, localClock, locale } from "./times.js";
import { grouped, say, sayText } from "./words.js";

const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const wall = find("main");
const { contest = "" } = wall.dataset;
const placesMax = Number(wall.dataset.top);
const bars = find("bars");
const percent = new Intl.NumberFormat(locale, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const clock = new ServerClock();
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** How long the total takes to its next value: as long as it stays, so that it never stands still. */
const COUNT_MILLIS = 1_800;
const LOOK_MILLIS = 30_000;
const VERSION_MILLIS = 5 * 60_000;
const DAY_MILLIS = 24 * 3_600_000;

/** @type {Map<string, HTMLElement>} */
const rows = new Map();
for (const row of /** @type {NodeListOf<HTMLElement>} */ (bars.querySelectorAll("li"))) rows.set(row.dataset.choice ?? "", row);
const ranking = new Ranking();
/** Where the total is on its way, with a fraction, and where it goes. */
const total = { at: -1, goal: -1, frame: 0 };
let status = "";
let through = "";
let isAway = false;

if (!find("address").textContent) find("address").textContent = `${location.host}/c/${contest}`;

const feed = new ResultsFeed(contest, {
  counts(counts) {
    isAway = false;
    ({ status, counted_through: through } = counts);
    setBoard(true);
    showBars(counts);
    countTo(counts.total);
    showState();
  },
  hidden() {
    isAway = false;
    setBoard(false);
    showState();
  },
  away() {
    isAway = true;
    showState();
  },
}, { forever: true });
/** Whether it asks for results already. */
let isAsking = wall.classList.contains("board");
if (isAsking) feed.start();

void clock.ask().then(tick);
setInterval(tick, 1_000);
setInterval(() => void look(), LOOK_MILLIS * (0.75 + Math.random() / 2));
setInterval(() => void renew(), VERSION_MILLIS);
void stayAwake();
document.addEventListener("visibilitychange", () => void stayAwake());

/** Bars, or the way to the vote alone. @param {boolean} isShown */
function setBoard(isShown) {
  wall.classList.toggle("board", isShown);
  wall.classList.toggle("invite", !isShown);
}

/** @param {import("./results-feed.js").Counts} counts */
function showBars({ choices, total: all }) {
  const leading = ranking.order(choices).slice(0, placesMax);
  const most = Math.max(1, ...leading.map(({ votes }) => votes));
  glide(bars, () => {
    for (const { choice, title, votes } of leading) {
      const row = rowOf(choice);
      const [name, share, count, bar] = row.children;
      set(/** @type {Element} */ (name.firstElementChild), title);
      set(share, percent.format(all > 0 ? votes / all : 0));
      set(count, grouped(votes));
      /** @type {SVGElement} */ (bar.firstElementChild).setAttribute("width", `${(100 * votes) / most}%`);
    }
    leading.forEach(({ choice }, n) => {
      const row = rowOf(choice);
      if (bars.children[n] !== row) bars.insertBefore(row, bars.children[n] ?? null);
    });
    while (bars.children.length > leading.length) bars.lastElementChild?.remove();
  });
}

/** @param {string} choice */
function rowOf(choice) {
  const known = rows.get(choice);
  if (known) return known;
  const row = document.createElement("li");
  row.dataset.choice = choice;
  const name = document.createElement("span");
  name.className = "name";
  name.append(document.createElement("bdi"));
  const [share, votes] = ["share num", "votes num"].map((className) => {
    const cell = document.createElement("span");
    cell.className = className;
    return cell;
  });
  const bar = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  bar.setAttribute("class", "bar");
  bar.setAttribute("aria-hidden", "true");
  const filled = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  filled.setAttribute("height", "100%");
  bar.append(filled);
  row.append(name, share, votes, bar);
  rows.set(choice, row);
  return row;
}

/** @param {Element} element @param {string} text */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Counts up to a value; never past it. @param {number} goal */
function countTo(goal) {
  // The same again leaves it on its way: begun anew each time, it would never arrive.
  if (goal === total.goal) return;
  cancelAnimationFrame(total.frame);
  const from = total.at;
  total.goal = goal;
  if (from < 0 || goal < from || calm.matches || document.visibilityState !== "visible") return showTotal(goal);
  const began = performance.now();
  const step = (/** @type {number} */ now) => {
    const part = Math.min(1, Math.max(0, (now - began) / COUNT_MILLIS));
    showTotal(from + (goal - from) * part);
    if (part < 1) total.frame = requestAnimationFrame(step);
  };
  total.frame = requestAnimationFrame(step);
}

/** @param {number} at */
function showTotal(at) {
  total.at = at;
  set(find("total"), grouped(Math.floor(at)));
}

function showState() {
  const isBoard = wall.classList.contains("board");
  const isCounting = !isBoard && phaseNow() === "closed" && wall.dataset.results === "after_close";
  const state = isAway ? sayText("wall_away")
    : isCounting ? sayText("wall_counting")
    : isBoard && status ? sayText(`state_${status}`, { time: localClock(new Date(through)) })
    : "";
  if (isAway || isCounting || status || !isBoard) set(find("state"), state);
  find("state").classList.toggle("away", isAway);
  find("state").dataset.status = isBoard ? status : "";
}

function phaseNow() {
  const { opensAt, closesAt } = wall.dataset;
  if (!clock.isKnown) return wall.dataset.phase ?? "draft";
  const now = clock.now();
  if (!opensAt || now < Date.parse(opensAt)) return "draft";
  return closesAt && now >= Date.parse(closesAt) ? "closed" : "open";
}

/** Once a second: the phase and the countdown. */
function tick() {
  const phase = phaseNow();
  if (wall.dataset.phase !== phase) {
    wall.dataset.phase = phase;
    showState();
  }
  ask();
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (wall.querySelectorAll("[data-when]"))) {
    element.hidden = element.dataset.when !== phase;
  }
  const { opensAt, closesAt } = wall.dataset;
  const end = phase === "draft" ? opensAt : phase === "open" ? closesAt : undefined;
  const left = !end || !clock.isKnown ? ""
    : say(phase === "draft" ? "opens_in" : "closes_in", { time: duration(Date.parse(end) - clock.now()) }).join("");
  set(find("countdown"), left);
}

/** Asks for results once there may be some: what the hours hide, the server hides too. */
function ask() {
  const { results, phase } = wall.dataset;
  if (isAsking || (results === "live" ? phase === "draft" : results === "hidden" || phase !== "closed")) return;
  isAsking = true;
  feed.start();
}

/** The definition as it is now: another title or hour, results revealed or hidden. */
async function look() {
  if (clock.isOld) await clock.ask();
  try {
    const response = await fetch(`/v1/contests/${encodeURIComponent(contest)}`);
    if (!response.ok) return;
    const { title, opens_at, closes_at, results } = await response.json();
    set(/** @type {Element} */ (find("title").firstElementChild), title);
    if (opens_at) wall.dataset.opensAt = opens_at;
    if (closes_at) wall.dataset.closesAt = closes_at;
    if (results === wall.dataset.results) return;
    wall.dataset.results = results;
    feed.stop();
    isAsking = false;
    setBoard(false);
    ask();
  } catch {
    // The network is away; the next look may do.
  }
}

const loadedAt = Date.now();
const version = versionOf(import.meta.url);

/** @param {string} text */
function versionOf(text) {
  return /\/assets\/([0-9a-f]{16})\//.exec(text)?.[1] ?? "";
}

/** Loads the page anew, and only when it is there to be loaded: an error page would stay for ever. */
async function renew() {
  try {
    const response = await fetch(location.href, { cache: "reload" });
    if (!response.ok) return;
    const there = versionOf(await response.text());
    if (there && (there !== version || Date.now() - loadedAt > DAY_MILLIS)) location.reload();
  } catch {
    // Not now.
  }
}

/** Asks the screen not to switch itself off. */
async function stayAwake() {
  try {
    if (document.visibilityState === "visible") await navigator.wakeLock?.request("screen");
  } catch {
    // It is a wish.
  }
}
