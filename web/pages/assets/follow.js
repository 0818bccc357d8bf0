// What the contest is now. A page decides nothing once and for all: for as long as it is open it shows what
// the contest's small public state says, by the server's clock, and it looks again every few seconds. Both
// in one file: while files hang, a browser must have a connection left for the vote.

/**
 * @typedef {object} State as `GET /v1/contests/{contest}/state` says it
 * @property {string} edition another one is another contest at the same address
 * @property {"draft" | "open" | "closed"} status
 * @property {string | null} opens_at
 * @property {string | null} closes_at
 * @property {"live" | "hidden" | "after_close"} results
 * @property {boolean} shown whether results are shown now
 * @property {string} definition another text is another definition
 *
 * @typedef {{title: string, choices: {choice: string, title: string, text?: string}[], policy: unknown}} Definition
 */

/** Between two looks: whoever looks has what is new within 15 s, caches and clusters included. */
const LOOK_MILLIS = 6_000;
const SPREAD_MILLIS = 4_000;
const AWAY_MILLIS_MAX = 30_000;
/** An answer that is not there by then is not waited for. */
const ANSWER_MILLIS_MAX = 10_000;
/** A page that has just been loaded is not loaded again: a cache may still have the old one. */
const RELOAD_MILLIS_MIN = 5_000;

export class Follow {
  /**
   * @param {HTMLElement} page what the page was made from stands in its attributes
   * @param {object} on
   * @param {(definition?: Definition) => void} on.change another state or phase; with the definition where that is another
   * @param {() => void} on.tick every second
   * @param {{forever?: boolean}} [how] `forever`: also while nobody seems to look
   */
  constructor(page, on, { forever = false } = {}) {
    const { contest = "", edition = "", mark = "", opensAt, closesAt, phase, results, shown } = page.dataset;
    this.page = page;
    this.on = on;
    this.forever = forever;
    this.url = `/v1/contests/${encodeURIComponent(contest)}`;
    this.clock = new ServerClock();
    /** @type {State} */
    this.state = /** @type {any} */ ({
      edition, definition: mark, status: phase, opens_at: opensAt ?? null, closes_at: closesAt ?? null, results, shown: shown !== undefined,
    });
    this.failures = 0;
    this.isAsking = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.reloading = undefined;
  }

  /** Where the contest stands by the server's clock; while that is not known, as it was last told. */
  get phase() {
    const { status, opens_at, closes_at } = this.state;
    if (!this.clock.isKnown) return status;
    const now = this.clock.now();
    if (!opens_at || now < Date.parse(opens_at)) return "draft";
    return closes_at && now >= Date.parse(closes_at) ? "closed" : "open";
  }

  /** What comes next, in milliseconds; null where nobody knows. */
  get left() {
    const { opens_at, closes_at } = this.state;
    const next = { draft: opens_at, open: closes_at, closed: null }[this.phase];
    return next && this.clock.isKnown ? Date.parse(next) - this.clock.now() : null;
  }

  start() {
    void this.clock.ask().then(() => this.tick());
    setInterval(() => this.tick(), 1_000);
    const wake = () => {
      if (document.visibilityState === "visible") void this.look();
      else if (!this.forever) clearTimeout(this.timer);
    };
    document.addEventListener("visibilitychange", wake);
    // Back from where a browser keeps whole pages.
    addEventListener("pageshow", (event) => event.persisted && wake());
    this.again();
  }

  tick() {
    if (this.page.dataset.phase !== this.phase) this.change();
    this.on.tick();
  }

  /** @param {Definition} [definition] */
  change(definition) {
    const { phase } = this;
    this.page.dataset.phase = phase;
    for (const part of /** @type {NodeListOf<HTMLElement>} */ (this.page.querySelectorAll("[data-when]"))) {
      part.hidden = part.dataset.when !== phase;
    }
    this.on.change(definition);
  }

  /** Looks now. */
  async look() {
    if (this.isAsking) return;
    this.isAsking = true;
    clearTimeout(this.timer);
    try {
      if (this.clock.isOld) void this.clock.ask();
      await this.hear(await this.get("/state", "no-cache"));
      this.failures = 0;
    } catch {
      // The network is away, or the node.
      this.failures += 1;
    }
    this.isAsking = false;
    this.again();
  }

