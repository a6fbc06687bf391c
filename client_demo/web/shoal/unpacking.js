/**
 * Updates of parts, strictly read: from their bytes into a list of sections that point into them.
 *
 * Whatever cannot be (wrong lengths, impossible slots, contents that a kind does not have) throws
 * RemoteProtocolError before anything is applied. The list is used again for the next updates, so
 * that reading makes no garbage.
 *
 * Must not know: slabs, what is held.
 */

import { Reader } from "./cbor.js";
import { RemoteProtocolError } from "./errors.js";
import { PART_KEY_MAX, TICK_MAX } from "./limits.js";

// The sections of an update by the place of their bit in its contents; field i has FIELDS + i.
export const CRC = 0;
export const LEAVE = 1;
export const ENTER = 2;
export const TURN = 3;
export const SET = 4;
export const FIELDS = 5;

/** Bytes of ids, of positions and of ages in columns. */
export const ID_BYTES = 8;
export const PLACE_BYTES = 4;
export const AGE_BYTES = 2;

/** In place of a CRC: there is none, or it is a number that no CRC can be. */
export const NO_CRC = -1;
const WRONG_CRC = -2;

// The types of items in an update.
const UNSIGNED = 0;
const NEGATIVE = 1;
const BYTES = 2;
const ARRAY = 4;

const HALF = 2 ** 32;
const REASON_MAX = 2 ** 40 - 1;
const KEYFRAME_CONTENTS = (1 << CRC) | (1 << ENTER);

/** What the updates of a kind consist of: sizes in bytes of one element of each section. */
export class KindForm {
  /** @param {import("./schema.js").Kind} kind */
  constructor(kind) {
    this.kind = kind;
    this.course = kind.course;
    this.heading = kind.course?.heading ?? null;
    const speeds = kind.course === null ? 0 : 2 * kind.course.speedBytes;
    /** Bytes of what says the velocity: two of them, or the field of the heading. */
    this.steerBytes = this.heading === null ? speeds : 1;
    /** Of an entry, the bytes before each field's column, for each element. */
    this.fieldsFrom = [];
    let size = ID_BYTES;
    for (const field of kind.fields) {
      this.fieldsFrom.push(size);
      size += field.bytes;
    }
    /** Of an entry, the bytes before the course. */
    this.courseFrom = size;
    if (kind.course !== null) {
      size += 2 * PLACE_BYTES + (this.heading === null ? speeds : 0) + AGE_BYTES;
    }
    this.enterBytes = size;
    this.turnBytes = this.steerBytes;
    this.setBytes = 2 * PLACE_BYTES + this.steerBytes;
    this.#allow();
    Object.freeze(this);
  }

  /** Note the contents that there are, as two halves. */
  #allow() {
    const places = [CRC, LEAVE, ENTER];
    if (this.course !== null) places.push(TURN, SET);
    for (let index = 0; index < this.kind.fields.length; index += 1) {
      if (index !== this.heading?.field) places.push(FIELDS + index);
    }
    this.forbiddenLow = -1;
    this.forbiddenHigh = -1;
    for (const place of places) {
      if (place < 32) this.forbiddenLow &= ~(1 << place);
      else this.forbiddenHigh &= ~(1 << (place - 32));
    }
  }
}

const FIRST_UPDATES = 64;
const FIRST_SECTIONS = 256;

// Of a section: its place, its bitmap, where its columns (or reasons) begin, for how many slots,
// and whether they have the other length: with ages, or differences in place of values.
const PLACE = 0;
const LOW = 1;
const HIGH = 2;
const START = 3;
const COUNT = 4;
const OTHER = 5;
const WIDTH = 6;

