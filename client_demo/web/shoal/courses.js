/**
 * The integer motion of courses, as every receiver evaluates it.
 *
 * p(step) = p0 + floor((v * age * num) / den + 1/2) with age = step - step0, in whole numbers, so
 * that each receiver has exactly what the simulation has. Servers declare only games in which no
 * product is above 2^52, for which doubles are exact.
 */

/**
 * The position after `age` steps at velocity `v` from `p0`, all in wire integers.
 *
 * @param {number} p0
 * @param {number} v
 * @param {number} age in steps
 * @param {number} num
 * @param {number} den
 * @returns {number}
 */
export function evaluate(p0, v, age, num, den) {
  return p0 + Math.floor((v * age * num + (den >> 1)) / den);
}
