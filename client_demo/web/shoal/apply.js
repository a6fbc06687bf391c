/**
 * Doing what updates say to the slabs of a table.
 *
 * Updates were checked for what cannot be when they were read. What remains can happen on a link
 * that lost its footing: an update stands on what is not here. It is left out whole, and reported,
 * so that the part is asked for anew.
 *
 * Must not know: shards, where else an entity is told of.
 */

import { Reader } from "./cbor.js";
import { checksum } from "./checksum.js";
import { evaluate } from "./courses.js";
import { joined } from "./ids.js";
import { SLOTS } from "./limits.js";
import { Texts } from "./slab.js";
import { AGE_BYTES, ENTER, FIELDS, LEAVE, NO_CRC, PLACE_BYTES, SET, TURN } from "./unpacking.js";

/** @typedef {import("./ids.js").Id} Id */

/** In place of a reason: emptied by a keyframe. */
export const CLEARED = -1;

/**
 * What updates did. A row that was left can be read until the next tick. `failed` are the keys of
 * parts whose CRC differs, `unsynced` of those whose update stands on what is not here.
 */
export class Report {
  constructor() {
    /** @type {{id: Id, kind: number, row: number}[]} */
    this.entered = [];
    /**
     * With the code of the reason, or CLEARED.
     *
     * @type {{id: Id, kind: number, row: number, code: number}[]}
     */
    this.left = [];
    /** @type {Id[]} */
    this.turned = [];
    /** @type {Id[]} */
    this.set = [];
    /** @type {Id[]} */
    this.changed = [];
    this.crcChecks = 0;
    /** @type {number[]} */
    this.failed = [];
    /** @type {number[]} */
    this.unsynced = [];
  }
}

/**
 * Do what the updates in `batch` say, but for those that do not fit.
 *
 * @param {import("./parts.js").PartTable} table at the tick and step of the updates
 * @param {import("./unpacking.js").Batch} batch
 * @param {Report} report
 */
export function applyBatch(table, batch, report) {
  for (let update = 0; update < batch.count; update += 1) {
    const key = batch.keys[update];
    const kind = key % table.slabs.length;
    const slab = table.slabs[kind];
    const before = slab.parts.get(key);
    if (!fits(batch, update, before)) {
      report.unsynced.push(key);
      continue;
    }
    if (batch.ages[update] === 0 && before !== undefined) {
      for (const row of slab.clear(before)) tellLeft(slab, kind, row, CLEARED, report);
    }
    const part = applySections(table, kind, batch, update, before, report);
    if (batch.crcs[update] !== NO_CRC) {
      report.crcChecks += 1;
      if (checksum(slab, part) !== batch.crcs[update]) report.failed.push(key);
    }
    if (part !== undefined && part.isEmpty) slab.free(part);
  }
}

/** Whether whoever an update changes is there, and nobody is where it lets somebody enter. */
function fits(batch, update, part) {
  const stands = part !== undefined && batch.ages[update] > 0;
  let low = stands ? part.low : 0;
  let high = stands ? part.high : 0;
  for (let at = batch.firsts[update]; at < batch.firsts[update + 1]; at += 1) {
    const place = batch.place(at);
    if (place === ENTER) {
      if (((batch.low(at) & low) | (batch.high(at) & high)) !== 0) return false;
      continue;
    }
    if (((batch.low(at) & ~low) | (batch.high(at) & ~high)) !== 0) return false;
    if (place === LEAVE) {
      low &= ~batch.low(at);
      high &= ~batch.high(at);
    }
  }
  return true;
}

/** The rows of a section's slots, in their order; used again for each section. */
const rows = new Int32Array(SLOTS);

function findRows(part, low, high) {
  let count = 0;
  for (let rest = low; rest !== 0; rest &= rest - 1) {
    rows[count++] = part.rowAt[31 - Math.clz32(rest & -rest)];
  }
  for (let rest = high; rest !== 0; rest &= rest - 1) {
    rows[count++] = part.rowAt[63 - Math.clz32(rest & -rest)];
  }
}

function applySections(table, kind, batch, update, before, report) {
  const slab = table.slabs[kind];
  const form = table.forms[kind];
  const { view } = batch;
  const key = batch.keys[update];
  let part = before;
  for (let at = batch.firsts[update]; at < batch.firsts[update + 1]; at += 1) {
    const place = batch.place(at);
    const start = batch.start(at);
    const count = batch.slots(at);
    if (place === ENTER) {
      part ??= slab.make(key, table.cellOf(key));
      occupy(slab, part, batch.low(at), batch.high(at), view, start, count);
      enter(table, form, slab, part, view, start, count);
      for (let i = 0; i < count; i += 1) {
        report.entered.push({ id: slab.ids[rows[i]], kind, row: rows[i] });
      }
      continue;
    }
    findRows(part, batch.low(at), batch.high(at));
    if (place === LEAVE) {
      leave(slab, kind, view, start, count, report);
    } else if (place === TURN) {
      turn(table, form, slab, view, start, count, batch.isOther(at));
      tell(slab, count, report.turned);
    } else if (place === SET) {
      set(table, form, slab, view, start, count, batch.isOther(at));
      tell(slab, count, report.set);
    } else {
      store(slab, place - FIELDS, part, view, start, count, batch.isOther(at));
      tell(slab, count, report.changed);
    }
  }
  return part;
}

function tell(slab, count, ids) {
  for (let i = 0; i < count; i += 1) ids.push(slab.ids[rows[i]]);
}

function tellLeft(slab, kind, row, code, report) {
  report.left.push({ id: slab.ids[row], kind, row, code });
}

