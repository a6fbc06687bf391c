/**
 * What a world is made of, as a client learns it: kinds, their fields, courses, inputs and events.
 *
 * Built from the plain data in the welcome, so a generic client needs no generated code. Reading is
 * strict: the data comes from the network.
 */

import { wholeAt } from "./cbor.js";
import { LocalProtocolError, RemoteProtocolError } from "./errors.js";
import { AXIS_TYPES, Field, INTEGER_TYPES } from "./fields.js";
import {
  EVENT_KINDS_MAX,
  FIELDS_MAX,
  INPUT_KINDS_MAX,
  KINDS_MAX,
  TEXT_BYTES_MAX,
} from "./limits.js";

/** @typedef {import("./fields.js").Value} Value */

const SPEED_SIZES = { i16: 2, i32: 4 };
const COURSE_RATIO_MAX = 2 ** 20 - 1;
const HEADINGS_MAX = 256;
const LIST_MAX = 256;

/** A velocity that follows from a public field: by its wire integer k it is (vx[k], vy[k]). */
export class Heading {
  /**
   * @param {number} field its index
   * @param {Int32Array} vx
   * @param {Int32Array} vy
   */
  constructor(field, vx, vy) {
    this.field = field;
    this.vx = vx;
    this.vy = vy;
    Object.freeze(this);
  }
}

/**
 * How a kind moves: p(s) = p0 + floor((v * (s - step0) * num) / den + 1/2).
 *
 * `step` is the unit of position integers, `speedStep` (units per second) of velocity integers,
 * `speedBytes` how many one takes. With a `heading` velocities follow from that field.
 */
export class Course {
  constructor(step, speedStep, num, den, speedType, heading) {
    this.step = step;
    this.speedStep = speedStep;
    this.num = num;
    this.den = den;
    this.speedType = speedType;
    this.speedBytes = SPEED_SIZES[speedType];
    /** @type {Heading | null} */
    this.heading = heading;
    Object.freeze(this);
  }
}

/** One kind of entity: public fields, course, and what its owner alone receives. */
export class Kind {
  constructor(name, fields, course, privateFields, motion) {
    this.name = name;
    /** @type {readonly Field[]} */
    this.fields = fields;
    /** @type {Course | null} */
    this.course = course;
    /** @type {readonly Field[]} */
    this.private = privateFields;
    /** The motion model's parameters as they came, or null. */
    this.motion = motion;
    Object.freeze(this);
  }

  /**
   * The index of the public field of that name, -1 for none.
   *
   * @param {string} name
   */
  fieldIndex(name) {
    return this.fields.findIndex((field) => field.name === name);
  }

  /**
   * The values of a private section by the names of its fields, in their units.
   *
   * @param {readonly number[]} wire
   * @returns {Record<string, number>}
   */
  privateValues(wire) {
    const count = Math.min(wire.length, this.private.length);
    const fields = this.private.slice(0, count);
    return Object.fromEntries(fields.map((field, i) => [field.name, field.toValue(wire[i])]));
  }
}

/** An input that clients send, or an event that they receive. */
class Utterance {
  constructor(name, fields) {
    this.name = name;
    /** @type {readonly Field[]} */
    this.fields = fields;
  }

  /**
   * Values by the names of the fields, for the wire. Throws LocalProtocolError.
   *
   * @param {Record<string, unknown>} values
   * @returns {Value[]}
   */
  encode(values) {
    const names = Object.keys(values);
    const known = this.fields.every((field) => Object.hasOwn(values, field.name));
    if (!known || names.length !== this.fields.length) {
      const wanted = this.fields.map((field) => field.name);
      throw new LocalProtocolError(`${this.name} has the fields [${wanted}], not [${names}]`);
    }
    return this.fields.map((field) => field.toWire(values[field.name]));
  }

  /**
   * The reverse; checks everything. Throws RemoteProtocolError.
   *
   * @param {readonly Value[]} items
   * @returns {Record<string, Value>}
   */
  decode(items) {
    if (items.length !== this.fields.length) {
      const count = this.fields.length;
      throw new RemoteProtocolError(`${this.name} has ${count} fields, not ${items.length}`);
    }
    return Object.fromEntries(
      this.fields.map((field, index) => [field.name, field.fromWire(items[index])]),
    );
  }
}

/** An intent that clients send; `once` ones are edges, the others hold until replaced. */
export class InputKind extends Utterance {
  constructor(name, fields, once) {
    super(name, fields);
    this.once = once;
    Object.freeze(this);
  }
}

/** A one-off fact that clients receive; durable ones are never dropped. */
export class EventKind extends Utterance {
  constructor(name, fields, durable) {
    super(name, fields);
    this.durable = durable;
    Object.freeze(this);
  }
}

/** A game as its clients see it; `data` is what it was built from. */
export class Schema {
  /**
   * Build from the map in a welcome. Throws RemoteProtocolError when that is nonsense.
   *
   * @param {object} data
   */
  static fromData(data) {
    return new Schema(data);
  }

