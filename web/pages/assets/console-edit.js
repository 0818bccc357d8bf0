// Making, duplicating and changing a contest. What is frozen cannot be touched, a change while
// voting is open is asked twice, and a change by somebody else meanwhile is shown, not overwritten.

import { api, ask, clock, contestPath, element, find, keep, Problem, say, showError, showProblem, showProgress, start } from "./console.js";
import { choicesOf, linesOf, placeOf, slugOf } from "./console-choices.js";
import { grouped, phase, policyWords, RESULTS, utc, zone } from "./console-words.js";

/** How often the form looks whether the contest is still as it shows it. */
const FOLLOW_MILLIS = 5_000;
const path = location.pathname.split("/");
/** The contest that is changed; null for a new one. */
const contest = path[2] === "contests" ? decodeURIComponent(path[3] ?? "") : null;
const from = new URLSearchParams(location.search).get("from");
const input = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (find(id));

/** The definition that the form began with, and its version. @type {any} */
let began = null;
let etag = "";
/** What the form does not show, such as a choice's picture, is kept. @type {Map<string, any>} */
let known = new Map();
/** Whether every choice is shown with its name. */
let isNamed = false;
/** What the form said when it began. */
let untouched = "";

/** For a `datetime-local`. @param {string | null | undefined} rfc3339 */
function toField(rfc3339) {
  if (!rfc3339) return "";
  const time = new Date(rfc3339);
  const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}

/** What a time field says; the very time it began with where nobody touched it. @param {string} id @param {string | null | undefined} before */
function fromField(id, before) {
  const text = input(id).value;
  if (!text) return null;
  return before && text.slice(0, 16) === toField(before).slice(0, 16) && (text.length < 19 || text === toField(before)) ? before : new Date(text).toISOString();
}

/** The definition that the form says. */
function said() {
  const policy = input("policy").value;
  return {
    ...began,
    title: input("title").value.trim(),
    opens_at: fromField("opens", began?.opens_at),
    closes_at: fromField("closes", began?.closes_at),
    policy: policy === "up_to" ? { up_to: Number(input("up-to").value) } : policy,
    results: input("results").value,
    shards: Number(input("shards").value),
    listed: input("listed").checked,
    public_from: fromField("public-from", began?.public_from),
    order: input("order").value,
    choices: choicesOf(input("choices").value, known),
  };
}

/** @param {any} definition */
function fill(definition) {
  input("title").value = definition.title;
  input("opens").value = toField(definition.opens_at);
  input("closes").value = toField(definition.closes_at);
  const isUpTo = typeof definition.policy === "object";
  input("policy").value = isUpTo ? "up_to" : definition.policy;
  if (isUpTo) input("up-to").value = definition.policy.up_to;
  input("results").value = definition.results;
  input("shards").value = definition.shards;
  input("listed").checked = definition.listed !== false;
  input("public-from").value = toField(definition.public_from);
  input("order").value = definition.order ?? "as_set";
  known = new Map(definition.choices.map((/** @type {any} */ choice) => [choice.choice, choice]));
  input("choices").value = linesOf(definition.choices, isFrozen(definition));
  showDerived();
}

/** Whether it has opened. @param {any} definition */
const isFrozen = (definition) => phase(definition, clock.now()) !== "draft";

/** What follows from the fields: the zone, UTC, the number of choices. */
function showDerived() {
  for (const id of ["opens", "closes", "public-from"]) {
    const text = input(id).value;
    const time = text ? new Date(text) : null;
    const none = id === "public-from" ? "Empty: as soon as it has an opening time." : `Empty: by hand. Times are in ${zone}.`;
    say(find(`${id}-hint`), time && !Number.isNaN(time.getTime()) ? `${zone}; that is ${utc(time.toISOString())}` : none);
  }
  find("up-to-field").hidden = input("policy").value !== "up_to";
  const choices = choicesOf(input("choices").value, known);
  say(find("choices-count"), choices.length ? `${choices.length} choices` : "");
}

/** Freezes what the contest's life has frozen, and says so. @param {any} definition */
function freeze(definition) {
  const at = phase(definition, clock.now());
  const frozen = at !== "draft";
  for (const id of ["opens", "policy", "up-to", "shards", "public-from", "order"]) input(id).disabled = frozen;
  // From then on by name: a corrected title would change the name that is made of it.
  if (frozen && !isNamed) input("choices").value = linesOf(choicesOf(input("choices").value, known), true);
  isNamed = frozen;
  input("closes").disabled = at === "closed";
  const rules = {
    draft: "A draft: everything can be changed. Choices, policy, shards and opening time freeze when it opens.",
    open: "Voting is open: the question, titles and texts of choices, results, the list and the close can be changed; the rest is frozen, so that everybody votes on the same thing. Choices keep their names and their order.",
    closed: "Closed: the question, titles and texts of choices, results and the list can be changed, and nothing that the count rests on.",
  };
  say(find("rules"), rules[at]);
}

