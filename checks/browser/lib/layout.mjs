// Whether a page fits into a window.

/** What a page is looked at in. 1280 pixels at 400 per cent are 320. */
export const SIZES = [
  { what: "360 px", width: 360, height: 780 },
  { what: "1280 px", width: 1280, height: 800 },
  { what: "320 px, as 400% zoom", width: 320, height: 256 },
  { what: "1280 px, text at 200%", width: 1280, height: 800, text: 2 },
  { what: "360 px, text at 200%", width: 360, height: 780, text: 2 },
];

/**
 * What stands out at the sides, or is cut off inside, in this size.
 * @param {import("playwright-core").Page} page
 * @param {typeof SIZES[number]} size
 */
export async function misfits(page, { what, width, height, text = 1 }) {
  await page.setViewportSize({ width, height });
  await page.evaluate((text) => void (document.documentElement.style.fontSize = `${text * 100}%`), text);
  return (await page.evaluate(look)).map((misfit) => `${what}: ${misfit}`);
}

function look() {
  const { clientWidth, scrollWidth } = document.documentElement;
  const found = scrollWidth > clientWidth ? [`the page is ${scrollWidth} px wide of ${clientWidth}`] : [];
  for (const element of document.querySelectorAll("body *")) {
    if (element.closest(".visually-hidden, .skip, option") || !element.checkVisibility()) continue;
    const { left, right, width } = element.getBoundingClientRect();
    const name = `${element.tagName.toLowerCase()}${element.id ? `#${element.id}` : ""} ${element.textContent.trim().slice(0, 30)}`;
    if (width && (left < -1 || right > clientWidth + 1)) found.push(`${name}: from ${left} to ${right}`);
    const isClipped = element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX !== "visible";
    if (isClipped && element.tagName !== "INPUT") found.push(`${name}: its text is cut off`);
  }
  return found;
}
