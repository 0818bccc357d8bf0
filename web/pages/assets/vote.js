// The voters' page with script: the form becomes an outbox that does not lose a ballot. Without
// script the form is posted as it is.

import { ServerClock } from "./clock.js";
import { Outbox, TRIES_QUICK_MAX } from "./outbox.js";
import { duration, setTime, timeElement } from "./times.js";
import { isolated, say, sayText } from "./words.js";

const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const page = find("contest");
const form = /** @type {HTMLFormElement | null} */ (document.getElementById("vote"));
const { contest = "" } = page.dataset;
const votesMax = Number(page.dataset.votesMax);
const changeable = "changeable" in page.dataset;
const meaning = [...find("receipt-meaning").childNodes];
const countdown = document.createElement("bdi");

const clock = new ServerClock();
// The page's own address first, for that one has just answered.
const others = (page.dataset.addresses ?? "").split(" ").filter((address) => address && address !== location.origin);
const outbox = new Outbox(contest, { addresses: ["", ...others], now: () => clock.now() });
/** Whether the voter asked for the form again. */
let again = false;
/** Whether this tab's voter waits for the answer, and is told of it. */
let byHand = false;
let phaseShown = "";

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const choice = new FormData(form).get("choice");
  if (typeof choice !== "string") return;
  byHand = true;
  again = false;
  outbox.cast(choice, titleOf(choice));
  void outbox.deliver();
});
// Before the tap: taps in two tabs at once would make two.
form?.addEventListener("change", () => void outbox.device(), { once: true });
find("try-now").addEventListener("click", () => {
  byHand = true;
  outbox.retryNow();
  void outbox.deliver();
});
document.querySelector("#again button")?.addEventListener("click", () => {
  again = true;
  const last = outbox.state.last;
  if (changeable && last) check(last.choice);
  render();
  const wanted = form?.querySelector("input:checked") ?? form?.querySelector("input[name=choice]");
  /** @type {HTMLElement | null | undefined} */ (wanted)?.focus();
});
for (const name of ["online", "offline"]) addEventListener(name, () => render());
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());

outbox.subscribe(render);
render();
void outbox.deliver();
void clock.ask().then(tick);
setInterval(tick, 1000);
const lookAgain = () => setTimeout(() => void look().then(lookAgain), 60_000 + Math.random() * 30_000);
lookAgain();
if (document.getElementById("search")) void import("./search.js");
if (page.dataset.embedOrigins) void import("./embed.js");
share();

/** What the page shows, from what is stored and what the hours say. */
function render() {
  const state = outbox.state;
  const { pending, last, refused } = state;
  if (refused?.opens_at) setHours(refused.opens_at, refused.closes_at);
  const phase = phaseNow();
  for (const part of page.querySelectorAll("[data-when]")) {
    part.toggleAttribute("hidden", part.getAttribute("data-when") !== phase);
  }
  showSending(pending, phase);
  showProblem(pending ? null : refused);
  find("receipt").hidden = !last || Boolean(pending);
  if (last) showReceipt(last, state.count);
  const spent = !changeable && votesMax > 0 && state.count >= votesMax;
  const more = document.getElementById("again");
  if (more) more.hidden = !last || again || spent || Boolean(pending) || phase !== "open" || Boolean(refused);
  if (form) {
    const wanted = !last || again || Boolean(refused);
    form.hidden = phase === "closed" || Boolean(pending) || spent || !wanted;
    /** @type {HTMLFieldSetElement} */ (form.querySelector("fieldset")).disabled = phase !== "open";
  }
  if (byHand && !pending) {
    byHand = false;
    find(refused ? "problem" : "receipt").focus();
  }
}

/** @param {import("./outbox.js").Pending | null} pending @param {string} phase */
function showSending(pending, phase) {
  find("sending").hidden = !pending;
  if (!pending) return void find("progress").replaceChildren();
  const key = pending.tries === 0 ? "sending"
    : phase === "closed" ? "waiting_closed"
    : navigator.onLine === false ? "waiting_offline"
    : pending.tries < TRIES_QUICK_MAX ? "waiting" : "waiting_long";
  const kept = outbox.isKept ? "" : ` ${sayText("not_kept")}`;
  const text = sayText(key, { choice: pending.title }) + kept;
  // Set only when it changes: a screen reader says it each time. It listens to what was there before
  // it changed, so not to the box that has just been shown.
  if (find("progress").textContent !== text) {
    find("progress").replaceChildren(...say(key, { choice: isolated(pending.title) }), kept);
    find("announce").textContent = text;
  }
  find("try-now").hidden = pending.tries === 0;
}

