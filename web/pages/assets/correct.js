// Hours that were moved and titles that were corrected while the page is open: loaded when that happens.

import { setTime, timeElement } from "./times.js";
import { say } from "./words.js";

/** The hours as they are now. @param {HTMLElement} page @param {import("./follow.js").State} state */
export function correctHours(page, { opens_at, closes_at }) {
  /** @param {string} when @param {string} key @param {string | null} time */
  const write = (when, key, time) => {
    const place = page.querySelector(`.hours [data-when="${when}"] .when`);
    if (!place || (place.querySelector("time")?.dateTime ?? null) === time) return;
    const words = time || when === "open" ? say(key, { time: time ? timeElement(time) : "" }) : [];
    place.replaceChildren(...words);
  };
  write("draft", "hours_draft", opens_at);
  write("open", closes_at ? "hours_open" : "hours_open_by_hand", closes_at);
  write("closed", "hours_closed", closes_at);
  // Until when a vote can be changed, or that there is no end yet.
  for (const part of /** @type {NodeListOf<HTMLElement>} */ (page.querySelectorAll("[data-until]"))) {
    part.hidden = (part.dataset.until === "") === Boolean(closes_at);
    const time = part.querySelector("time");
    if (time && closes_at && time.dateTime !== closes_at) setTime(time, closes_at);
  }
}

/**
 * Titles and texts as they are now, wherever the page has them.
 * @param {HTMLElement} page @param {import("./follow.js").Definition} definition
 */
export function correctTitles(page, { title, choices }) {
  const heading = page.querySelector("h1 bdi");
  const before = heading?.textContent ?? "";
  if (heading && before !== title) {
    heading.textContent = title;
    document.title = document.title.replace(before, () => title);
  }
  const known = new Map(choices.map((choice) => [choice.choice, choice]));
  for (const row of /** @type {NodeListOf<HTMLElement>} */ (page.querySelectorAll(".choice, [data-choice]"))) {
    const choice = known.get(row.dataset.choice ?? row.querySelector("input")?.value ?? "");
    const name = row.querySelector("bdi");
    if (!choice || !name) continue;
    if (name.textContent !== choice.title) name.textContent = choice.title;
    if (!row.matches(".choice")) continue;
    const text = row.querySelector("small") ?? document.createElement("small");
    text.textContent = choice.text ?? "";
    if (choice.text) name.after(text);
    else text.remove();
  }
}

/**
 * Whether the form is of this definition: a draft's choices and policy may still change.
 * @param {HTMLElement} page @param {HTMLFormElement} form @param {import("./follow.js").Definition} definition
 */
export function isFormOf(page, form, { choices, policy }) {
  const inputs = /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll("input[name=choice]"));
  const there = [...inputs].map(({ value }) => value).sort().join();
  const wanted = choices.map(({ choice }) => choice).sort().join();
  return there === wanted && page.dataset.policy === JSON.stringify(policy);
}
