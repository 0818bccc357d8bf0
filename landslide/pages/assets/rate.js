// Votes per second out of successive counts rows, and the server's clock.

const KEPT_MILLIS = 5 * 60_000;

/** Totals over the last five minutes, by the time they are counted through. */
export class Rate {
  constructor() {
    /** @type {{through: number, rate: number}[]} votes per second in the stretch that ends then */
    this.points = [];
    /** @type {{through: number, total: number} | null} */
    this.last = null;
  }

  /** @param {number} through Unix milliseconds @param {number} total */
  add(through, total) {
    const last = this.last;
    if (last && through <= last.through) return;
    this.last = { through, total };
    if (!last) return;
    // A void takes votes away; nobody voted less than not at all.
    const rate = Math.max(0, total - last.total) / ((through - last.through) / 1000);
    this.points.push({ through, rate });
    while (this.points[0].through < through - KEPT_MILLIS) this.points.shift();
  }

  /** Of the newest stretch; null before there are two rows. */
  get now() {
    return this.points.at(-1)?.rate ?? null;
  }

  get peak() {
    return this.points.reduce((peak, { rate }) => Math.max(peak, rate), 0);
  }

  /** An SVG path, the newest at the right end. @param {number} width @param {number} height */
  path(width, height) {
    const end = this.last?.through ?? 0;
    const peak = this.peak || 1;
    const points = this.points.map(({ through, rate }) => {
      const x = width * (1 - (end - through) / KEPT_MILLIS);
      const y = height * (0.96 - 0.88 * (rate / peak));
      return `${x.toFixed(1)} ${y.toFixed(1)}`;
    });
    return points.length > 1 ? `M${points.join("L")}` : "";
  }
}

/** The server's time from its `Date` headers, which are cut to whole seconds: each answer says
 * that the offset lies within a second, and all of them together say it much better. */
export class ServerClock {
  constructor() {
    this.low = -Infinity;
    this.high = Infinity;
  }

  /** @param {string | null} date @param {number} sent by our clock @param {number} received by our clock */
  hear(date, sent, received) {
    const time = Date.parse(date ?? "");
    if (Number.isNaN(time)) return;
    const [low, high] = [time - received, time + 1000 - sent];
    this.low = Math.max(this.low, low);
    this.high = Math.min(this.high, high);
    // One of the clocks was set: what was heard before says nothing any more.
    if (this.low > this.high) [this.low, this.high] = [low, high];
  }

  now() {
    return Date.now() + (Number.isFinite(this.low) ? (this.low + this.high) / 2 : 0);
  }
}
