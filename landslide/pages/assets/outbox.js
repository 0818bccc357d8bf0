// A voter's outbox for one contest: what was cast on this device and is not answered yet.
//
// A ballot's id, choice and device are fixed and stored before the first send, and every send
// repeats all three. So a ballot may be sent again after any failure, a reload or a crash of the
// browser, and is still one ballot.

/**
 * @typedef {object} Pending a ballot without a certain answer
 * @property {string} ballot_id
 * @property {string} choice
 * @property {string} title of the choice, for when the page no longer lists it
 * @property {string} device
 * @property {boolean} unknown whether a send may have been recorded without our hearing of it
 * @property {boolean} renewed whether its id was made again from the server's time
 *
 * @typedef {{ballot_id: string, choice: string, title: string, recorded_at: string}} Recorded
 * @typedef {{pending: Pending | null, count: number, last: Recorded | null, millis: number}} State
 *   `count` of recorded ballots, `millis` of the newest ballot id
 *
 * @typedef {{recorded: Recorded} | {refused: Refusal}} Answer
 * @typedef {{status: number, detail: string, unknown: boolean, choice: string, title: string}} Refusal
 *   certain, unless `unknown`: then an earlier send may have been recorded
 *
 * @typedef {object} Surroundings what tests replace
 * @property {Pick<Storage, "getItem" | "setItem">} storage
 * @property {typeof fetch} fetch
 * @property {(millis: number) => Promise<void>} wait
 * @property {() => number} now
 * @property {() => number} random
 * @property {string} cookie
 */

const BACKOFF_MILLIS_MIN = 500;
const BACKOFF_MILLIS_MAX = 30_000;
/** The server answers within its commit deadline of 5 s; past this the answer is lost. */
const ANSWER_MILLIS_MAX = 15_000;

export class Outbox {
  /**
   * @param {string} contest
   * @param {Partial<Surroundings>} [surroundings]
   */
  constructor(contest, surroundings = {}) {
    this.contest = contest;
    this.key = `landslide.outbox.${contest}`;
    /** @type {Surroundings} */
    this.around = {
      storage: surroundings.storage ?? localStorage,
      fetch: surroundings.fetch ?? ((...request) => fetch(...request)),
      wait: surroundings.wait ?? waitOrOnline,
      now: surroundings.now ?? Date.now,
      random: surroundings.random ?? Math.random,
      cookie: surroundings.cookie ?? globalThis.document?.cookie ?? "",
    };
  }

  /** @returns {State} */
  get state() {
    const none = { pending: null, count: 0, last: null, millis: 0 };
    try {
      return { ...none, ...JSON.parse(this.around.storage.getItem(this.key) ?? "{}") };
    } catch {
      return none;
    }
  }

  /** @param {State} state */
  set state(state) {
    this.around.storage.setItem(this.key, JSON.stringify(state));
  }

  /**
   * Fixes a ballot and stores it. One that is still pending stays the one.
   * Throws if nothing can be stored here.
   * @param {string} choice
   * @param {string} title
   */
  cast(choice, title) {
    const state = this.state;
    if (state.pending) return;
    const millis = this.nextMillis(this.around.now());
    const pending = {
      ballot_id: uuidV7(millis), choice, title, device: this.device(),
      unknown: false, renewed: false,
    };
    this.state = { ...state, pending, millis };
  }

  /**
   * Sends the pending ballot until there is an answer.
   * @param {() => void} onWaiting called when a send failed and will be repeated
   * @returns {Promise<Answer | null>} null if nothing is pending, or another tab got the answer
   */
  async send(onWaiting) {
    for (let failures = 0; ; failures += 1) {
      const pending = this.state.pending;
      if (!pending) return null;
      const { answer, retryAfter, serverTime, limited } = await this.sendOnce(pending);
      if (answer) return this.settle(pending, answer) ? answer : null;
      if (serverTime) {
        this.renew(pending, serverTime);
        continue;
      }
      if (!limited) this.change(pending, { unknown: true });
      onWaiting();
      await this.around.wait(this.backoff(failures, retryAfter));
    }
  }

