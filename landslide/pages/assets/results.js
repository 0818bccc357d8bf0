// Public results: one look, then the stream, until they no longer change.

import { CountsTable } from "./counts-table.js";
import { timeElement } from "./times.js";
import { grouped, say, sayText } from "./words.js";

/** Not sooner again after a refusal; a crowd asks at once when voting closes. */
const again = () => 5_000 + Math.random() * 5_000;

let started = false;

/** Shows the results there, from now on. @param {HTMLElement} section @param {string} contest */
export function showResults(section, contest) {
  if (started) return;
  started = true;
  void new Results(section, contest).look();
}

class Results {
  /** @param {HTMLElement} section @param {string} contest */
  constructor(section, contest) {
    this.section = section;
    this.url = `/v1/contests/${encodeURIComponent(contest)}/results`;
    this.state = /** @type {HTMLElement} */ (section.querySelector("#results-state"));
    this.table = new CountsTable(/** @type {HTMLElement} */ (section.querySelector("#results-rows")));
  }

  async look() {
    try {
      const response = await fetch(this.url);
      if (response.ok) return this.show(await response.json()) || this.listen();
    } catch {
      // The network is away: look again.
    }
    setTimeout(() => this.look(), again());
  }

  listen() {
    const stream = new EventSource(`${this.url}/stream`);
    stream.addEventListener("counts", (event) => {
      if (this.show(JSON.parse(event.data))) stream.close();
    });
    stream.addEventListener("error", () => {
      // A lost connection is made again by the browser; a refusal is not.
      if (stream.readyState === EventSource.CLOSED) setTimeout(() => this.look(), again());
    });
  }

  /**
   * @param {any} counts
   * @returns {boolean} whether these are the last
   */
  show({ status, counted_through, total, choices }) {
    this.section.hidden = false;
    this.table.update(choices, total);
    const shown = sayText(`status_${status}`);
    this.state.replaceChildren(...say("results_state", { n: grouped(total), status: shown, time: timeElement(counted_through, true) }));
    return status !== "provisional";
  }
}
