// The result page with script: counts as they come, in place.

import { glide, Ranking } from "./calm-order.js";
import { ServerClock } from "./clock.js";
import { CountsTable } from "./counts-table.js";
import { ResultsFeed } from "./results-feed.js";
import { localClock, localTime } from "./times.js";
import { grouped, say } from "./words.js";

const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const { contest = "", results, opensAt, closesAt } = find("contest").dataset;
const rows = find("results-rows");
const table = new CountsTable(rows);
const byVotes = /** @type {HTMLInputElement} */ (find("by-votes"));
let ranking = new Ranking();
/** @type {import("./results-feed.js").Counts | null} */
let last = null;

/** @param {import("./results-feed.js").Counts} counts */
function show(counts) {
  const { status, counted_through, total, choices } = (last = counts);
  find("absent").hidden = true;
  find("results").hidden = false;
  find("total").textContent = grouped(total);
  const through = document.createElement("time");
  through.dateTime = counted_through;
  through.textContent = shortTime(new Date(counted_through));
  const state = find("state");
  state.dataset.status = status;
  state.replaceChildren(...say(`state_${status}`, { time: through }));
  glide(rows, () => table.update(byVotes.checked ? ranking.order(choices) : choices, total));
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

if (results !== "hidden") {
  /** @type {HTMLElement} */ (byVotes.closest("label")).hidden = false;
  const feed = new ResultsFeed(contest, {
    counts: show,
    hidden() {
      find("results").hidden = true;
      find("absent").hidden = false;
    },
  });
  // What the hours hide, the server hides too: nobody asks before there may be something. An end that is
  // not known may come at any time.
  const from = results === "live" ? opensAt : closesAt;
  const clock = new ServerClock();
  const begin = () => {
    const wait = find("results").hidden && from ? Date.parse(from) - clock.now() : 0;
    if (wait <= 0) feed.start();
    else setTimeout(begin, Math.min(wait + Math.random() * 2_000, 60_000));
  };
  if (find("results").hidden && from) void clock.ask().then(begin);
  else begin();
}
