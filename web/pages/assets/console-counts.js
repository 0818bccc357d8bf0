// Votes by choice, what became of the ballots, votes by channel: tables updated in place, so that
// nothing jumps and a selection survives.

import { element, find, say } from "./console.js";
import { grouped, shares } from "./console-words.js";

/** @typedef {{choice: string, title: string, votes: number}} ChoiceVotes */

/** From this many choices on, there is a field to find one. */
const FILTER_FROM = 16;

export class Choices {
  /** @param {HTMLElement} body the `<tbody>` @param {HTMLElement} byVotes @param {HTMLElement} filter */
  constructor(body, byVotes, filter) {
    this.body = body;
    this.byVotes = /** @type {HTMLInputElement} */ (byVotes);
    this.filter = /** @type {HTMLInputElement} */ (filter);
    /** @type {Map<string, HTMLTableRowElement>} */
    this.rows = new Map();
    /** @type {ChoiceVotes[]} */
    this.choices = [];
    /** @type {Map<string, string>} */
    this.shares = new Map();
    for (const field of [byVotes, filter]) field.addEventListener("input", () => this.show());
  }

  /** @param {ChoiceVotes[]} choices in the definition's order */
  update(choices) {
    this.choices = choices;
    const all = shares(choices.map(({ votes }) => votes));
    this.shares = new Map(choices.map(({ choice }, n) => [choice, all[n]]));
    /** @type {HTMLElement} */ (this.filter.closest("label")).hidden = choices.length < FILTER_FROM;
    this.show();
  }

  show() {
    const wanted = this.filter.value.trim().toLocaleLowerCase();
    const most = this.choices.reduce((highest, { votes }) => Math.max(highest, votes), 0);
    const order = this.byVotes.checked ? [...this.choices].sort((a, b) => b.votes - a.votes) : this.choices;
    const shown = order.filter(({ title, choice }) => !wanted || title.toLocaleLowerCase().includes(wanted) || choice.includes(wanted));
    shown.forEach(({ choice, title, votes }, n) => {
      const row = this.rows.get(choice) ?? this.newRow(choice);
      say(/** @type {Element} */ (row.cells[0].querySelector("bdi")), title);
      say(row.cells[1], grouped(votes));
      say(row.cells[2], this.shares.get(choice) ?? "");
      // As long as the share of the leader: a difference of two choices is seen, the sum is not asked.
      const bar = /** @type {HTMLElement} */ (row.querySelector(".bar > span"));
      bar.style.inlineSize = `${most > 0 ? (100 * votes) / most : 0}%`;
      row.classList.toggle("leads", most > 0 && votes === most);
      if (this.body.children[n] !== row) this.body.insertBefore(row, this.body.children[n] ?? null);
    });
    while (this.body.children.length > shown.length) this.body.lastElementChild?.remove();
  }

  /** @param {string} choice */
  newRow(choice) {
    const bar = element("span", { class: "bar", "aria-hidden": "true" }, element("span"));
    const name = element("th", { scope: "row", dir: "auto" }, element("bdi"), bar);
    const row = element("tr", {}, name, element("td", { class: "num" }), element("td", { class: "num" }));
    this.rows.set(choice, /** @type {HTMLTableRowElement} */ (row));
    return /** @type {HTMLTableRowElement} */ (row);
  }
}

/** The rows are in the page: there are always the same five. @param {Record<string, number>} ballots */
export function showBallots(ballots) {
  for (const [name, number] of Object.entries(ballots)) {
    const cell = document.getElementById(`ballots-${name}`);
    if (cell) say(cell, grouped(number));
  }
}

/** @param {Record<string, number>} channels */
export function showChannels(channels) {
  const body = /** @type {HTMLTableSectionElement} */ (find("channels"));
  const names = Object.keys(channels);
  const all = shares(Object.values(channels));
  names.forEach((name, n) => {
    const row = body.rows[n] ?? body.appendChild(element("tr", {},
      element("th", { scope: "row" }, element("span", { class: "swatch", "aria-hidden": "true" }), element("span")),
      element("td", { class: "num" }), element("td", { class: "num" })));
    // How its line is drawn, where there is more than one.
    /** @type {HTMLElement} */ (row.cells[0].children[0]).hidden = names.length < 2;
    say(row.cells[0].children[1], name);
    say(row.cells[1], grouped(channels[name]));
    say(row.cells[2], all[n]);
  });
  while (body.rows.length > names.length) body.deleteRow(-1);
}
