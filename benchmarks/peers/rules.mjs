// The rules of the interest workload; benchmarks/interest/rules.py has the same numbers and says
// what they mean.

export const HZ = 20;
export const CELL = 32; // units
export const STEPS_PER_UNIT = 32; // of positions on the wire
export const SPEED = 6; // units a second
export const HEADINGS = 256; // in a full circle
export const ROAMER_TURNS_HZ = 0.5;
export const HP_RATE = 0.01; // of all entities, each tick
export const HP_MAX = 100;

export const TICK_MS = 1000 / HZ;

/** How far a heading leads in a tick, in units along each axis. */
export const STRIDE_X = strides(Math.cos);
export const STRIDE_Y = strides(Math.sin);

function strides(along) {
  const stride = (_, heading) => (SPEED / HZ) * along((heading / HEADINGS) * 2 * Math.PI);
  return Float64Array.from({ length: HEADINGS }, stride);
}

/** Numbers from 0 up to 1 that follow from the seed: the generator known as mulberry32. */
export function chances(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
