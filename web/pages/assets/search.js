// Finding a choice among many: whatever is typed hides those without it.

import { sayText } from "./words.js";

const box = /** @type {HTMLElement} */ (document.getElementById("search"));
const field = /** @type {HTMLInputElement} */ (document.getElementById("search-field"));
const state = /** @type {HTMLElement} */ (document.getElementById("search-state"));
const choices = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#vote .choice"))];

box.hidden = false;
field.addEventListener("input", show);
field.addEventListener("keydown", (event) => {
  // Enter here would vote for whatever is chosen, which may be hidden.
  if (event.key === "Enter") event.preventDefault();
});

function show() {
  const wanted = plain(field.value).split(/\s+/);
  // As they are now: a title may have been corrected.
  const texts = choices.map((choice) => plain(choice.textContent ?? ""));
  let found = 0;
  choices.forEach((choice, n) => {
    const shown = wanted.every((word) => texts[n].includes(word)) || choice.querySelector("input:checked") !== null;
    choice.hidden = !shown;
    if (shown) found += 1;
  });
  state.textContent = field.value.trim() ? sayText("found", { n: found }) : "";
}

/** Without case and accents. @param {string} text */
function plain(text) {
  return text.normalize("NFD").replace(/\p{Diacritic}/gu, "").toLocaleLowerCase();
}
