// Shares of votes as every page and file shows them: the server has the same rule in `shares.rs`, and both
// are held against `test/shares.json`.

/** @typedef {{tenths: number, sign: "" | "<" | ">"}} Share tenths of a percent; under or over what can be written */

/** So many choices with next to no votes get a tenth at the cost of the largest; of more we say "<0.1". */
const TINY_MAX = 10;

/**
 * The share of each, in tenths of a percent. They add up to 100.0 by the largest remainder, and nobody
 * has 0.0 or 100.0 who has not nothing or all.
 * @param {number[]} votes @returns {Share[]}
 */
export function shares(votes) {
  const total = votes.reduce((sum, one) => sum + one, 0);
  /** @type {Share[]} */
  const all = votes.map((one) => ({ tenths: total > 0 ? Math.floor((one * 1000) / total) : 0, sign: "" }));
  if (total === 0) return all;
  const left = 1000 - all.reduce((sum, { tenths }) => sum + tenths, 0);
  const byRemainder = votes.map((one, n) => [(one * 1000) % total, n]).sort(([a, n], [b, m]) => b - a || n - m);
  for (const [, n] of byRemainder.slice(0, left)) all[n].tenths += 1;
  const tiny = all.filter(({ tenths }, n) => tenths === 0 && votes[n] > 0);
  for (const share of tiny) {
    share.tenths = 1;
    if (tiny.length > TINY_MAX) share.sign = "<";
    else all.reduce((most, one) => (one.tenths > most.tenths ? one : most)).tenths -= 1;
  }
  all.forEach((share, n) => {
    if (share.tenths === 1000 && votes[n] < total) Object.assign(share, { tenths: 999, sign: ">" });
  });
  return all;
}

/** How a language writes a share. @param {string} language @returns {(share: Share) => string} */
export function percentIn(language) {
  const number = new Intl.NumberFormat(language, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
  return ({ tenths, sign }) => sign + number.format(tenths / 1000);
}
