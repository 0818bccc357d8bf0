// Choices in an order drawn for this device, so that none gains by standing first. The same device has the
// same order again in the same contest. The page comes in the order as set, since it is the same for all.

/** 32 bits that change with every letter: MurmurHash3's way of mixing. @param {string} text */
function mixed(text) {
  let hash = 0;
  for (const letter of text) {
    hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0xcc9e2d51);
    hash = Math.imul((hash << 15) | (hash >>> 17), 0x1b873593);
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** These in the order that the seed draws. @template {string} T @param {T[]} choices @param {string} seed @returns {T[]} */
export function drawn(choices, seed) {
  const place = new Map(choices.map((choice) => [choice, mixed(`${seed}/${choice}`)]));
  return [...choices].sort((a, b) => Number(place.get(a)) - Number(place.get(b)));
}

/** Puts a form's choices in that order. @param {HTMLFormElement} form @param {string} seed */
export function draw(form, seed) {
  const labels = new Map([.../** @type {NodeListOf<HTMLElement>} */ (form.querySelectorAll(".choice"))]
    .map((label) => [/** @type {HTMLInputElement} */ (label.querySelector("input")).value, label]));
  // Nothing moves under a finger: whoever has begun keeps what they see.
  const hasBegun = form.querySelector("input:checked") || form.contains(document.activeElement);
  const cast = form.querySelector(".cast");
  if (!hasBegun) for (const choice of drawn([...labels.keys()], seed)) cast?.before(/** @type {HTMLElement} */ (labels.get(choice)));
  form.classList.remove("undrawn");
}
