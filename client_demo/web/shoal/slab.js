/**
 * The state of all parts of one kind, as columns.
 *
 * A part has 64 slots, most of them empty; an entity has a row, whose number stays while it stands
 * in its slot. Rows lie in columns whatever part they belong to, and a part leads from its slots to
 * them. All values are wire integers.
 *
 * Invariants: part.rowAt[slot[r]] === r for each occupied row r of that part; `low` and `high` of a
 * part have a bit for each slot in use; a row that was left is not used again before the next tick,
 * so that its values can still be read by who is told of the leave; a part in which nobody is does
 * not exist.
 *
 * Must not know: bytes of messages, shards.
 */

import { SLOTS } from "./limits.js";

/** @typedef {import("./ids.js").Id} Id */
/** @typedef {Uint8Array | Uint16Array | Uint32Array | Id[] | Texts} Column of a field, by row */

const FIRST_ROWS = 64;
const NOBODY = -1;

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** A column of texts: bytes that become strings when somebody looks. */
export class Texts {
  /** @param {number} width bytes of one text, padded with zeros */
  constructor(width, rows) {
    this.width = width;
    this.bytes = new Uint8Array(width * rows);
    /** @type {(string | null)[]} */
    this.known = new Array(rows).fill(null);
  }

  /** @param {number} row */
  get(row) {
    let text = this.known[row];
    if (text === null) {
      const start = row * this.width;
      let end = start + this.width;
      while (end > start && this.bytes[end - 1] === 0) end -= 1;
      text = this.known[row] = utf8.decode(this.bytes.subarray(start, end));
    }
    return text;
  }

  /** Take the text at `at` of `view`. */
  read(row, view, at) {
    const start = row * this.width;
    for (let index = 0; index < this.width; index += 1) {
      this.bytes[start + index] = view.getUint8(at + index);
    }
    this.known[row] = null;
  }

  longer(rows) {
    const column = new Texts(this.width, 0);
    column.bytes = lengthened(this.bytes, rows * this.width);
    column.known = this.known.concat(new Array(rows - this.known.length).fill(null));
    return column;
  }
}

/** The slots of one part. */
export class Part {
  /**
   * @param {number} key
   * @param {number} cell
   * @param {readonly [number, number]} origin the cell's corner in wire steps of plain x and y
   */
  constructor(key, cell, origin) {
    this.key = key;
    this.cell = cell;
    this.origin = origin;
    this.low = 0; // of the bitmap of taken slots
    this.high = 0;
    this.rowAt = new Int32Array(SLOTS).fill(NOBODY);
  }

  get isEmpty() {
    return (this.low | this.high) === 0;
  }
}

/** Parts of one kind by their keys, and the rows in them; columns grow by doubling. */
export class Slab {
  /**
   * @param {import("./schema.js").Kind} kind
   * @param {import("./geometry.js").Geometry} geometry
   */
  constructor(kind, geometry) {
    this.kind = kind;
    this.geometry = geometry;
    /** @type {Map<number, Part>} */
    this.parts = new Map();
    this.rows = FIRST_ROWS; // how many there are, used or not
    /** @type {Id[]} */
    this.ids = new Array(FIRST_ROWS).fill(0);
    /** The part of each row; null for rows that are not in use. @type {(Part | null)[]} */
    this.part = new Array(FIRST_ROWS).fill(null);
    this.slot = new Uint8Array(FIRST_ROWS);
    // The courses, if the kind has any.
    const rows = kind.course === null ? 0 : FIRST_ROWS;
    this.x0 = new Float64Array(rows);
    this.y0 = new Float64Array(rows);
    this.vx = new Int32Array(rows);
    this.vy = new Int32Array(rows);
    this.step0 = new Float64Array(rows);
    /** The fields in the schema's order. @type {Column[]} */
    this.fields = kind.fields.map((field) => emptyColumn(field, FIRST_ROWS));
    this.freeRows = countdown(FIRST_ROWS, 0);
    this.restingRows = [];
    this.axes = kind.fields.filter((field) => field.axis !== null);
  }

