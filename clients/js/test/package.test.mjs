// What is published is there, and is what Landslide serves.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const manifest = JSON.parse(read("../package.json"));

test("every export and every listed file is there, and nothing is depended on", () => {
  const exported = Object.values(manifest.exports).flatMap((paths) => Object.values(paths));
  for (const path of exported) {
    assert.ok(read(`.${path}`).length > 0);
    assert.ok(manifest.files.includes(path.slice(2)), path);
  }
  for (const path of manifest.files) assert.ok(read(`../${path}`).length > 0, path);
  assert.deepEqual([manifest.dependencies, manifest.devDependencies], [undefined, undefined]);
});

test("the module exports what its types say", async () => {
  const module = await import("../outbox.js");
  const declared = [...read("../outbox.d.ts").matchAll(/^export (?:class|const|function) (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(Object.keys(module).sort(), declared.sort());
  const outbox = new module.Outbox("tv", { locks: null });
  const [, body] = /class Outbox \{([\s\S]*?)\n\}/.exec(read("../outbox.d.ts"));
  for (const [, name] of body.matchAll(/^ {2}(?:readonly )?(\w+)[(:]/gm)) {
    if (name !== "constructor") assert.ok(name in outbox, name);
  }
});

test("the element asks only its own frame and hears only it", async () => {
  // The smallest of a browser: enough for the element to make its frame and hear messages.
  const listeners = new Set();
  const posted = [];
  Object.assign(globalThis, {
    HTMLElement: class {
      style = {};
      attributes = {};
      isConnected = true;
      getAttribute(name) { return this.attributes[name] ?? null; }
      replaceChildren(child) { this.child = child; }
    },
    customElements: { get: () => undefined, define() {} },
    document: {
      baseURI: "https://news.example/a",
      createElement: () => ({ style: {}, contentWindow: { postMessage: (...message) => posted.push(message) } }),
    },
    addEventListener: (_, listener) => listeners.add(listener),
    removeEventListener: (_, listener) => listeners.delete(listener),
  });
  const { LandslideVote } = await import("../element.js");
  const element = new LandslideVote();
  element.attributes = { contest: "tv", src: "https://vote.example/", lang: "de" };
  element.connectedCallback();
  const frame = element.child;
  assert.equal(frame.src, "https://vote.example/c/tv/embed?lang=de");
  const hear = (event) => listeners.forEach((listener) => listener(event));
  const ours = { source: frame.contentWindow, origin: "https://vote.example" };
  hear({ ...ours, data: { landslide: "ready" } });
  assert.deepEqual(posted, [[{ landslide: "height?" }, "https://vote.example"]]);
  hear({ ...ours, data: { landslide: "height", height: 400 } });
  assert.equal(frame.style.height, "400px");
  for (const event of [
    { ...ours, origin: "https://evil.example", data: { landslide: "height", height: 1 } },
    { ...ours, source: {}, data: { landslide: "height", height: 1 } },
    { ...ours, data: { landslide: "height", height: 1e9 } },
    { ...ours, data: { landslide: "height", height: "1px;" } },
    { ...ours, data: null },
    { ...ours, origin: "https://evil.example", data: { landslide: "ready" } },
  ]) hear(event);
  assert.deepEqual([frame.style.height, posted.length], ["400px", 1]);
  element.disconnectedCallback();
  assert.equal(listeners.size, 0);
});
