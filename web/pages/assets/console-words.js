// Numbers and times as the console writes them.

import { shares as sharesOf } from "./shares.js";

const number = new Intl.NumberFormat("en");
const tenth = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** Digits in groups. @param {number} value */
export const grouped = (value) => number.format(value);

/** Votes per second: one digit after the point only where it says something. @param {number | null} value */
export const perSecond = (value) => (value === null ? "–" : value < 10 ? tenth.format(value) : grouped(Math.round(value)));

/** Shares of each, by the rule that all pages have. @param {number[]} votes */
export const shares = (votes) => sharesOf(votes).map(({ tenths, sign }) => `${sign}${tenth.format(tenths / 10)} %`);

const two = (/** @type {number} */ n) => String(n).padStart(2, "0");

/** The time of day in the local zone, to the second. @param {number} millis */
export function timeOfDay(millis) {
  const time = new Date(millis);
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

/** The local zone by its name, such as Europe/Berlin. */
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "local time";

/** Local date and time with the zone. @param {string} rfc3339 @param {boolean} [isShort] leaves today's date out */
export function local(rfc3339, isShort = false) {
  const time = new Date(rfc3339);
  if (Number.isNaN(time.getTime())) return rfc3339;
  const isToday = isShort && time.toDateString() === new Date().toDateString();
  const day = time.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
  const name = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts(time);
  const short = name.find((part) => part.type === "timeZoneName")?.value ?? "";
  return `${isToday ? "" : `${day}, `}${timeOfDay(time.getTime())} ${short}`.trim();
}

/** The same moment in UTC. @param {string} rfc3339 */
export function utc(rfc3339) {
  const time = new Date(rfc3339);
  return Number.isNaN(time.getTime()) ? rfc3339 : `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Local time with UTC behind it, as a `<time>`. @param {string | null} rfc3339 @param {boolean} [isShort] @param {string} [otherwise] */
export function moment(rfc3339, isShort = false, otherwise = "by hand") {
  const made = document.createElement("time");
  if (!rfc3339) {
    const words = document.createElement("span");
    words.textContent = otherwise;
    return words;
  }
  made.dateTime = rfc3339;
  made.title = utc(rfc3339);
  made.textContent = local(rfc3339, isShort);
  return made;
}

/** How long ago. @param {number} millis */
export function ago(millis) {
  if (millis < 60_000) return `${(Math.max(0, millis) / 1000).toFixed(1)} s ago`;
  if (millis < 3_600_000) return `${Math.round(millis / 60_000)} min ago`;
  if (millis < 172_800_000) return `${Math.round(millis / 3_600_000)} h ago`;
  return `${Math.round(millis / 86_400_000)} days ago`;
}

/** `1:02:03` or `2:03`. @param {number} millis */
export function span(millis) {
  const seconds = Math.max(0, Math.ceil(millis / 1000));
  const [days, h, m, s] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
  if (days) return `${days} d ${h} h`;
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

const AMBER_MILLIS = 10_000;
const RED_MILLIS = 60_000;

/**
 * How fresh a counts row is; a final one does not age.
 * @param {{status: string, counted_through: string}} row @param {number} now the server's time
 * @returns {{text: string, level: "" | "amber" | "red"}}
 */
export function freshness(row, now) {
  if (row.status !== "provisional") return { text: "all ballots", level: "" };
  const age = now - Date.parse(row.counted_through);
  if (age > RED_MILLIS) return { text: `${ago(age)}, stale`, level: "red" };
  if (age > AMBER_MILLIS) return { text: `${ago(age)}, late`, level: "amber" };
  return { text: ago(age), level: "" };
}

/** Where a contest is on its way. @param {{status: string}} contest @param {{status: string} | null} counts */
export function stage(contest, counts) {
  if (contest.status === "closed" && counts?.status === "certified") return "certified";
  if (contest.status === "closed" && counts?.status === "final") return "final";
  return contest.status;
}

/** The phase by the server's clock, between two answers. @param {{opens_at: string | null, closes_at: string | null}} hours @param {number} now */
export function phase({ opens_at, closes_at }, now) {
  if (!opens_at || now < Date.parse(opens_at)) return "draft";
  return closes_at && now >= Date.parse(closes_at) ? "closed" : "open";
}

export const RESULTS = /** @type {Record<string, string>} */ ({
  live: "shown live",
  after_close: "shown once final",
  hidden: "hidden",
});

/** @param {any} policy */
export function policyWords(policy) {
  if (policy === "one") return "one vote, the first counts";
  if (policy === "latest") return "one vote, can be changed";
  if (policy === "unlimited") return "unlimited";
  return `up to ${policy?.up_to} votes`;
}
