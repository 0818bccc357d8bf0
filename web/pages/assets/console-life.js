// The life of a contest: opening, closing, revealing, certifying, and gateways' keys. Each is
// explained at the moment it matters, and what cannot be undone is asked first.

import { api, ask, clock, contestPath, element, find, Problem, say, showError, showProblem, showProgress } from "./console.js";
import { grouped, moment, phase, RESULTS, stage } from "./console-words.js";

const STAGES = ["draft", "open", "closed", "final", "certified"];

/** How long a close may wait, as it is asked for. */
const CLOSE_IN = [["10s", "in 10 seconds"], ["30s", "in 30 seconds"], ["1m", "in a minute"], ["5m", "in 5 minutes"], ["0s", "as soon as can be"]];

/** @param {string} id @param {boolean} isShown @param {boolean} [isAllowed] */
function offer(id, isShown, isAllowed = true) {
  const button = /** @type {HTMLButtonElement} */ (find(id));
  if (button.hidden === isShown) button.hidden = !isShown;
  if (button.disabled === isAllowed) button.disabled = !isAllowed;
}

/** Where it stands, what comes next, and why a button cannot be used. @param {any} told */
export function showLife(told) {
  const now = clock.now();
  const is = phase(told, now);
  const at = stage({ status: is }, told.counts);
  STAGES.forEach((name, n) => {
    const item = /** @type {HTMLElement} */ (find("stages").children[n]);
    item.classList.toggle("past", n < STAGES.indexOf(at));
    if (name === at) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  });
  const isClosing = is === "open" && told.closes_at && Date.parse(told.closes_at) - now < told.close_margin_seconds * 1000;
  const canCancel = is === "open" && told.cancel_until && Date.parse(told.cancel_until) > now;
  offer("open", is === "draft");
  offer("delete", is === "draft");
  offer("close", is === "open" && !canCancel, !isClosing);
  offer("cancel-close", canCancel);
  offer("certify", is === "closed" && at !== "certified", at === "final");
  offer("reveal", told.results !== "live" && !(told.results === "after_close" && ["final", "certified"].includes(at)));
  say(find("next"), nextWords(told, at, isClosing, canCancel));
}

/** @param {any} told @param {string} at @param {boolean} isClosing @param {boolean} canCancel */
function nextWords(told, at, isClosing, canCancel) {
  const hidden = told.results === "hidden" ? " The public sees no results until you reveal them." : "";
  if (at === "draft") {
    const how = told.opens_at ? "Opens by itself." : "Nobody sees it until you open it.";
    return `${how} Choices, policy, shards and opening time freeze when it opens.`;
  }
  if (canCancel) return "Voting is about to close. Until then the close can be taken back.";
  if (isClosing) return "Closing: every node knows of it first, so that no vote is taken that would come too late.";
  if (at === "open") return `Votes are taken. ${told.closes_at ? "It closes by itself." : "It stays open until you close it."}${hidden}`;
  if (at === "closed") return "Closed. The final count reads every ballot again and comes within a minute; then you can certify it.";
  if (at === "final") return `The count is final. Certify it to fix the batches that every recount must count.${hidden}`;
  return `Certified.${hidden} The protocol is ready to be filed.`;
}

