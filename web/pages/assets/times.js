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

/**
 * As short as it can be said: the time alone if it is today.
 * @param {Date} time
 * @param {boolean} [seconds] show them even if they are zero
 */
export function shortTime(time, seconds = false) {
  if (Number.isNaN(time.getTime())) return "";
  const now = new Date();
  const isToday = time.toDateString() === now.toDateString();
  const isThisYear = time.getFullYear() === now.getFullYear();
  return time.toLocaleString(locale, {
    hour: "2-digit", minute: "2-digit", second: seconds || time.getSeconds() ? "2-digit" : undefined,
    ...(isToday ? {} : { weekday: "long", day: "numeric", month: "long", year: isThisYear ? undefined : "numeric" }),
  });
}

/** The time of day alone, to the second. @param {Date} time */
export function localClock(time) {
  return time.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** A `<time>` in local words. @param {string} rfc3339 @param {boolean} [seconds] */
export function timeElement(rfc3339, seconds = false) {
  const element = document.createElement("time");
  setTime(element, rfc3339, seconds);
  return element;
}

/** @param {HTMLTimeElement} element @param {string} rfc3339 @param {boolean} [seconds] */
export function setTime(element, rfc3339, seconds = false) {
  const time = new Date(rfc3339);
  element.dateTime = rfc3339;
  element.textContent = shortTime(time, seconds) || element.textContent || rfc3339;
  // With its day and zone, for whoever wants to know.
  element.title = localTime(time, seconds);
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
  setTime(element, element.dateTime, element.hasAttribute("data-seconds"));
}
