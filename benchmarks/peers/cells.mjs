// Who is where, and who watches where: the world in square cells, of which a player sees the 3 x 3
// around its own.

import { CELL } from "./rules.mjs";

export class Cells {
  #count; // along a side
  #blocks;

  constructor(side) {
    const count = Math.ceil(side / CELL);
    const cells = [...Array(count * count).keys()];
    this.#count = count;
    this.#blocks = cells.map((cell) => block(cell % count, Math.floor(cell / count), count));
    this.walkers = cells.map(() => []);
    this.watchers = cells.map(() => []); // those of `walkers` that are players
  }

  /** The cell at a place, which must be in the world. */
  at(x, y) {
    return ((y / CELL) | 0) * this.#count + ((x / CELL) | 0);
  }

  /** The cells that are seen from `cell`. */
  around(cell) {
    return this.#blocks[cell];
  }

  /** The cells that are seen from `cell` but not from `other`. */
  onlyAround(cell, other) {
    const seen = this.#blocks[other];
    return this.#blocks[cell].filter((each) => !seen.includes(each));
  }

  /** Count a walker among those of a cell. */
  enter(walker, cell) {
    walker.cell = cell;
    this.walkers[cell].push(walker);
    if (walker.view !== null) this.watchers[cell].push(walker);
  }

  /** Undo `enter`; the walker still knows which cell it was. */
  leave(walker) {
    drop(this.walkers[walker.cell], walker);
    if (walker.view !== null) drop(this.watchers[walker.cell], walker);
  }

  /** How many entities a player sees, on average. */
  meanVisible() {
    let players = 0;
    let seen = 0;
    for (const [cell, watchers] of this.watchers.entries()) {
      players += watchers.length;
      for (const near of this.#blocks[cell]) seen += watchers.length * this.walkers[near].length;
    }
    return players === 0 ? 0 : seen / players;
  }
}

function block(column, row, count) {
  const near = (at) => [at - 1, at, at + 1].filter((each) => each >= 0 && each < count);
  return near(row).flatMap((y) => near(column).map((x) => y * count + x));
}

/** Take one item out of a list whose order means nothing. */
export function drop(list, item) {
  const at = list.indexOf(item);
  const last = list.pop();
  if (last !== item) list[at] = last;
}
