// Most votes first, without hurry: places change now and then, and what moves glides.

/** Between two changes of places; two choices that are level would dance otherwise. */
const PAUSE_MILLIS = 10_000;
const GLIDE_MILLIS = 900;

const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Ranking {
  constructor() {
    this.at = -Infinity;
    /** @type {Map<string, number>} */
    this.places = new Map();
  }

  /**
   * The choices in the order that holds now.
   * @template {{choice: string, votes: number}} T
   * @param {T[]} choices in the definition's order
   * @returns {T[]}
   */
  order(choices) {
    const now = performance.now();
    if (now - this.at >= PAUSE_MILLIS || choices.some(({ choice }) => !this.places.has(choice))) {
      this.at = now;
      const ranked = [...choices].sort((a, b) => b.votes - a.votes);
      this.places = new Map(ranked.map(({ choice }, place) => [choice, place]));
    }
    const place = (/** @type {T} */ { choice }) => this.places.get(choice) ?? 0;
    return [...choices].sort((a, b) => place(a) - place(b));
  }
}

/**
 * Changes something, and lets elements glide from where they were to where they are.
 * @param {HTMLElement} body whose children they are
 * @param {() => void} change
 */
export function glide(body, change) {
  if (calm.matches || document.visibilityState !== "visible") return change();
  const before = new Map([...body.children].map((child) => [child, child.getBoundingClientRect().top]));
  change();
  for (const [child, top] of before) {
    if (!child.isConnected) continue;
    const way = top - child.getBoundingClientRect().top;
    if (Math.abs(way) < 1) continue;
    const frames = [{ transform: `translateY(${way}px)` }, { transform: "none" }];
    child.animate(frames, { duration: GLIDE_MILLIS, easing: "cubic-bezier(0.3, 0, 0.1, 1)" });
  }
}
