// The life of a contest: opening, closing, revealing, certifying, and gateways' keys. Each is
// explained at the moment it matters, and what cannot be undone is asked first.

import { api, ask, clock, contestPath, element, find, Problem, say, showError, showProblem, showProgress } from "./console.js";
import { grouped, moment, phase, RESULTS, stage } from "./console-words.js";

const STAGES = ["draft", "open", "closed", "final", "certified"];

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
  offer("open", is === "draft");
  offer("close", is === "open", !isClosing);
  offer("certify", is === "closed" && at !== "certified", at === "final");
  offer("reveal", told.results !== "live" && !(told.results === "after_close" && ["final", "certified"].includes(at)));
  say(find("next"), nextWords(told, at, isClosing));
}

/** @param {any} told @param {string} at @param {boolean} isClosing */
function nextWords(told, at, isClosing) {
  const hidden = told.results === "hidden" ? " The public sees no results until you reveal them." : "";
  if (at === "draft") {
    const how = told.opens_at ? "Opens by itself." : "Nobody sees it until you open it.";
    return `${how} Choices, policy, shards and opening time freeze when it opens.`;
  }
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
  const post = async (/** @type {string} */ what) => (await api(contestPath(contest, `/${what}`), { method: "POST" })).body;

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
    const ahead = seconds > 1 ? `It takes effect in ${seconds} seconds, so that every node knows of it first.` : "It takes effect within a second.";
    if (!(await ask("Close voting?", [`${votes}${ahead}`, "A closed contest never opens again."], "Close voting"))) return;
    const { closes_at } = await post("close");
    return `Voting closes at ${moment(closes_at, true).textContent}.`;
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