  constructor(data) {
    mapOf(data);
    const size = listAt(data, "size", 2);
    check(size.length === 2, "size");
    this.game = textAt(data, "game");
    this.hash = textAt(data, "hash");
    this.hz = wholeIn(data, "hz", 1, 1000);
    /** Width and height in units. @type {readonly [number, number]} */
    this.size = [positiveAt(size, 0), positiveAt(size, 1)];
    this.cell = positiveAt(data, "cell");
    const interest = listAt(data, "interest", LIST_MAX);
    /** The radius of each interest class, in units. @type {readonly number[]} */
    this.interest = interest.map((_, index) => positiveAt(interest, index));
    /** A course that is set further away than this is a teleport, in units. */
    this.jump = positiveAt(data, "jump");
    /** @type {readonly Kind[]} */
    this.kinds = listAt(data, "kinds", KINDS_MAX).map(kindOf);
    /** @type {readonly InputKind[]} */
    this.inputs = listAt(data, "inputs", INPUT_KINDS_MAX).map((item) => {
      return new InputKind(textAt(mapOf(item), "name"), fieldsAt(item, "fields"), !!item.once);
    });
    /** @type {readonly EventKind[]} */
    this.events = listAt(data, "events", EVENT_KINDS_MAX).map((item) => {
      return new EventKind(textAt(mapOf(item), "name"), fieldsAt(item, "fields"), !!item.durable);
    });
    this.data = data;
    Object.freeze(this);
  }

  /** The number of the kind of that name, -1 for none. @param {string} name */
  kindIndex(name) {
    return this.kinds.findIndex((kind) => kind.name === name);
  }

  /** The number of the input of that name, -1 for none. @param {string} name */
  inputIndex(name) {
    return this.inputs.findIndex((kind) => kind.name === name);
  }

  /** The number of the event of that name, -1 for none. @param {string} name */
  eventIndex(name) {
    return this.events.findIndex((kind) => kind.name === name);
  }
}

function kindOf(item) {
  mapOf(item);
  const fields = fieldsAt(item, "fields");
  check(item.course !== undefined && item.motion !== undefined, "a kind");
  return new Kind(
    textAt(item, "name"),
    fields,
    item.course === null ? null : courseOf(item.course, fields),
    fieldsAt(item, "private"),
    item.motion,
  );
}

function courseOf(item, fields) {
  mapOf(item);
  const speedType = textAt(item, "speed_type");
  check(Object.hasOwn(SPEED_SIZES, speedType), "speed_type");
  return new Course(
    positiveAt(item, "step"),
    positiveAt(item, "speed_step"),
    wholeIn(item, "num", 1, COURSE_RATIO_MAX),
    wholeIn(item, "den", 1, COURSE_RATIO_MAX),
    speedType,
    (item.heading ?? null) === null ? null : headingOf(item.heading, fields, speedType),
  );
}

function headingOf(item, fields, speedType) {
  mapOf(item);
  const index = wholeIn(item, "field", 0, fields.length - 1);
  check(fields[index].type === "u8", "the field of a heading");
  const most = 2 ** (8 * SPEED_SIZES[speedType] - 1) - 1;
  const [vx, vy] = ["vx", "vy"].map((name) => {
    const list = listAt(item, name, HEADINGS_MAX);
    return Int32Array.from(list, (_, at) => wholeIn(list, at, -most, most));
  });
  check(vx.length === vy.length && vx.length > 0, "the velocities of a heading");
  return new Heading(index, vx, vy);
}

function fieldsAt(container, key) {
  const fields = listAt(container, key, FIELDS_MAX).map(fieldOf);
  const names = new Set(fields.map((field) => field.name));
  check(names.size === fields.length, "two fields of one name");
  return fields;
}

function fieldOf(item) {
  mapOf(item);
  const type = textAt(item, "type");
  const axis = item.axis ?? null;
  if (type.startsWith("text:")) {
    check(/^[0-9]+$/.test(type.slice(5)), type);
    const bytes = Number(type.slice(5));
    check(bytes >= 1 && bytes <= TEXT_BYTES_MAX, type);
  } else {
    check(INTEGER_TYPES.includes(type), type);
  }
  if (axis !== null) {
    wholeIn(item, "axis", 0, 1);
    check(AXIS_TYPES.includes(type), "axis");
  }
  return new Field(textAt(item, "name"), type, realAt(item, "lo"), positiveAt(item, "step"), axis);
}

// --- plain data ----------------------------------------------------------------------------------

function check(holds, what) {
  if (!holds) throw new RemoteProtocolError(`the schema makes no sense: ${what}`);
}

function mapOf(item) {
  const isMap = typeof item === "object" && item !== null && !Array.isArray(item);
  check(isMap && !ArrayBuffer.isView(item), "a map is missing");
  return item;
}

function listAt(container, key, most) {
  const items = container[key];
  check(Array.isArray(items) && items.length <= most, `${key}: a list is missing or too long`);
  return items;
}

function textAt(container, key) {
  const item = container[key];
  const fits = typeof item === "string" && item.length > 0 && [...item].length <= TEXT_BYTES_MAX;
  check(fits, `${key}: a text is missing, empty or too long`);
  return item;
}

function wholeIn(container, key, least, most) {
  const item = container[key];
  check(wholeAt(container, key) && item >= least && item <= most, `${key}: not a whole number`);
  return item;
}

function realAt(container, key) {
  const item = container[key];
  const isNumber = typeof item === "number" || typeof item === "bigint";
  check(isNumber && Number.isFinite(Number(item)), `${key}: a number is missing`);
  return Number(item);
}

function positiveAt(container, key) {
  const number = realAt(container, key);
  check(number > 0, `${key}: a number is not positive`);
  return number;
}
