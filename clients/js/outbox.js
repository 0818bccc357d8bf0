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
 * @property {number} tries sends that failed
 * @property {boolean} unknown whether a send may have been recorded without our hearing of it
 * @property {boolean} renewed whether its id was made again from the server's time
 *
 * @typedef {{ballot_id: string, choice: string, title: string, recorded_at: string, counts?: string}} Recorded
 *   `counts`: which of a voter's ballots count, where the server says so: `first`
 *
 * @typedef {object} Refusal
 * @property {number} status
 * @property {string} type a stable URI, such as `urn:landslide:problem:not-open`
 * @property {string} detail a sentence in English
 * @property {boolean} unknown whether an earlier send may have been recorded; else it is certain
 * @property {string | null} [opens_at] the hours, where they are the reason
 * @property {string | null} [closes_at]
 * @property {string} choice
 * @property {string} title
 *
 * @typedef {object} State what is stored
 * @property {Pending | null} pending
 * @property {Recorded | null} last
 * @property {Recorded | null} first recorded of all: where only one counts that cannot be changed, it is this
 * @property {Refusal | null} refused of the last ballot, until the next is cast
 * @property {number} count of recorded ballots
 * @property {number} millis of the newest ballot id
 *
 * @typedef {{recorded: Recorded} | {refused: Refusal}} Answer
 *
 * @typedef {object} Options
 * @property {string} [edition] of the contest; what is stored of another one is forgotten
 * @property {string[]} [addresses] base URLs, tried in turn; by default the page's own
 * @property {Pick<Storage, "getItem" | "setItem">} [storage]
 * @property {typeof fetch} [fetch]
 * @property {(millis: number, signal: AbortSignal) => Promise<void>} [wait]
 * @property {() => number} [now] milliseconds since the Unix epoch
 * @property {() => number} [random]
 * @property {Pick<LockManager, "request"> | null} [locks] null: the storage must do
 * @property {string} [cookie]
 * @property {boolean} [isSecure] whether the page came over TLS
 */

const BACKOFF_MILLIS_MIN = 500;
const BACKOFF_MILLIS_MAX = 30_000;
/** The budget of quick tries; after it a ballot is sent every few minutes, or when asked to. */
export const TRIES_QUICK_MAX = 12;
const SLOW_MILLIS = 120_000;
/** The server answers within its commit deadline of 5 s; past this the answer is lost. */
const ANSWER_MILLIS_MAX = 15_000;
/** How far a server lets an id's time be ahead of its own. */
const ID_AHEAD_MILLIS_MAX = 15 * 60_000;
/** A sender that has not renewed its lease for so long is gone. */
const LEASE_MILLIS = 10_000;

export class Outbox {
  /**
   * @param {string} contest
   * @param {Options} [options]
   */
  constructor(contest, options = {}) {
    this.contest = contest;
    this.key = `landslide.outbox.${contest}`;
    this.edition = options.edition;
    this.addresses = options.addresses?.length ? options.addresses : [""];
    this.fetch = options.fetch ?? ((...request) => globalThis.fetch(...request));
    this.wait = options.wait ?? waitOrOnline;
    this.now = options.now ?? Date.now;
    this.random = options.random ?? Math.random;
    this.locks = options.locks === undefined ? globalThis.navigator?.locks ?? null : options.locks;
    this.cookie = options.cookie ?? globalThis.document?.cookie ?? "";
    this.isSecure = options.isSecure ?? globalThis.location?.protocol === "https:";
    const storage = usable(options.storage);
    /** Whether what is cast outlives this page. */
    this.isKept = storage !== null;
    this.storage = storage ?? inMemory();
    this.tab = uuidV4();
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    /** @type {Promise<Answer | null> | null} */
    this.delivery = null;
    /** @type {AbortController | null} */
    this.pause = null;
    globalThis.addEventListener?.("storage", (event) => event.key === this.key && this.tell());
  }

  /** What is stored now. @returns {State} */
  get state() {
    const none = { pending: null, last: null, first: null, refused: null, count: 0, millis: 0 };
    try {
      const { edition, ...stored } = JSON.parse(this.storage.getItem(this.key) || "{}");
      // Of a contest that was there before, under the same name. What has no edition is older than they are.
      if (edition && this.edition && edition !== this.edition) return none;
      return { ...none, ...stored, first: stored.first ?? stored.last ?? null };
    } catch {
      return none;
    }
  }

  /** @param {State} state */
  set state(state) {
    this.store(this.key, JSON.stringify({ ...state, edition: this.edition }));
    this.tell();
  }

