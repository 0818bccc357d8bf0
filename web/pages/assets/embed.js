// In another site's frame: tells that site how high the page is, and nothing else, and only a site
// that the contest names. The other end is `landslide-vote.js`.

const page = /** @type {HTMLElement} */ (document.getElementById("contest"));
const allowed = (page.dataset.embedOrigins ?? "").split(" ");
/** Who asked. @type {string | null} */
let asked = null;

addEventListener("message", (event) => {
  if (event.source !== parent || !allowed.includes(event.origin)) return;
  if (event.data?.landslide !== "height?") return;
  asked = event.origin;
  tell();
});
// Whoever it is may ask now; this says nothing.
parent.postMessage({ landslide: "ready" }, "*");
new ResizeObserver(tell).observe(document.body);

function tell() {
  if (!asked) return;
  const height = Math.ceil(document.body.getBoundingClientRect().height);
  parent.postMessage({ landslide: "height", height }, asked);
}

export {};
