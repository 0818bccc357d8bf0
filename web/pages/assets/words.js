// What the script says, in the page's language: the page brings the messages along.

import { locale } from "./times.js";

/** @type {Record<string, string | Record<string, string>>} */
const messages = JSON.parse(document.getElementById("words")?.textContent ?? "{}");
const plural = new Intl.PluralRules(locale);
const number = new Intl.NumberFormat(locale);

/** Digits as the visitor writes them. @param {number} value */
export const grouped = (value) => number.format(value);

/**
 * A message as nodes. What a person wrote stands by itself, as it may run the other way.
 * @param {string} key
 * @param {Record<string, string | number | Node>} [values]
 * @returns {(string | Node)[]}
 */
export function say(key, values = {}) {
  let message = messages[key] ?? key;
  if (typeof message !== "string") message = message[plural.select(Number(values.n))] ?? message.other;
  return message.split(/\{(\w+)\}/).map((part, n) => {
    if (n % 2 === 0) return part;
    const value = values[part] ?? "";
    return typeof value === "number" ? grouped(value) : value;
  });
}

/** The same as plain text. @param {string} key @param {Record<string, string | number>} [values] */
export const sayText = (key, values) => say(key, values).join("");

/** What a person wrote. @param {string} text */
export function isolated(text) {
  const element = document.createElement("bdi");
  element.textContent = text;
  return element;
}