/** Updates that were read, one after the other, and their sections in the order of their places. */
export class Batch {
  constructor() {
    /** The bytes that the sections point into. @type {DataView} */
    this.view = new DataView(new ArrayBuffer(0));
    this.count = 0;
    this.keys = new Float64Array(FIRST_UPDATES);
    this.ages = new Float64Array(FIRST_UPDATES); // 0: a keyframe
    this.crcs = new Float64Array(FIRST_UPDATES);
    this.firsts = new Int32Array(FIRST_UPDATES + 1); // sections; one more than there are updates
    this.sections = new Int32Array(FIRST_SECTIONS * WIDTH);
    this.sectionCount = 0;
  }

  /** What is said of section `at`, by its number. */
  place(at) {
    return this.sections[at * WIDTH + PLACE];
  }

  low(at) {
    return this.sections[at * WIDTH + LOW];
  }

  high(at) {
    return this.sections[at * WIDTH + HIGH];
  }

  start(at) {
    return this.sections[at * WIDTH + START];
  }

  slots(at) {
    return this.sections[at * WIDTH + COUNT];
  }

  isOther(at) {
    return this.sections[at * WIDTH + OTHER] !== 0;
  }

  /** Begin anew. @param {DataView} view */
  clear(view) {
    this.view = view;
    this.count = 0;
    this.sectionCount = 0;
  }

  /** Begin an update, whose sections follow. */
  add(key, age) {
    if (this.count === this.keys.length) {
      this.keys = longer(this.keys);
      this.ages = longer(this.ages);
      this.crcs = longer(this.crcs);
      this.firsts = longer(this.firsts);
    }
    this.keys[this.count] = key;
    this.ages[this.count] = age;
    this.crcs[this.count] = NO_CRC;
    this.firsts[this.count] = this.sectionCount;
    this.count += 1;
    this.firsts[this.count] = this.sectionCount;
  }

  /** Note a section of the newest update. */
  addSection(place, low, high, start, count, isOther) {
    const at = this.sectionCount * WIDTH;
    if (at === this.sections.length) this.sections = longer(this.sections);
    const { sections } = this;
    sections[at + PLACE] = place;
    sections[at + LOW] = low;
    sections[at + HIGH] = high;
    sections[at + START] = start;
    sections[at + COUNT] = count;
    sections[at + OTHER] = isOther ? 1 : 0;
    this.sectionCount += 1;
    this.firsts[this.count] = this.sectionCount;
  }
}

function longer(column) {
  const longest = new column.constructor(2 * column.length);
  longest.set(column);
  return longest;
}

/**
 * How many bits are set.
 *
 * @param {number} word 32 bits
 * @returns {number}
 */
