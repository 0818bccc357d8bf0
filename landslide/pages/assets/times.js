// Times in the visitor's language and time zone. The pages carry UTC for those without script.

/**
 * @param {Date} time
 * @param {boolean} [seconds] show them even if they are zero
 */
export function localTime(time, seconds = false) {
  if (Number.isNaN(time.getTime())) return "";
  return time.toLocaleString(undefined, {
    year: "numeric", month: "long", day: "numeric",
    hour: "2-digit", minute: "2-digit",
    second: seconds || time.getUTCSeconds() ? "2-digit" : undefined,
    timeZoneName: "short",
  });
}

/** The time of day alone, to the second. @param {Date} time */
export function localClock(time) {
  return time.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** A `<time>` in local words. @param {string} rfc3339 */
export function timeElement(rfc3339) {
  const element = document.createElement("time");
  element.dateTime = rfc3339;
  element.textContent = localTime(new Date(rfc3339)) || rfc3339;
  return element;
}

/** `1:02:03`, `2:03`, or days when it is longer. @param {number} millis */
export function duration(millis) {
  const seconds = Math.max(0, Math.ceil(millis / 1000));
  const days = Math.floor(seconds / 86_400);
  if (days >= 2) return `${days} days`;
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

for (const element of document.querySelectorAll("time")) {
  element.textContent = localTime(new Date(element.dateTime)) || element.textContent;
}
