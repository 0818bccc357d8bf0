// The result page with script: counts as they come, in place.

import { glide, Ranking } from "./calm-order.js";
import { CountsTable } from "./counts-table.js";
import { Follow } from "./follow.js";
import { ResultsFeed } from "./results-feed.js";
import { localClock, localTime } from "./times.js";
import { grouped, say, sayText } from "./words.js";

const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const page = find("contest");
const { contest = "" } = page.dataset;
const rows = find("results-rows");
const table = new CountsTable(rows);
const byVotes = /** @type {HTMLInputElement} */ (find("by-votes"));
let ranking = new Ranking();
/** @type {import("./results-feed.js").Counts | null} */
let last = null;
const feed = new ResultsFeed(contest, { counts: show, hidden });
let isOn = false;

/** @param {import("./results-feed.js").Counts} counts */
function show(counts) {
  const { status, counted_through, total, choices, definition } = (last = counts);
  setShown(true);
  find("total").textContent = grouped(total);
  const voters = document.getElementById("voters");
  if (voters) voters.textContent = sayText("results_voters", { n: total });
  const through = document.createElement("time");
  through.dateTime = counted_through;
  through.textContent = shortTime(new Date(counted_through));
  const state = find("state");
  state.dataset.status = status;
  state.replaceChildren(...say(`state_${status}`, { time: through }));
  glide(rows, () => table.update(choices, byVotes.checked ? ranking.order(choices) : choices));
  follow.heard(definition);
}

byVotes.addEventListener("change", () => {
  ranking = new Ranking();
  if (last) show(last);
});

/** The day only where it is another. @param {Date} time */
function shortTime(time) {
  return time.toDateString() === new Date().toDateString() ? localClock(time) : localTime(time, true);
}

// As the first update will write it: nothing jumps.
for (const time of /** @type {NodeListOf<HTMLTimeElement>} */ (document.querySelectorAll("#state time"))) {
  time.textContent = shortTime(new Date(time.dateTime));
}

/** Results, or why there are none. @param {boolean} isShown */
function setShown(isShown) {
  find("results").hidden = !isShown;
  find("absent").hidden = isShown;
}

/** The server hides them: it says why, too. */
function hidden() {
  setShown(false);
  void follow.look();
}

function change() {
  const { shown, results } = follow.state;
  for (const why of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-absent]"))) why.hidden = why.dataset.absent !== results;
  // At the opening the hours say it sooner.
  const isWanted = shown || (results === "live" && follow.phase !== "draft");
  if (isWanted === isOn) return;
  isOn = isWanted;
  if (isOn) return feed.start();
  feed.stop();
  setShown(false);
}

const follow = new Follow(page, { change, tick() {} });
/** @type {HTMLElement} */ (byVotes.closest("label")).hidden = false;
change();
follow.start();
// In another site's frame the way out is a window of its own, and that site is told how high this is.
if (parent !== window) {
  document.body.classList.add("embedded");
  for (const link of document.links) link.target = "_blank";
  void import("./embed.js");
}
