/**
 * CBOR as Shoal speaks it: a strict subset of RFC 8949, read and written.
 *
 * Definite lengths only, text or byte strings as map keys, no NaN and no infinity, no tags, no
 * simple values but false, true and null, nothing after the item. Reading (in `reader.js`) checks
 * and blames the peer; writing refuses what does not go over the wire.
 *
 * Must not know: messages.
 */

import { LocalProtocolError } from "./errors.js";
import { DEPTH_MAX } from "./limits.js";
import { BYTE_KEYS, Reader } from "./reader.js";

export { BYTE_KEYS, Reader, wholeAt } from "./reader.js";

const UNSIGNED = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;
const HALF = 2 ** 32;

const toUtf8 = new TextEncoder();

/**
 * The one item in `data`. Throws RemoteProtocolError for anything else.
 *
 * @param {Uint8Array} data
 * @returns {unknown}
 */
export function decode(data) {
  const reader = new Reader(data);
  const item = reader.any(0);
  reader.finish();
  return item;
}

/**
 * `item` (null, booleans, numbers, bigints of 64 bits, texts, Uint8Arrays, arrays, plain objects)
 * as bytes. Whole numbers up to 2^53 - 1 become integers, all other numbers 64-bit floats. Throws
 * LocalProtocolError for what does not go over the wire.
 *
 * @param {unknown} item
 * @returns {Uint8Array}
 */
export function encode(item) {
  const writer = new Writer();
  writer.item(item, 0);
  return writer.data.slice(0, writer.at);
}

class Writer {
  constructor() {
    this.data = new Uint8Array(256);
    this.view = new DataView(this.data.buffer);
    this.at = 0;
  }

  item(item, depth) {
    if (item === null) this.#byte(NULL);
    else if (typeof item === "boolean") this.#byte(item ? TRUE : FALSE);
    else if (typeof item === "number") this.#number(item);
    else if (typeof item === "bigint") this.#bigint(item);
    else if (typeof item === "string") this.#text(item);
    else if (item instanceof Uint8Array) this.#string(BYTES, item);
    else if (Array.isArray(item)) this.#array(item, depth);
    else if (isPlain(item)) this.#map(item, depth);
    else throw unfit(typeof item);
  }

  #number(item) {
    if (Number.isSafeInteger(item) && !Object.is(item, -0)) {
      const argument = item < 0 ? -1 - item : item;
      this.#head(item < 0 ? NEGATIVE : UNSIGNED, argument >>> 0, Math.floor(argument / HALF));
    } else if (Number.isFinite(item)) {
      this.#room(9);
      this.#byte(0xfb);
      this.view.setFloat64(this.at, item);
      this.at += 8;
    } else {
      throw unfit(item);
    }
  }

  #bigint(item) {
    const argument = item < 0n ? -1n - item : item;
    if (argument >> 64n) throw unfit(item);
    this.#head(
      item < 0n ? NEGATIVE : UNSIGNED,
      Number(argument & 0xffffffffn),
      Number(argument >> 32n),
    );
  }

  #text(item) {
    if (/\p{Surrogate}/u.test(item)) throw unfit("a text with half a character");
    this.#string(TEXT, toUtf8.encode(item));
  }

  #string(major, bytes) {
    this.#head(major, bytes.length, 0);
    this.#room(bytes.length);
    this.data.set(bytes, this.at);
    this.at += bytes.length;
  }

  #array(items, depth) {
    if (items.length > 0 && depth >= DEPTH_MAX) throw unfit("so deep a container");
    this.#head(ARRAY, items.length, 0);
    for (const item of items) this.item(item, depth + 1);
  }

  #map(items, depth) {
    const keys = Object.keys(items);
    const pairs = items[BYTE_KEYS] ?? [];
    const count = keys.length + pairs.length;
    if (count > 0 && depth >= DEPTH_MAX) throw unfit("so deep a container");
    this.#head(MAP, count, 0);
    for (const key of keys) {
      this.#text(key);
      this.item(items[key], depth + 1);
    }
    for (const [key, value] of pairs) {
      this.#string(BYTES, key);
      this.item(value, depth + 1);
    }
  }

  /** The shortest head with that argument. */
  #head(major, low, high) {
    this.#room(9);
    const type = major << 5;
    if (high > 0) {
      this.data[this.at] = type | 27;
      this.view.setUint32(this.at + 1, high);
      this.view.setUint32(this.at + 5, low);
      this.at += 9;
    } else if (low < 24) {
      this.data[this.at++] = type | low;
    } else if (low < 0x100) {
      this.data[this.at++] = type | 24;
      this.data[this.at++] = low;
    } else if (low < 0x10000) {
      this.data[this.at] = type | 25;
      this.view.setUint16(this.at + 1, low);
      this.at += 3;
    } else {
      this.data[this.at] = type | 26;
      this.view.setUint32(this.at + 1, low);
      this.at += 5;
    }
  }

  #byte(value) {
    this.#room(1);
    this.data[this.at++] = value;
  }

  #room(bytes) {
    if (this.at + bytes <= this.data.length) return;
    const data = new Uint8Array(2 * this.data.length + bytes);
    data.set(this.data);
    this.data = data;
    this.view = new DataView(data.buffer);
  }
}

function isPlain(item) {
  if (typeof item !== "object") return false;
  const prototype = Object.getPrototypeOf(item);
  return prototype === null || prototype === Object.prototype;
}

function unfit(what) {
  return new LocalProtocolError(`${String(what)} does not go over the wire`);
}
