// Votes per second over time: a canvas by uPlot, its words for those who cannot see it, and a
// table of the same numbers behind it.

import { element, say } from "./console.js";
import { grouped, perSecond, timeOfDay } from "./console-words.js";

/** The vendored chart library, loaded by the page. @type {any} */
const uPlot = /** @type {any} */ (globalThis).uPlot;
/** Rows of the table; what is longer is gathered. The whole series is in the CSV. */
const TABLE_ROWS_MAX = 300;

/** A point: seconds since 1970, ballots recorded until then, and a second since the point before. */
/** @typedef {{time: number, recorded: number, rate: number | null}} Point */

/** How the counts grew, as far as this page knows. */
export class Points {
  constructor() {
    /** @type {Point[]} by time */
    this.all = [];
  }

  /** Takes over what the server kept. @param {{columns: string[], rows: any[][]}} series */
  load(series) {
    const [time, recorded] = ["counted_through", "recorded"].map((name) => series.columns.indexOf(name));
    this.all = [];
    for (const row of series.rows) this.add(row[time], row[recorded]);
  }

  /** @param {string} through RFC 3339 @param {number} recorded @returns {boolean} whether it is new */
  add(through, recorded) {
    const time = Date.parse(through) / 1000;
    const last = this.all.at(-1);
    if (last && time <= last.time) return false;
    const rate = last ? Math.max(0, recorded - last.recorded) / (time - last.time) : null;
    this.all.push({ time, recorded, rate });
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

/** @param {Point[]} points */
const peakOf = (points) => points.reduce((peak, { rate }) => Math.max(peak, rate ?? 0), 0);

/** A colour of the style sheet. @param {string} name */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Chart {
  /**
   * @param {HTMLElement} figure with `.plot`, `.reading`, and a `<details>` for the table
   * @param {string} name such as "last five minutes"
   */
  constructor(figure, name) {
    this.figure = figure;
    this.name = name;
    this.plot = /** @type {HTMLElement} */ (figure.querySelector(".plot"));
    this.reading = /** @type {HTMLElement} */ (figure.querySelector(".reading"));
    this.details = /** @type {HTMLDetailsElement} */ (figure.querySelector("details"));
    /** @type {Point[]} */
    this.points = [];
    /** @type {[number, number]} */
    this.range = [0, 1];
    this.isPrinting = false;
    /** @type {any} */
    this.chart = null;
    this.details.addEventListener("toggle", () => this.details.open && this.fillTable());
    new ResizeObserver(() => this.resize()).observe(this.plot);
    // A canvas has its colours painted in: they are painted anew for another scheme, and for paper.
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.build());
    addEventListener("beforeprint", () => this.print(true));
    addEventListener("afterprint", () => this.print(false));
    this.build();
  }

  /** @param {boolean} isPrinting */
  print(isPrinting) {
    this.isPrinting = isPrinting;
    this.build();
  }

  /** @param {Point[]} points @param {[number, number]} range in seconds */
  show(points, range) {
    this.points = points;
    this.range = range;
    this.chart?.setData(this.data(), true);
    const rates = points.filter(({ rate }) => rate !== null);
    const newest = rates.at(-1)?.rate ?? null;
    const peak = peakOf(points);
    const words = newest === null ? "no numbers yet" : `now ${perSecond(newest)}, peak ${perSecond(peak)}`;
    this.plot.setAttribute("aria-label", `Votes per second, ${this.name}: ${words}.`);
    this.words = newest === null ? "" : `peak ${perSecond(peak)}/s`;
    if (this.chart?.cursor.idx == null) say(this.reading, this.words);
  }

  data() {
    return [this.points.map(({ time }) => time), this.points.map(({ rate }) => rate)];
  }

  size() {
    return { width: Math.max(200, this.plot.clientWidth), height: this.plot.clientHeight || 180 };
  }

  resize() {
    this.chart?.setSize(this.size());
  }

  build() {
    this.chart?.destroy();
    const quiet = this.isPrinting ? "#444" : colour("--quiet");
    const line = this.isPrinting ? "#bbb" : colour("--line");
    const accent = this.isPrinting ? "#000" : colour("--accent");
    const tint = this.isPrinting ? "#0000001a" : colour("--tint");
    const font = "12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
    const axis = { stroke: quiet, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
    const options = {
      ...this.size(),
      legend: { show: false },
      padding: [8, 8, 0, 0],
      cursor: { y: false, points: { size: 8, fill: accent, stroke: accent }, drag: { x: false, y: false } },
      scales: {
        x: { range: () => this.range },
        // From zero, with air: a small rise must not look like a landslide.
        y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ max) => [0, Math.max(1, (max ?? 0) * 1.08)] },
      },
      axes: [
        { ...axis, space: 48, size: 26, gap: 6, values: (/** @type {any} */ _, /** @type {number[]} */ times, /** @type {any} */ __, /** @type {any} */ ___, /** @type {number} */ step) => times.map((time) => timeOfDay(time * 1000).slice(0, step < 60 ? 8 : 5)) },
        { ...axis, size: 52, space: 28, values: (/** @type {any} */ _, /** @type {number[]} */ rates) => rates.map((rate) => grouped(rate)) },
      ],
      series: [{}, { stroke: accent, width: 1.75, fill: tint, points: { show: false }, spanGaps: true }],
      hooks: { setCursor: [(/** @type {any} */ chart) => this.read(chart.cursor.idx)] },
    };
    this.chart = new uPlot(options, this.data(), this.plot);
  }

  /** Says the number under the cursor. @param {number | null | undefined} at */
  read(at) {
    const point = at == null ? null : this.points[at];
    const words = point ? `${timeOfDay(point.time * 1000)}: ${perSecond(point.rate)}/s` : (this.words ?? "");
    say(this.reading, words);
  }

  /** The numbers as they are now; it stands still, to be read and copied. */
  fillTable() {
    const last = this.points.at(-1);
    const step = Math.max(1, Math.ceil(this.points.length / TABLE_ROWS_MAX));
    const kept = this.points.filter((_, n) => (this.points.length - 1 - n) % step === 0);
    const rows = kept.map((point, n) => {
      const before = kept[n - 1];
      const rate = step === 1 || !before ? point.rate : (point.recorded - before.recorded) / (point.time - before.time);
      return element("tr", {},
        element("th", { scope: "row" }, timeOfDay(point.time * 1000)),
        element("td", { class: "num" }, perSecond(rate)),
        element("td", { class: "num" }, grouped(point.recorded)));
    });
    const caption = last ? `As of ${timeOfDay(last.time * 1000)}. Close and open to renew.` : "Nothing yet.";
    const heads = ["Through", "Votes/s", "Recorded"].map((head, n) => element("th", { scope: "col", class: n ? "num" : "" }, head));
    const table = element("table", { class: "num" },
      element("caption", { class: "quiet" }, caption),
      element("thead", {}, element("tr", {}, ...heads)),
      element("tbody", {}, ...rows.reverse()));
    this.details.querySelector(".scroll")?.replaceChildren(table);
  }
}
