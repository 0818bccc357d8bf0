// The administrator's page: the token, the contests, the chosen contest's counts and its life.

import { AdminCounts } from "./admin-counts.js";
import { setUpCreate } from "./admin-create.js";
import { ServerClock } from "./rate.js";
import { localTime } from "./times.js";

const TOKEN = "landslide.admin-token";
const POLL_MILLIS = 1_000;
const LIST_MILLIS = 10_000;

/** @template {HTMLElement} T @param {string} id @returns {T} */
const find = (id) => /** @type {T} */ (document.getElementById(id));
/** @type {HTMLSelectElement} */
const select = find("contests");
/** @type {HTMLInputElement} */
const byVotes = find("by-votes");
const clock = new ServerClock();

/** @type {any[]} */
let contests = [];
let chosen = decodeURIComponent(location.hash.slice(1));
let counts = new AdminCounts();
/** Drops answers that belong to a contest or a token of before. */
let session = 0;

/** What the API refuses, in its own words. */
class Problem extends Error {
  /** @param {number} status @param {string} detail */
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** @param {string} path @param {RequestInit} [init] */
async function api(path, init = {}) {
  const headers = { authorization: `Bearer ${sessionStorage.getItem(TOKEN)}`, ...init.headers };
  const sent = Date.now();
  const response = await fetch(`/v1/admin/contests${path}`, { ...init, headers, cache: "no-store" });
  clock.hear(response.headers.get("date"), sent, Date.now());
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Problem(response.status, body?.detail ?? `The server answered ${response.status}.`);
  return body;
}

/** One place for every failure. @param {unknown} error */
function showError(error) {
  if (error instanceof Problem && (error.status === 401 || error.status === 403)) signOut(error.message);
  else if (error instanceof Problem) showProblem(error.message);
  else showProblem("The server cannot be reached. Trying again.");
}

/** @param {string} text */
function showProblem(text) {
  const box = find("problem");
  box.className = text ? "card problem" : "";
  if (box.textContent !== text) box.textContent = text;
}

/** @param {string} text */
function showProgress(text) {
  const paragraph = document.createElement("p");
  paragraph.textContent = text;
  find("progress").replaceChildren(...(text ? [paragraph] : []));
}

/** @param {string} [why] */
function signOut(why = "") {
  sessionStorage.removeItem(TOKEN);
  session += 1;
  for (const id of ["desk", "forget"]) find(id).hidden = true;
  find("sign-in").hidden = false;
  showProgress("");
  showProblem(why);
  find("token").focus();
}

function start() {
  find("sign-in").hidden = true;
  for (const id of ["desk", "forget"]) find(id).hidden = false;
  session += 1;
  void keepListing(session);
  void keepCounting(session);
}

/** @param {number} mine */
async function keepListing(mine) {
  while (mine === session) {
    await list().catch((error) => mine === session && showError(error));
    await new Promise((resolve) => setTimeout(resolve, LIST_MILLIS));
  }
}

async function list() {
  const mine = session;
  const answer = (await api("")).contests;
  if (mine !== session) return;
  contests = answer;
  const known = contests.some(({ contest }) => contest === chosen);
  if (!known) choose(contests[0]?.contest ?? "");
  const options = contests.map(({ contest, title }) => new Option(`${title} (${contest})`, contest));
  // Not under the administrator's hand while the list is the same.
  if (options.map((o) => o.text).join("\n") !== [...select.options].map((o) => o.text).join("\n")) {
    select.replaceChildren(...options);
  }
  select.value = chosen;
  showContest();
}

/** @param {string} contest */
function choose(contest) {
  chosen = contest;
  history.replaceState(null, "", contest ? `#${encodeURIComponent(contest)}` : location.pathname);
  counts = new AdminCounts();
  counts.sort(byVotes.checked);
  showContest();
}

function showContest() {
  const item = contests.find(({ contest }) => contest === chosen);
  find("contest").hidden = !item;
  find("none").hidden = contests.length > 0;
  if (!item) return;
  find("title").textContent = item.title;
  /** @type {HTMLAnchorElement} */ (find("public")).href = `/c/${encodeURIComponent(chosen)}`;
  const phase = phaseOf(item);
  find("phase").textContent = { draft: "Not open yet.", open: "Open.", closed: "Closed." }[phase];
  find("phase").classList.toggle("open", phase === "open");
  const [opens, closes] = [item.opens_at, item.closes_at].map((time) => time ? localTime(new Date(time)) : "by hand");
  find("hours").textContent = `Opens: ${opens}. Closes: ${closes}.`;
  const may = { open: phase === "draft", close: phase === "open", certify: counts.row?.status === "final" };
  for (const [action, allowed] of Object.entries(may)) {
    const button = /** @type {HTMLButtonElement} */ (find("actions").querySelector(`[data-action="${action}"]`));
    if (button.disabled === allowed) button.disabled = !allowed;
  }
}

/** @param {any} item @returns {"draft" | "open" | "closed"} */
function phaseOf({ opens_at, closes_at }) {
  const now = clock.now();
  if (!opens_at || now < Date.parse(opens_at)) return "draft";
  return closes_at && now >= Date.parse(closes_at) ? "closed" : "open";
}

/** @param {number} mine */
async function keepCounting(mine) {
  let failing = false;
  while (mine === session) {
    const asked = counts;
    try {
      const row = chosen ? await api(`/${encodeURIComponent(chosen)}/counts`) : null;
      if (mine === session && row && asked === counts) counts.show(row);
      if (failing) showProblem("");
      failing = false;
    } catch (error) {
      // 404: the tally has not written the first row yet.
      const early = error instanceof Problem && error.status === 404;
      if (mine === session && !early) showError(error);
      failing ||= !early;
    }
    if (mine === session) {
      counts.showAge(clock.now());
      showContest();
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLIS));
  }
}