  /** Calls back on every change, here or in another tab. @param {() => void} listener @returns {() => void} to end it */
  subscribe(listener) {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /**
   * Fixes a ballot and stores it; `deliver` sends it. One that is still pending stays the one.
   * @param {string} choice
   * @param {string} [title]
   */
  cast(choice, title = choice) {
    const state = this.state;
    if (state.pending) return;
    const millis = this.nextMillis(this.now());
    const pending = {
      ballot_id: uuidV7(millis), choice, title, device: this.device(),
      tries: 0, unknown: false, renewed: false,
    };
    this.state = { ...state, pending, refused: null, millis };
  }

  /**
   * Sends the pending ballot until there is an answer. Of all tabs one sends at a time.
   * @returns {Promise<Answer | null>} null if nothing is pending, or another tab got the answer
   */
  deliver() {
    this.delivery ??= this.alone(() => this.send()).finally(() => (this.delivery = null));
    return this.delivery;
  }

  /** Sends now what waits to be sent again. */
  retryNow() {
    this.pause?.abort();
  }

  /** @returns {Promise<Answer | null>} */
  async send() {
    for (;;) {
      const pending = this.state.pending;
      if (!pending) return null;
      // Before the send: if the page dies during it, nobody knows what became of it.
      this.change(pending, { unknown: true });
      const { answer, retryAfter, serverTime, limited } = await this.sendOnce(pending);
      if (answer) return this.settle(pending, answer) ? answer : null;
      if (serverTime) {
        this.renew(pending, serverTime);
        continue;
      }
      const tries = pending.tries + 1;
      this.change(pending, { tries, unknown: pending.unknown || !limited });
      this.pause = new AbortController();
      await this.wait(this.backoff(tries - 1, retryAfter), this.pause.signal);
    }
  }

  /**
   * @param {Pending} pending
   * @returns {Promise<{answer?: Answer, retryAfter?: number, serverTime?: number, limited?: boolean}>}
   *   `limited`: over a limit, so certainly not recorded, but to be sent again
   */
  async sendOnce(pending) {
    const { ballot_id, choice, title, device } = pending;
    const sentAt = this.now();
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), ANSWER_MILLIS_MAX);
    // To the next address when one has failed.
    const address = this.addresses[pending.tries % this.addresses.length];
    try {
      const path = `/v1/contests/${encodeURIComponent(this.contest)}/ballots`;
      const response = await this.fetch(`${address}${path}`, {
        method: "POST",
        // In a header too, so that a balancer knows that it may send it twice without reading it.
        headers: { "content-type": "application/json", "ballot-id": ballot_id },
        body: JSON.stringify({ ballot_id, choice, device }),
        keepalive: true,
        signal: abort.signal,
      });
      const body = await response.json().catch(() => null);
      if (response.ok) {
        // A 2xx that is not ours (a network's log-in page) acknowledges nothing.
        if (body?.ballot_id !== ballot_id) return {};
        const counts = body.counts === undefined ? {} : { counts: String(body.counts) };
        return { answer: { recorded: { ballot_id, choice, title, recorded_at: body.recorded_at, ...counts } } };
      }
      if (response.status === 422 && body?.server_time && !pending.renewed) {
        return { serverTime: Date.parse(body.server_time) || this.now() };
      }
      const certain = response.status >= 400 && response.status < 500 && body?.type;
      if (!certain || response.status === 429 || response.status === 408) {
        const retryAfter = retryAfterMillis(response.headers.get("retry-after"), this.now());
        return { retryAfter, limited: response.status === 429 };
      }
      const detail = String(body.detail ?? body.title ?? "");
      const { status } = response;
      const { opens_at, closes_at } = body;
      // A browser repeats a request by itself when a connection that was kept open breaks, and tells only
      // of the last: one that was sent before the close may have arrived earlier, too.
      const unknown = pending.unknown || sentAt < Date.parse(closes_at);
      const refused = { status, type: String(body.type), detail, unknown, opens_at, closes_at, choice, title };
      return { answer: { refused } };
    } catch {
      return {};
    } finally {
      clearTimeout(timer);
    }
  }

  /** Full jitter over an exponential; never sooner than the server asked. @param {number} failures @param {number} [retryAfter] */
  backoff(failures, retryAfter = 0) {
    if (failures >= TRIES_QUICK_MAX) return retryAfter + SLOW_MILLIS * (1 + this.random() / 2);
    const ceiling = Math.min(BACKOFF_MILLIS_MAX, BACKOFF_MILLIS_MIN * 2 ** failures);
    return retryAfter + BACKOFF_MILLIS_MIN / 2 + this.random() * ceiling;
  }

  /** False if another tab has settled it already. @param {Pending} pending @param {Answer} answer */
  settle(pending, answer) {
    const state = this.state;
    if (state.pending?.ballot_id !== pending.ballot_id) return false;
    if ("recorded" in answer) {
      const first = earlier(state.first, answer.recorded);
      this.state = { ...state, pending: null, refused: null, count: state.count + 1, last: answer.recorded, first };
    } else {
      this.state = { ...state, pending: null, refused: answer.refused };
    }
    return true;
  }

  /** A refusal for the id's time is certain, so a new id is a new ballot. @param {Pending} pending @param {number} serverTime */
  renew(pending, serverTime) {
    // The ids before may come from the clock that was wrong, but for one that was taken: where the
    // largest id counts, the new one must be larger.
    const taken = this.state.last ? millisOf(this.state.last.ballot_id) : 0;
    const millis = taken - serverTime < ID_AHEAD_MILLIS_MAX ? Math.max(serverTime, taken + 1) : serverTime;
    const state = this.state;
    if (state.pending?.ballot_id !== pending.ballot_id) return;
    const changes = { ballot_id: uuidV7(millis), renewed: true, unknown: false };
    this.state = { ...state, pending: { ...state.pending, ...changes }, millis };
  }

  /** @param {Pending} pending @param {Partial<Pending>} changes */
  change(pending, changes) {
    const state = this.state;
    if (state.pending?.ballot_id !== pending.ballot_id) return;
    this.state = { ...state, pending: { ...state.pending, ...changes } };
  }

  /** Ids must grow even when the clock steps back: where a voter may change, the largest one counts. @param {number} now */
  nextMillis(now) {
    const last = this.state.millis;
    // A step of more than the server's allowance is a mended clock, not a small step back.
    return last >= now && last - now < ID_AHEAD_MILLIS_MAX ? last + 1 : now;
  }

  /** This device's id, for all contests. */
  device() {
    const key = "landslide.device";
    const kept = this.storage.getItem(key);
    if (kept && UUID_V4.test(kept)) return kept;
    // A ballot by the plain form has left its device in the cookie. Over TLS that has the name which no
    // sibling domain can set.
    const name = this.isSecure ? "__Host-device" : "device";
    const cookie = new RegExp(`(?:^|;\\s*)${name}=([^;]*)`).exec(this.cookie)?.[1] ?? "";
    const device = UUID_V4.test(cookie) ? cookie : uuidV4();
    this.store(key, device);
    return device;
  }

  /** @param {string} key @param {string} text */
  store(key, text) {
    try {
      this.storage.setItem(key, text);
    } catch {
      // Full, or forbidden meanwhile: go on with what there is, and say that it is not kept.
      const before = this.storage;
      this.isKept = false;
      this.storage = inMemory();
      for (const name of [this.key, "landslide.device"]) this.storage.setItem(name, before.getItem(name) ?? "");
      this.storage.setItem(key, text);
    }
  }

  tell() {
    for (const listener of [...this.listeners]) listener();
  }

  /** @template T @param {() => Promise<T>} run in one tab at a time @returns {Promise<T>} */
  async alone(run) {
    if (!this.isKept) return run(); // No other tab knows of it.
    if (this.locks) {
      let began = false;
      const locked = () => ((began = true), run());
      try {
        return await this.locks.request(this.key, locked);
      } catch (error) {
        // In another site's frame a browser may refuse the lock; what `run` throws is its own.
        if (began) throw error;
      }
    }
    // Browsers have locks on https alone. A lease in the storage is weaker: two tabs may meet and
    // send the same ballot both, which is one ballot still.
    const key = `${this.key}.sender`;
    while (this.leaseOf(key) > this.now()) await this.wait(1_000, new AbortController().signal);
    const renew = () => this.store(key, JSON.stringify({ tab: this.tab, until: this.now() + LEASE_MILLIS }));
    renew();
    const timer = setInterval(renew, LEASE_MILLIS / 3);
    try {
      return await run();
    } finally {
      clearInterval(timer);
      this.store(key, "{}");
    }
  }

  /** Until when another tab sends. @param {string} key */
  leaseOf(key) {
    try {
      const { tab, until } = JSON.parse(this.storage.getItem(key) ?? "{}");
      // No lease is longer: one from a clock that was ahead must not hold us up.
      return tab === this.tab || until > this.now() + LEASE_MILLIS ? 0 : until ?? 0;
    } catch {
      return 0;
    }
  }
}

