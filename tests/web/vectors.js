// Golden vectors as the tests read them: JSON in which some values stand for others.

import { readFileSync } from "node:fs";

/** The vectors of one topic. */
export function load(topic) {
  const path = new URL(`../vectors/${topic}.json`, import.meta.url);
  return JSON.parse(readFileSync(path, "utf8"));
}

export function fromHex(hex) {
  return Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
}

export function toHex(bytes) {
  return Buffer.from(bytes).toString("hex");
}

/** What a JSON form stands for: byte strings are {"hex": ...}, large numbers {"int": ...}. */
export function itemOf(plain) {
  if (Array.isArray(plain)) return plain.map(itemOf);
  if (typeof plain === "number" && Number.isInteger(plain) && !Number.isSafeInteger(plain)) {
    return plain; // a float; whole numbers of that size are {"int": ...}
  }
  if (typeof plain !== "object" || plain === null) return plain;
  const keys = Object.keys(plain);
  if (keys.length === 1 && keys[0] === "hex") return fromHex(plain.hex);
  if (keys.length === 1 && keys[0] === "int") return BigInt(plain.int);
  const item = Object.create(null);
  for (const key of keys) item[key] = itemOf(plain[key]);
  return item;
}
