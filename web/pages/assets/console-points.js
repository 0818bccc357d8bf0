// How a contest's counts grew, as far as a page knows: what the server kept, and what came since.

/**
 * A point: seconds since 1970, ballots recorded until then, and a second since the point before; and
 * the votes counted by channel, in the order of `Points.channels`.
 * @typedef {{time: number, recorded: number, rate: number | null, counted: number[]}} Point
 */

/** A line of a chart: totals by point, and how fast they grew. @typedef {{label: string, totals: number[], rates: (number | null)[]}} Line */

const CHANNEL = "channel:";

export class Points {
  constructor() {
    /** @type {Point[]} by time */
    this.all = [];
    /** Names, each once; only appended to. @type {string[]} */
    this.channels = [];
  }

  /** Takes over what the server kept. @param {{columns: string[], rows: any[][]}} series */
  load(series) {
    const [time, recorded] = ["counted_through", "recorded"].map((name) => series.columns.indexOf(name));
    const channels = series.columns.flatMap((name, n) => (name.startsWith(CHANNEL) ? [{ name: name.slice(CHANNEL.length), n }] : []));
    this.all = [];
    for (const row of series.rows) {
      this.add(row[time], row[recorded], Object.fromEntries(channels.map(({ name, n }) => [name, row[n] ?? 0])));
    }
  }

  /**
   * @param {string} through RFC 3339 @param {number} recorded
   * @param {Record<string, number>} counted by channel
   * @returns {boolean} whether it is new
   */
  add(through, recorded, counted) {
    const time = Date.parse(through) / 1000;
    const last = this.all.at(-1);
    if (last && time <= last.time) return false;
    for (const name of Object.keys(counted)) if (!this.channels.includes(name)) this.channels.push(name);
    this.all.push({ time, recorded, rate: last ? rate(last.recorded, recorded, time - last.time) : null, counted: this.channels.map((name) => counted[name] ?? 0) });
    return true;
  }

  /** The points of the last so many seconds. @param {number} seconds */
  last(seconds) {
    const from = (this.all.at(-1)?.time ?? 0) - seconds;
    let first = this.all.length;
    while (first > 0 && this.all[first - 1].time >= from) first -= 1;
    return this.all.slice(first);
  }

  /** The newest rate; null before there are two points. */
  get now() {
    return this.all.at(-1)?.rate ?? null;
  }
}

/** @param {number} before @param {number} after @param {number} seconds */
const rate = (before, after, seconds) => Math.max(0, after - before) / seconds;

/** All ballots as one line. @param {Point[]} points @returns {Line[]} */
export const allLines = (points) => [{ label: "", totals: points.map(({ recorded }) => recorded), rates: points.map((point) => point.rate) }];

/** Counted votes, a line a channel. @param {Point[]} points @param {string[]} channels all there are @param {string[]} order @returns {Line[]} */
export const channelLines = (points, channels, order) => order.map((label) => {
  const at = channels.indexOf(label);
  const totals = points.map(({ counted }) => counted[at] ?? 0);
  const rates = points.map(({ time }, n) => (n ? rate(totals[n - 1], totals[n], time - points[n - 1].time) : null));
  return { label, totals, rates };
});
