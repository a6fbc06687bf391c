/**
 * A shard's steps by tick, as its snapshots tell them: which tick was which step, and the pace.
 *
 * At full speed a shard steps once a tick. A shard that cannot keep up skips ticks in an even
 * pattern; then what is to come is stepped at that pace, too. One tick that was missed is no pattern.
 *
 * The same as `protocol/steps.py`. Must not know: what moves, who renders.
 */

const KEPT = 64;
const PACED = 12; // intervals that tell the pace: at a third of it, the last two seconds at 20 Hz
const PATTERN = 2; // intervals with skipped ticks, from which on it is a pace and no mishap
const LONGEST = 32; // ticks; of a longer interval one does not know how it was spent

/** Ticks and steps of one shard, ascending: equal strides, except where ticks were skipped. */
export class Steps {
  #known = []; // [tick, step], ascending

  constructor() {
    /** How many steps a tick brings, as the last ones tell: exactly 1 at full speed. */
    this.pace = 1;
  }

  /** At `tick` the shard's step was `step`; what is no news is ignored. */
  add(tick, step) {
    const known = this.#known;
    if (known.length > 0 && tick <= known[known.length - 1][0]) return;
    known.push([tick, step]);
    if (known.length > KEPT) known.splice(0, known.length - KEPT);
    this.pace = paceOf(known);
  }

  /** The tick at which that step was done, as far as is known. */
  tickAt(step) {
    const known = this.#known;
    const last = known[known.length - 1];
    let after = last;
    for (let index = known.length - 1; index >= 0; index -= 1) {
      const before = known[index];
      if (before[1] < step) {
        const tick = before[0] + step - before[1];
        return after === before ? tick : Math.min(tick, after[0]);
      }
      after = before;
    }
    return after[0] - (after[1] - step);
  }

  /** The step at a tick, with a fraction where ticks were skipped. */
  at(tick) {
    const known = this.#known;
    let after = known[known.length - 1];
    for (let index = known.length - 1; index >= 0; index -= 1) {
      const before = known[index];
      if (before[0] <= tick) {
        if (after[0] <= tick) return after[1] + (tick - after[0]) * this.pace;
        const share = (tick - before[0]) / (after[0] - before[0]);
        return before[1] + (after[1] - before[1]) * share;
      }
      after = before;
    }
    return after[1] - (after[0] - tick);
  }
}

function paceOf(known) {
  let [ticks, steps, skipping] = [0, 0, 0];
  const oldest = Math.max(known.length - 1 - PACED, 0);
  for (let index = known.length - 1; index > oldest; index -= 1) {
    const passed = known[index][0] - known[index - 1][0];
    const done = known[index][1] - known[index - 1][1];
    if (passed > LONGEST || done <= 0 || done > passed) continue;
    ticks += passed;
    steps += done;
    if (done < passed) skipping += 1;
  }
  return skipping >= PATTERN ? steps / ticks : 1;
}
