// A stage that looks at everything that could differ from one run to the next, and answers what it saw.

import * as clock from "stageway:host/clock@0.1.0";
import * as images from "stageway:host/images@0.1.0";
import * as invocation from "stageway:host/invocation@0.1.0";
import * as log from "stageway:host/log@0.1.0";
import * as source from "stageway:host/source@0.1.0";

interface Config {
  rounds?: number;
  mebibytes?: number;
  milliseconds?: number;
  repository?: string;
}

interface ConfigIssue {
  pointer: string;
  message: string;
}

const MANIFEST = {
  name: "guests/typescript",
  version: "1.0.0",
  summary: "Looks at time, randomness, order, NaNs and memory, and answers what it saw",
  configuration: {
    type: "object",
    additionalProperties: false,
    properties: {
      rounds: { type: "integer", minimum: 1, maximum: 100 },
      mebibytes: { type: "integer", minimum: 0, maximum: 256 },
      milliseconds: { type: "integer", minimum: 0, maximum: 60000 },
      repository: { type: "string" },
    },
  },
  outputs: { type: "object", properties: { seen: { type: "array" } } },
  grants: {
    required: [{ interface: "source" }],
    optional: [{ interface: "images", repositories: [{ from: "/repository", actions: ["read"] }] }],
  },
  skip: "never",
};

/** What was seen, each also a line of the log. */
class Seen {
  readonly all: string[] = [];

  see(what: string, value: unknown): void {
    const line = `${what} ${value}`;
    this.all.push(line);
    log.write("info", line);
  }
}

export const stage = {
  describe(): string {
    return JSON.stringify(MANIFEST);
  },

  validate(config: string): ConfigIssue[] {
    const { mebibytes } = JSON.parse(config) as Config;
    return mebibytes === 13 ? [{ pointer: "/mebibytes", message: "13 is unlucky" }] : [];
  },

  run(text: string): string {
    const config = JSON.parse(text) as Config;
    const seen = new Seen();
    for (let number = 0; number < (config.rounds ?? 2); number++) {
      times(seen);
      randomness(seen);
      order(seen);
      nans(seen);
      calls(seen, config.repository ?? "images/app", number);
      clock.sleep(config.milliseconds ?? 5);
    }
    memory(seen, config.mebibytes ?? 16);
    times(seen);
    return JSON.stringify({ seen: seen.all });
  },
};

function times(seen: Seen): void {
  seen.see("time", Date.now());
  seen.see("date", new Date().toISOString());
  seen.see("now", clock.nowMs());
}

function randomness(seen: Seen): void {
  seen.see("random", `${Math.random()} ${Math.random()}`);
  seen.see("stream", hex(invocation.random(8)));
}

function order(seen: Seen): void {
  const words = new Set<string>();
  const numbers: Record<string, number> = {};
  const places = new WeakMap<object, number>();
  for (let number = 0; number < 300; number++) {
    const word = `word-${(number * 7919) % 1000}`;
    words.add(word);
    numbers[(number * 7919) % 1000] = number;
    places.set({ word }, number);
  }
  seen.see("words", digest([...words].join()));
  seen.see("numbers", digest(Object.entries(numbers).join()));
  const equal = Array.from({ length: 300 }, (_, number) => ({ key: number % 3, number }));
  seen.see("sorted", digest(equal.sort((a, b) => a.key - b.key).map((one) => one.number).join()));
}

function nans(seen: Seen): void {
  const payload = new Float64Array(new BigUint64Array([0x7ff8deadbeef0001n]).buffer)[0];
  const numbers = [0 / 0, Infinity - Infinity, -(0 / 0), NaN, Math.sqrt(-1), payload, payload + 1, payload * 2, -payload];
  seen.see("doubles", hex(new Uint8Array(new Float64Array(numbers).buffer)));
  seen.see("floats", hex(new Uint8Array(new Float32Array(numbers).buffer)));
}

function calls(seen: Seen, repository: string, number: number): void {
  seen.see("cancelled", invocation.isCancelled());
  seen.see("commits", digest(source.commits(undefined, 3).join()));
  seen.see("changed", source.changedFiles(undefined, undefined, 5).join());
  try {
    const found = images.find(repository, `v${number}`);
    // One engine says null for an absent option, the other undefined.
    seen.see("image", found != null ? found.digest : "none");
  } catch (refused) {
    seen.see("image", (refused as { payload: { tag: string } }).payload.tag);
  }
  clock.sleep(3);
}

function memory(seen: Seen, mebibytes: number): void {
  const pages = new Uint8Array(mebibytes << 20);
  for (let at = 0; at < pages.length; at += 4096) {
    pages[at] = at >> 12;
  }
  let sum = 0;
  for (let at = 0; at < pages.length; at += 4096) {
    sum = (sum * 31 + pages[at]) >>> 0;
  }
  seen.see("memory", `${pages.length} ${sum}`);
  for (const name of ["memory-bytes", "wall-ms", "nothing"]) {
    seen.see(name, invocation.limit(name) ?? "none");
  }
}

/** FNV-1a of 32 bits. */
function digest(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
