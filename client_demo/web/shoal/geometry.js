/**
 * Space: cells, shards as rectangles of cells, and what an interest covers.
 *
 * A world is cut into square cells; the last column and row may stick out of the world. The shards
 * cover every cell exactly once; `version` names the cut. Cell index = row * columns + column. All
 * rectangles are half open, in cells.
 */

import { wholeAt } from "./cbor.js";
import { RemoteProtocolError } from "./errors.js";
import { CELLS_MAX, SHARDS_MAX } from "./limits.js";

/**
 * The rectangle of cells [x0, x1) x [y0, y1) of one shard.
 *
 * @typedef {{shard: number, x0: number, y0: number, x1: number, y1: number}} Leaf
 */

const NOBODY = -1;
const LENGTH_MAX = 1e12;
const SIDE_MAX = 2 ** 31 - 1;

/** One world's space. */
export class Geometry {
  /**
   * Build from the map in a welcome. Throws RemoteProtocolError when that is nonsense.
   *
   * @param {object} data
   */
  static fromData(data) {
    return new Geometry(data);
  }

  constructor(data) {
    const isMap = typeof data === "object" && data !== null && !Array.isArray(data);
    check(isMap && Array.isArray(data.size) && data.size.length === 2, "size");
    /** In units. */
    this.width = lengthAt(data.size, 0);
    this.height = lengthAt(data.size, 1);
    /** The side of a cell in units. */
    this.cell = lengthAt(data, "cell");
    check(Array.isArray(data.interest), "interest");
    /** The radius of each interest class, in units. @type {readonly number[]} */
    this.interest = data.interest.map((_, index) => lengthAt(data.interest, index));
    check(typeof data.version === "bigint" || wholeAt(data, "version"), "version");
    check(data.version >= 0, "version");
    /** @type {number | bigint} */
    this.version = data.version;
    this.columns = Math.ceil(this.width / this.cell);
    this.rows = Math.ceil(this.height / this.cell);
    /** How many cells the world has. */
    this.cells = this.columns * this.rows;
    check(this.cells <= CELLS_MAX, "too many cells");
    const shards = data.shards;
    check(Array.isArray(shards) && shards.length >= 1 && shards.length <= SHARDS_MAX, "shards");
    /** @type {readonly Leaf[]} */
    this.leaves = shards.map(leafOf);
    check(new Set(this.leaves.map((leaf) => leaf.shard)).size === shards.length, "a shard twice");
    /** The shard of each cell. */
    this.owners = this.#owners();
    Object.freeze(this);
  }

  /** The cell of a point in units; points outside count to the nearest cell. */
  cellOf(x, y) {
    const column = Math.min(Math.max(Math.floor(x / this.cell), 0), this.columns - 1);
    const row = Math.min(Math.max(Math.floor(y / this.cell), 0), this.rows - 1);
    return row * this.columns + column;
  }

  /**
   * The corner of a cell with the least x and y, in units.
   *
   * @param {number} cell
   * @returns {[number, number]}
   */
  cellOrigin(cell) {
    return [(cell % this.columns) * this.cell, Math.floor(cell / this.columns) * this.cell];
  }

  /** The shard whose rectangle holds a cell. @param {number} cell */
  shardOf(cell) {
    return this.owners[cell];
  }

  /**
   * A shard's rectangle in units, cut at the world's edge; null for a shard that there is not.
   *
   * @param {number} shard
   * @returns {{x0: number, y0: number, x1: number, y1: number} | null}
   */
  rect(shard) {
    const leaf = this.leaves.find((each) => each.shard === shard);
    if (leaf === undefined) return null;
    return {
      x0: leaf.x0 * this.cell,
      y0: leaf.y0 * this.cell,
      x1: Math.min(leaf.x1 * this.cell, this.width),
      y1: Math.min(leaf.y1 * this.cell, this.height),
    };
  }

  /**
   * Cells nearer to `centre` than the radius of an interest class, ascending.
   *
   * Distance is between the nearest points of two cells, so a radius of up to one cell covers a
   * block of 3 x 3.
   *
   * @param {number} centre a cell
   * @param {number} radiusClass
   * @returns {number[]}
   */
  interestCells(centre, radiusClass) {
    const radius = this.interest[radiusClass];
    const reach = Math.ceil(radius / this.cell);
    const row = Math.floor(centre / this.columns);
    const column = centre % this.columns;
    const cells = [];
    for (let y = Math.max(row - reach, 0); y < Math.min(row + reach + 1, this.rows); y += 1) {
      const last = Math.min(column + reach + 1, this.columns);
      for (let x = Math.max(column - reach, 0); x < last; x += 1) {
        const across = this.#gap(x - column);
        const down = this.#gap(y - row);
        if (across * across + down * down < radius * radius) cells.push(y * this.columns + x);
      }
    }
    return cells;
  }

  #gap(difference) {
    return Math.max(Math.abs(difference) - 1, 0) * this.cell;
  }

  #owners() {
    const owners = new Int32Array(this.cells).fill(NOBODY);
    for (const { shard, x0, y0, x1, y1 } of this.leaves) {
      const inside = x0 < x1 && x1 <= this.columns && y0 < y1 && y1 <= this.rows;
      check(inside, `shard ${shard} lies outside the world`);
      for (let row = y0; row < y1; row += 1) {
        for (let cell = row * this.columns + x0; cell < row * this.columns + x1; cell += 1) {
          check(owners[cell] === NOBODY, `shard ${shard} overlaps another`);
          owners[cell] = shard;
        }
      }
    }
    check(!owners.includes(NOBODY), "the shards do not cover the world");
    return owners;
  }
}

function leafOf(item) {
  check(Array.isArray(item) && item.length === 5, "a shard");
  const fits = item.every((side, at) => wholeAt(item, at) && side >= 0 && side <= SIDE_MAX);
  check(fits, "a shard");
  const [shard, x0, y0, x1, y1] = item;
  return Object.freeze({ shard, x0, y0, x1, y1 });
}

function lengthAt(container, key) {
  const length = container[key];
  check(typeof length === "number" && length > 0 && length < LENGTH_MAX, `${key}: a length`);
  return length;
}

function check(holds, what) {
  if (!holds) throw new RemoteProtocolError(`the geometry makes no sense: ${what}`);
}