  /** The part `key` in `cell`, which is made if it is not there. */
  make(key, cell) {
    let part = this.parts.get(key);
    if (part === undefined) {
      part = new Part(key, cell, this.#origin(cell));
      this.parts.set(key, part);
    }
    return part;
  }

  /** Occupy an empty slot; gives the row, whose values the caller fills. `reserve` first. */
  enter(part, slot, id) {
    const row = this.freeRows.pop();
    this.ids[row] = id;
    this.part[row] = part;
    this.slot[row] = slot;
    part.rowAt[slot] = row;
    if (slot < 32) part.low |= 1 << slot;
    else part.high |= 1 << (slot - 32);
    return row;
  }

  /** Vacate a row, whose values stay until the next tick. */
  leave(row) {
    const part = this.part[row];
    const slot = this.slot[row];
    part.rowAt[slot] = NOBODY;
    if (slot < 32) part.low &= ~(1 << slot);
    else part.high &= ~(1 << (slot - 32));
    this.part[row] = null;
    this.restingRows.push(row);
  }

  /** Empty a part; gives the rows of who was there. */
  clear(part) {
    const rows = this.rowsIn(part);
    for (const row of rows) this.leave(row);
    return rows;
  }

  /** The rows in a part, slots ascending. */
  rowsIn(part) {
    return Array.from(part.rowAt).filter((row) => row !== NOBODY);
  }

  /** Forget a part and whoever is in it; gives their rows. */
  free(part) {
    const rows = this.clear(part);
    this.parts.delete(part.key);
    return rows;
  }

  /** At a new tick: let rows be used again. */
  forget() {
    while (this.restingRows.length > 0) this.freeRows.push(this.restingRows.pop());
  }

  /** Have room for so many more. The columns may be others after it. */
  reserve(count) {
    while (this.freeRows.length < count) this.#grow();
  }

  /** The parts in `cells` (a Set; null: all), ascending by key. */
  partsIn(cells) {
    const parts = [...this.parts.values()].filter((part) => cells?.has(part.cell) ?? true);
    return parts.sort((one, other) => one.key - other.key);
  }

  /** A field's value as wire integer, id or text. */
  wire(index, row) {
    const column = this.fields[index];
    return column instanceof Texts ? column.get(row) : column[row];
  }

  /** The course of a row: [x0, y0, vx, vy, step0], or null. */
  course(row) {
    if (this.kind.course === null) return null;
    return [this.x0[row], this.y0[row], this.vx[row], this.vy[row], this.step0[row]];
  }

  #origin(cell) {
    const steps = [0, 0];
    const corner = this.geometry.cellOrigin(cell);
    for (const field of this.axes) steps[field.axis] = field.toInt(corner[field.axis]);
    return steps;
  }

  #grow() {
    const rows = 2 * this.rows;
    this.freeRows = countdown(rows, this.rows).concat(this.freeRows);
    this.ids = this.ids.concat(new Array(rows - this.rows).fill(0));
    this.part = this.part.concat(new Array(rows - this.rows).fill(null));
    this.slot = lengthened(this.slot, rows);
    if (this.kind.course !== null) {
      this.x0 = lengthened(this.x0, rows);
      this.y0 = lengthened(this.y0, rows);
      this.vx = lengthened(this.vx, rows);
      this.vy = lengthened(this.vy, rows);
      this.step0 = lengthened(this.step0, rows);
    }
    this.fields = this.fields.map((column) => longerColumn(column, rows));
    this.rows = rows;
  }
}

/**
 * A column of a field with so many rows.
 *
 * @param {import("./fields.js").Field} field
 * @returns {Column}
 */
export function emptyColumn(field, rows) {
  if (field.isText) return new Texts(field.bytes, rows);
  if (field.isId) return new Array(rows).fill(0);
  if (field.bytes === 1) return new Uint8Array(rows);
  return field.bytes === 2 ? new Uint16Array(rows) : new Uint32Array(rows);
}

function longerColumn(column, rows) {
  if (column instanceof Texts) return column.longer(rows);
  if (Array.isArray(column)) return column.concat(new Array(rows - column.length).fill(0));
  return lengthened(column, rows);
}

function lengthened(column, length) {
  const longer = new column.constructor(length);
  longer.set(column);
  return longer;
}

/** from - 1 down to `to`: the least is taken first. */
function countdown(from, to) {
  return Array.from({ length: from - to }, (_, index) => from - 1 - index);
}
