// Contests in every state that a page can show, with votes in those that have any.

import { spawn } from "node:child_process";
import { TOKEN, until } from "./server.mjs";

const SERIES = {
  "game-of-thrones": "Game of Thrones", "breaking-bad": "Breaking Bad", "stranger-things": "Stranger Things",
  friends: "Friends", sherlock: "Sherlock", chernobyl: "Chernobyl", "the-big-bang-theory": "The Big Bang Theory",
  "the-office": "The Office", "the-sopranos": "The Sopranos", "the-wire": "The Wire",
};
export const choices = Object.entries(SERIES).map(([choice, title]) => ({ choice, title }));
const ARABIC = [["bab", "باب الحارة"], ["the-wire", "The Wire"], ["layali", "ليالي الحلمية"], ["taghriba", "التغريبة الفلسطينية"], ["raafat", "رأفت الهجان"]]
  .map(([choice, title]) => ({ choice, title }));
const SONGS = Array.from({ length: 40 }, (_, n) => ({ choice: `song-${n + 1}`, title: `Song ${n + 1}: ${["Morning", "Silver River", "The Long Way Home", "Tonight"][n % 4]}` }));

const PLAYS = [["faust", "Faust", "Goethe, 1808\nHe has studied everything, and knows nothing"], ["nora", "A Doll’s House", "Ibsen, 1879"], ["godot", "Waiting for Godot", "Beckett, 1953\nThey wait"], ["seagull", "The Seagull"]]
  .map(([choice, title, text]) => ({ choice, title, ...(text && { text }) }));

/** Votes for choice after choice: many for the first, fewer for each that follows. */
const LANDSLIDE = [93, 41, 29, 22, 14, 9, 6, 3, 2, 1];

/** To the minute, as people set hours. */
const away = (millis) => `${new Date(Date.now() + millis).toISOString().slice(0, 16)}:00Z`;
const HOUR = 3_600_000;

/** A definition as it is put; all that is not said is as for a contest that has been open for an hour. */
const definition = (more) => ({ title: "Your favourite TV series", opens_at: away(-HOUR), closes_at: away(HOUR), policy: "one", results: "live", choices, ...more });

/** By address. Those named `ended-…` are closed, counted to the end, and one of them is certified. */
export const contests = () => ({
  tv: definition({ policy: "latest", embed_origins: ["http://localhost:1"] }),
  secret: definition({ title: "Who wins the grand final tonight?", results: "hidden" }),
  later: definition({ title: "Best newcomer of the year", opens_at: away(3 * HOUR), closes_at: away(5 * HOUR), results: "after_close" }),
  draft: definition({ title: "No hours yet", opens_at: null, closes_at: null, results: "hidden" }),
  texts: definition({ title: "Which play opens the season?", closes_at: null, order: "drawn", choices: PLAYS }),
  songs: definition({ title: "Song of the summer", policy: { up_to: 3 }, choices: SONGS }),
  arabic: definition({ title: "ما هو مسلسلك المفضل لعام 2026؟", choices: ARABIC }),
  "ended-final": definition({ title: "Wer soll gewinnen? Das große Finale der Herzen", closes_at: null, results: "after_close" }),
  "ended-certified": definition({ title: "Goal of the season", closes_at: null }),
});

/** Makes them all, and waits until the ended ones are counted. @param {import("./server.mjs").Server} server */
export async function makeContests(server) {
  const all = Object.entries(contests());
  for (const [contest, json] of all) await server.must(`contests/${contest}`, { json });
  const open = all.filter(([, { opens_at }]) => opens_at && Date.parse(opens_at) < Date.now());
  await Promise.all(open.map(([contest, { choices }]) => voteAll(server, contest, choices)));
  // As many as the second has.
  for (let n = LANDSLIDE[2]; n < LANDSLIDE[1]; n += 1) await vote(server, "texts", "godot");
  await sendAsGateway(server, "tv", "sms", Array(30).fill("the-wire"));
  for (const contest of ["ended-final", "ended-certified"]) await server.must(`contests/${contest}/close`, { method: "POST" });
  for (const contest of ["ended-final", "ended-certified"]) await counted(server, contest, ({ status }) => status === "final");
  await server.must("contests/ended-certified/certify", { method: "POST" });
  await counted(server, "ended-certified", ({ status }) => status === "certified");
}

/**
 * One ballot, as of a device that nobody has seen before.
 * @param {import("./server.mjs").Server} server @param {string} contest @param {string} choice
 */
export async function vote(server, contest, choice) {
  const body = JSON.stringify({ choice, device: crypto.randomUUID() });
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${server.url}/v1/contests/${contest}/ballots`, { method: "POST", headers, body });
  if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
}

/**
 * One batch of a gateway's, each of a voter of its own.
 * @param {import("./server.mjs").Server} server @param {string} contest @param {string} channel @param {string[]} choices
 */
export async function sendAsGateway(server, contest, channel, choices) {
  const { key } = await server.must(`contests/${contest}/channels`, { method: "POST", json: { channel } });
  const lines = choices.map((choice, n) => JSON.stringify({ ballot_id: ballotId(), voter: `${Date.now()}-${n}`, choice, channel }));
  const headers = { "content-type": "application/x-ndjson", authorization: `Bearer ${key}` };
  const answer = await fetch(`${server.url}/v1/contests/${contest}/batches`, { method: "POST", headers, body: lines.join("\n") });
  const { recorded, rejected } = await answer.json();
  if (recorded !== choices.length) throw new Error(`${answer.status}: ${JSON.stringify(rejected)}`);
}

/** A new UUIDv7. */
function ballotId() {
  const time = Date.now().toString(16).padStart(12, "0");
  const chance = crypto.randomUUID();
  return `${time.slice(0, 8)}-${time.slice(8)}-7${chance.slice(15)}`;
}

/**
 * Lets `landslide bench` vote until this process ends, or `stop()` of what it gives.
 * @param {import("./server.mjs").Server} server @param {string} contest @param {number} rate votes a second
 * @param {string[]} more words of its command line
 */
export function busy(server, contest, rate, ...more) {
  const words = ["bench", "--url", server.url, "--contest", contest, "--rate", String(rate), "--duration", "30m", "--no-check", ...more];
  const env = { ...process.env, LANDSLIDE_ADMIN_TOKEN: TOKEN };
  const child = spawn(server.binary, words, { env, stdio: "ignore" });
  const ended = new Promise((done) => child.once("exit", done));
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  // It neither keeps this process, nor outlives it.
  child.unref();
  process.once("exit", () => child.kill("SIGKILL"));
  return { stop };
}

async function voteAll(server, contest, choices) {
  const votes = choices.slice(0, LANDSLIDE.length).flatMap(({ choice }, n) => Array(LANDSLIDE[n]).fill(choice));
  for (const choice of votes) await vote(server, contest, choice);
}

/**
 * Waits for a counts row of which this holds, and gives it.
 * @param {import("./server.mjs").Server} server @param {string} contest @param {(row: any) => boolean} holds
 */
export const counted = (server, contest, holds) => until(`${contest} is counted: ${holds}`, async () => {
  const { ok, body } = await server.admin(`contests/${contest}/counts`);
  return ok && holds(body) && body;
});
