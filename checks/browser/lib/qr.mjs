// Reads a QR code out of its SVG: enough for an address of up to 50 bytes, and without repairing
// errors, since nothing has damaged it. By ISO/IEC 18004; written without a look at how codes are made.

/** Where the middles of the alignment patterns are, by version. */
const ALIGNED = [[], [], [6, 18], [6, 22], [6, 26]];
/** Blocks that the data is spread over, by version and level (L, M, Q, H). */
const BLOCKS = [null, [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 2, 2], [1, 2, 2, 4]];
/** Data bytes in all, likewise. */
const DATA = [null, [19, 16, 13, 9], [34, 28, 22, 16], [55, 44, 34, 26], [80, 64, 48, 36]];
const MASKS = [
  (y, x) => (y + x) % 2, (y) => y % 2, (_, x) => x % 3, (y, x) => (y + x) % 3,
  (y, x) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2, (y, x) => ((y * x) % 2) + ((y * x) % 3),
  (y, x) => (((y * x) % 2) + ((y * x) % 3)) % 2, (y, x) => (((y + x) % 2) + ((y * x) % 3)) % 2,
];

/** @param {boolean[][]} dark modules by row, without the quiet zone @returns {string} */
export function read(dark) {
  const size = dark.length;
  const version = (size - 17) / 4;
  if (!ALIGNED[version]) throw new Error(`a code of version ${version} is not read here`);
  // Beside the upper left finder, from the corner's side: two bits of level, three of mask, masked themselves.
  const format = [0, 1, 2, 3, 4].map((x) => Number(dark[8][x])).reduce((bits, bit) => bits * 2 + bit) ^ 0b10101;
  const level = [1, 0, 3, 2][format >> 3];
  const mask = MASKS[format & 7];

  const centres = ALIGNED[version];
  const isFunction = (y, x) => y === 6 || x === 6 || (y < 9 && (x < 9 || x >= size - 8)) || (y >= size - 8 && x < 9)
    || centres.some((cy) => centres.some((cx) => !(cy === 6 || cx === 6) && Math.abs(y - cy) <= 2 && Math.abs(x - cx) <= 2));
  const bits = [];
  let isUp = true;
  for (let right = size - 1; right > 0; right -= 2, isUp = !isUp) {
    if (right === 6) right -= 1;
    for (let n = 0; n < size; n += 1) {
      const y = isUp ? size - 1 - n : n;
      for (const x of [right, right - 1]) if (!isFunction(y, x)) bits.push(Number(dark[y][x]) ^ Number(mask(y, x) === 0));
    }
  }
  const bytes = [];
  for (let at = 0; at + 8 <= bits.length; at += 8) bytes.push(bits.slice(at, at + 8).reduce((byte, bit) => byte * 2 + bit));

  // The blocks take turns, all of one length in these versions.
  const blocks = BLOCKS[version][level];
  const data = Array.from({ length: blocks }, (_, block) => bytes.slice(0, DATA[version][level]).filter((_, n) => n % blocks === block)).flat();
  return said(data);
}

const ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

/** Pieces one after the other: digits, capitals or bytes, whichever is shorter. @param {number[]} data */
function said(data) {
  const bits = data.map((byte) => byte.toString(2).padStart(8, "0")).join("");
  let at = 0;
  const take = (count) => parseInt(bits.slice(at, (at += count)), 2);
  const digits = (count) => take([0, 4, 7, 10][count]).toString().padStart(count, "0");
  const capitals = (count) => {
    const value = take(count === 2 ? 11 : 6);
    return count === 2 ? ALPHANUMERIC[Math.floor(value / 45)] + ALPHANUMERIC[value % 45] : ALPHANUMERIC[value];
  };
  /** So many letters in groups of this size. */
  const groups = (count, size, group) => Array.from({ length: Math.ceil(count / size) }, (_, n) => group(Math.min(size, count - n * size))).join("");
  for (let text = ""; ; ) {
    const mode = bits.length - at < 4 ? 0 : take(4);
    if (mode === 0) return text;
    else if (mode === 1) text += groups(take(10), 3, digits);
    else if (mode === 2) text += groups(take(9), 2, capitals);
    else if (mode === 4) text += String.fromCharCode(...Array.from({ length: take(8) }, () => take(8)));
    else throw new Error(`mode ${mode} is not read here`);
  }
}
