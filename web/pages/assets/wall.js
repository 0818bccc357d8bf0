// The wall: a screen that nobody touches for days. It comes back from everything by itself, and loads
// itself anew when the program has changed, and once a day.

import { glide, Ranking } from "./calm-order.js";
import { Follow } from "./follow.js";
import { ResultsFeed } from "./results-feed.js";
import { percentIn, shares } from "./shares.js";
import { duration, localClock, locale } from "./times.js";
import { grouped, say, sayText } from "./words.js";

const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const wall = find("main");
const { contest = "" } = wall.dataset;
const placesMax = Number(wall.dataset.top);
const bars = find("bars");
const percent = percentIn(locale);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** How long the total takes to its next value: as long as it stays, so that it never stands still. */
const COUNT_MILLIS = 1_800;
const VERSION_MILLIS = 5 * 60_000;
const DAY_MILLIS = 24 * 3_600_000;

/** @type {Map<string, HTMLElement>} */
const rows = new Map();
for (const row of /** @type {NodeListOf<HTMLElement>} */ (bars.querySelectorAll("li"))) rows.set(row.dataset.choice ?? "", row);
const ranking = new Ranking();
/** Where the total is on its way, with a fraction, and where it goes. */
const total = { at: -1, goal: -1, frame: 0 };
let status = find("state").dataset.status ?? "";
let through = find("state").querySelector("time")?.dateTime ?? "";
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
    follow.heard(counts.definition);
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
/** Whether it asks for results. */
let isAsking = false;
const follow = new Follow(wall, { change, tick }, { forever: true });
change();
follow.start();
setInterval(() => void renew(), VERSION_MILLIS);
void stayAwake();
document.addEventListener("visibilitychange", () => void stayAwake());

/** Bars, or the way to the vote alone. @param {boolean} isShown */
function setBoard(isShown) {
  wall.classList.toggle("board", isShown);
  wall.classList.toggle("invite", !isShown);
}

/** @param {import("./results-feed.js").Counts} counts */
function showBars({ choices }) {
  const all = shares(choices.map(({ votes }) => votes));
  const shareOf = new Map(choices.map(({ choice }, n) => [choice, all[n]]));
  const ranked = ranking.order(choices);
  const leading = ranked.slice(0, placesMax);
  const most = Math.max(1, ...leading.map(({ votes }) => votes));
  const least = Math.min(...leading.map(({ votes }) => votes));
  const tied = ranked.slice(placesMax).filter(({ votes }) => votes >= least).length;
  set(find("tied"), tied ? sayText("wall_tied", { n: tied }) : "");
  glide(bars, () => {
    for (const { choice, title, votes } of leading) {
      const row = rowOf(choice);
      const [name, share, count, bar] = row.children;
      set(/** @type {Element} */ (name.firstElementChild), title);
      set(share, percent(/** @type {import("./shares.js").Share} */ (shareOf.get(choice))));
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
  const isCounting = !isBoard && follow.phase === "closed" && follow.state.results === "after_close";
  const state = isAway ? sayText("wall_away")
    : isCounting ? sayText("wall_counting")
    : isBoard && status ? sayText(`state_${status}`, { time: localClock(new Date(through)) })
    : "";
  if (isAway || isCounting || status || !isBoard) set(find("state"), state);
  find("state").classList.toggle("away", isAway);
  find("state").dataset.status = isBoard ? status : "";
}

/** Once a second: the countdown. */
function tick() {
  const { left, phase } = follow;
  set(find("countdown"), left === null ? "" : say(phase === "draft" ? "opens_in" : "closes_in", { time: duration(left) }).join(""));
}

/** Another state or phase: asks for results while there may be some. What the hours hide, the server hides too. */
function change() {
  const { shown, results } = follow.state;
  const isWanted = shown || (results === "live" && follow.phase !== "draft");
  if (isWanted && !isAsking) feed.start();
  if (!isWanted && isAsking) {
    feed.stop();
    isAway = false;
    setBoard(false);
  }
  isAsking = isWanted;
  showState();
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
