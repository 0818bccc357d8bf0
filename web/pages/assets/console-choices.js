// Choices as lines of text, and back.

/**
 * A name for machines out of one for people: `a-z`, `0-9` and `-`.
 * @param {string} title @param {string} otherwise for a title without such letters
 */
export function slugOf(title, otherwise) {
  const plain = title.normalize("NFKD").replace(/\p{Mark}/gu, "").toLowerCase();
  const slug = plain.replace(/[^a-z0-9]+/g, "-").replace(/^-+/, "").slice(0, 60).replace(/-+$/, "");
  return slug || otherwise;
}

/** @typedef {{choice: string, title: string, text?: string}} Choice */

/**
 * A line a choice: `name | title`, or a title alone; what is said of it under it, after `>`.
 * @param {Choice[]} choices @param {boolean} [isNamed] always with names, so that titles can be corrected
 */
export const linesOf = (choices, isNamed = false) => choices.flatMap(({ choice, title, text }) => [
  // A title that would be read otherwise keeps its name in front.
  !isNamed && slugOf(title, "") === choice && !title.includes("|") && !title.startsWith(">") ? title : `${choice} | ${title}`,
  ...(text ? text.split("\n").map((line) => `> ${line}`) : []),
]).join("\n");

const isText = (/** @type {string} */ line) => line.startsWith(">");

/**
 * Choices out of lines, with distinct names.
 * @param {string} lines
 * @param {Map<string, any>} [known] what a choice has besides, which the lines do not say
 * @returns {Choice[]}
 */
export function choicesOf(lines, known = new Map()) {
  const taken = new Set();
  /** @type {Choice[]} */
  const choices = [];
  for (const line of lines.split("\n").map((line) => line.trim()).filter(Boolean)) {
    const last = choices.at(-1);
    if (last && isText(line)) {
      const text = line.slice(1).trim();
      last.text = last.text === undefined ? text : `${last.text}\n${text}`;
      continue;
    }
    const named = /^([a-z0-9][a-z0-9-]{0,63})\s*\|\s*(.+)$/.exec(line);
    const title = named ? named[2] : line;
    const slug = named ? named[1] : slugOf(title, `choice-${choices.length + 1}`);
    let choice = slug;
    for (let again = 2; !named && taken.has(choice); again += 1) choice = `${slug.slice(0, 58)}-${again}`;
    taken.add(choice);
    const { text, ...more } = known.get(choice) ?? {};
    choices.push({ ...more, choice, title });
  }
  return choices;
}

/**
 * Where a choice stands in the lines: which line, from 1, and from which letter to which.
 * @param {string} lines @param {number} n of the choice, from 0
 */
export function placeOf(lines, n) {
  let [start, number, found] = [0, 0, -1];
  for (const line of lines.split("\n")) {
    number += 1;
    const text = line.trim();
    if (text && !(found >= 0 && isText(text))) found += 1;
    if (found === n) return { line: number, start, end: start + line.length };
    start += line.length + 1;
  }
  return null;
}
