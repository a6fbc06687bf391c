/**
 * What playback remembers of one entity: keys at the ticks at which it changed.
 *
 * Between two keys nothing changed: a course is evaluated, everything else is held. A course that is
 * told at tick T began a step earlier, so it already leads from T - 1 to T.
 *
 * Must not know: clocks, replicas, who renders.
 */

const KEYS_MAX = 48;

/**
 * An entity from `tick` on: where it was (course or plain position), and its fields.
 *
 * @typedef {object} Key
 * @property {number} tick
 * @property {number} shard
 * @property {import("./views.js").CourseRow | null} course
 * @property {number} x
 * @property {number} y
 * @property {Record<string, import("./fields.js").Value>} fields
 * @property {boolean} teleport
 */

/** @typedef {{x: number, y: number, vx: number, vy: number}} Spot in units, and units per tick */

/**
 * The shard's step at a tick, with a fraction where ticks were skipped.
 *
 * @typedef {(shard: number, tick: number) => number} StepAt
 */

/** Keys of one entity, ascending; `ends` is the tick from which it is not shown, if known. */
export class Track {
  /** @param {number} kind */
  constructor(kind) {
    this.kind = kind;
    /** @type {Key[]} */
    this.keys = [];
    /** @type {number | null} */
    this.ends = null;
    this.held = false;
  }

  /** Append a key, and forget those that nothing before `keepFrom` needs. */
  add(key, keepFrom) {
    const { keys } = this;
    const last = keys[keys.length - 1];
    if (last !== undefined && last.tick === key.tick) {
      key.teleport ||= last.teleport;
      keys[keys.length - 1] = key;
    } else {
      keys.push(key);
    }
    let old = 0;
    while (keys.length - old > 1) {
      if (keys[old + 1].tick > keepFrom && keys.length - old <= KEYS_MAX) break;
      old += 1;
    }
    if (old > 0) keys.splice(0, old);
  }

  /** The key in force at `tick`: the newest that is not later, else the first. */
  at(tick) {
    const { keys } = this;
    for (let index = keys.length - 1; index > 0; index -= 1) {
      if (keys[index].tick <= tick) return keys[index];
    }
    return keys[0];
  }

  /**
   * Where the entity is at a whole tick.
   *
   * @param {number} tick
   * @param {import("./schema.js").Kind} kind
   * @param {StepAt} stepAt
   * @param {Key} [key]
   * @returns {Spot}
   */
  spot(tick, kind, stepAt, key = this.at(tick)) {
    const form = kind.course;
    if (key.course === null || form === null) return { x: key.x, y: key.y, vx: 0, vy: 0 };
    const [x0, y0, vx, vy, step0] = key.course;
    const step = stepAt(key.shard, tick);
    const age = step - step0;
    const ratio = form.num / form.den;
    const pace = ratio * form.step * (stepAt(key.shard, tick + 1) - step); // less in dilated time
    return {
      x: (x0 + vx * age * ratio) * form.step,
      y: (y0 + vy * age * ratio) * form.step,
      vx: vx * pace,
      vy: vy * pace,
    };
  }
}
