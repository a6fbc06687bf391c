/**
 * The fields of kinds, inputs and events: wire integers on one side, values in units on the other.
 *
 * Must not know: where a field stands.
 */

import { LocalProtocolError, RemoteProtocolError } from "./errors.js";
import { ID_MAX, isId } from "./ids.js";

/** @typedef {import("./ids.js").Id} Id */
/** @typedef {number | bigint | string} Value of a field: a number in its unit, an id, or a text */

const SIZES = { u8: 1, u16: 2, u32: 4, u64: 8 };
const MAXIMA = { u8: 2 ** 8 - 1, u16: 2 ** 16 - 1, u32: 2 ** 32 - 1 };

export const INTEGER_TYPES = Object.freeze(Object.keys(SIZES));
/** Of the x or y of a kind without a course. */
export const AXIS_TYPES = Object.freeze(Object.keys(MAXIMA));

const toUtf8 = new TextEncoder();

/** One column. `axis` is 0 or 1 where it is the x or y of a kind without a course, else null. */
export class Field {
  /**
   * @param {string} name
   * @param {string} type "u8", "u16", "u32", "u64" or "text:N"
   * @param {number} lo
   * @param {number} step
   * @param {0 | 1 | null} [axis]
   */
  constructor(name, type, lo, step, axis = null) {
    this.name = name;
    this.type = type;
    this.lo = lo;
    this.step = step;
    this.axis = axis;
    /** Whether it holds UTF-8, padded with zeros to `bytes`. */
    this.isText = type.startsWith("text:");
    /** Whether it holds ids of entities. */
    this.isId = type === "u64";
    /** Whether its changes may travel as differences of one byte. */
    this.isWide = type === "u16" || type === "u32";
    /** Bytes of one value. */
    this.bytes = this.isText ? Number(type.slice(5)) : SIZES[type];
    Object.freeze(this);
  }

  /**
   * A wire value in the field's own unit; ids and texts are what they are.
   *
   * @param {Value} wire
   * @returns {Value}
   */
  toValue(wire) {
    return this.isText || this.isId ? wire : this.lo + /** @type {number} */ (wire) * this.step;
  }

  /**
   * A number as wire integer: floor((value - lo) / step + 1/2), clipped to the type.
   *
   * @param {number} value
   * @returns {number}
   */
  toInt(value) {
    const steps = Math.floor((value - this.lo) / this.step + 0.5);
    return Math.min(Math.max(steps, 0), MAXIMA[this.type] ?? 2 ** 53);
  }

  /**
   * One value as it travels in an input. Throws LocalProtocolError.
   *
   * @param {unknown} value
   * @returns {Value}
   */
  toWire(value) {
    if (this.isText) {
      if (typeof value === "string" && toUtf8.encode(value).length <= this.bytes) return value;
      throw new LocalProtocolError(`${this.name}: a text of ${this.bytes} bytes at most`);
    }
    if (this.isId) {
      if (isId(value)) return /** @type {Id} */ (value);
      throw new LocalProtocolError(`${this.name}: ${String(value)} is not an entity id`);
    }
    if (typeof value !== "number" || !Number.isFinite(value)) {
      throw new LocalProtocolError(`${this.name}: ${String(value)} is not a number`);
    }
    return this.toInt(value);
  }

  /**
   * One value of an input or an event. Throws RemoteProtocolError.
   *
   * @param {Value} item a whole number or a text
   * @returns {Value}
   */
  fromWire(item) {
    const fits = this.isText
      ? typeof item === "string" && toUtf8.encode(item).length <= this.bytes
      : typeof item !== "string" && item <= (MAXIMA[this.type] ?? ID_MAX);
    if (!fits) throw new RemoteProtocolError(`${this.name} is not a ${this.type}`);
    return this.toValue(item);
  }
}
