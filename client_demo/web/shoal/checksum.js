/**
 * The CRC of a part: what its owner and all its replicas must agree on.
 *
 * CRC-32 of the bitmap of taken slots and, if any is taken, of the columns of ids, public fields
 * and courses, all little-endian; `protocol/SPEC.md` gives the order.
 *
 * Must not know: updates.
 */

import { highOf, lowOf } from "./ids.js";
import { Texts } from "./slab.js";

/** Of a part in which nobody is. */
export const EMPTY_CRC = 0x6522df69;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/**
 * CRC-32 as in zlib and PNG.
 *
 * @param {Uint8Array} bytes
 * @param {number} [length] of what counts
 * @returns {number}
 */
export function crc32(bytes, length = bytes.length) {
  let crc = 0xffffffff;
  for (let at = 0; at < length; at += 1) crc = TABLE[(crc ^ bytes[at]) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** What is checked, in its order; used again each time. */
class Sheet {
  constructor() {
    this.bytes = new Uint8Array(4096);
    this.view = new DataView(this.bytes.buffer);
    this.at = 0;
  }

  begin(size) {
    if (size > this.bytes.length) {
      this.bytes = new Uint8Array(2 * size);
      this.view = new DataView(this.bytes.buffer);
    }
    this.at = 0;
  }

  u8(value) {
    this.bytes[this.at] = value;
    this.at += 1;
  }

  u16(value) {
    this.view.setUint16(this.at, value, true);
    this.at += 2;
  }

  u32(value) {
    this.view.setUint32(this.at, value, true);
    this.at += 4;
  }

  /** A whole number that a double holds exactly, in 64 bits with its sign. */
  i64(value) {
    this.u32(value >>> 0);
    this.u32(Math.floor(value / 2 ** 32) >>> 0);
  }

  id(value) {
    this.u32(lowOf(value));
    this.u32(highOf(value));
  }
}

const sheet = new Sheet();

/**
 * The CRC of a part as it is now.
 *
 * @param {import("./slab.js").Slab} slab
 * @param {import("./slab.js").Part | undefined} part
 * @returns {number}
 */
export function checksum(slab, part) {
  if (part === undefined || part.isEmpty) return EMPTY_CRC;
  const rows = slab.rowsIn(part);
  const fieldBytes = slab.kind.fields.reduce((sum, field) => sum + field.bytes, 0);
  sheet.begin(8 + rows.length * (8 + fieldBytes + 32));
  sheet.u32(part.low >>> 0);
  sheet.u32(part.high >>> 0);
  for (const row of rows) sheet.id(slab.ids[row]);
  for (const column of slab.fields) addField(column, rows);
  if (slab.kind.course !== null) {
    for (const row of rows) sheet.i64(slab.x0[row]);
    for (const row of rows) sheet.i64(slab.y0[row]);
    for (const row of rows) sheet.u32(slab.vx[row]);
    for (const row of rows) sheet.u32(slab.vy[row]);
    for (const row of rows) sheet.i64(slab.step0[row]);
  }
  return crc32(sheet.bytes, sheet.at);
}

function addField(column, rows) {
  if (column instanceof Uint8Array) for (const row of rows) sheet.u8(column[row]);
  else if (column instanceof Uint16Array) for (const row of rows) sheet.u16(column[row]);
  else if (column instanceof Uint32Array) for (const row of rows) sheet.u32(column[row]);
  else if (column instanceof Texts) for (const row of rows) addText(column, row);
  else for (const row of rows) sheet.id(column[row]);
}

function addText({ bytes, width }, row) {
  for (let at = row * width; at < (row + 1) * width; at += 1) sheet.u8(bytes[at]);
}
