/**
 * A table of parts: a receiver's copy of the state of one shard, brought forward by its updates.
 *
 * Invariants: an entity stands in one row of a table. A part's key names its cell, which may lie
 * outside the shard's rectangle (guests). Ticks only rise.
 *
 * Must not know: other shards, interest.
 */

import { applyBatch } from "./apply.js";
import { RemoteProtocolError } from "./errors.js";
import { Slab } from "./slab.js";
import { Batch, readUpdates } from "./unpacking.js";

/** Used again by all tables: it is empty between two calls. */
const batch = new Batch();

/** The parts of one shard at (`epoch`, `tick`, `step`). */
export class PartTable {
  /**
   * @param {number} shard
   * @param {number} epoch
   * @param {import("./schema.js").Schema} schema
   * @param {import("./geometry.js").Geometry} geometry
   * @param {readonly import("./unpacking.js").KindForm[]} forms of the schema's kinds
   */
  constructor(shard, epoch, schema, geometry, forms) {
    this.shard = shard;
    this.forms = forms;
    this.kinds = schema.kinds;
    this.geometry = geometry;
    this.cells = geometry.cells;
    /** By kind. @type {Slab[]} */
    this.slabs = [];
    this.reset(epoch);
  }

  /** Forget everything: an epoch begins. @param {number} epoch */
  reset(epoch) {
    this.epoch = epoch;
    this.tick = 0;
    this.step = 0;
    this.slabs = this.kinds.map((kind) => new Slab(kind, this.geometry));
  }

  /** The cell of a part. @param {number} key */
  cellOf(key) {
    return Math.floor(key / this.kinds.length) % this.cells;
  }

  /** Go to a later tick; what it changed is applied next. An older tick changes nothing. */
  advance(tick, step) {
    if (tick <= this.tick) return;
    this.tick = tick;
    this.step = step;
    for (const slab of this.slabs) slab.forget();
  }

  /**
   * Apply the updates of `tick`, to which the table has gone.
   *
   * Throws RemoteProtocolError when one of them is malformed or the tick is a past one; then
   * nothing has changed. Updates that stand on what is not here are left out and reported.
   *
   * @param {import("./messages.js").Updates} updates
   * @param {number} tick
   * @param {import("./apply.js").Report} report
   */
  apply(updates, tick, report) {
    readUpdates(this.forms, updates, batch);
    if (tick < this.tick) throw new RemoteProtocolError("updates of a tick that is over");
    applyBatch(this, batch, report);
  }

  /** Forget all parts in `cells` (a Set); gives the ids of the entities in them. */
  dropCells(cells) {
    const dropped = [];
    for (const slab of this.slabs) {
      for (const part of slab.partsIn(cells)) {
        for (const row of slab.free(part)) dropped.push(slab.ids[row]);
      }
    }
    return dropped;
  }

  /** The ids of everybody. */
  ids() {
    return this.slabs.flatMap((slab) => slab.ids.filter((_, row) => slab.part[row] !== null));
  }
}
