// The voters' page with script: the form becomes an outbox that does not lose a ballot. Without
// script the form is posted as it is.

import { Follow } from "./follow.js";
import { earlier, Outbox, TRIES_QUICK_MAX } from "./outbox.js";
import { duration, timeElement } from "./times.js";
import { isolated, say, sayText } from "./words.js";

const find = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const page = find("contest");
const form = /** @type {HTMLFormElement | null} */ (document.getElementById("vote"));
const { contest = "", edition = "" } = page.dataset;
const votesMax = Number(page.dataset.votesMax);
const changeable = "changeable" in page.dataset;
const [kept, ...meaning] = find("receipt-meaning").childNodes;
const recordedTitle = find("receipt-title").textContent ?? "";
const countdown = document.createElement("bdi");

const follow = new Follow(page, { change, tick });
// The page's own address first, for that one has just answered.
const others = (page.dataset.addresses ?? "").split(" ").filter((address) => address && address !== location.origin);
const outbox = new Outbox(contest, { edition, addresses: ["", ...others], now: () => follow.clock.now() });
/** Whether the voter asked for the form again. */
let again = false;
/** Whether this tab's voter waits for the answer, and is told of it. */
let byHand = false;
/** @type {Promise<import("./results.js").Results> | undefined} */
let results;

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const choice = new FormData(form).get("choice");
  if (typeof choice !== "string") return;
  byHand = true;
  again = false;
  outbox.cast(choice, titleOf(choice));
  void deliver();
});
// Before the tap: taps in two tabs at once would make two.
form?.addEventListener("change", () => void outbox.device(), { once: true });
find("try-now").addEventListener("click", () => {
  byHand = true;
  outbox.retryNow();
  void deliver();
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

outbox.subscribe(render);
if (page.dataset.order === "drawn" && form) void import("./order.js").then(({ draw }) => draw(form, outbox.device() + edition));
change();
follow.start();
void deliver();
if (document.getElementById("search")) void import("./search.js");
if (page.dataset.embedOrigins) void import("./embed.js");
share();

/** Sends what waits. A refusal tells the hours, sooner than anybody would ask. */
async function deliver() {
  const answer = await outbox.deliver();
  if (answer && "refused" in answer && answer.refused.status === 409) follow.told(answer.refused);
}

/** Another state, phase or definition. @param {import("./follow.js").Definition} [definition] */
function change(definition) {
  // Made while it was closed, the page has no form; made while it was a draft, it may have another.
  if (!form && follow.phase === "open") follow.reload();
  if (form && definition) {
    void import("./correct.js").then(({ isFormOf }) => isFormOf(page, form, definition) || follow.reload());
  }
  render();
  showResults();
}

/** What the page shows, from what is stored and what the hours say. */
function render() {
  const state = outbox.state;
  const { pending, last, refused } = state;
  const { phase } = follow;
  showSending(pending, phase);
  showProblem(pending ? null : refused);
  find("receipt").hidden = !last || Boolean(pending);
  if (last) showReceipt(state);
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
  if (!refused) return void known?.remove();
  const { status, unknown, title } = refused;
  const key = status !== 409 ? (unknown ? "other_unknown" : "other_refused")
    : unknown ? "closed_unknown"
    : follow.phase === "closed" ? "closed_refused" : "not_open_refused";
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

/** The vote that counts, as far as this device knows. @param {import("./outbox.js").State} state */
function showReceipt({ last, first, count }) {
  if (!last) return;
  const before = votesMax === 1 && !changeable ? [first, votedBefore()].reduce(earlier, last) : last;
  const shown = before?.choice === last.choice ? last : before ?? last;
  const [title, other] = [shown, last].map(({ choice, title }) => titleOf(choice, title));
  const said = [title, other, last.ballot_id].join("\n");
  if (find("receipt").dataset.said === said) return;
  find("receipt").dataset.said = said;
  find("receipt-choice").replaceChildren(isolated(title));
  find("receipt-time").replaceChildren(timeElement(shown.recorded_at, true));
  find("receipt-ballot").textContent = shown.ballot_id;
  const isFirst = shown === last;
  find("receipt-title").textContent = isFirst ? recordedTitle : sayText("first_title");
  const began = isFirst ? [kept] : say("first_text", { first: isolated(title), choice: isolated(other) });
  const used = votesMax === 1 ? []
    : votesMax > 1 ? say("used", { used: Math.min(count, votesMax), max: votesMax }) : say("sent", { n: count });
  find("receipt-meaning").replaceChildren(...began, ...meaning, " ", ...used);
  if (byHand) find("announce").textContent = isFirst ? sayText("announce_recorded", { choice: other }) : sayText("first_text", { first: title, choice: other });
}

/** What was voted here without script; the server's cookie says so. @returns {import("./outbox.js").Recorded | null} */
function votedBefore() {
  const [of, choice, ballot_id, millis] = (/(?:^|;\s*)voted=([^;]*)/.exec(document.cookie)?.[1] ?? "").split(".");
  if (of !== edition || !(Number(millis) > 0)) return null;
  return { ballot_id, choice, title: choice, recorded_at: new Date(Number(millis)).toISOString() };
}

/** Once a second. */
function tick() {
  const line = find("countdown");
  const { left, phase } = follow;
  if (left === null) return void line.replaceChildren();
  countdown.textContent = duration(left);
  if (line.dataset.of === phase && line.contains(countdown)) return;
  line.dataset.of = phase;
  line.replaceChildren(...say(phase === "draft" ? "opens_in" : "closes_in", { time: countdown }));
}

/** Results, while they are shown. */
function showResults() {
  // At the opening the hours say it sooner.
  const isShown = follow.state.shown || (follow.state.results === "live" && follow.phase !== "draft");
  if (!isShown && !results) return;
  results ??= import("./results.js").then(({ Results }) => new Results(find("results"), contest, follow));
  void results.then((it) => it.set(isShown));
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

/** As the form has it now. @param {string} choice @param {string} [otherwise] */
function titleOf(choice, otherwise = choice) {
  return input(choice)?.labels?.[0]?.querySelector("bdi")?.textContent ?? otherwise;
}
