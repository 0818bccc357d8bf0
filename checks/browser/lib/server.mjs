// A node as a process of its own: in a folder of its own, on a free port of the loopback, ended by
// its process id. And contests, made as an administrator makes them.

import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const TOKEN = "a token for checks";
/** For what should take a second, on a machine with much other work. */
export const PATIENCE_MILLIS = 60_000;

/** Nodes that run, to be ended with this process however it ends. */
const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/**
 * Starts a node and waits until it is ready.
 * @param {{binary?: string, args?: string[], dir?: string, port?: number, env?: Record<string, string>}} [options]
 *   `dir`: the folder of its store, one of its own by default, which goes away with `stop`
 */
export async function start(options = {}) {
  const server = new Server(options, options.port ?? (await freePort()));
  await server.launch();
  return server;
}

export class Server {
  constructor({ binary, args = [], dir, env = {} }, port) {
    this.binary = resolve(binary ?? process.env.LANDSLIDE_BINARY ?? "target/debug/landslide");
    this.folder = mkdtempSync(join(tmpdir(), "landslide-browser-"));
    this.dir = dir ?? join(this.folder, "data");
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.token = TOKEN;
    this.args = args;
    this.env = env;
    this.child = null;
  }

  async launch() {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("LANDSLIDE_"));
    const env = {
      ...Object.fromEntries(inherited),
      LANDSLIDE_ADMIN_TOKEN: TOKEN,
      LANDSLIDE_LOG: "warn",
      LANDSLIDE_DRAIN: "0s",
      // Every second: what a case waits for is counted sooner.
      LANDSLIDE_TALLY_SCHEDULE: "* * * * * *",
      ...this.env,
    };
    const words = ["serve", "--listen", `127.0.0.1:${this.port}`, "--data", this.dir, ...this.args];
    const log = openSync(join(this.folder, "node.log"), "a");
    const child = spawn(this.binary, words, { env, stdio: ["ignore", log, log] });
    closeSync(log);
    this.child = child;
    running.add(child);
    this.ended = new Promise((done) => {
      const over = (code) => (running.delete(child), done(code));
      child.once("exit", over);
      child.once("error", over);
    });
    await until(`the node at ${this.url} is ready`, async () => {
      if (!running.has(child)) throw new Error(`the node ended: ${this.log()}`);
      return (await fetch(`${this.url}/readyz`).catch(() => null))?.ok;
    });
  }

  get isRunning() {
    return running.has(this.child);
  }

  /** What it said last. */
  log() {
    return readFileSync(join(this.folder, "node.log"), "utf8").slice(-4000);
  }

  /**
   * A call of the administrator's. Gives what was answered; `body` is the document.
   * @param {string} path such as `contests/tv/counts`, or a whole one beginning with `/`
   * @param {{method?: string, json?: unknown, headers?: Record<string, string>}} [init]
   */
  async admin(path, { method, json, headers = {} } = {}) {
    const url = new URL(path.startsWith("/") ? path : `/v1/admin/${path}`, this.url);
    const given = json === undefined ? {} : { "content-type": "application/json" };
    const response = await fetch(url, {
      method: method ?? (json === undefined ? "GET" : "PUT"),
      headers: { authorization: `Bearer ${TOKEN}`, ...given, ...headers },
      body: json === undefined ? undefined : JSON.stringify(json),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get("content-type") ?? "");
    return { status: response.status, ok: response.ok, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }

  /** The same, but anything else than a 2xx is an error. Gives the document. */
  async must(path, init) {
    const { ok, status, body } = await this.admin(path, init);
    if (!ok) throw new Error(`${init?.method ?? ""} ${path}: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** By its own clock, which the hours are decided by. @returns {Promise<number>} milliseconds since the Unix epoch */
  async now() {
    return Date.parse((await this.must("/v1/time")).now);
  }

  /** `kill -9`, and the end of it. */
  async kill() {
    this.child?.kill("SIGKILL");
    await this.ended;
  }

  /** On the same folder and port; one that still runs is ended in order first. */
  async restart() {
    if (this.isRunning) await this.end();
    await this.launch();
  }

  /** Ends it in order, and removes its folder. */
  async stop() {
    try {
      if (this.isRunning) await this.end();
    } finally {
      rmSync(this.folder, { recursive: true, force: true });
    }
  }

  async end() {
    this.child.kill("SIGTERM");
    const timer = setTimeout(() => this.child.kill("SIGKILL"), PATIENCE_MILLIS);
    const code = await this.ended;
    clearTimeout(timer);
    if (code !== 0) throw new Error(`told to end, the node exited with ${code}: ${this.log()}`);
  }
}

let contests = 0;

/**
 * Makes a contest and opens it; one with hours opens by itself.
 * @param {Server} server
 * @param {Record<string, unknown> & {slug?: string, draft?: boolean}} [overrides] of the definition; `draft`: not opened
 * @returns {Promise<{slug: string, path: string, url: string, definition: Record<string, any>}>}
 */
export async function contest(server, { slug = `c${(contests += 1)}`, draft = false, ...overrides } = {}) {
  const definition = {
    title: "Your favourite TV series",
    policy: "one",
    results: "hidden",
    choices: [
      { choice: "breaking-bad", title: "Breaking Bad" },
      { choice: "the-wire", title: "The Wire" },
      { choice: "dark", title: "Dark" },
    ],
    ...overrides,
  };
  await server.must(`contests/${slug}`, { json: definition });
  if (!draft && !overrides.opens_at) await server.must(`contests/${slug}/open`, { method: "POST" });
  const kept = await server.must(`contests/${slug}`);
  return { slug, path: `/c/${slug}`, url: `${server.url}/c/${slug}`, definition: kept };
}

/** Closes a contest by hand, and waits until it has closed. */
export async function close(server, slug) {
  const { closes_at } = await server.must(`contests/${slug}/close`, { method: "POST" });
  await until(`${slug} has closed`, async () => (await server.now()) >= Date.parse(closes_at));
}

/** Some minutes from now, as a definition writes it. @param {number} minutes */
export const minutes = (minutes) => new Date(Date.now() + minutes * 60_000).toISOString();

/**
 * Waits for what must come to be, with a limit that is no measure of speed. Gives what `look` gave.
 * @template T @param {string} what @param {() => Promise<T> | T} look @returns {Promise<T>}
 */
export async function until(what, look) {
  const deadline = Date.now() + PATIENCE_MILLIS;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > deadline) throw new Error(`not within ${PATIENCE_MILLIS / 1000} s: ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** @returns {Promise<number>} */
export function freePort() {
  return new Promise((done, failed) => {
    const probe = createServer();
    probe.once("error", failed);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}
