/**
 * Prediction of one's own avatar: the server's step function, run ahead on one row.
 *
 * Built from the schema alone, so it predicts any game that binds the motion "thrust" to its inputs.
 * The state is the server's, in its integers: a course, and the model's private columns. Each
 * authoritative state replaces the predicted one, and the inputs that it does not yet contain are
 * replayed; what is drawn keeps a render offset that decays, so a correction never jumps and the
 * simulated state is never smoothed.
 *
 * In dilated time the shard skips ticks, and the avatar is stepped and drawn at that pace: ticks lie
 * on a straight line over steps. At full speed the line is the ticks themselves, to the bit.
 *
 * The same as `sim/predict.py`. Must not know: messages, clocks, how states travel.
 */

import { evaluate } from "./courses.js";
import { intend, MODEL_COLUMNS, step } from "./motion.js";

/** @typedef {import("./views.js").CourseRow} CourseRow */

const HALF_LIFE_SMALL_S = 0.225;
const HALF_LIFE_LARGE_S = 0.071; // from a unit on
const INPUTS_MAX = 128;
const TICKS_MAX = 100; // so far ahead of what the server said

/**
 * What the server said last: at `tick` the shard had done `step`, and goes on at `pace` steps a tick.
 * `number` is the step's here: ticks since the first word, without those that were skipped.
 *
 * @typedef {{tick: number, step: number, number: number, pace: number}} Authority
 */

/** In units; a drawn correction above it is felt. */
export const RUBBER_BAND = 10;

/** Predicts the avatar of one kind. Positions are in units, times in ticks. */
export class Predictor {
  #kind;
  #form;
  #parameters;
  #jump;
  #names;
  /** @type {Authority | null} */
  #authority = null;
  #pending = []; // {seq, tick, name, values}, ascending
  /** By number, from the authority's to the last one: {course, columns}. */
  #states = new Map();
  #last = 0;
  #offset = [0, 0];
  #drawn = null;

  /**
   * @param {import("./schema.js").Schema} schema
   * @param {number} kindIndex
   */
  constructor(schema, kindIndex) {
    this.#kind = schema.kinds[kindIndex];
    this.#form = this.#kind.course;
    this.#parameters = this.#kind.motion;
    this.#jump = schema.jump;
    const names = this.#kind.private.map((field) => field.name);
    this.#names = names.filter((name) => MODEL_COLUMNS.includes(name));
    /** It has predicted up to the end of this tick. */
    this.tick = 0;
    /** How often the server knew better. */
    this.corrections = 0;
    /** How often that moved the avatar by more than RUBBER_BAND. */
    this.rubberBands = 0;
    /** By how many units the last correction moved the prediction. */
    this.error = 0;
  }

  /** Whether there is a state to predict from. */
  get ready() {
    return this.#authority !== null;
  }

  /** Whether the kind has a motion model that inputs drive. */
  get predictable() {
    return this.#form !== null && this.#parameters?.model === "thrust";
  }

  /** What is drawn lies so far from what is predicted, in units: [x, y]; it decays. */
  get offset() {
    return this.#offset;
  }

