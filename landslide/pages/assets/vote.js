// The voter's page with script: the form becomes an outbox that does not lose a ballot. Without
// script, or where nothing can be stored, the form is posted as it is.

import { Outbox } from "./outbox.js";
import { Results } from "./results.js";
import { duration, timeElement } from "./times.js";

const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const page = find("contest");
const form = /** @type {HTMLFormElement | null} */ (document.getElementById("vote"));
const { contest = "", opensAt = "", closesAt = "", now: servedAt = "" } = page.dataset;
const votesMax = Number(page.dataset.votesMax);
const changeable = "changeable" in page.dataset;
const meaning = find("receipt-meaning").textContent;

// The hours are decided by the server's clock, so the page goes by it too.
const clockOffset = Date.parse(servedAt) - Date.now() || 0;
const serverNow = () => Date.now() + clockOffset;

const outbox = usableOutbox();
if (outbox) {
  form?.addEventListener("submit", (event) => {
    const choice = new FormData(/** @type {HTMLFormElement} */ (form)).get("choice");
    if (typeof choice !== "string") return;
    try {
      outbox.cast(choice, titleOf(choice));
    } catch {
      return; // Nothing can be stored: the form is posted instead.
    }
    event.preventDefault();
    void send(outbox, true);
  });
  addEventListener("storage", (event) => event.key === outbox.key && render());
  if (outbox.state.pending) void send(outbox, false);
  const last = outbox.state.last;
  if (changeable && last) check(last.choice);
}

const results = page.dataset.results === "hidden" ? null : new Results(find("results"), contest);
let phaseShown = "";
tick();
setInterval(tick, 1000);
render();

function usableOutbox() {
  try {
    const box = new Outbox(contest);
    box.device();
    return box;
  } catch {
    return null;
  }
}

/** @param {Outbox} box @param {boolean} byHand whether the voter just asked for it */
async function send(box, byHand) {
  const pending = box.state.pending;
  if (!pending) return;
  showProblem("");
  showProgress("Sending your vote for ", pending.title, " …");
  render();
  const answer = await box.send(() => {
    showProgress("No answer yet for your vote for ", pending.title,
      ". It is kept on this device and sent again by itself. You can leave this page open.");
  });
  showProgress();
  render();
  if (answer && "refused" in answer) {
    showRefusal(answer.refused);
  } else if (byHand) {
    find("receipt").focus();
  }
}

/** @param {import("./outbox.js").Refusal} refusal */
function showRefusal({ status, detail, unknown, title }) {
  if (status === 409 && unknown) {
    showProblem("Voting closed before an answer came. It is not known whether your vote for ", title,
      " was recorded.");
  } else if (status === 409) {
    showProblem("Voting is not open. Your vote for ", title, " was not recorded.");
  } else {
    showProblem("Your vote for ", title, ` was not recorded. ${detail}`);
  }
  find("problem").focus();
}

/** What the page shows, from what is stored and what the hours say. */
function render() {
  const state = outbox?.state;
  const phase = phaseNow();
  for (const part of page.querySelectorAll("[data-when]")) {
    part.toggleAttribute("hidden", part.getAttribute("data-when") !== phase);
  }
  if (state?.last) showReceipt(state.last, state.count);
  if (!form) return;
  const used = state ? state.count : 0;
  const spent = !changeable && votesMax > 0 && used >= votesMax;
  form.hidden = phase === "closed" || Boolean(state?.pending) || spent;
  const fieldset = /** @type {HTMLFieldSetElement} */ (form.querySelector("fieldset"));
  fieldset.disabled = phase !== "open";
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
  if (used > 0) button.textContent = changeable ? "Change my vote" : "Vote again";
}

/** @param {import("./outbox.js").Recorded} recorded @param {number} count */
function showReceipt({ title, recorded_at, ballot_id }, count) {
  find("receipt-choice").replaceChildren(isolated(title));
  find("receipt-time").replaceChildren(timeElement(recorded_at));
  find("receipt-ballot").textContent = ballot_id;
  const used = votesMax === 1 ? "" : votesMax > 1
    ? ` ${Math.min(count, votesMax)} of ${votesMax} used on this device.`
    : ` ${count} sent from this device.`;
  find("receipt-meaning").textContent = meaning + used;
  find("receipt").hidden = false;
}

function phaseNow() {
  const now = serverNow();
  if (!opensAt || now < Date.parse(opensAt)) return "draft";
  return closesAt && now >= Date.parse(closesAt) ? "closed" : "open";
}

/** Once a second: the countdown, and a change of phase. */
function tick() {
  const phase = phaseNow();
  const [word, end] = phase === "draft" ? ["Opens", opensAt] : ["Closes", closesAt];
  const countdown = find("countdown");
  countdown.hidden = phase === "closed" || !end;
  if (end) countdown.textContent = `${word} in ${duration(Date.parse(end) - serverNow())}`;
  if (phase === phaseShown) return;
  if (phaseShown) render();
  phaseShown = phase;
  const shown = page.dataset.results === "live" ? phase !== "draft" : phase === "closed";
  if (shown) results?.start();
}

/** Sets the live region. @param {string} [before] @param {string} [title] @param {string} [after] */
function showProgress(before = "", title = "", after = "") {
  find("progress").replaceChildren(...sentence(before, title, after));
}

/** @param {string} before empty takes the problem away @param {string} [title] @param {string} [after] */
function showProblem(before, title = "", after = "") {
  document.getElementById("problem")?.remove();
  if (!before) return;
  const box = document.createElement("div");
  box.id = "problem";
  box.className = "card problem";
  box.tabIndex = -1;
  box.setAttribute("role", "alert");
  box.append(...sentence(before, title, after));
  find("progress").before(box);
}

/** A paragraph with a title in it that may run the other way. @param {string} before @param {string} title @param {string} after */
function sentence(before, title, after) {
  if (!before) return [];
  const paragraph = document.createElement("p");
  paragraph.append(before);
  if (title) paragraph.append("“", isolated(title), "”");
  paragraph.append(after);
  return [paragraph];
}

/** @param {string} title */
function isolated(title) {
  const element = document.createElement("bdi");
  element.textContent = title;
  return element;
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
