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

/** A line a choice: `name | title`, or a title alone. @param {{choice: string, title: string}[]} choices */
export const linesOf = (choices) => choices.map(({ choice, title }) =>
  // A title that would be read otherwise keeps its name in front.
  slugOf(title, "") === choice && !title.includes("|") ? title : `${choice} | ${title}`).join("\n");

/**
 * Choices out of lines, with distinct names.
 * @param {string} lines
 * @param {Map<string, any>} [known] what a choice has besides, which the lines do not say
 */
export function choicesOf(lines, known = new Map()) {
  const taken = new Set();
  return lines.split("\n").map((line) => line.trim()).filter(Boolean).map((line, n) => {
    const named = /^([a-z0-9][a-z0-9-]{0,63})\s*\|\s*(.+)$/.exec(line);
    const title = named ? named[2] : line;
    const slug = named ? named[1] : slugOf(title, `choice-${n + 1}`);
    let choice = slug;
    for (let again = 2; !named && taken.has(choice); again += 1) choice = `${slug.slice(0, 58)}-${again}`;
    taken.add(choice);
    return { ...known.get(choice), choice, title };
  });
}
