// The nodes as a table, updated in place.

import { element, find, say } from "./console.js";
import { ago } from "./console-words.js";

/** A clock that is this far off is worth a look; at 2 s the node takes itself out. */
const OFFSET_MILLIS = 500;

/** @param {{answered_by: string, nodes: any[]}} told @param {number} now @param {string | null} holder */
export function showNodes(told, now, holder = null) {
  const body = /** @type {HTMLTableSectionElement} */ (find("nodes"));
  told.nodes.forEach((node, n) => {
    const row = body.rows[n] ?? body.appendChild(newRow());
    const isOff = Math.abs(node.clock_offset_ms) >= OFFSET_MILLIS;
    const state = node.state === "alive" ? (node.ready ? "ready" : "not ready") : node.state;
    say(row.cells[0].children[0], node.node);
    const notes = [node.node === told.answered_by ? "answers you" : "", holder === node.node ? "counts this contest" : ""];
    say(row.cells[0].children[1], [...notes.filter(Boolean), node.roles.join(", ")].join(" · "));
    say(row.cells[1].children[0], state);
    row.cells[1].children[0].className = `pill ${state === "ready" ? "on" : state === "left" ? "" : "red"}`;
    const seen = now - Date.parse(node.last_seen);
    say(row.cells[1].children[1], seen > 3_000 ? ago(seen) : isOff ? `clock ${node.clock_offset_ms > 0 ? "+" : "−"}${Math.abs(node.clock_offset_ms)} ms` : "");
    row.cells[1].children[1].className = isOff ? "amber" : "quiet";
  });
  while (body.rows.length > told.nodes.length) body.deleteRow(-1);
  const ready = told.nodes.filter((node) => node.state === "alive" && node.ready).length;
  const alive = told.nodes.filter((node) => node.state !== "left").length;
  say(find("nodes-sum"), `${ready} of ${alive} ready`);
}

function newRow() {
  const name = element("th", { scope: "row" }, element("span", { class: "code" }), element("small", { class: "quiet" }));
  const state = element("td", { class: "end" }, element("span"), element("small"));
  return /** @type {HTMLTableRowElement} */ (element("tr", {}, name, state));
}