/** @param {import("./outbox.js").Refusal | null} refused */
function showProblem(refused) {
  const known = document.getElementById("problem");
  if (!refused) {
    // One that the server rendered stays until something else is said.
    if (known && outbox.state.last) known.remove();
    return;
  }
  const { status, unknown, title } = refused;
  const key = status !== 409 ? (unknown ? "other_unknown" : "other_refused")
    : unknown ? "closed_unknown"
    : phaseNow() === "closed" ? "closed_refused" : "not_open_refused";
  if (known?.textContent === sayText(key, { choice: title })) return;
  const box = document.createElement("div");
  box.id = "problem";
  box.className = "card problem";
  box.tabIndex = -1;
  box.setAttribute("role", "alert");
  const paragraph = document.createElement("p");
  paragraph.append(...say(key, { choice: isolated(title) }));
  box.append(paragraph);
  if (known) known.replaceWith(box);
  else find("sending").before(box);
}

/** @param {import("./outbox.js").Recorded} recorded @param {number} count */
function showReceipt({ title, recorded_at, ballot_id }, count) {
  if (find("receipt-ballot").textContent === ballot_id) return;
  find("receipt-choice").replaceChildren(isolated(title));
  find("receipt-time").replaceChildren(timeElement(recorded_at, true));
  find("receipt-ballot").textContent = ballot_id;
  const used = votesMax === 1 ? []
    : votesMax > 1 ? say("used", { used: Math.min(count, votesMax), max: votesMax }) : say("sent", { n: count });
  find("receipt-meaning").replaceChildren(...meaning, " ", ...used);
  if (byHand) find("announce").textContent = sayText("announce_recorded", { choice: title });
}

/** Where the contest stands by the server's clock; while that is not known, as the page came. */
function phaseNow() {
  const { opensAt, closesAt } = page.dataset;
  if (!clock.isKnown) return page.dataset.phase ?? "draft";
  const now = clock.now();
  if (!opensAt || now < Date.parse(opensAt)) return "draft";
  return closesAt && now >= Date.parse(closesAt) ? "closed" : "open";
}

/** Once a second: the countdown, and a change of phase. */
function tick() {
  const phase = phaseNow();
  const { opensAt, closesAt } = page.dataset;
  const end = phase === "draft" ? opensAt : phase === "open" ? closesAt : undefined;
  if (clock.isKnown) showCountdown(phase, end);
  if (phase === phaseShown) return;
  phaseShown = phase;
  render();
  // What the hours hide, the server hides too: this only spares it the question.
  const shown = page.dataset.results === "live" ? phase !== "draft" : phase === "closed";
  if (shown && document.getElementById("results")) {
    void import("./results.js").then(({ showResults }) => showResults(find("results"), contest));
  }
}

/** @param {string} phase @param {string | undefined} end */
function showCountdown(phase, end) {
  const line = find("countdown");
  if (!end) return void line.replaceChildren();
  countdown.textContent = duration(Date.parse(end) - clock.now());
  if (line.dataset.of === phase && line.contains(countdown)) return;
  line.dataset.of = phase;
  line.replaceChildren(...say(phase === "draft" ? "opens_in" : "closes_in", { time: countdown }));
}

/** The hours as they are now: an organiser may have closed by hand, or later than was planned. */
async function look() {
  if (document.visibilityState !== "visible") return;
  if (clock.isOld) await clock.ask();
  if (phaseNow() === "closed") return;
  try {
    const response = await fetch(`/v1/contests/${encodeURIComponent(contest)}`);
    if (!response.ok) return;
    const { opens_at, closes_at } = await response.json();
    setHours(opens_at, closes_at);
    tick();
  } catch {
    // The network is away; the next look may do.
  }
}

/** @param {string | null} [opensAt] @param {string | null} [closesAt] */
function setHours(opensAt, closesAt) {
  setTimes("opensAt", opensAt, '[data-when="draft"] time');
  setTimes("closesAt", closesAt, '[data-when="open"] time, [data-when="closed"] time, #policy time');
}

/** @param {"opensAt" | "closesAt"} name @param {string | null | undefined} time @param {string} places */
function setTimes(name, time, places) {
  if (!time || page.dataset[name] === time) return;
  page.dataset[name] = time;
  for (const element of /** @type {NodeListOf<HTMLTimeElement>} */ (page.querySelectorAll(places))) {
    setTime(element, time);
  }
}

/** The link to this vote, by the device's own way to share, else by the clipboard. */
function share() {
  const [button, state] = find("share").children;
  if (!navigator.share && !navigator.clipboard) return;
  find("share").hidden = false;
  button.addEventListener("click", async () => {
    const url = new URL(`/c/${contest}`, location.href).href;
    const title = page.querySelector("h1")?.textContent ?? "";
    try {
      if (navigator.share) return await navigator.share({ title, url });
      await navigator.clipboard.writeText(url);
      state.textContent = sayText("link_copied");
    } catch (error) {
      if (/** @type {Error} */ (error).name !== "AbortError") state.textContent = sayText("link_not_copied");
    }
  });
}

/** @param {string} choice */
function input(choice) {
  return /** @type {HTMLInputElement | null} */ (form?.querySelector(`input[value="${CSS.escape(choice)}"]`) ?? null);
}

/** @param {string} choice */
function check(choice) {
  const radio = input(choice);
  if (radio) radio.checked = true;
}

/** @param {string} choice */
function titleOf(choice) {
  return input(choice)?.labels?.[0]?.querySelector("bdi")?.textContent ?? choice;
}
