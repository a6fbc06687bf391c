/**
 * Whole numbers of 64 bits, as ids of entities and sessions are.
 *
 * An id is a number up to 2^53 - 1 and a bigint above that, always: so ids that are equal are
 * `===`, and one key of a Map. Servers make ids that are numbers until they have made very many.
 */

/** @typedef {number | bigint} Id a whole number of 0 to 2^64 - 1, 0 for nobody */

export const ID_MAX = 2n ** 64n - 1n;

const HALF = 2 ** 32;
const HIGH_MAX = 2 ** 21; // from here on it is more than 2^53 - 1
const LOW_MASK = 0xffffffffn;

/**
 * The id of two halves of 32 bits each, both unsigned.
 *
 * @param {number} low
 * @param {number} high
 * @returns {Id}
 */
export function joined(low, high) {
  return high < HIGH_MAX ? high * HALF + low : (BigInt(high) << 32n) | BigInt(low);
}

/**
 * Its lower 32 bits, unsigned.
 *
 * @param {Id} id
 * @returns {number}
 */
export function lowOf(id) {
  return typeof id === "number" ? id >>> 0 : Number(id & LOW_MASK);
}

/**
 * Its upper 32 bits, unsigned.
 *
 * @param {Id} id
 * @returns {number}
 */
export function highOf(id) {
  return typeof id === "number" ? Math.floor(id / HALF) : Number(id >> 32n);
}

/**
 * Whether `item` is a whole number of 0 to 2^64 - 1, as a number or a bigint.
 *
 * @param {unknown} item
 * @returns {boolean}
 */
export function isId(item) {
  if (typeof item === "number") return Number.isSafeInteger(item) && item >= 0;
  return typeof item === "bigint" && item >= 0n && item <= ID_MAX;
}