  /**
   * @param {Pending} pending
   * @returns {Promise<{answer?: Answer, retryAfter?: number, serverTime?: number, limited?: boolean}>}
   *   `limited`: over a limit, so certainly not recorded, but to be sent again
   */
  async sendOnce(pending) {
    const { ballot_id, choice, title, device } = pending;
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), ANSWER_MILLIS_MAX);
    try {
      const path = `/v1/contests/${encodeURIComponent(this.contest)}/ballots`;
      const response = await this.around.fetch(path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ ballot_id, choice, device }),
        keepalive: true,
        signal: abort.signal,
      });
      const body = await response.json().catch(() => null);
      if (response.ok) {
        // A 2xx that is not ours (a network's log-in page) acknowledges nothing.
        if (body?.ballot_id !== ballot_id) return {};
        return { answer: { recorded: { ballot_id, choice, title, recorded_at: body.recorded_at } } };
      }
      if (response.status === 422 && body?.server_time && !pending.renewed) {
        return { serverTime: Date.parse(body.server_time) || this.around.now() };
      }
      const certain = response.status >= 400 && response.status < 500 && body?.type;
      if (!certain || response.status === 429 || response.status === 408) {
        const retryAfter = retryAfterMillis(response.headers.get("retry-after"), this.around.now());
        return { retryAfter, limited: response.status === 429 };
      }
      const detail = String(body.detail ?? body.title ?? "");
      return { answer: { refused: { status: response.status, detail, unknown: pending.unknown, choice, title } } };
    } catch {
      return {};
    } finally {
      clearTimeout(timer);
    }
  }

  /** Full jitter over an exponential; never sooner than the server asked. @param {number} failures @param {number} [retryAfter] */
  backoff(failures, retryAfter = 0) {
    const ceiling = Math.min(BACKOFF_MILLIS_MAX, BACKOFF_MILLIS_MIN * 2 ** failures);
    return retryAfter + BACKOFF_MILLIS_MIN / 2 + this.around.random() * ceiling;
  }

  /** False if another tab has settled it already. @param {Pending} pending @param {Answer} answer */
  settle(pending, answer) {
    const state = this.state;
    if (state.pending?.ballot_id !== pending.ballot_id) return false;
    state.pending = null;
    if ("recorded" in answer) {
      state.count += 1;
      state.last = answer.recorded;
    }
    this.state = state;
    return true;
  }

  /** A refusal for the id's time is certain, so a new id is a new ballot. @param {Pending} pending @param {number} serverTime */
  renew(pending, serverTime) {
    // Not `nextMillis`: the ids before may come from the clock that was wrong.
    this.change(pending, { ballot_id: uuidV7(serverTime), renewed: true });
    this.state = { ...this.state, millis: serverTime };
  }

  /** @param {Pending} pending @param {Partial<Pending>} changes */
  change(pending, changes) {
    const state = this.state;
    if (state.pending?.ballot_id !== pending.ballot_id) return;
    this.state = { ...state, pending: { ...state.pending, ...changes } };
  }

  /** Ids must grow even when the clock steps back: under `latest` the largest one counts. @param {number} now */
  nextMillis(now) {
    const last = this.state.millis;
    // A step of more than the server's allowance is a mended clock, not a small step back.
    return last >= now && last - now < 10 * 60_000 ? last + 1 : now;
  }

  /** This device's id, for all contests. */
  device() {
    const key = "landslide.device";
    const kept = this.around.storage.getItem(key);
    if (kept && UUID_V4.test(kept)) return kept;
    // A ballot by the plain form has left its device in the cookie.
    const cookie = /(?:^|;\s*)device=([^;]*)/.exec(this.around.cookie)?.[1] ?? "";
    const device = UUID_V4.test(cookie) ? cookie : uuidV4();
    this.around.storage.setItem(key, device);
    return device;
  }
}

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

/** RFC 9562 section 5.7. @param {number} millis since the Unix epoch */
export function uuidV7(millis) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const time = new DataView(bytes.buffer);
  time.setUint16(0, Math.floor(millis / 2 ** 32));
  time.setUint32(2, millis % 2 ** 32);
  return uuid(bytes, 7);
}

// Not `crypto.randomUUID`: browsers have it on https alone.
function uuidV4() {
  return uuid(crypto.getRandomValues(new Uint8Array(16)), 4);
}

/** @param {Uint8Array} bytes @param {number} version */
function uuid(bytes, version) {
  bytes[6] = (version << 4) | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** `Retry-After`: seconds or a date. @param {string | null} header @param {number} now */
function retryAfterMillis(header, now) {
  if (!header) return 0;
  const seconds = Number(header);
  const millis = Number.isNaN(seconds) ? Date.parse(header) - now : seconds * 1000;
  return millis > 0 ? Math.min(millis, 120_000) : 0;
}

/** Waits, but not much longer than the network is away. @param {number} millis @returns {Promise<void>} */
function waitOrOnline(millis) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", online);
      resolve();
    };
    // Jittered: a mast that comes back brings a crowd.
    const online = () => void setTimeout(done, Math.random() * 2000);
    const timer = setTimeout(done, millis);
    addEventListener("online", online);
  });
}
