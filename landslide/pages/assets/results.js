// Public results: one look, then the stream, until they no longer change.

import { CountsTable, grouped } from "./counts-table.js";
import { timeElement } from "./times.js";

/** Not sooner again after a refusal; a crowd asks at once when voting closes. */
const again = () => 5_000 + Math.random() * 5_000;

export class Results {
  /** @param {HTMLElement} section @param {string} contest */
  constructor(section, contest) {
    this.section = section;
    this.url = `/v1/contests/${encodeURIComponent(contest)}/results`;
    this.state = /** @type {HTMLElement} */ (section.querySelector("#results-state"));
    this.table = new CountsTable(/** @type {HTMLElement} */ (section.querySelector("#results-rows")));
    this.started = false;
  }

  start() {
    if (this.started) return;
    this.started = true;
    void this.look();
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
    this.state.replaceChildren(`${grouped(total)} votes, ${status}, counted through `, timeElement(counted_through));
    return status !== "provisional";
  }
}
