/**
 * A client's whole copy of what it is told: the tables of several shards and where everybody is.
 *
 * An entity id appears once: while it changes hands two shards may tell of it, and the one where it
 * entered later counts. An entity that left by moving or by being handed over is held on its course
 * until it enters elsewhere, for at most HELD_TICKS.
 *
 * Must not know: sockets, time, rendering.
 */

import { CLEARED, Report } from "./apply.js";
import { evaluate } from "./courses.js";
import { HELD_TICKS } from "./limits.js";
import { PartTable } from "./parts.js";
import { emptyColumn, Texts } from "./slab.js";
import { KindForm } from "./unpacking.js";
import { EntityView } from "./views.js";

/** @typedef {import("./ids.js").Id} Id */

/**
 * Where an entity stands: `table.slabs[kind]` has its columns, `row` its row in them.
 *
 * @typedef {{table: PartTable, shard: number, kind: number, row: number}} Place
 */

/**
 * What one snapshot did, by entity id.
 *
 * `left` maps to the code of the reason (0 gone), `dropped` are out of interest; who is in either
 * did not enter again. An id may be several times in a list. `resync` are cells whose parts failed
 * their CRC or lost their footing, and must be asked for anew.
 */
export class Changes {
  /** @param {number} tick */
  constructor(tick) {
    this.tick = tick;
    /** @type {Id[]} */
    this.entered = [];
    /** @type {Map<Id, number>} */
    this.left = new Map();
    /** @type {Id[]} */
    this.dropped = [];
    /** @type {Id[]} */
    this.turned = [];
    /** @type {Id[]} */
    this.set = [];
    /** @type {Id[]} */
    this.changed = [];
    this.crcChecks = 0;
    this.mismatches = 0;
    /** @type {number[]} */
    this.resync = [];
  }
}

/**
 * Everybody of one kind at the newest steps of their shards: wire integers, in columns of a length.
 *
 * `x`, `y`, `vx`, `vy` are in the steps of the kind's course, 0 for kinds without, whose plain
 * positions are among the `fields`. Texts are strings.
 *
 * @typedef {object} KindColumns
 * @property {Id[]} ids
 * @property {Int32Array} shards
 * @property {Int32Array} cells
 * @property {Record<string, Uint8Array | Uint16Array | Uint32Array | Id[] | string[]>} fields
 * @property {Float64Array} x
 * @property {Float64Array} y
 * @property {Int32Array} vx
 * @property {Int32Array} vy
 */

/** The copy of a world's parts that a client was sent. */
export class Replica {
  #forms;
  /** @type {Map<Id, Place>} */
  #where = new Map();
  /** Older places of those who are in several. @type {Map<Id, Place[]>} */
  #elsewhere = new Map();
  /** And the tick at which they left. @type {Map<Id, {view: EntityView, tick: number}>} */
  #held = new Map();

  /**
   * @param {import("./schema.js").Schema} schema
   * @param {import("./geometry.js").Geometry} geometry
   */
  constructor(schema, geometry) {
    this.schema = schema;
    this.geometry = geometry;
    this.tick = 0;
    /** By shard. @type {Map<number, PartTable>} */
    this.tables = new Map();
    this.crcChecks = 0;
    this.mismatches = 0;
    this.#forms = schema.kinds.map((kind) => new KindForm(kind));
  }

  // --- reading -----------------------------------------------------------------------------------

  /** How many entities there are, the held ones too. */
  get size() {
    return this.#where.size + this.#held.size;
  }

  /** @param {Id} id */
  has(id) {
    return this.#where.has(id) || this.#held.has(id);
  }

  /** Every entity, the held ones last. @returns {Generator<Id>} */
  *ids() {
    yield* this.#where.keys();
    yield* this.#held.keys();
  }

  /**
   * One entity at the newest step of its shard; null if it is not known.
   *
   * @param {Id} id
   * @returns {EntityView | null}
   */
  entity(id) {
    const place = this.#where.get(id);
    if (place !== undefined) return viewOf(id, place, place.table.step, false);
    const held = this.#held.get(id);
    if (held === undefined) return null;
    const { kind, shard, form, wire, course, step } = held.view;
    return new EntityView(id, kind, shard, form, wire, course, step + this.tick - held.tick, true);
  }

