// The library's CBOR beside cbor-x: what either writes, both read as the same.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Decoder, Encoder } from "cbor-x";

import { BYTE_KEYS, decode, encode, wholeAt } from "../../client_demo/web/shoal/cbor.js";
import { LocalProtocolError, RemoteProtocolError } from "../../client_demo/web/shoal/errors.js";
import { Chance, damaged } from "./chance.js";
import { fromHex } from "./vectors.js";

const writer = new Encoder({ useRecords: false, variableMapSize: true, tagUint8Array: false });
const reader = new Decoder({ useRecords: false, mapsAsObjects: false });

const ROUNDS = 3000;
const TEXTS = [
  "", "a", "Ada", "Grüße", "魚", "🐟🐠", "\u0000", "\ufeffmark", "\ud7ff\ue000",
  "x".repeat(300),
];
const NUMBERS = [
  0, 1, 23, 24, 255, 256, 65535, 65536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, -1, -24, -25,
  -256, -257, -65536, -65537, -(2 ** 32), -(2 ** 32) - 1, -(2 ** 53) + 1, 0.5, -0.1, 1e300, 5e-324,
  2 ** 53, -(2 ** 60),
];
const BIG = [
  2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n, -(2n ** 53n), -(2n ** 64n), -(2n ** 63n) - 1n,
];

function randomItem(chance, depth, big = BIG) {
  switch (chance.below(depth > 4 ? 8 : 10)) {
    case 0:
      return chance.of([null, true, false]);
    case 1:
      return chance.of(NUMBERS);
    case 2:
      if (chance.below(2)) return -1 - chance.below(1000);
      return chance.below(2 ** 32) * 2 ** chance.below(21);
    case 3:
      return (chance.bits() / 2 ** 20) * (chance.below(2) ? 1 : -1) * 2 ** (chance.below(80) - 40);
    case 4:
      return chance.of(big);
    case 5:
      return chance.of(TEXTS);
    case 6:
      return chance.bytes(chance.below(40));
    case 7:
      return chance.bytes(chance.of([0, 23, 24, 255, 256]));
    case 8:
      return Array.from({ length: chance.below(6) }, () => randomItem(chance, depth + 1, big));
    default: {
      const map = Object.create(null);
      for (let left = chance.below(6); left > 0; left -= 1) {
        map[chance.of(TEXTS) + chance.below(10)] = randomItem(chance, depth + 1, big);
      }
      return map;
    }
  }
}

/** An item of either library in one form. */
function common(item) {
  if (typeof item === "bigint") {
    return item >= -(2n ** 53n) && item <= 2n ** 53n ? Number(item) : item;
  }
  if (item instanceof Uint8Array) return { bytes: Buffer.from(item).toString("hex") };
  if (Array.isArray(item)) return item.map(common);
  if (typeof item !== "object" || item === null) return item;
  const isMap = item instanceof Map;
  const pairs = isMap ? [...item] : [...Object.entries(item), ...(item[BYTE_KEYS] ?? [])];
  const named = pairs.map(([key, value]) => [JSON.stringify(common(key)), common(value)]);
  return named.sort(([one], [other]) => (one < other ? -1 : 1));
}

test("what the library writes cbor-x reads, and so does the library", () => {
  const chance = new Chance(1);
  for (let round = 0; round < ROUNDS; round += 1) {
    const item = randomItem(chance, 0);
    const data = encode(item);
    assert.deepEqual(common(reader.decode(data)), common(item));
    assert.deepEqual(decode(data), item);
  }
});

test("what cbor-x writes the library reads", () => {
  const chance = new Chance(2);
  const untagged = BIG.filter((big) => big >= -(2n ** 63n)); // of others cbor-x makes bignums
  for (let round = 0; round < ROUNDS; round += 1) {
    const item = randomItem(chance, 0, untagged);
    assert.deepEqual(common(decode(new Uint8Array(writer.encode(item)))), common(item));
  }
});

test("damaged items are refused, or read as cbor-x reads them", () => {
  const chance = new Chance(3);
  let read = 0;
  let refused = 0;
  for (let round = 0; round < 4 * ROUNDS; round += 1) {
    const data = damaged(chance, encode(randomItem(chance, 0)));
    let item;
    try {
      item = decode(data);
    } catch (error) {
      assert.ok(error instanceof RemoteProtocolError, `${error.stack}`);
      refused += 1;
      continue;
    }
    assert.deepEqual(common(item), common(reader.decode(data)));
    read += 1;
  }
  assert.ok(read > ROUNDS / 2 && refused > ROUNDS / 2, `${read} read, ${refused} refused`);
});

test("all floats of 16 bits are read, or refused when they are no number", () => {
  for (let bits = 0; bits < 2 ** 16; bits += 1) {
    const data = Uint8Array.of(0xf9, bits >> 8, bits & 255);
    const expected = reader.decode(data);
    if (Number.isFinite(expected)) assert.ok(Object.is(decode(data), expected), `${bits}`);
    else assert.throws(() => decode(data), RemoteProtocolError);
  }
});

test("a whole number and a float that is one are told apart", () => {
  const map = decode(fromHex("a4616101616282f940000261630361 64f93e00"));
  assert.deepEqual({ ...map }, { a: 1, b: [2, 2], c: 3, d: 1.5 });
  assert.ok(wholeAt(map, "a"));
  assert.ok(wholeAt(map, "c"), "what follows a float is not one for that");
  assert.ok(!wholeAt(map, "b"));
  assert.ok(!wholeAt(map, "d"));
  assert.ok(!wholeAt(map.b, 0), "f94000 is a float, though it is two");
  assert.ok(wholeAt(map.b, 1));
});

test("an id is a number or a bigint by its size alone", () => {
  for (const data of ["1b001fffffffffffff", "1b0000000000000005", "05"]) {
    assert.equal(typeof decode(fromHex(data)), "number");
  }
  assert.equal(decode(fromHex("1b0020000000000000")), 2n ** 53n);
});

test("what does not go over the wire is a local error", () => {
  const unfit = [undefined, NaN, Infinity, 2n ** 64n, -(2n ** 64n) - 1n, () => 0, "\ud800"];
  for (const item of [...unfit, new Date(), new Map()]) {
    assert.throws(() => encode(item), LocalProtocolError, String(item));
  }
  let deep = [0];
  for (let depth = 1; depth < 16; depth += 1) deep = [deep];
  assert.deepEqual(decode(encode(deep)), deep);
  assert.throws(() => encode([deep]), LocalProtocolError);
});

test("byte strings among the keys are kept apart from texts", () => {
  const data = fromHex("a2416101616102");
  const map = decode(data);
  assert.equal(map.a, 2);
  assert.deepEqual(map[BYTE_KEYS], [[Uint8Array.of(0x61), 1]]);
  assert.deepEqual(common(decode(encode(map))), common(map));
  assert.throws(() => decode(fromHex("a2416101416102")), RemoteProtocolError, "a key twice");
});
