/** A ballot without a certain answer. */
export interface Pending {
  ballot_id: string;
  choice: string;
  /** Of the choice, for when it is no longer listed. */
  title: string;
  device: string;
  /** Sends that failed. */
  tries: number;
  /** Whether a send may have been recorded without our hearing of it. */
  unknown: boolean;
  /** Whether its id was made again from the server's time. */
  renewed: boolean;
}

/** A ballot that is durable. */
export interface Recorded {
  ballot_id: string;
  choice: string;
  title: string;
  /** RFC 3339. */
  recorded_at: string;
  /** Which of a voter's ballots count, where the server says so. */
  counts?: string;
}

/** Why a ballot was not recorded. */
export interface Refusal {
  status: number;
  /** A stable URI, such as `urn:landslide:problem:not-open`. */
  type: string;
  /** A sentence in English. */
  detail: string;
  /** Whether an earlier send may have been recorded; else the refusal is certain. */
  unknown: boolean;
  /** The hours, where they are the reason. */
  opens_at?: string | null;
  closes_at?: string | null;
  choice: string;
  title: string;
}

export type Answer = { recorded: Recorded } | { refused: Refusal };

/** What is stored for one contest on this device. */
export interface State {
  pending: Pending | null;
  last: Recorded | null;
  /** Recorded first of all: where only one counts that cannot be changed, it is this. */
  first: Recorded | null;
  /** Of the last ballot, until the next is cast. */
  refused: Refusal | null;
  /** Ballots recorded. */
  count: number;
  /** Of the newest ballot id. */
  millis: number;
}

export interface Options {
  /** The contest's `edition`: what is stored of another one is forgotten. */
  edition?: string;
  /** Base URLs without a slash at the end, tried in turn; by default the page's own. */
  addresses?: string[];
  /** By default `localStorage`; where that is refused, memory. */
  storage?: Pick<Storage, "getItem" | "setItem">;
  fetch?: typeof globalThis.fetch;
  /** Resolves after so long, or as soon as the signal is aborted. */
  wait?: (millis: number, signal: AbortSignal) => Promise<void>;
  /** Milliseconds since the Unix epoch; the server's clock, if it is known. */
  now?: () => number;
  /** From 0 to 1, as `Math.random`. */
  random?: () => number;
  /** By default `navigator.locks`; null: a lease in the storage does. */
  locks?: Pick<LockManager, "request"> | null;
  /** By default `document.cookie`. */
  cookie?: string;
  /** Whether the page came over TLS. By default as `location` says. */
  isSecure?: boolean;
}

/** Quick tries; after them a ballot is sent every few minutes, or when asked to. */
export const TRIES_QUICK_MAX: number;

export class Outbox {
  constructor(contest: string, options?: Options);
  readonly contest: string;
  /** Whether what is cast outlives this page. */
  readonly isKept: boolean;
  readonly state: State;
  /** Fixes a ballot and stores it. One that is still pending stays the one. */
  cast(choice: string, title?: string): void;
  /**
   * Sends what is pending until there is an answer; of all tabs one at a time. Null if nothing was
   * pending, or another tab got the answer.
   */
  deliver(): Promise<Answer | null>;
  /** Cuts the present wait short. */
  retryNow(): void;
  /** Calls back on every change, here or in another tab, until the returned function is called. */
  subscribe(listener: () => void): () => void;
  /** This device's id, for all contests. */
  device(): string;
}

/** Of two ballots the one that was recorded first; of one and none, the one. */
export function earlier(a: Recorded | null, b: Recorded | null): Recorded | null;

/** RFC 9562 section 5.7. */
export function uuidV7(millis: number): string;
