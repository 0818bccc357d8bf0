// A table of votes by choice that is updated in place: rows keep their order and their element,
// so nothing jumps and a selection survives.

/** @typedef {{choice: string, title: string, votes: number}} ChoiceVotes */

import { percentIn, shares } from "./shares.js";
import { locale } from "./times.js";
import { grouped } from "./words.js";

const percent = percentIn(locale);

export class CountsTable {
  /** @param {HTMLElement} body the `<tbody>`; rows that the server rendered are taken over */
  constructor(body) {
    this.body = body;
    /** @type {Map<string, HTMLTableRowElement>} */
    this.rows = new Map();
    for (const row of body.querySelectorAll("tr")) this.rows.set(row.dataset.choice ?? "", row);
  }

  /** @param {ChoiceVotes[]} choices in the definition's order @param {ChoiceVotes[]} [order] of the rows */
  update(choices, order = choices) {
    const all = shares(choices.map(({ votes }) => votes));
    const total = choices.reduce((sum, { votes }) => sum + votes, 0);
    choices.forEach(({ choice, title, votes }, n) => {
      const row = this.row(choice);
      const [name, votesCell, shareCell] = row.cells;
      set(/** @type {Element} */ (name.querySelector("bdi")), title);
      set(votesCell, grouped(votes));
      set(shareCell, percent(all[n]));
      name.querySelector("rect")?.setAttribute("width", `${total > 0 ? (100 * votes) / total : 0}%`);
    });
    order.forEach(({ choice }, n) => {
      const row = this.row(choice);
      if (this.body.children[n] !== row) this.body.insertBefore(row, this.body.children[n] ?? null);
    });
    while (this.body.children.length > order.length) this.body.lastElementChild?.remove();
  }

  /** @param {string} choice */
  row(choice) {
    const known = this.rows.get(choice);
    if (known) return known;
    const row = document.createElement("tr");
    row.dataset.choice = choice;
    const name = document.createElement("th");
    name.scope = "row";
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    bar.setAttribute("class", "share");
    bar.setAttribute("aria-hidden", "true");
    const filled = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    filled.setAttribute("height", "100%");
    bar.append(filled);
    name.append(document.createElement("bdi"), bar);
    row.append(name);
    for (let n = 0; n < 2; n += 1) row.insertCell().className = "num";
    this.rows.set(choice, row);
    return row;
  }
}

/** @param {Element} element @param {string} text */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