  again() {
    clearTimeout(this.timer);
    if (document.visibilityState !== "visible" && !this.forever) return;
    const away = Math.min(AWAY_MILLIS_MAX, LOOK_MILLIS * 1.5 ** this.failures);
    const wait = this.failures ? away * (0.5 + Math.random() / 2) : LOOK_MILLIS + Math.random() * SPREAD_MILLIS;
    this.timer = setTimeout(() => void this.look(), wait);
  }

  /** @param {string} path @param {RequestCache} [cache] */
  async get(path, cache = "default") {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), ANSWER_MILLIS_MAX);
    try {
      const response = await fetch(this.url + path, { cache, signal: abort.signal });
      if (!response.ok) throw new Error(String(response.status));
      return await response.json();
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param {State} state */
  async hear(state) {
    const before = this.state;
    // What this page is of is no more.
    if (state.edition !== before.edition) return this.reload();
    // The hours do not wait for the definition; without it this is asked again.
    this.state = { ...state, definition: before.definition };
    if (!same(this.state, before)) {
      (await corrections()).correctHours(this.page, state);
      this.change();
    }
    if (state.definition === before.definition) return;
    // Under its own address, so that no cache says what it was before.
    const definition = await this.get(`?definition=${encodeURIComponent(state.definition)}`);
    (await corrections()).correctTitles(this.page, definition);
    this.state = state;
    this.change(definition);
  }

  /**
   * A stream of results that is open anyway says which definition it is of: as long as it does, nobody
   * need look.
   * @param {string | undefined} definition
   */
  heard(definition) {
    if (this.isAsking || definition === undefined) return;
    if (definition === this.state.definition) this.again();
    else void this.look();
  }

  /**
   * Hours that a refusal has just told; the state itself is asked for when no cache has the old one.
   * @param {{opens_at?: string | null, closes_at?: string | null}} hours
   */
  told({ opens_at = null, closes_at = null }) {
    this.state = { ...this.state, opens_at, closes_at };
    this.change();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.look(), LOOK_MILLIS / 2);
  }

  /** Loads the page anew, as it is made now. */
  reload() {
    this.reloading ??= setTimeout(() => location.reload(), Math.max(0, RELOAD_MILLIS_MIN - performance.now()));
  }
}

const corrections = () => import("./correct.js");

/** @param {State} a @param {State} b */
function same(a, b) {
  return ["status", "opens_at", "closes_at", "results", "shown"].every((key) => a[/** @type {keyof State} */ (key)] === b[/** @type {keyof State} */ (key)]);
}

/** Past this the phone may have slept or been set: ask again. */
const KEPT_MILLIS = 10 * 60_000;

/**
 * The server's clock, which the hours are decided by. Caches may keep a page, so the page cannot say what
 * time it is; and a phone's own clock may be wrong. So it is asked for, with an answer that no cache keeps.
 */
class ServerClock {
  constructor() {
    /** How far the server is ahead; null while it is not known. @type {number | null} */
    this.offset = null;
    this.askedAt = 0;
  }

  get isKnown() {
    return this.offset !== null;
  }

  /** Milliseconds since the Unix epoch: the server's, or while that is not known this device's. */
  now() {
    return Date.now() + (this.offset ?? 0);
  }

  /** Asks until there is an answer. */
  async ask() {
    for (let failures = 0; ; failures += 1) {
      const sent = performance.now();
      try {
        const response = await fetch("/v1/time", { cache: "no-store" });
        const now = Date.parse((await response.json()).now);
        if (response.ok && !Number.isNaN(now)) {
          // Half of the way there and back is the best guess of one.
          this.offset = now + (performance.now() - sent) / 2 - Date.now();
          this.askedAt = Date.now();
          return;
        }
      } catch {
        // The network is away.
      }
      const pause = Math.min(60_000, 2_000 * 2 ** failures);
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())));
    }
  }

  /** Whether what is known may be wrong by now. */
  get isOld() {
    return this.isKnown && Math.abs(Date.now() - this.askedAt) > KEPT_MILLIS;
  }
}