export function bitCount(word) {
  let count = word - ((word >>> 1) & 0x55555555);
  count = (count & 0x33333333) + ((count >>> 2) & 0x33333333);
  return (((count + (count >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

/**
 * Step over so many updates, which are well formed then, if they say something or not.
 *
 * @param {Reader} reader
 * @param {number} count
 */
export function skipUpdates(reader, count) {
  for (let left = count; left > 0; left -= 1) {
    for (let items = reader.array(reader.data.length); items > 0; items -= 1) {
      reader.head();
      if (reader.major === BYTES) reader.at += reader.length();
      else if (reader.major === ARRAY) skipNumbers(reader, reader.length());
      else if (reader.major > NEGATIVE) throw malformed("something that no update has");
    }
  }
}

function skipNumbers(reader, count) {
  for (let left = count; left > 0; left -= 1) {
    reader.head();
    if (reader.major > NEGATIVE) throw malformed("something that no update has");
  }
}

/**
 * Read updates into `batch`, in place of what was there. Throws RemoteProtocolError.
 *
 * @param {readonly KindForm[]} forms by kind
 * @param {import("./messages.js").Updates} updates
 * @param {Batch} batch
 */
export function readUpdates(forms, updates, batch) {
  const reader = new Reader(updates.data, updates.at);
  batch.clear(reader.view);
  for (let left = updates.count; left > 0; left -= 1) readUpdate(forms, reader, batch);
}

function readUpdate(forms, reader, batch) {
  const items = reader.array(reader.data.length);
  const key = reader.whole(PART_KEY_MAX - 1);
  const form = forms[key % forms.length];
  if (form === undefined) throw malformed("a kind that there is not");
  reader.head();
  let age = 1;
  let others = 2; // items beside the sections
  if (reader.major === UNSIGNED) {
    age = reader.high * HALF + reader.low;
    if (age === 1 || age > TICK_MAX) throw malformed("an impossible head");
    reader.head();
    others = 3;
    if (reader.major !== UNSIGNED) throw malformed("contents that are no number");
  } else if (reader.major !== NEGATIVE) {
    throw malformed("a head that is no number");
  }
  const { low, high } = reader; // a head of -1 - contents has the contents as its argument
  if ((low & form.forbiddenLow) !== 0 || (high & form.forbiddenHigh) !== 0) {
    throw malformed("contents that its kind does not have");
  }
  if (age === 0 && ((low & ~KEYFRAME_CONTENTS) !== 0 || high !== 0)) {
    throw malformed("a keyframe that stands on something");
  }
  const sections = bitCount(low & ~(1 << CRC)) + bitCount(high);
  if (items !== others + (low & (1 << CRC)) + 2 * sections) {
    throw malformed("too few or too many items");
  }
  batch.add(key, age);
  if (low & (1 << CRC)) batch.crcs[batch.count - 1] = readCrc(reader);
  for (let rest = low & ~(1 << CRC); rest !== 0; rest &= rest - 1) {
    readSection(31 - Math.clz32(rest & -rest), form, reader, batch);
  }
  for (let rest = high; rest !== 0; rest &= rest - 1) {
    readSection(63 - Math.clz32(rest & -rest), form, reader, batch);
  }
}

function readCrc(reader) {
  reader.head();
  if (reader.major > NEGATIVE) throw malformed("a CRC that is no number");
  return reader.major === UNSIGNED && reader.high === 0 ? reader.low : WRONG_CRC;
}

function readSection(place, form, reader, batch) {
  reader.head();
  const { low, high } = reader;
  if (reader.major !== UNSIGNED || (low | high) === 0) throw malformed("an impossible bitmap");
  const count = bitCount(low) + bitCount(high);
  if (place === LEAVE) {
    batch.addSection(place, low, high, readReasons(reader, count), count, false);
    return;
  }
  const size = reader.bytesHead();
  const start = reader.at;
  reader.at += size;
  const isOther = checkLength(place, form, size, count);
  if (form.heading !== null) checkHeadings(place, form, reader.data, start, count);
  batch.addSection(place, low, high, start, count, isOther);
}

/** Where the reasons begin, which are one for each slot. */
function readReasons(reader, count) {
  if (reader.array(count) !== count) throw malformed("leaves that have no reason");
  const start = reader.at;
  for (let left = count; left > 0; left -= 1) reader.whole(REASON_MAX);
  return start;
}

/** Whether columns have ages or are differences; else they have the first length. */
function checkLength(place, form, size, count) {
  let usual;
  let other = 0; // there is none
  if (place === ENTER) usual = form.enterBytes;
  else if (place === TURN) {
    usual = form.turnBytes;
    other = usual + AGE_BYTES;
  } else if (place === SET) {
    usual = form.setBytes;
    other = usual + AGE_BYTES;
  } else {
    const field = form.kind.fields[place - FIELDS];
    usual = field.bytes;
    if (field.isWide) other = 1;
  }
  if (size === usual * count) return false;
  if (other === 0 || size !== other * count) throw malformed("columns of the wrong length");
  return true;
}

/** Every heading that is told leads somewhere. */
function checkHeadings(place, form, data, start, count) {
  let at = start;
  if (place === ENTER) at += count * form.fieldsFrom[form.heading.field];
  else if (place === SET) at += count * 2 * PLACE_BYTES;
  else if (place !== TURN) return;
  const known = form.heading.vx.length;
  for (let index = at; index < at + count; index += 1) {
    if (data[index] >= known) throw malformed("a heading that leads nowhere");
  }
}

function malformed(what) {
  return new RemoteProtocolError(`an update with ${what}`);
}
