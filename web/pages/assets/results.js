// Public results on the voters' page, until they no longer change.

import { CountsTable } from "./counts-table.js";
import { ResultsFeed } from "./results-feed.js";
import { timeElement } from "./times.js";
import { grouped, say, sayText } from "./words.js";

let started = false;

/** Shows the results there, from now on. @param {HTMLElement} section @param {string} contest */
export function showResults(section, contest) {
  if (started) return;
  started = true;
  const state = /** @type {HTMLElement} */ (section.querySelector("#results-state"));
  const table = new CountsTable(/** @type {HTMLElement} */ (section.querySelector("#results-rows")));
  new ResultsFeed(contest, {
    counts({ status, counted_through, total, choices }) {
      section.hidden = false;
      table.update(choices, total);
      const shown = sayText(`status_${status}`);
      state.replaceChildren(...say("results_state", { n: grouped(total), status: shown, time: timeElement(counted_through, true) }));
    },
    hidden() {
      section.hidden = true;
    },
  }).start();
}
