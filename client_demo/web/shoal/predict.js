/**
 * Prediction of one's own avatar: the server's step function, run ahead on one row.
 *
 * Built from the schema alone, so it predicts any game that binds the motion "thrust" to its inputs.
 * The state is the server's, in its integers: a course, and the model's private columns. Each
 * authoritative state replaces the predicted one, and the inputs that it does not yet contain are
 * replayed; what is drawn keeps a render offset that decays, so a correction never jumps and the
 * simulated state is never smoothed.
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

/** In units; a drawn correction above it is felt. */
export const RUBBER_BAND = 10;

/** Predicts the avatar of one kind. Positions are in units, times in ticks. */
export class Predictor {
  #kind;
  #form;
  #parameters;
  #jump;
  #names;
  #authority = 0; // its tick, once there is a state
  #pending = []; // {seq, tick, name, values}, ascending
  /** From the authority's tick to the predicted one: {course, columns}. */
  #states = new Map();
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
    return this.#states.size > 0;
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
    if (!this.ready || tick > this.tick) return;
    const before = this.#drawnPlace();
    this.#replay(Math.max(tick - 1, this.#authority));
    this.#keepDrawn(before);
  }

  /**
   * The server's state after `tick` came: go on from it.
   *
   * If it is what was predicted, nothing is computed anew. What is older than the last is ignored,
   * and so is a state whose private columns are not all known.
   *
   * @param {number} tick
   * @param {number} atStep the shard's step at that tick
   * @param {CourseRow} course
   * @param {Record<string, number>} privates by name
   * @param {number} applied the newest input that the state contains
   */
  correct(tick, atStep, course, privates, applied) {
    if (!this.predictable || this.#names.some((name) => privates[name] === undefined)) return;
    if (this.ready && tick <= this.#authority) return;
    const columns = Object.fromEntries(this.#names.map((name) => [name, privates[name]]));
    while (this.#pending.length > 0 && this.#pending[0].seq <= applied) this.#pending.shift();
    // Courses' steps are shifted so that a step's number is its tick's from here on.
    const [x0, y0, vx, vy, step0] = course;
    const state = { course: [x0, y0, vx, vy, step0 + tick - atStep], columns };
    const guess = this.#states.get(tick);
    this.#authority = tick;
    if (guess === undefined || !this.#same(guess, state, tick)) this.#goOnFrom(state, tick, guess);
    for (const old of this.#states.keys()) if (old < tick) this.#states.delete(old);
  }

  /** Predict up to the end of `tick`, not too far ahead of what the server said. */
  advance(tick) {
    if (!this.ready) return;
    const until = Math.min(tick, this.#authority + TICKS_MAX);
    while (this.tick < until) this.#step(this.tick + 1);
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
    const [, , vx, vy] = this.#states.get(this.#known(Math.trunc(tick) + 1)).course;
    const unit = this.#form.speedStep;
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
    const known = this.#known(tick);
    return this.#place(this.#states.get(known).course, known);
  }

  // --- the state -----------------------------------------------------------------------------------

  /** Snap to the server's state and replay; the offset hides the jump. */
  #goOnFrom(state, tick, guess) {
    const before = guess === undefined ? null : this.#drawnPlace();
    const until = Math.max(this.tick, tick);
    this.#states.set(tick, state);
    this.tick = until;
    this.#replay(tick);
    if (guess === undefined) return;
    const told = this.#moves(state, tick);
    if (this.#moves(guess, tick).some((number, at) => number !== told[at])) this.corrections += 1;
    this.error = this.#keepDrawn(before);
    if (this.error > this.#jump) {
      this.#offset = [0, 0]; // a teleport: nothing to smooth
    } else if (this.error > RUBBER_BAND) {
      this.rubberBands += 1;
    }
  }

  /** Step again from the end of `tick` to where the prediction was. */
  #replay(tick) {
    const until = this.tick;
    this.tick = tick;
    while (this.tick < until) this.#step(this.tick + 1);
  }

  #step(tick) {
    const state = this.#states.get(tick - 1);
    const columns = { ...state.columns };
    const isFirst = tick === this.#authority + 1;
    for (const { tick: wanted, name, values } of this.#pending) {
      if (wanted === tick || (isFirst && wanted < tick)) {
        intend(this.#parameters, columns, name, values);
      }
    }
    const unit = this.#form.speedStep;
    [columns.x, columns.y] = this.#place(state.course, tick - 1);
    columns.vx = state.course[2] * unit;
    columns.vy = state.course[3] * unit;
    step(this.#parameters, columns);
    const { x: _x, y: _y, vx, vy, ...model } = columns;
    let { course } = state;
    const wholeX = Math.floor(vx / unit + 0.5);
    const wholeY = Math.floor(vy / unit + 0.5);
    if (wholeX !== course[2] || wholeY !== course[3]) {
      course = [...this.#integers(course, tick - 1), wholeX, wholeY, tick - 1];
    }
    this.#states.set(tick, { course, columns: model });
    this.tick = tick;
  }

  #same(one, other, tick) {
    const told = this.#moves(other, tick);
    return (
      this.#names.every((name) => one.columns[name] === other.columns[name]) &&
      this.#moves(one, tick).every((number, at) => number === told[at])
    );
  }

  /** Place and velocity in integers: the same course may be told from different steps. */
  #moves({ course }, tick) {
    return [...this.#integers(course, tick), course[2], course[3]];
  }

  #integers([x0, y0, vx, vy, step0], tick) {
    const { num, den } = this.#form;
    const age = tick - step0;
    return [evaluate(x0, vx, age, num, den), evaluate(y0, vy, age, num, den)];
  }

  #place(course, tick) {
    const [x, y] = this.#integers(course, tick);
    return [x * this.#form.step, y * this.#form.step];
  }

  // --- what is drawn -------------------------------------------------------------------------------

  #known(tick) {
    return Math.min(Math.max(tick, this.#authority), this.tick);
  }

  #placeAt(tick) {
    const whole = Math.trunc(tick);
    const before = this.#known(whole);
    const after = this.#known(whole + 1);
    const [x, y] = this.#place(this.#states.get(before).course, before);
    const [aheadX, aheadY] = this.#place(this.#states.get(after).course, after);
    const part = tick - whole;
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
