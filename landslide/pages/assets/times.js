// Times in the visitor's language and time zone. The pages carry UTC for those without script.

const page = document.documentElement.lang || "en";

/** The page's language, in the visitor's own kind of it: British dates for a Briton. */
export const locale = navigator.languages?.find((tag) => tag.split("-")[0] === page) ?? page;

/**
 * @param {Date} time
 * @param {boolean} [seconds] show them even if they are zero
 */
export function localTime(time, seconds = false) {
  if (Number.isNaN(time.getTime())) return "";
  return time.toLocaleString(locale, {
    year: "numeric", month: "long", day: "numeric",
    hour: "2-digit", minute: "2-digit",
    second: seconds || time.getUTCSeconds() ? "2-digit" : undefined,
    timeZoneName: "short",
  });
}

/** The time of day alone, to the second. @param {Date} time */
export function localClock(time) {
  return time.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** A `<time>` in local words. @param {string} rfc3339 */
export function timeElement(rfc3339) {
  const element = document.createElement("time");
  element.dateTime = rfc3339;
  element.textContent = localTime(new Date(rfc3339)) || rfc3339;
  return element;
}

const two = new Intl.NumberFormat(locale, { minimumIntegerDigits: 2 });
const one = new Intl.NumberFormat(locale);

/** `1:02:03`, `2:03`, or days when it is longer. @param {number} millis */
export function duration(millis) {
  const seconds = Math.max(0, Math.ceil(millis / 1000));
  const days = Math.floor(seconds / 86_400);
  if (days >= 2) {
    return new Intl.NumberFormat(locale, { style: "unit", unit: "day", unitDisplay: "long" }).format(days);
  }
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${one.format(h)}:${two.format(m)}:${two.format(s)}` : `${one.format(m)}:${two.format(s)}`;
}

for (const element of document.querySelectorAll("time")) {
  element.textContent = localTime(new Date(element.dateTime)) || element.textContent;
}