/** @param {string} contest @param {() => any} told @param {() => Promise<void>} renew */
export function setUpLife(contest, told, renew) {
  /** @param {string} id @param {() => Promise<string | void>} act says what was done */
  const on = (id, act) => find(id).addEventListener("click", async () => {
    try {
      const done = await act();
      if (!done) return;
      showProblem("");
      showProgress(done);
      await renew();
    } catch (error) {
      showError(error);
      if (error instanceof Problem && error.status === 412) showProblem("Somebody has changed the contest meanwhile. It is shown as it is now; decide again.");
      await renew().catch(() => {});
    }
  });
  const post = async (/** @type {string} */ what, /** @type {unknown} */ json = undefined) =>
    (await api(contestPath(contest, `/${what}`), { method: "POST", body: json && JSON.stringify(json) })).body;

  on("open", async () => {
    const { body } = await api(contestPath(contest));
    const facts = [`${body.choices.length} choices, ${body.shards} shards, results ${RESULTS[body.results]}.`,
      "From then on its choices, policy, shards and opening time cannot be changed; title, results and the close can.",
      body.closes_at ? "It closes by itself." : "It has no closing time: you close it by hand."];
    if (!(await ask("Open voting now?", facts, "Open voting"))) return;
    await post("open");
    return "Voting is open.";
  });
  on("close", async () => {
    const seconds = Math.ceil(told().close_margin_seconds);
    const votes = told().counts ? `${grouped(told().counts.total)} votes are counted so far. ` : "";
    const least = seconds > 1 ? ` Sooner than in ${seconds} seconds it cannot be: every node must know of it first.` : "";
    const after = element("select", { id: "close-in" }, ...CLOSE_IN.map(([value, words]) => element("option", { value }, words)));
    const text = [`${votes}Until it takes effect you can take it back.${least}`, "A closed contest never opens again.",
      element("label", { class: "field" }, element("span", {}, "Voting closes"), after)];
    if (!(await ask("Close voting?", text, "Close voting"))) return;
    const { closes_at } = await post("close", { in: /** @type {HTMLSelectElement} */ (after).value });
    return `Voting closes at ${moment(closes_at, true).textContent}.`;
  });
  on("cancel-close", async () => {
    const { closes_at } = await post("close/cancel");
    return closes_at ? `The close is taken back. Voting closes at ${moment(closes_at, true).textContent}.` : "The close is taken back. Voting goes on.";
  });
  on("delete", async () => {
    const { title } = told();
    if (!(await ask("Delete this draft?", [`${title}: its question, choices and keys are gone for good. The record keeps that it was there.`], "Delete"))) return;
    if (!(await ask(`Delete ${contest}. Really?`, ["Nobody can bring it back."], "Yes, delete it"))) return;
    await api(contestPath(contest), { method: "DELETE" });
    location.assign("/admin");
  });
  on("reveal", async () => {
    const { body, etag } = await api(contestPath(contest));
    const isOpen = phase(body, clock.now()) !== "closed";
    const text = [`Until now the results are ${RESULTS[body.results]}. From then on everybody sees them, ${isOpen ? "while voting goes on" : "at once"}.`,
      "You can hide them again, but not what was seen."];
    if (!(await ask("Reveal the results?", text, "Reveal results"))) return;
    if (isOpen && !(await ask("Voting is still open", ["Voters will see who leads before they vote. Reveal the results nevertheless?"], "Reveal now"))) return;
    const changed = JSON.stringify({ ...body, results: "live" });
    await api(contestPath(contest), { method: "PUT", body: changed, headers: { "if-match": etag ?? "" } });
    return "The results are public.";
  });
  on("certify", async () => {
    const row = told().counts;
    const set = row.batch_set;
    const text = [`${grouped(row.total)} counted votes out of ${grouped(row.ballots.recorded)} recorded ballots in ${grouped(set?.batches ?? 0)} batches.`,
      "Your signature fixes this set of batches: every later recount must count the same. It cannot be taken back."];
    if (!(await ask("Certify the count?", text, "Certify"))) return;
    await post("certify");
    return "The count is certified.";
  });
  setUpKeys(contest, told, renew);
}

/** @param {string} contest @param {() => any} told @param {() => Promise<void>} renew */
function setUpKeys(contest, told, renew) {
  find("key-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const field = /** @type {HTMLInputElement} */ (find("channel"));
    const channel = field.value.trim();
    try {
      const isThere = told()?.channels.includes(channel);
      const text = ["The gateway that uses the old key is refused from now on, until it has the new one."];
      if (isThere && !(await ask(`Replace the key of ${channel}?`, text, "Make a new key"))) return;
      const { body } = await api(contestPath(contest, "/channels"), { method: "POST", body: JSON.stringify({ channel }) });
      field.value = "";
      await showKey(body);
      showProblem("");
      await renew();
    } catch (error) {
      showError(error);
    }
  });
}

/** Shows a key, once. @param {{channel: string, key: string}} made */
async function showKey({ channel, key }) {
  const field = /** @type {HTMLInputElement} */ (element("input", { readonly: "", value: key, class: "code", "aria-label": `Key of ${channel}` }));
  const copy = element("button", { type: "button", class: "plain" }, "Copy");
  copy.addEventListener("click", async () => {
    field.select();
    await navigator.clipboard?.writeText(key).then(() => say(copy, "Copied"), () => {});
  });
  await ask(`The key of ${channel}`, ["The gateway sends it as its bearer's token. It is shown this once: only a hash of it is kept.",
    element("p", { class: "row" }, field, copy)], "I have stored it", "");
  field.value = "";
}
