// The form that creates a contest.

const value = (/** @type {string} */ id) =>
  /** @type {HTMLInputElement} */ (document.getElementById(id)).value.trim();

/**
 * A name for machines out of one for people: `a-z`, `0-9` and `-`.
 * @param {string} title
 * @param {string} otherwise for a title without such letters
 */
export function slugOf(title, otherwise) {
  const plain = title.normalize("NFKD").replace(/\p{Mark}/gu, "").toLowerCase();
  const slug = plain.replace(/[^a-z0-9]+/g, "-").replace(/^-+/, "").slice(0, 60).replace(/-+$/, "");
  return slug || otherwise;
}

/** Choices out of lines, with distinct slugs. @param {string} lines */
export function choicesOf(lines) {
  const titles = lines.split("\n").map((line) => line.trim()).filter(Boolean);
  const taken = new Set();
  return titles.map((title, n) => {
    const slug = slugOf(title, `choice-${n + 1}`);
    let choice = slug;
    for (let again = 2; taken.has(choice); again += 1) choice = `${slug.slice(0, 58)}-${again}`;
    taken.add(choice);
    return { choice, title };
  });
}

/** The definition that the form says. */
function definition() {
  const policy = value("new-policy");
  /** @type {Record<string, unknown>} */
  const made = {
    title: value("new-title"),
    policy: policy === "up_to" ? { up_to: Number(value("new-up-to")) } : policy,
    results: value("new-results"),
    choices: choicesOf(value("new-choices")),
  };
  if (value("new-opens")) made.opens_at = new Date(value("new-opens")).toISOString();
  if (value("new-closes")) made.closes_at = new Date(value("new-closes")).toISOString();
  return made;
}

/** @param {(contest: string, definition: object) => Promise<boolean>} create true if it was done */
export function setUpCreate(create) {
  const form = /** @type {HTMLFormElement} */ (document.getElementById("create-form"));
  const title = /** @type {HTMLInputElement} */ (document.getElementById("new-title"));
  const contest = /** @type {HTMLInputElement} */ (document.getElementById("new-contest"));
  const policy = /** @type {HTMLSelectElement} */ (document.getElementById("new-policy"));
  let typed = false;
  title.addEventListener("input", () => {
    if (!typed) contest.value = title.value ? slugOf(title.value, "contest") : "";
  });
  contest.addEventListener("input", () => {
    typed = contest.value !== "";
  });
  policy.addEventListener("change", () => {
    /** @type {HTMLElement} */ (document.getElementById("new-up-to-field")).hidden = policy.value !== "up_to";
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!(await create(contest.value, definition()))) return;
    form.reset();
    typed = false;
    policy.dispatchEvent(new Event("change"));
  });
}
