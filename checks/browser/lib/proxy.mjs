// A network that misbehaves: between browser and node, by a rule for each request.

import { Agent, createServer, request as ask } from "node:http";
import { freePort } from "./server.mjs";

/**
 * What becomes of a request. A rule may wait before it says so.
 * @typedef {object} Seen
 * @property {string} method
 * @property {string} path
 * @property {Record<string, string>} headers
 * @property {string} body
 * @property {number} nth of those with its method and path, from 1
 * @property {number} [status] of the answer, once there is one
 *
 * - nothing, "pass": it goes to the node, and its answer back
 * - "refuse": its connection is cut before the node sees it
 * - "lose": the node answers, and then the connection is cut
 * - "hold": the node answers, and nobody hears of it
 * @typedef {void | "pass" | "refuse" | "lose" | "hold"} Fate
 */

/**
 * @param {{url: string}} server where the requests go to; may be restarted meanwhile
 * @param {(seen: Seen) => Fate | Promise<Fate>} [rule]
 */
export async function proxy(server, rule = () => "pass") {
  const port = await freePort();
  const agent = new Agent({ keepAlive: false });
  /** @type {Seen[]} */
  const seen = [];
  let http = null;
  const it = {
    port,
    url: `http://127.0.0.1:${port}`,
    rule,
    seen,
    /** Requests of this method whose path ends so. */
    of: (method, end) => seen.filter((one) => one.method === method && one.path.endsWith(end)),
    /** From now on nobody listens: connections are refused, and those there are cut. */
    async refuse() {
      http?.closeAllConnections();
      await new Promise((done) => (http ? http.close(done) : done()));
      http = null;
    },
    /** Listens again, if it does not. */
    listen: () => new Promise((done, failed) => {
      if (http) return done(it);
      http = createServer((request, reply) => void pass(request, reply).catch((error) => {
        // A node that is gone is the network's business; a fault of this file or of a rule is not.
        if (!error.code) console.error(error);
        reply.destroy();
      }));
      http.once("error", failed);
      http.listen(port, "127.0.0.1", () => done(it));
    }),
    async stop() {
      await it.refuse();
      agent.destroy();
    },
  };

  async function pass(request, reply) {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const { method, url: path, headers } = request;
    const nth = seen.filter((one) => one.method === method && one.path === path).length + 1;
    const one = { method, path, headers, body: Buffer.concat(pieces).toString(), nth };
    seen.push(one);
    const fate = await it.rule(one);
    if (fate === "refuse") return void reply.destroy();
    const onward = ask(new URL(path, server.url), { method, headers, agent });
    const answer = await new Promise((done, failed) => {
      onward.once("response", done);
      onward.once("error", failed);
      onward.end(one.body);
    });
    one.status = answer.statusCode;
    // The whole answer, so that what it acknowledges is durable before the connection is cut.
    if (fate === "lose" || fate === "hold") {
      for await (const _ of answer);
      if (fate === "lose") reply.destroy();
      return;
    }
    reply.writeHead(answer.statusCode, answer.rawHeaders);
    reply.once("close", () => answer.destroy());
    answer.pipe(reply);
  }

  return it.listen();
}
