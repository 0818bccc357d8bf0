// Public results on the voters' page, while they are shown and until they no longer change.

import { CountsTable } from "./counts-table.js";
import { ResultsFeed } from "./results-feed.js";
import { timeElement } from "./times.js";
import { grouped, say, sayText } from "./words.js";

export class Results {
  /** @param {HTMLElement} section @param {string} contest @param {import("./follow.js").Follow} follow */
  constructor(section, contest, follow) {
    const state = /** @type {HTMLElement} */ (section.querySelector("#results-state"));
    const table = new CountsTable(/** @type {HTMLElement} */ (section.querySelector("#results-rows")));
    this.section = section;
    this.isShown = false;
    this.feed = new ResultsFeed(contest, {
      counts: ({ status, counted_through, total, choices, definition }) => {
        section.hidden = false;
        table.update(choices);
        const shown = sayText(`status_${status}`);
        state.replaceChildren(...say("results_state", { n: grouped(total), status: shown, time: timeElement(counted_through, true) }));
        follow.heard(definition);
      },
      hidden() {
        section.hidden = true;
      },
    });
  }

  /** @param {boolean} isShown */
  set(isShown) {
    if (isShown === this.isShown) return;
    this.isShown = isShown;
    if (isShown) return this.feed.start();
    this.feed.stop();
    this.section.hidden = true;
  }
}