  /**
   * Where an entity stands that is not merely held: nothing is made, for those who look often.
   *
   * @param {Id} id
   * @returns {Place | undefined}
   */
  locate(id) {
    return this.#where.get(id);
  }

  /**
   * Everybody of a kind (in `cells`, if given) who is not merely held, each once.
   *
   * @param {number} kind
   * @param {Iterable<number> | null} [cells]
   * @returns {KindColumns}
   */
  columns(kind, cells = null) {
    const wanted = cells === null ? null : new Set(cells);
    const found = [];
    let count = 0;
    for (const table of this.tables.values()) {
      const rows = this.#rowsOf(table, kind, wanted);
      found.push({ table, rows });
      count += rows.length;
    }
    return gather(this.schema.kinds[kind], kind, found, count);
  }

  // --- applying ----------------------------------------------------------------------------------

  /**
   * Apply a snapshot.
   *
   * Throws RemoteProtocolError when an update is malformed. One that stands on a baseline that is
   * not here is left out, and its cell is named in `resync`.
   *
   * @param {import("./messages.js").Snapshot} snapshot
   * @returns {Changes}
   */
  apply(snapshot) {
    this.tick = Math.max(this.tick, snapshot.tick);
    const changes = new Changes(snapshot.tick);
    if (snapshot.dropped.length > 0) this.#drop(new Set(snapshot.dropped), changes);
    for (const group of snapshot.groups) {
      this.#applyGroup(group, snapshot.tick - group.age, changes);
    }
    this.#settle(changes);
    return changes;
  }

  /** The world was cut anew; cells and parts stay as they are. */
  regeometry(geometry) {
    this.geometry = geometry;
  }

  // --- inside ------------------------------------------------------------------------------------

