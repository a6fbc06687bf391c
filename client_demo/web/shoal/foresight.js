/**
 * The own avatar's prediction as a client sees it: when to tell the predictor what.
 *
 * Must not know: how the predictor predicts, sockets.
 */

import { Steps } from "./steps.js";

/** Feeds the predictor of one entity of one kind. */
export class Foresight {
  #drawnAt = null;
  /** @type {Map<number, Steps>} by shard */
  #steps = new Map();

  /**
   * @param {import("./predict.js").Predictor} predictor
   * @param {import("./ids.js").Id} entity
   * @param {number} kind
   */
  constructor(predictor, entity, kind) {
    this.predictor = predictor;
    this.entity = entity;
    this.kind = kind;
  }

  /** How often the server knew better. */
  get corrections() {
    return this.predictor.corrections;
  }

  /** How often that was drawn as a jump of more than 10 units. */
  get rubberBands() {
    return this.predictor.rubberBands;
  }

  /** By how many units the last correction moved the prediction; 0 before the first. */
  get error() {
    return this.predictor.error;
  }

  /** An input of the kind `form` went out. What the server will read is predicted with. */
  sent(entry, form) {
    this.predictor.apply(entry.seq, entry.tick, form.name, form.decode(entry.values));
  }

  /** A snapshot was applied: tell the predictor what the server says. */
  snapshot(replica, privates, applied) {
    for (const [shard, { tick, step }] of replica.tables) {
      let steps = this.#steps.get(shard);
      if (steps === undefined) this.#steps.set(shard, (steps = new Steps()));
      steps.add(tick, step);
    }
    const place = replica.locate(this.entity);
    if (place === undefined || place.kind !== this.kind) return;
    const course = place.table.slabs[place.kind].course(place.row);
    if (course === null) return;
    const { tick, step } = place.table;
    const { pace } = this.#steps.get(place.shard);
    this.predictor.correct(tick, step, course, privates, applied, pace);
  }

  /**
   * Where to draw the avatar when inputs are sent for `tick`, predicted so far if need be.
   *
   * That is a tick less: what an input changes then lies just ahead of what is drawn, so it shows
   * at once and without a jump.
   */
  position(tick, now) {
    const elapsed = this.#drawnAt === null ? 0 : Math.max(now - this.#drawnAt, 0);
    this.#drawnAt = now;
    this.predictor.advance(Math.trunc(tick));
    return this.predictor.position(tick - 1, elapsed);
  }

  /** Where the avatar stands when an input for `tick` takes effect: at the end of the last. */
  origin(tick) {
    this.predictor.advance(tick);
    return this.predictor.place(tick - 1);
  }
}