/**
 * The one that was recorded first, as the server orders them. Who has none leaves it to the other.
 * @template {Recorded | null} T @param {T} a @param {T} b @returns {T}
 */
export function earlier(a, b) {
  if (!a || !b) return a ?? b;
  const [one, other] = [Date.parse(a.recorded_at), Date.parse(b.recorded_at)];
  return other < one || (other === one && b.ballot_id < a.ballot_id) ? b : a;
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

/** @param {string} id a UUIDv7 */
const millisOf = (id) => parseInt(id.replace("-", "").slice(0, 12), 16) || 0;

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

/** A storage that keeps what it is given; in frames and private windows the browser's may not. @param {Options["storage"]} [given] */
function usable(given) {
  try {
    const storage = given ?? globalThis.localStorage;
    storage.setItem("landslide.probe", "1");
    return storage.getItem("landslide.probe") === "1" ? storage : null;
  } catch {
    return null;
  }
}

/** @returns {Pick<Storage, "getItem" | "setItem">} */
function inMemory() {
  const map = new Map();
  return {
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, text) => void map.set(key, text),
  };
}

/** Waits, but not much longer than the network is away, or than asked to. @param {number} millis @param {AbortSignal} signal @returns {Promise<void>} */
function waitOrOnline(millis, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", online);
      resolve();
    };
    // Jittered: a mast that comes back brings a crowd.
    const online = () => void setTimeout(done, Math.random() * 2000);
    const timer = setTimeout(done, millis);
    globalThis.addEventListener?.("online", online);
    signal.addEventListener("abort", done);
  });
}
