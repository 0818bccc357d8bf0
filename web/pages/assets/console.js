// What all pages of the console share: the session, the API, the server's clock, messages and
// questions. A page's own script calls `start` with what to do once somebody is signed in.

/** @template {HTMLElement} T @param {string} id @returns {T} */
export const find = (id) => /** @type {T} */ (document.getElementById(id));

/** A new element. @param {string} name @param {Record<string, string>} [attributes] @param {(Node | string)[]} children */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Writes a text only where it differs, so that a selection survives. @param {Element} target @param {string} text */
export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** What the API refuses, in its own words. */
export class Problem extends Error {
  /** @param {number} status @param {any} body */
  constructor(status, body) {
    super(body?.detail ?? `The server answered ${status}.`);
    this.status = status;
    this.body = body;
  }
}

/** The server's time, from its answers: the one with the shortest way says it best. */
export const clock = {
  offset: 0,
  way: Infinity,
  /** @param {string} time @param {number} sent @param {number} received */
  hear(time, sent, received) {
    // An old measurement counts for less and less: clocks drift.
    this.way *= 1.02;
    if (received - sent > this.way) return;
    this.way = received - sent;
    this.offset = Date.parse(time) - (sent + received) / 2;
  },
  now() {
    return Date.now() + this.offset;
  },
};

/** The session's second secret, which every change must carry. */
let csrf = "";
/** @type {() => void} */
let onSignedIn = () => {};
let signedIn = false;

/**
 * Asks the API as whoever is signed in.
 * @param {string} path @param {RequestInit} [init]
 * @returns {Promise<{body: any, etag: string | null}>}
 */
export async function api(path, init = {}) {
  const headers = new Headers(init.headers);
  if (init.method && init.method !== "GET") headers.set("x-csrf-token", csrf);
  if (init.body) headers.set("content-type", "application/json");
  const sent = Date.now();
  const response = await fetch(path, { ...init, headers, cache: "no-store", credentials: "same-origin" });
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Problem(response.status, body);
  if (body?.server_time) clock.hear(body.server_time, sent, Date.now());
  return { body, etag: response.headers.get("etag") };
}

/** The path of a contest in the API. @param {string} contest @param {string} [rest] */
export const contestPath = (contest, rest = "") => `/v1/admin/contests/${encodeURIComponent(contest)}${rest}`;

/** @param {string} text */
export function showProblem(text) {
  const box = find("problem");
  box.className = text ? "note problem" : "";
  say(box, text);
}

/** @param {string} text */
export function showProgress(text) {
  const box = find("progress");
  box.className = text ? "note done" : "";
  say(box, text);
}

/** One place for every failure. @param {unknown} error */
export function showError(error) {
  showProgress("");
  if (error instanceof Problem && error.status === 401) showSignIn(error.message);
  else if (error instanceof Problem) showProblem(error.message);
  else showProblem("The server cannot be reached. Trying again.");
}

/**
 * Does a thing every so often while somebody is signed in, and says when it fails.
 * @param {number} millis @param {() => Promise<void>} act
 */
export async function keep(millis, act) {
  let failing = false;
  for (;;) {
    if (signedIn) {
      try {
        await act();
        if (failing) showProblem("");
        failing = false;
      } catch (error) {
        showError(error);
        failing = true;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, failing ? 2 * millis : millis));
  }
}

/**
 * Asks before something that cannot be undone.
 * @param {string} title @param {(Node | string)[]} text paragraphs @param {string} yes
 * @returns {Promise<boolean>}
 */
export function ask(title, text, yes, no = "Cancel") {
  /** @type {HTMLDialogElement} */
  const dialog = find("ask");
  say(find("ask-title"), title);
  find("ask-text").replaceChildren(...text.map((part) => (typeof part === "string" ? element("p", {}, part) : part)));
  say(find("ask-yes"), yes);
  say(find("ask-no"), no);
  find("ask-no").hidden = no === "";
  dialog.returnValue = "no";
  dialog.showModal();
  find(no ? "ask-no" : "ask-yes").focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** @param {any} session */
function enter(session) {
  csrf = session.csrf;
  signedIn = true;
  say(find("who-name"), session.name ?? "");
  for (const id of ["who", "nav", "content"]) find(id).hidden = false;
  find("sign-in").hidden = true;
  onSignedIn();
  onSignedIn = () => {};
}

/** @param {string} [why] */
function showSignIn(why = "") {
  signedIn = false;
  for (const id of ["who", "nav", "content"]) find(id).hidden = true;
  find("sign-in").hidden = false;
  showProgress("");
  showProblem(why);
  if (document.activeElement === document.body) find("token").focus();
}

/** @param {string} token @param {string} name */
async function signIn(token, name) {
  const body = JSON.stringify({ token, name });
  enter((await api("/admin/session", { method: "POST", body })).body);
  showProblem("");
}

/** Signs in by a link whose fragment has the token, which no server sees; it leaves the address at once. */
function takeFragment() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get("sign-in");
  if (!token) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return { token, name: fragment.get("name") ?? "", contest: fragment.get("contest") };
}

/** @param {() => void} act once, when somebody is signed in */
export async function start(act) {
  onSignedIn = act;
  const link = takeFragment();
  // The link followed from a page of the console changes nothing but the fragment.
  addEventListener("hashchange", () => location.hash.includes("sign-in=") && location.reload());
  find("sign-in").addEventListener("submit", async (event) => {
    event.preventDefault();
    /** @type {HTMLInputElement} */
    const token = find("token");
    /** @type {HTMLInputElement} */
    const name = find("name");
    try {
      await signIn(token.value, name.value);
      token.value = "";
      find("main").focus();
    } catch (error) {
      if (error instanceof Problem) showSignIn(error.message);
      else showError(error);
      token.select();
    }
  });
  find("sign-out").addEventListener("click", async () => {
    try {
      await api("/admin/session", { method: "DELETE" });
      location.assign("/admin");
    } catch (error) {
      showError(error);
    }
  });
  try {
    if (link) {
      await signIn(link.token, link.name);
      if (link.contest) location.replace(`/admin/contests/${encodeURIComponent(link.contest)}`);
      return;
    }
    const session = (await api("/admin/session")).body;
    if (session.signed_in) enter(session);
    else showSignIn();
  } catch (error) {
    if (error instanceof Problem) showSignIn(error.message);
    else {
      showError(error);
      setTimeout(() => location.reload(), 5_000);
    }
  }
}
