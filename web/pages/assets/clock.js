// The server's clock, which the hours are decided by. Caches may keep a page, so the page cannot
// say what time it is; and a phone's own clock may be wrong. So it is asked for, once, with an answer
// that no cache keeps.

/** Past this the phone may have slept or been set: ask again. */
const KEPT_MILLIS = 10 * 60_000;

export class ServerClock {
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