  #applyGroup({ shard, epoch, lag, updates }, tick, changes) {
    const table = this.#table(shard, epoch, changes);
    table.advance(tick, tick - lag);
    if (updates.count === 0) return;
    const report = new Report();
    table.apply(updates, tick, report);
    this.#take(table, report, changes);
  }

  #table(shard, epoch, changes) {
    let table = this.tables.get(shard);
    if (table === undefined) {
      table = new PartTable(shard, epoch, this.schema, this.geometry, this.#forms);
      this.tables.set(shard, table);
    } else if (table.epoch !== epoch) {
      this.#forget(table, table.ids(), changes);
      table.reset(epoch);
    }
    return table;
  }

  #drop(cells, changes) {
    for (const table of this.tables.values()) this.#forget(table, table.dropCells(cells), changes);
  }

  /** These are no more told of by a shard, without a reason. */
  #forget(table, ids, changes) {
    for (const id of ids) {
      if (this.#where.has(id) && !this.#gone(id, table)) changes.dropped.push(id);
    }
  }

  #take(table, report, changes) {
    for (const { id, kind, row } of report.entered) {
      this.#enter(id, { table, shard: table.shard, kind, row });
      changes.entered.push(id);
    }
    for (const { id, kind, row, code } of report.left) {
      this.#leave(id, table, kind, row, code, changes);
    }
    for (const id of report.turned) changes.turned.push(id);
    for (const id of report.set) changes.set.push(id);
    for (const id of report.changed) changes.changed.push(id);
    changes.crcChecks += report.crcChecks;
    this.crcChecks += report.crcChecks;
    for (const key of [...report.failed, ...report.unsynced]) {
      changes.mismatches += 1;
      this.mismatches += 1;
      changes.resync.push(table.cellOf(key));
    }
  }

  /** The newest place counts; places in other shards are kept for when it leaves this one. */
  #enter(id, place) {
    const known = this.#where.get(id);
    if (known !== undefined) {
      const others = [...(this.#elsewhere.get(id) ?? []), known];
      this.#keepElsewhere(id, others, place.table);
    }
    this.#where.set(id, place);
    this.#held.delete(id);
  }

  #keepElsewhere(id, places, table) {
    const others = places.filter((other) => other.table !== table);
    if (others.length > 0) this.#elsewhere.set(id, others);
    else this.#elsewhere.delete(id);
  }

  #leave(id, table, kind, row, code, changes) {
    // It may have entered its new cell in the same updates.
    const isIt = (place) => place.table === table && place.kind === kind && place.row === row;
    const known = this.#where.get(id);
    const isHere = known !== undefined && isIt(known);
    if (!isHere && !this.#elsewhere.get(id)?.some(isIt)) return;
    const view = code > 0 && isHere ? viewOf(id, known, table.step, true) : null;
    if (this.#gone(id, table)) return;
    if (view !== null) this.#held.set(id, { view, tick: this.tick });
    if (code === CLEARED) changes.dropped.push(id);
    else changes.left.set(id, code);
  }

  /** Forget where a shard has an entity; gives whether it is still somewhere. */
  #gone(id, table) {
    const known = this.#where.get(id);
    const others = this.#elsewhere.get(id);
    const left = [...(others ?? []), known].filter((place) => place.table !== table);
    this.#elsewhere.delete(id);
    const newest = left.pop();
    if (newest === undefined) {
      this.#where.delete(id);
      return false;
    }
    this.#where.set(id, newest);
    if (left.length > 0) this.#elsewhere.set(id, left);
    return true;
  }

  /** Let go of who was held for too long; who came back did not leave. */
  #settle(changes) {
    for (const [id, { tick }] of this.#held) {
      if (this.tick - tick > HELD_TICKS) {
        this.#held.delete(id);
        changes.dropped.push(id);
      }
    }
    for (const id of changes.left.keys()) if (this.#where.has(id)) changes.left.delete(id);
    changes.dropped = changes.dropped.filter((id) => !this.#where.has(id));
  }

  /** The rows of a kind in a table, by part and slot, but for whoever counts elsewhere. */
  #rowsOf(table, kind, cells) {
    const slab = table.slabs[kind];
    const rows = [];
    for (const part of slab.partsIn(cells)) {
      for (const row of part.rowAt) if (row >= 0) rows.push(row);
    }
    if (this.#elsewhere.size === 0) return rows;
    return rows.filter((row) => {
      const id = slab.ids[row];
      return !this.#elsewhere.has(id) || this.#where.get(id).table === table;
    });
  }
}

function viewOf(id, { table, shard, kind, row }, step, held) {
  const slab = table.slabs[kind];
  const wire = slab.fields.map((_, index) => slab.wire(index, row));
  return new EntityView(id, kind, shard, slab.kind, wire, slab.course(row), step, held);
}

/** The columns of rows in several tables, one after the other. */
function gather(form, kind, found, count) {
  const shards = new Int32Array(count);
  const cells = new Int32Array(count);
  const x = new Float64Array(count);
  const y = new Float64Array(count);
  const vx = new Int32Array(count);
  const vy = new Int32Array(count);
  const ids = [];
  const columns = form.fields.map((field) => (field.isText ? [] : emptyColumn(field, count)));
  let at = 0;
  for (const { table, rows } of found) {
    const slab = table.slabs[kind];
    for (const row of rows) {
      ids.push(slab.ids[row]);
      shards[at] = table.shard;
      cells[at] = slab.part[row].cell;
      for (let index = 0; index < columns.length; index += 1) {
        const column = slab.fields[index];
        columns[index][at] = column instanceof Texts ? column.get(row) : column[row];
      }
      if (form.course !== null) {
        const { num, den } = form.course;
        const age = table.step - slab.step0[row];
        x[at] = evaluate(slab.x0[row], slab.vx[row], age, num, den);
        y[at] = evaluate(slab.y0[row], slab.vy[row], age, num, den);
        vx[at] = slab.vx[row];
        vy[at] = slab.vy[row];
      }
      at += 1;
    }
  }
  const fields = Object.fromEntries(form.fields.map((field, i) => [field.name, columns[i]]));
  return { ids, shards, cells, fields, x, y, vx, vy };
}
