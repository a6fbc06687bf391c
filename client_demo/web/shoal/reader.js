/**
 * Reading CBOR item by item, straight from its bytes, so that what a snapshot holds is never built
 * as arrays first.
 *
 * Whole numbers up to 2^53 - 1 (and down to its negative) are numbers, beyond that bigints. A float
 * is a number too; `wholeAt` tells the two apart. Maps are objects without a prototype, byte
 * strings Uint8Arrays of their own. The rare byte strings among a map's keys are in a list of
 * [key, value] under the symbol BYTE_KEYS.
 *
 * Must not know: messages.
 */

import { RemoteProtocolError } from "./errors.js";
import { joined } from "./ids.js";
import { DEPTH_MAX, TICK_MAX } from "./limits.js";

/** Where a map keeps what stands under byte strings. */
export const BYTE_KEYS = Symbol("byte keys");

const UNSIGNED = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const SIMPLE = 7;
const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;
const HIGH_MAX = 2 ** 21; // of upper halves of numbers up to 2^53 - 1
const HALF = 2 ** 32;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Container -> its keys whose values were written as floats though they are whole numbers. */
const floats = new WeakMap();

/**
 * Whether the item of a decoded array or map is a whole number, and was not written as a float.
 *
 * @param {object} container
 * @param {string | number} key
 * @returns {boolean}
 */
export function wholeAt(container, key) {
  return Number.isInteger(container[key]) && !floats.get(container)?.has(key);
}

/**
 * A place in bytes, which moves on item by item. What is asked for must be there: everything else
 * throws RemoteProtocolError.
 */
export class Reader {
  /**
   * @param {Uint8Array} data
   * @param {number} [at] where to begin
   */
  constructor(data, at = 0) {
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.at = at;
    // Of the head that was read last: its type, and its argument in two halves.
    this.major = 0;
    this.low = 0;
    this.high = 0;
    this.wasFloat = false; // whether the item that `any` read last was a float
  }

  /** Read the head of an item into `major`, `low` and `high`. Strings and items follow it. */
  head() {
    const { data, at } = this;
    if (at >= data.length) throw early();
    const first = data[at];
    const info = first & 31;
    this.major = first >> 5;
    this.high = 0;
    if (info < 24) {
      this.low = info;
      this.at = at + 1;
      return;
    }
    if (info > 27) throw refused("a length that is not definite, or a reserved head");
    const size = 1 << (info - 24);
    if (at + 1 + size > data.length) throw early();
    this.at = at + 1 + size;
    if (size === 1) this.low = data[at + 1];
    else if (size === 2) this.low = (data[at + 1] << 8) | data[at + 2];
    else if (size === 4) this.low = this.view.getUint32(at + 1);
    else {
      this.high = this.view.getUint32(at + 1);
      this.low = this.view.getUint32(at + 5);
    }
  }

  /**
   * A whole number from `least` (0 or less) to `most` (2^53 - 1 or less).
   *
   * @param {number} [most]
   * @param {number} [least]
   * @returns {number}
   */
  whole(most = TICK_MAX, least = 0) {
    this.head();
    if (this.major <= NEGATIVE && this.high < HIGH_MAX) {
      const argument = this.high * HALF + this.low;
      const value = this.major === UNSIGNED ? argument : -1 - argument;
      if (value >= least && value <= most) return value;
    }
    throw new RemoteProtocolError(`not a whole number of ${least} to ${most}`);
  }

  /**
   * A whole number of 0 to 2^64 - 1.
   *
   * @returns {import("./ids.js").Id}
   */
  id() {
    this.head();
    if (this.major !== UNSIGNED) throw new RemoteProtocolError("not a whole number of 64 bits");
    return joined(this.low, this.high);
  }

  /**
   * A whole number or a float.
   *
   * @returns {number}
   */
  real() {
    const item = this.any(DEPTH_MAX);
    if (typeof item !== "number" && typeof item !== "bigint") {
      throw new RemoteProtocolError("not a number");
    }
    return Number(item);
  }

  /** @returns {boolean} */
  flag() {
    const first = this.data[this.at++];
    if (first !== TRUE && first !== FALSE) throw new RemoteProtocolError("not true or false");
    return first === TRUE;
  }

  /**
   * A text of at most so many bytes.
   *
   * @param {number} most
   * @returns {string}
   */
  text(most) {
    this.head();
    if (this.major !== TEXT || this.high > 0 || this.low > most) {
      throw new RemoteProtocolError(`not a text of ${most} bytes at most`);
    }
    return this.#text();
  }

  /**
   * A byte string of at most so many bytes, copied.
   *
   * @param {number} most
   * @returns {Uint8Array}
   */
  bytes(most) {
    const size = this.bytesHead();
    if (size > most) throw new RemoteProtocolError(`not a byte string of ${most} bytes at most`);
    this.at += size;
    return this.data.slice(this.at - size, this.at);
  }

