// The counts of one contest on the administrator's page.

import { CountsTable, grouped } from "./counts-table.js";
import { Rate } from "./rate.js";
import { localClock } from "./times.js";

const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const AMBER_MILLIS = 10_000;
const RED_MILLIS = 60_000;

export class AdminCounts {
  constructor() {
    const body = find("choices");
    body.replaceChildren();
    this.table = new CountsTable(body);
    this.rate = new Rate();
    /** @type {any} */
    this.row = null;
    for (const id of ["total", "rate", "status", "through"]) find(id).textContent = "–";
    for (const id of ["rate-peak", "age"]) find(id).textContent = "\u00a0";
    for (const id of ["ballots", "channels"]) find(id).replaceChildren();
    this.drawRate();
  }

  /** Most votes first, or the definition's order. @param {boolean} byVotes */
  sort(byVotes) {
    this.table.byVotes = byVotes;
    if (this.row) this.table.update(this.row.choices, this.row.total);
  }

  /** @param {any} row a counts row */
  show(row) {
    this.row = row;
    this.table.update(row.choices, row.total);
    find("total").textContent = grouped(row.total);
    find("status").textContent = row.status;
    find("through").textContent = localClock(new Date(row.counted_through));
    this.rate.add(Date.parse(row.counted_through), row.total);
    this.drawRate();
    showPairs("ballots", row.ballots, ["recorded", "counted", "duplicate", "late", "void"]);
    showPairs("channels", row.channels, Object.keys(row.channels));
  }

  /** How old the row is. A final one does not age. @param {number} serverNow */
  showAge(serverNow) {
    if (!this.row) return;
    const age = Math.max(0, serverNow - Date.parse(this.row.counted_through));
    const settled = this.row.status !== "provisional";
    const late = !settled && age > AMBER_MILLIS;
    const stale = !settled && age > RED_MILLIS;
    const ago = age < 60_000 ? `${(age / 1000).toFixed(1)} s ago` : `${Math.round(age / 60_000)} min ago`;
    const element = find("age");
    element.textContent = settled ? "all ballots" : stale ? `${ago}, stale` : late ? `${ago}, late` : ago;
    element.classList.toggle("late", late && !stale);
    element.classList.toggle("stale", stale);
  }

  drawRate() {
    const { now, peak } = this.rate;
    const line = find("rate-line");
    line.querySelector("path")?.setAttribute("d", this.rate.path(300, 100));
    if (now === null) return;
    find("rate").textContent = grouped(Math.round(now));
    find("rate-peak").textContent = `peak ${grouped(Math.round(peak))}`;
    line.setAttribute("aria-label", `Votes per second: now ${Math.round(now)}, peak ${Math.round(peak)}`);
  }
}

/** Rows of name and number, updated in place. @param {string} id @param {Record<string, number>} values @param {string[]} names */
function showPairs(id, values, names) {
  const body = find(id);
  names.forEach((name, n) => {
    let row = /** @type {HTMLTableRowElement | undefined} */ (body.children[n]);
    if (!row) {
      row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      row.append(head);
      row.insertCell().className = "num";
      body.append(row);
    }
    row.cells[0].textContent = name;
    row.cells[1].textContent = grouped(values[name]);
  });
  while (body.children.length > names.length) body.lastElementChild?.remove();
}