/** @param {any} definition @param {string} key */
function words(definition, key) {
  const value = definition[key];
  if (key === "choices") return value.map((/** @type {any} */ { choice, title, text }) => `${title} (${choice})${text ? ` – ${text}` : ""}`).join("\n");
  if (key === "policy") return policyWords(value);
  if (key === "results") return RESULTS[value] ?? value;
  if (key === "opens_at" || key === "closes_at") return value ? utc(value) : "by hand";
  if (key === "public_from") return value ? utc(value) : "as soon as it can be";
  if (key === "listed") return value === false ? "no" : "yes";
  if (key === "order") return value === "drawn" ? "drawn for each device" : "as set";
  return String(value ?? "");
}

const NAMES = /** @type {Record<string, string>} */ ({ title: "Question", opens_at: "Opens", closes_at: "Closes", policy: "Policy", results: "Results", shards: "Shards", listed: "On the front page", public_from: "Known from", order: "Order", choices: "Choices" });
/** Members in which definitions differ. @param {any[]} definitions */
const differing = (...definitions) => Object.keys(NAMES).filter((key) => new Set(definitions.map((one) => words(one, key))).size > 1);

/** A table of what differs. @param {[string, any][]} columns */
function compared(columns) {
  const keys = differing(...columns.map(([, definition]) => definition));
  /** Of a thousand choices those that differ. @param {any} definition @param {string} key */
  const shown = (definition, key) => {
    const all = columns.map(([, one]) => words(one, key).split("\n"));
    return words(definition, key).split("\n").filter((line) => all.some((lines) => !lines.includes(line))).join("\n");
  };
  const heads = [element("td"), ...columns.map(([name]) => element("th", { scope: "col" }, name))];
  const rows = keys.map((key) => element("tr", {}, element("th", { scope: "row" }, NAMES[key]),
    ...columns.map(([, definition]) => element("td", { dir: "auto" }, key === "choices" ? shown(definition, key) : words(definition, key)))));
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "What differs" },
    element("table", { class: "differences" }, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows)));
}

/** Asks twice where voters are at it. @param {any} next */
async function isMeant(next) {
  if (phase(began, clock.now()) !== "open") return true;
  const table = compared([["Now", began], ["After", next]]);
  if (!(await ask("Change an open contest?", ["Voters see this at once.", table], "Change it"))) return false;
  const { body } = await api(contestPath(/** @type {string} */ (contest), "/live"));
  const votes = body.counts ? `${grouped(body.counts.total)} votes are counted so far. ` : "";
  const shown = next.results === "live" && began.results !== "live" ? "Everybody will see who leads while voting goes on. " : "";
  return ask("Voting is open. Really?", [`${votes}${shown}Those who have voted cannot be asked again.`], "Yes, change it now");
}

/** Somebody was faster: both versions side by side, and nothing is overwritten. @param {any} mine */
async function showConflict(mine) {
  const now = await api(contestPath(/** @type {string} */ (contest)));
  const { body: audit } = await api(contestPath(/** @type {string} */ (contest), "/audit"));
  const by = audit.entries.at(-1)?.by ?? "somebody";
  const columns = /** @type {[string, any][]} */ ([["When you began", began], [`Saved by ${by}`, now.body], ["Yours", mine]]);
  find("conflict-table").replaceChildren(compared(columns));
  find("conflict").hidden = false;
  find("conflict").focus();
  showProgress("");
  find("take-theirs").onclick = () => {
    begin(now.body, now.etag);
    showProgress("The form shows the contest as it is now.");
  };
  find("keep-mine").onclick = () => {
    // The next save is on top of theirs, and says what it changes; a third change would be shown again.
    began = now.body;
    etag = now.etag ?? "";
    find("conflict").hidden = true;
    freeze(began);
    untouched = "";
    showProgress("Yours is in the form, on top of what was saved. Look it over and save.");
    find("save").focus();
  };
}

/** @param {any} definition @param {string | null} version */
function begin(definition, version) {
  began = definition;
  etag = version ?? "";
  find("conflict").hidden = true;
  isNamed = isFrozen(definition);
  fill(definition);
  freeze(definition);
  untouched = JSON.stringify(said());
}

