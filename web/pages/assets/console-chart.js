// Votes per second over time, in one line or several: a canvas by uPlot, its words for those who
// cannot see it, and a table of the same numbers behind it.

import { element, say } from "./console.js";
import { grouped, perSecond, timeOfDay } from "./console-words.js";

/** The vendored chart library, loaded by the page. @type {any} */
const uPlot = /** @type {any} */ (globalThis).uPlot;
/** Rows of the table; what is longer is gathered. The whole series is in the CSV. */
const TABLE_ROWS_MAX = 300;
/** Lines are told apart without colour too: on grey paper, and by eyes that see few. The style sheet's `.swatch` has the same. */
const DASHES = [[], [6, 4], [2, 3], [10, 3, 2, 3]];
/** Seconds between two marks of the time axis. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000];
/** Votes a second between two lines across: whole ones. */
const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6];

/** @typedef {import("./console-points.js").Point} Point */
/** @typedef {import("./console-points.js").Line} Line */

/** The lines as words, such as `web 120/s, sms 4/s`. @param {Line[]} lines @param {number} at */
const wordsAt = (lines, at) => lines.map(({ label, rates }) => `${label} ${perSecond(rates.at(at) ?? null)}/s`.trim()).join(", ");

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
    /** @type {Line[]} */
    this.lines = [];
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

  /** @param {Point[]} points @param {Line[]} lines of these points @param {[number, number]} range in seconds */
  show(points, lines, range) {
    const isOther = lines.length !== this.lines.length;
    this.points = points;
    this.lines = lines;
    this.range = range;
    if (isOther) this.build();
    else this.chart?.setData(this.data(), true);
    const hasAny = points.length > 1;
    const peak = lines.reduce((peak, { rates }) => rates.reduce((/** @type {number} */ peak, rate) => Math.max(peak, rate ?? 0), peak), 0);
    const words = hasAny ? `now ${wordsAt(lines, -1)}, peak ${perSecond(peak)}/s` : "no numbers yet";
    this.plot.setAttribute("aria-label", `Votes per second, ${this.name}: ${words}.`);
    this.words = hasAny ? `peak ${perSecond(peak)}/s` : "";
    if (this.chart?.cursor.idx == null) say(this.reading, this.words);
  }

  data() {
    return [this.points.map(({ time }) => time), ...this.lines.map(({ rates }) => rates)];
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
    const ink = this.isPrinting ? "#000" : colour("--ink");
    const tint = this.isPrinting ? "#0000001a" : colour("--tint");
    const font = "12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
    const axis = { stroke: quiet, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
    const options = {
      ...this.size(),
      legend: { show: false },
      padding: [8, 20, 0, 0],
      cursor: { y: false, points: { size: 8, fill: accent, stroke: accent }, drag: { x: false, y: false } },
      scales: {
        x: { range: () => this.range },
        // From zero, with air: a small rise must not look like a landslide.
        y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ max) => [0, Math.max(5, (max ?? 0) * 1.08)] },
      },
      axes: [
        { ...axis, space: 60, incrs: STEPS, size: 26, gap: 6, values: (/** @type {any} */ _, /** @type {number[]} */ times, /** @type {any} */ __, /** @type {any} */ ___, /** @type {number} */ step) => times.map((time) => timeOfDay(time * 1000).slice(0, step < 60 ? 8 : 5)) },
        { ...axis, size: 52, space: 28, incrs: WHOLE, values: (/** @type {any} */ _, /** @type {number[]} */ rates) => rates.map((rate) => grouped(rate)) },
      ],
      series: [{}, ...this.lines.map((_, n) => ({
        stroke: n ? ink : accent, width: 1.75, dash: DASHES[n % DASHES.length], points: { show: false }, spanGaps: true,
        ...(this.lines.length === 1 ? { fill: tint } : {}),
      }))],
      hooks: { setCursor: [(/** @type {any} */ chart) => this.read(chart.cursor.idx)] },
    };
    this.chart = new uPlot(options, this.data(), this.plot);
  }

  /** Says the number under the cursor. @param {number | null | undefined} at */
  read(at) {
    const point = at == null ? null : this.points[at];
    const words = point ? `${timeOfDay(point.time * 1000)}: ${wordsAt(this.lines, /** @type {number} */ (at))}` : (this.words ?? "");
    say(this.reading, words);
  }

  /** The numbers as they are now; it stands still, to be read and copied. */
  fillTable() {
    const last = this.points.at(-1);
    const step = Math.max(1, Math.ceil(this.points.length / TABLE_ROWS_MAX));
    const kept = this.points.map((_, n) => n).filter((n) => (this.points.length - 1 - n) % step === 0);
    const rows = kept.map((at, n) => {
      const before = kept[n - 1];
      // Where rows are gathered, the rate of all of them.
      const rates = this.lines.map(({ totals, rates }) => step === 1 || before === undefined ? rates[at]
        : (totals[at] - totals[before]) / (this.points[at].time - this.points[before].time));
      return element("tr", {},
        element("th", { scope: "row" }, timeOfDay(this.points[at].time * 1000)),
        ...rates.map((rate) => element("td", { class: "num" }, perSecond(rate))),
        element("td", { class: "num" }, grouped(this.points[at].recorded)));
    });
    const caption = last ? `As of ${timeOfDay(last.time * 1000)}. Close and open to renew.` : "Nothing yet.";
    const names = ["Through", ...this.lines.map(({ label }) => (label ? `${label}/s` : "Votes/s")), "Recorded"];
    const heads = names.map((head, n) => element("th", { scope: "col", class: n ? "num" : "" }, head));
    const table = element("table", { class: "num" },
      element("caption", { class: "quiet" }, caption),
      element("thead", {}, element("tr", {}, ...heads)),
      element("tbody", {}, ...rows.reverse()));
    this.details.querySelector(".scroll")?.replaceChildren(table);
  }
}