  /**
   * The length of a byte string, which begins at `at` and is all there: the caller steps over it.
   *
   * @returns {number}
   */
  bytesHead() {
    this.head();
    if (this.major !== BYTES) throw new RemoteProtocolError("not a byte string");
    return this.length();
  }

  /**
   * The length of an array of at most so many items, which come next.
   *
   * @param {number} most
   * @returns {number}
   */
  array(most) {
    this.head();
    if (this.major !== ARRAY || this.high > 0 || this.low > most) {
      throw new RemoteProtocolError("an array is missing or too long");
    }
    return this.low;
  }

  /**
   * How many keys a map has; they come next, each before its value.
   *
   * @returns {number}
   */
  map() {
    this.head();
    if (this.major !== MAP) throw new RemoteProtocolError("not a map");
    return this.length();
  }

  /** Whether a text comes next. */
  isTextNext() {
    return this.data[this.at] >> 5 === TEXT;
  }

  /** Whether a map comes next. */
  isMapNext() {
    return this.data[this.at] >> 5 === MAP;
  }

  /**
   * The next item, whatever it is.
   *
   * @param {number} depth how many containers it stands in
   * @returns {unknown}
   */
  any(depth) {
    const first = this.data[this.at];
    this.head();
    this.wasFloat = false;
    switch (this.major) {
      case UNSIGNED:
        return joined(this.low, this.high);
      case NEGATIVE:
        return negative(joined(this.low, this.high));
      case BYTES: {
        const start = this.at;
        this.at += this.length();
        return this.data.slice(start, this.at);
      }
      case TEXT:
        return this.#text();
      case ARRAY:
        return this.#array(depth);
      case MAP:
        return this.#map(depth);
      case SIMPLE:
        return this.#simple(first);
      default:
        throw refused("a tag");
    }
  }

  /** All has been read. */
  finish() {
    if (this.at !== this.data.length) throw refused("bytes after the item");
  }

  /** The argument as a length that the rest of the bytes can have. */
  length() {
    if (this.high > 0 || this.low > this.data.length - this.at) throw early();
    return this.low;
  }

  #text() {
    const start = this.at;
    this.at += this.length();
    try {
      return utf8.decode(this.data.subarray(start, this.at));
    } catch {
      throw refused("a text that is not UTF-8");
    }
  }

  #array(depth) {
    const count = this.length();
    if (count > 0 && depth >= DEPTH_MAX) throw refused("too many containers in one another");
    const items = [];
    for (let index = 0; index < count; index += 1) {
      items.push(this.any(depth + 1));
      if (this.wasFloat) noteFloat(items, index);
    }
    this.wasFloat = false;
    return items;
  }

  #map(depth) {
    const count = this.length();
    if (count > 0 && depth >= DEPTH_MAX) throw refused("too many containers in one another");
    const items = Object.create(null);
    for (let index = 0; index < count; index += 1) {
      const kind = this.data[this.at] >> 5;
      if (kind !== TEXT && kind !== BYTES) throw refused("a key that is neither text nor bytes");
      const key = this.any(DEPTH_MAX);
      if (kind === BYTES) {
        this.#byteKey(items, key, depth);
        continue;
      }
      if (key in items) throw refused("a key twice");
      items[key] = this.any(depth + 1);
      if (this.wasFloat) noteFloat(items, key);
    }
    this.wasFloat = false;
    return items;
  }

  #byteKey(items, key, depth) {
    items[BYTE_KEYS] ??= [];
    const pairs = items[BYTE_KEYS];
    if (pairs.some(([known]) => sameBytes(known, key))) throw refused("a key twice");
    pairs.push([key, this.any(depth + 1)]);
  }

  #simple(first) {
    if (first === FALSE || first === TRUE) return first === TRUE;
    if (first === NULL) return null;
    let value = Number.NaN;
    if (first === 0xf9) value = half(this.low);
    else if (first === 0xfa) value = this.view.getFloat32(this.at - 4);
    else if (first === 0xfb) value = this.view.getFloat64(this.at - 8);
    if (!Number.isFinite(value)) throw refused("a simple value, or a float that is no number");
    this.wasFloat = Number.isInteger(value);
    return value;
  }
}

function noteFloat(container, key) {
  const keys = floats.get(container);
  if (keys) keys.add(key);
  else floats.set(container, new Set([key]));
}

function negative(argument) {
  if (typeof argument === "number" && argument < TICK_MAX) return -1 - argument;
  return -1n - BigInt(argument);
}

/** A float of 16 bits; infinity and NaN for those that are. */
function half(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function sameBytes(one, other) {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

function refused(why) {
  return new RemoteProtocolError(`not the CBOR that Shoal speaks: ${why}`);
}

function early() {
  return refused("it ends early");
}