// --- sections, each of the slots whose rows are in `rows` ----------------------------------------

function leave(slab, kind, view, start, count, report) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const reasons = new Reader(bytes, start);
  for (let i = 0; i < count; i += 1) {
    tellLeft(slab, kind, rows[i], reasons.whole(), report);
    slab.leave(rows[i]);
  }
}

/** Take the slots, and note their rows. */
function occupy(slab, part, low, high, view, start, count) {
  slab.reserve(count);
  let taken = 0;
  let at = start;
  for (let slot = 0; slot < SLOTS; slot += 1) {
    if (((slot < 32 ? low >>> slot : high >>> (slot - 32)) & 1) === 0) continue;
    const id = joined(view.getUint32(at, true), view.getUint32(at + 4, true));
    rows[taken++] = slab.enter(part, slot, id);
    at += 8;
  }
}

function enter(table, form, slab, part, view, start, count) {
  for (let index = 0; index < slab.fields.length; index += 1) {
    store(slab, index, part, view, start + count * form.fieldsFrom[index], count, false);
  }
  if (form.course === null) return;
  const from = start + count * form.courseFrom;
  putPlaces(slab, view, from, count);
  let at = from + 2 * PLACE_BYTES * count;
  if (form.heading === null) {
    putSpeeds(form, slab, view, at, count);
    at += form.steerBytes * count;
  } else {
    const headings = start + count * form.fieldsFrom[form.heading.field];
    steer(form, slab, view, headings, count);
  }
  putAges(table, slab, view, at, count, true);
}

/** The old course leads to where the new one begins. */
function turn(table, form, slab, view, start, count, isAged) {
  const { num, den } = form.course;
  const { x0, y0, vx, vy, step0 } = slab;
  let at = start + form.turnBytes * count;
  for (let i = 0; i < count; i += 1) {
    const row = rows[i];
    const begins = table.step - (isAged ? view.getUint16(at, true) : 1);
    at += AGE_BYTES;
    const age = begins - step0[row];
    x0[row] = evaluate(x0[row], vx[row], age, num, den);
    y0[row] = evaluate(y0[row], vy[row], age, num, den);
    step0[row] = begins;
  }
  putSteering(form, slab, view, start, count);
}

function set(table, form, slab, view, start, count, isAged) {
  putPlaces(slab, view, start, count);
  putSteering(form, slab, view, start + 2 * PLACE_BYTES * count, count);
  putAges(table, slab, view, start + form.setBytes * count, count, isAged);
}

function putPlaces(slab, view, start, count) {
  const { x0, y0 } = slab;
  for (let i = 0; i < count; i += 1) {
    x0[rows[i]] = view.getInt32(start + PLACE_BYTES * i, true);
    y0[rows[i]] = view.getInt32(start + PLACE_BYTES * (count + i), true);
  }
}

/** The velocity, or the heading from which it follows, which is noted. */
function putSteering(form, slab, view, start, count) {
  if (form.heading === null) {
    putSpeeds(form, slab, view, start, count);
    return;
  }
  const column = slab.fields[form.heading.field];
  for (let i = 0; i < count; i += 1) column[rows[i]] = view.getUint8(start + i);
  steer(form, slab, view, start, count);
}

function putSpeeds(form, slab, view, start, count) {
  const { vx, vy } = slab;
  if (form.course.speedBytes === 2) {
    for (let i = 0; i < count; i += 1) {
      vx[rows[i]] = view.getInt16(start + 2 * i, true);
      vy[rows[i]] = view.getInt16(start + 2 * (count + i), true);
    }
    return;
  }
  for (let i = 0; i < count; i += 1) {
    vx[rows[i]] = view.getInt32(start + 4 * i, true);
    vy[rows[i]] = view.getInt32(start + 4 * (count + i), true);
  }
}

function steer(form, slab, view, start, count) {
  const { heading } = form;
  for (let i = 0; i < count; i += 1) {
    const k = view.getUint8(start + i);
    slab.vx[rows[i]] = heading.vx[k];
    slab.vy[rows[i]] = heading.vy[k];
  }
}

function putAges(table, slab, view, start, count, isAged) {
  for (let i = 0; i < count; i += 1) {
    const age = isAged ? view.getUint16(start + AGE_BYTES * i, true) : 1;
    slab.step0[rows[i]] = table.step - age;
  }
}

/** The values of a field, or differences. Positions count from their cell's corner on the wire. */
function store(slab, index, part, view, start, count, isDifference) {
  const column = slab.fields[index];
  if (isDifference) {
    for (let i = 0; i < count; i += 1) column[rows[i]] += view.getInt8(start + i);
    return;
  }
  if (column instanceof Texts) {
    for (let i = 0; i < count; i += 1) column.read(rows[i], view, start + column.width * i);
    return;
  }
  const { axis, bytes } = slab.kind.fields[index];
  const origin = axis === null ? 0 : part.origin[axis];
  if (bytes === 1) {
    for (let i = 0; i < count; i += 1) column[rows[i]] = view.getUint8(start + i) + origin;
  } else if (bytes === 2) {
    for (let i = 0; i < count; i += 1) {
      column[rows[i]] = view.getUint16(start + 2 * i, true) + origin;
    }
  } else if (bytes === 4) {
    for (let i = 0; i < count; i += 1) {
      column[rows[i]] = view.getUint32(start + 4 * i, true) + origin;
    }
  } else {
    for (let i = 0; i < count; i += 1) {
      const at = start + 8 * i;
      column[rows[i]] = joined(view.getUint32(at, true), view.getUint32(at + 4, true));
    }
  }
}