  /** An input was sent for `tick`. For a tick that is predicted already it is replayed. */
  apply(seq, tick, name, values) {
    this.#pending.push({ seq, tick, name, values });
    if (this.#pending.length > INPUTS_MAX) this.#pending.shift();
    if (!this.ready) return;
    const number = this.#effective(tick);
    if (number > this.#last) return;
    const before = this.#drawnPlace();
    this.#replay(number - 1, this.#last);
    this.#keepDrawn(before);
  }

  /**
   * The server's state after `tick` came: go on from it.
   *
   * If this is what was predicted, nothing is computed anew. What is older than the last is
   * ignored, and so is a state whose private columns are not all known.
   *
   * @param {number} tick
   * @param {number} atStep the shard's step at that tick
   * @param {CourseRow} course
   * @param {Record<string, number>} privates by name
   * @param {number} applied the newest input that the state contains
   * @param {number} [pace] how many steps a tick brings from here on
   */
  correct(tick, atStep, course, privates, applied, pace = 1) {
    if (!this.predictable || this.#names.some((name) => privates[name] === undefined)) return;
    const last = this.#authority;
    if (last !== null && tick <= last.tick) return;
    while (this.#pending.length > 0 && this.#pending[0].seq <= applied) this.#pending.shift();
    const number = last === null ? tick : last.number + stepsSince(last, tick, atStep);
    const columns = Object.fromEntries(this.#names.map((name) => [name, privates[name]]));
    const [x0, y0, vx, vy, step0] = course;
    const state = { course: [x0, y0, vx, vy, step0 + number - atStep], columns };
    const authority = { tick, step: atStep, number, pace };
    if (last === null || !this.#confirmed(state, authority, last)) this.#goOnFrom(state, authority);
    this.#authority = authority;
    for (const old of this.#states.keys()) if (old < number) this.#states.delete(old);
  }

  /** Predict up to the end of `tick`, not too far ahead of what the server said. */
  advance(tick) {
    if (!this.ready) return;
    const until = Math.min(tick, this.#authority.tick + TICKS_MAX);
    if (until <= this.tick) return;
    this.tick = until;
    this.#replay(this.#last, this.#needed(until));
  }

  /**
   * Where to draw the avatar at a tick with its fraction; null if unknown.
   *
   * @param {number} tick
   * @param {number} elapsedS since the last call, by which the offset decays
   * @returns {{x: number, y: number, vx: number, vy: number} | null}
   */
  position(tick, elapsedS) {
    if (!this.ready) return null;
    this.#decay(elapsedS);
    this.#drawn = tick;
    const [x, y] = this.#placeAt(tick);
    const [, , vx, vy] = this.#states.get(this.#known(Math.floor(this.#number(tick)) + 1)).course;
    const unit = this.#form.speedStep * this.#authority.pace;
    return { x: x + this.#offset[0], y: y + this.#offset[1], vx: vx * unit, vy: vy * unit };
  }

  /**
   * Where the avatar is at the end of `tick`, as far as it is predicted: [x, y]; null if unknown.
   *
   * It is the simulation's own place, whatever is drawn: what the avatar does in the next tick
   * begins there.
   *
   * @param {number} tick
   * @returns {[number, number] | null}
   */
  place(tick) {
    if (!this.ready) return null;
    const known = this.#known(this.#done(tick));
    return this.#place(this.#states.get(known).course, known);
  }

  // --- the state -----------------------------------------------------------------------------------

  /** The number of the step at a tick with its fraction, on the line. */
  #number(tick) {
    const { tick: told, number, pace } = this.#authority;
    return number + (tick - told) * pace;
  }

  /**
   * The number of the last step that is done at the end of `tick`, as far as one can say.
   *
   * Where in its pattern the shard was at its last word is not known: in the middle, then.
   */
  #done(tick) {
    return Math.floor(this.#number(tick) + this.#authority.pace / 2);
  }

  /** The number of the step in which an input for `tick` takes effect. */
  #effective(tick) {
    return Math.max(this.#done(tick - 1), this.#authority.number) + 1;
  }

  /** The number of the step up to which one predicts to draw `tick`. */
  #needed(tick) {
    return Math.ceil(this.#number(tick));
  }

  /** Whether the server's state, and the tick at which it came, are what was predicted. */
  #confirmed(state, { tick, number, pace }, last) {
    const guess = this.#states.get(number);
    const isKnown = this.#number(tick) === number && last.pace === pace && guess !== undefined;
    return isKnown && this.#same(guess, state, number);
  }

  /** Snap to the server's state and replay; the offset hides the jump. */
  #goOnFrom(state, authority) {
    const before = this.#drawnPlace();
    let { number } = authority;
    let guess;
    if (this.ready) {
      // Half a step of a dilated pattern is no surprise; a tick that was skipped is one.
      const expected = this.#number(authority.tick);
      if (Math.abs(expected - number) >= 1) number = Math.floor(expected + 0.5);
      guess = this.#states.get(number);
    }
    if (guess !== undefined) {
      const told = this.#moves(state, authority.number);
      if (this.#moves(guess, number).some((each, at) => each !== told[at])) this.corrections += 1;
    }
    this.#authority = authority;
    this.#states = new Map([[authority.number, state]]);
    this.tick = Math.max(this.tick, authority.tick);
    this.#replay(authority.number, Math.max(this.#needed(this.tick), authority.number));
    if (guess === undefined) return;
    this.error = this.#keepDrawn(before);
    if (this.error > this.#jump) {
      this.#offset = [0, 0]; // a teleport: nothing to smooth
    } else if (this.error > RUBBER_BAND) {
      this.rubberBands += 1;
    }
  }

  /** Step from after step `number` to after step `until`. */
  #replay(number, until) {
    this.#last = until;
    for (let each = number + 1; each <= until; each += 1) this.#step(each);
  }

  #step(number) {
    const state = this.#states.get(number - 1);
    const columns = { ...state.columns };
    for (const { tick, name, values } of this.#pending) {
      if (this.#effective(tick) === number) intend(this.#parameters, columns, name, values);
    }
    const unit = this.#form.speedStep;
    [columns.x, columns.y] = this.#place(state.course, number - 1);
    columns.vx = state.course[2] * unit;
    columns.vy = state.course[3] * unit;
    step(this.#parameters, columns);
    const { x: _x, y: _y, vx, vy, ...model } = columns;
    let { course } = state;
    const wholeX = Math.floor(vx / unit + 0.5);
    const wholeY = Math.floor(vy / unit + 0.5);
    if (wholeX !== course[2] || wholeY !== course[3]) {
      course = [...this.#integers(course, number - 1), wholeX, wholeY, number - 1];
    }
    this.#states.set(number, { course, columns: model });
  }

  #same(one, other, number) {
    const told = this.#moves(other, number);
    return (
      this.#names.every((name) => one.columns[name] === other.columns[name]) &&
      this.#moves(one, number).every((each, at) => each === told[at])
    );
  }

  /** Place and velocity in integers: the same course may be told from different steps. */
  #moves({ course }, number) {
    return [...this.#integers(course, number), course[2], course[3]];
  }

  #integers([x0, y0, vx, vy, step0], number) {
    const { num, den } = this.#form;
    const age = number - step0;
    return [evaluate(x0, vx, age, num, den), evaluate(y0, vy, age, num, den)];
  }

  #place(course, number) {
    const [x, y] = this.#integers(course, number);
    return [x * this.#form.step, y * this.#form.step];
  }

  // --- what is drawn -------------------------------------------------------------------------------

  #known(number) {
    return Math.min(Math.max(number, this.#authority.number), this.#last);
  }

  #placeAt(tick) {
    const number = this.#number(tick);
    const whole = Math.floor(number);
    const before = this.#known(whole);
    const after = this.#known(whole + 1);
    const [x, y] = this.#place(this.#states.get(before).course, before);
    const [aheadX, aheadY] = this.#place(this.#states.get(after).course, after);
    const part = number - whole;
    return [x + (aheadX - x) * part, y + (aheadY - y) * part];
  }

  /** What the screen shows, offset included; null before anything was drawn. */
  #drawnPlace() {
    if (this.#drawn === null) return null;
    const [x, y] = this.#placeAt(this.#drawn);
    return [x + this.#offset[0], y + this.#offset[1]];
  }

  /** Choose the offset so that what is drawn stays; gives how far the prediction moved. */
  #keepDrawn(before) {
    if (before === null || this.#drawn === null) return 0;
    const [x, y] = this.#placeAt(this.#drawn);
    const moved = Math.hypot(before[0] - this.#offset[0] - x, before[1] - this.#offset[1] - y);
    this.#offset = [before[0] - x, before[1] - y];
    return moved;
  }

  #decay(elapsedS) {
    const size = Math.hypot(...this.#offset);
    if (size < 1e-3) {
      this.#offset = [0, 0];
      return;
    }
    const halfLife =
      HALF_LIFE_SMALL_S + (HALF_LIFE_LARGE_S - HALF_LIFE_SMALL_S) * Math.min(size, 1);
    const keep = 2 ** (-elapsedS / halfLife);
    this.#offset = [this.#offset[0] * keep, this.#offset[1] * keep];
  }
}

/** How many steps the server has done since its last word; another shard counts differently. */
function stepsSince(last, tick, step) {
  const passed = tick - last.tick;
  const done = step - last.step;
  return done > 0 && done <= passed ? done : passed;
}
