// Where results come from: one look, then the stream. Where no stream comes about, one look after
// the other. It goes on until the results are certified, through lost networks and restarted nodes.

/** @typedef {{status: string, counted_through: string, total: number, choices: {choice: string, title: string, votes: number}[], definition?: string}} Counts */

/** Counts come every two seconds while they change: a stream that is silent for so long is dead. */
const SILENT_MILLIS = 30_000;
/** And one whose counts do not change any more is made anew now and then. */
const SETTLED_MILLIS = 15 * 60_000;
/** So many streams that ended before a word came: something on the way does not let them through. */
const STREAMS_MUTE_MAX = 3;
/** Then looks, this often; and after a while another stream. */
const POLL_MILLIS = 3_000;
const POLLS_MAX = 100;

/** Never all at once. @param {number} millis */
const about = (millis) => millis * (1 + Math.random());

export class ResultsFeed {
  /**
   * @param {string} contest
   * @param {{counts: (counts: Counts) => void, hidden?: () => void, away?: () => void}} on
   * @param {{forever?: boolean}} [how] `forever`: also when nobody seems to look, and after the end
   */
  constructor(contest, on, { forever = false } = {}) {
    this.url = `/v1/contests/${encodeURIComponent(contest)}/results`;
    this.on = on;
    this.forever = forever;
    /** @type {EventSource | null} */
    this.stream = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.failures = 0;
    this.streamsMute = 0;
    this.polls = 0;
    this.isOver = false;
    this.isAsking = false;
    /** Whether anybody wants results at present. */
    this.isOn = false;
    // A page that nobody looks at costs nothing, and is up to date when somebody does.
    document.addEventListener("visibilitychange", () => {
      if (!this.isOn || this.isOver || this.forever) return;
      this.end();
      if (document.visibilityState === "visible") void this.look();
    });
  }

  /** Begins, or begins again. */
  start() {
    this.isOn = true;
    this.isOver = false;
    void this.look();
  }

  /** Ends: nothing is told any more. */
  stop() {
    this.isOn = false;
    this.end();
  }

  end() {
    clearTimeout(this.timer);
    this.stream?.close();
    this.stream = null;
  }

  async look() {
    if (this.isAsking) return;
    this.isAsking = true;
    try {
      const response = await fetch(this.url, { cache: "no-cache" });
      const counts = response.ok ? await response.json() : null;
      this.isAsking = false;
      if (!this.isOn) return;
      if (counts) {
        this.tell(counts);
        return this.goOn();
      }
      if (response.status === 403) this.on.hidden?.();
    } catch {
      this.isAsking = false;
      if (!this.isOn) return;
      this.on.away?.();
    }
    this.failures += 1;
    this.again(Math.min(30_000, 4_000 * 1.3 ** Math.min(this.failures, 12)));
  }

  goOn() {
    if (this.isOver) return;
    this.failures = 0;
    if (this.streamsMute < STREAMS_MUTE_MAX && "EventSource" in window) return this.listen();
    this.polls += 1;
    if (this.polls > POLLS_MAX) [this.polls, this.streamsMute] = [0, 0];
    this.again(POLL_MILLIS);
  }

  listen() {
    this.end();
    if (document.visibilityState !== "visible" && !this.forever) return;
    const stream = new EventSource(`${this.url}/stream`);
    this.stream = stream;
    let isMute = true;
    stream.addEventListener("counts", (event) => {
      if (this.stream !== stream) return;
      isMute = false;
      this.streamsMute = 0;
      this.tell(JSON.parse(event.data));
    });
    // Not left to the browser, which comes back after a fixed time, at the same moment as all.
    stream.addEventListener("error", () => {
      if (this.stream !== stream) return;
      if (isMute) this.streamsMute += 1;
      this.end();
      this.on.away?.();
      this.again(1_000);
    });
    this.watch(SILENT_MILLIS);
  }

  /** @param {Counts} counts */
  tell(counts) {
    this.isOver = counts.status === "certified" && !this.forever;
    this.on.counts(counts);
    if (this.isOver) this.end();
    else if (this.stream) this.watch(counts.status === "provisional" ? SILENT_MILLIS : SETTLED_MILLIS);
  }

  /** Gives the stream up unless something comes. @param {number} millis */
  watch(millis) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.end();
      void this.look();
    }, about(millis));
  }

  /** @param {number} millis */
  again(millis) {
    clearTimeout(this.timer);
    if (!this.isOn) return;
    if (document.visibilityState !== "visible" && !this.forever) return;
    this.timer = setTimeout(() => void this.look(), about(millis));
  }
}
