/**
 * One entity as a receiver sees it: the integers it was told, in units on demand.
 *
 * Must not know: how replicas keep what they hold.
 */

import { evaluate } from "./courses.js";

/** @typedef {[x0: number, y0: number, vx: number, vy: number, step0: number]} CourseRow */

/** One entity as a replica has it at one moment. */
export class EntityView {
  /**
   * @param {import("./ids.js").Id} id
   * @param {number} kind
   * @param {number} shard
   * @param {import("./schema.js").Kind} form
   * @param {import("./fields.js").Value[]} wire wire integers, ids and texts of the public fields
   * @param {CourseRow | null} course in wire integers
   * @param {number} step of its shard
   * @param {boolean} [held] it is between two places, on its last course
   */
  constructor(id, kind, shard, form, wire, course, step, held = false) {
    this.id = id;
    this.kind = kind;
    this.shard = shard;
    this.form = form;
    this.wire = wire;
    this.course = course;
    this.step = step;
    this.held = held;
  }

  /** Across, in units. */
  get x() {
    return this.#position(0);
  }

  /** Down, in units. */
  get y() {
    return this.#position(1);
  }

  /** Units per second; 0 without a course. */
  get vx() {
    return this.course === null ? 0 : this.course[2] * this.form.course.speedStep;
  }

  get vy() {
    return this.course === null ? 0 : this.course[3] * this.form.course.speedStep;
  }

  /**
   * All public fields by name, in their units.
   *
   * @returns {Record<string, import("./fields.js").Value>}
   */
  get fields() {
    const { fields } = this.form;
    return Object.fromEntries(fields.map((each, i) => [each.name, each.toValue(this.wire[i])]));
  }

  /** One public field in its unit; undefined for none of that name. @param {string} name */
  field(name) {
    const index = this.form.fieldIndex(name);
    return index < 0 ? undefined : this.form.fields[index].toValue(this.wire[index]);
  }

  #position(axis) {
    if (this.course !== null) {
      const { num, den, step } = this.form.course;
      const age = this.step - this.course[4];
      return evaluate(this.course[axis], this.course[axis + 2], age, num, den) * step;
    }
    const index = this.form.fields.findIndex((field) => field.axis === axis);
    return index < 0 ? 0 : this.form.fields[index].toValue(this.wire[index]);
  }
}