/** @type {Record<string, {title: string, text: string, done: string}>} */
const ACTIONS = {
  open: { title: "Open voting?", text: "Voters can vote at once. Its choices and policy cannot be changed after that.", done: "Voting is open." },
  close: { title: "Close voting?", text: "Voting ends within a minute and cannot be opened again.", done: "Voting closes within a minute." },
  certify: { title: "Certify the count?", text: "This fixes the set of ballots that was counted.", done: "The count is certified." },
};

/** @param {string} action */
async function act(action) {
  const { title, text, done } = ACTIONS[action];
  const contest = chosen;
  if (!(await confirmed(title, text, action))) return;
  try {
    await api(`/${encodeURIComponent(contest)}/${action}`, { method: "POST" });
    showProblem("");
    showProgress(done);
    await list();
  } catch (error) {
    showProgress("");
    showError(error);
  }
}

/** @param {string} title @param {string} text @param {string} action @returns {Promise<boolean>} */
function confirmed(title, text, action) {
  /** @type {HTMLDialogElement} */
  const dialog = find("confirm");
  find("confirm-title").textContent = title;
  find("confirm-text").textContent = text;
  find("confirm-yes").textContent = action[0].toUpperCase() + action.slice(1);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

find("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  /** @type {HTMLInputElement} */
  const token = find("token");
  sessionStorage.setItem(TOKEN, token.value.trim());
  token.value = "";
  showProblem("");
  start();
});
find("forget").addEventListener("click", () => signOut());
select.addEventListener("change", () => {
  showProgress("");
  showProblem("");
  choose(select.value);
});
byVotes.addEventListener("change", () => counts.sort(byVotes.checked));
find("actions").addEventListener("click", (event) => {
  const action = /** @type {HTMLElement} */ (event.target).dataset.action;
  if (action) void act(action);
});
setUpCreate(async (contest, definition) => {
  if (contests.some((item) => item.contest === contest)) {
    showProblem(`There is a contest ${contest} already.`);
    return false;
  }
  try {
    await api(`/${encodeURIComponent(contest)}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(definition),
    });
    showProblem("");
    showProgress("The contest is created.");
    await list();
    choose(contest);
    select.value = contest;
    find("main").focus();
    return true;
  } catch (error) {
    showProgress("");
    showError(error);
    return false;
  }
});

if (sessionStorage.getItem(TOKEN)) start();
else find("sign-in").hidden = false;
