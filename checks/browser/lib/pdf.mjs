// The words of a PDF as Chromium prints it, without spaces: enough to see that something stands there.

import { inflateSync } from "node:zlib";

/**
 * Every text under every font's table of letters: what is written in one font is among them, whole.
 * @param {Buffer} pdf @returns {string}
 */
export function wordsOf(pdf) {
  const streams = [...pieces(pdf)];
  const fonts = streams.filter((text) => text.includes("beginbfchar") || text.includes("beginbfrange")).map(lettersOf);
  const pages = streams.filter((text) => /\bBT\b/.test(text)).map(glyphsOf);
  return fonts.flatMap((letters) => pages.map((glyphs) => glyphs.map((glyph) => letters.get(glyph) ?? "\u0000").join(""))).join("\n").replace(/[ \u00a0]/g, "");
}

function* pieces(pdf) {
  for (let at = 0; (at = pdf.indexOf("stream", at)) >= 0; at += 6) {
    const start = pdf.indexOf("\n", at) + 1;
    const end = pdf.indexOf("endstream", start);
    if (pdf.subarray(at - 3, at).toString() === "end" || end < 0) continue;
    try {
      yield inflateSync(pdf.subarray(start, end)).toString("latin1");
    } catch {
      // A picture, or a font's shapes.
    }
    at = end;
  }
}

/** @param {string} table a font's ToUnicode @returns {Map<number, string>} */
function lettersOf(table) {
  const letters = new Map();
  const letter = (hex) => String.fromCharCode(...hex.match(/.{4}/g).map((unit) => parseInt(unit, 16)));
  for (const [, block] of table.matchAll(/beginbfchar([^]*?)endbfchar/g)) {
    for (const [, glyph, hex] of block.matchAll(/<(\w+)>\s*<(\w+)>/g)) letters.set(parseInt(glyph, 16), letter(hex));
  }
  for (const [, block] of table.matchAll(/beginbfrange([^]*?)endbfrange/g)) {
    for (const [, first, last, hex] of block.matchAll(/<(\w+)>\s*<(\w+)>\s*<(\w+)>/g)) {
      for (let n = parseInt(first, 16); n <= parseInt(last, 16); n += 1) letters.set(n, String.fromCharCode(parseInt(hex, 16) + n - parseInt(first, 16)));
    }
  }
  return letters;
}

/** @param {string} content of a page @returns {number[]} glyphs in the order that they are drawn */
const glyphsOf = (content) => [...content.matchAll(/<([0-9A-Fa-f]+)>/g)].flatMap(([, hex]) => (hex.match(/.{4}/g) ?? []).map((glyph) => parseInt(glyph, 16)));