/** The contest goes on while its form is open: it opens, it closes, somebody else changes it. */
async function follow() {
  if (!contest || !began || !find("conflict").hidden) return;
  const { body, etag: version } = await api(contestPath(contest));
  if (version === etag) freeze(began);
  else if (JSON.stringify(said()) === untouched) {
    begin(body, version);
    showProgress("Somebody has changed it meanwhile: the form shows the contest as it is now.");
  } else showProgress("Somebody has changed it meanwhile. When you save, you see both.");
}

async function save() {
  const next = said();
  const slug = contest ?? input("contest").value.trim();
  if (contest && !(await isMeant(next))) return;
  /** @type {Record<string, string>} */
  const headers = contest ? { "if-match": etag } : { "if-none-match": "*" };
  try {
    const answer = await api(contestPath(slug), { method: "PUT", body: JSON.stringify(next), headers });
    showProblem("");
    if (!contest) {
      location.assign(`/admin/contests/${encodeURIComponent(slug)}`);
      return;
    }
    begin(answer.body, answer.etag);
    showProgress("Saved.");
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 412) {
      showError(error);
      showAtField(error);
    } else if (contest) await showConflict(next);
    else {
      showProblem(`There is a contest ${slug} already. Choose another address.`);
      input("contest").focus();
    }
  }
}

/** Says what is wrong at the field that is at fault, and goes there. @param {unknown} error */
function showAtField(error) {
  const field = error instanceof Problem ? String(error.body?.field ?? "").split(/[.[]/)[0] : "";
  const id = { opens_at: "opens", closes_at: "closes", public_from: "public-from" }[field] ?? field;
  /** @type {HTMLInputElement | null} */
  const input = document.querySelector(`#edit :is(input, select, textarea)#${CSS.escape(id || "none")}`);
  if (!input) return;
  const { message, body } = /** @type {Problem} */ (error);
  const line = /^choices\[(\d+)\]/.exec(body.field)?.[1];
  const place = line === undefined ? null : placeOf(input.value, Number(line));
  const words = element("small", { class: "red", id: `${id}-wrong` }, place ? `Line ${place.line}: ${message}` : message);
  input.after(words);
  input.setAttribute("aria-invalid", "true");
  input.setAttribute("aria-describedby", `${words.id} ${input.getAttribute("aria-describedby") ?? ""}`.trim());
  input.focus();
  if (place) input.setSelectionRange(place.start, place.end);
}

/** Takes that away again. */
function clearFields() {
  for (const input of document.querySelectorAll("#edit [aria-invalid]")) {
    const others = (input.getAttribute("aria-describedby") ?? "").replace(`${input.id}-wrong`, "").trim();
    input.removeAttribute("aria-invalid");
    input.toggleAttribute("aria-describedby", others !== "");
    if (others) input.setAttribute("aria-describedby", others);
    document.getElementById(`${input.id}-wrong`)?.remove();
  }
}

async function load() {
  say(find("heading"), contest ? "Edit" : from ? "Duplicate" : "New contest");
  find("contest-field").hidden = contest !== null;
  input("contest").required = contest === null;
  const source = contest ?? from;
  if (source) {
    const { body, etag: version } = await api(contestPath(source));
    say(find("of"), contest ? `${source}, version ${(version ?? "").replaceAll('"', "")}` : `A new draft with everything of ${source} but its hours and votes.`);
    if (contest) begin(body, version);
    else {
      fill({ ...body, opens_at: null, closes_at: null, public_from: null });
      input("contest").value = `${source.slice(0, 61)}-2`;
    }
  } else {
    fill({ title: "", policy: "one", results: "hidden", shards: 16, choices: [] });
  }
  const back = find("back");
  if (contest) back.setAttribute("href", `/admin/contests/${encodeURIComponent(contest)}`);
  if (!contest) say(find("rules"), "Everything can be changed until it opens. Choices, policy, shards and opening time freeze then.");
}

void start(() => {
  const form = find("edit");
  let isTyped = from !== null;
  form.addEventListener("input", (event) => {
    if (event.target === input("contest")) isTyped = input("contest").value !== "";
    if (event.target === input("title") && !contest && !isTyped) input("contest").value = input("title").value ? slugOf(input("title").value, "contest") : "";
    showDerived();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    showProgress("");
    clearFields();
    void save().catch(showError);
  });
  void load().then(() => keep(FOLLOW_MILLIS, follow)).catch(showError);
});
