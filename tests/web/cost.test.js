// What a snapshot costs a client with 300 entities in view. Medians, and bounds far above what they
// are, so that a busy machine does not fail what is well.

import assert from "node:assert/strict";
import { test } from "node:test";

import { encode } from "../../client_demo/web/shoal/cbor.js";
import { Connection, State } from "../../client_demo/web/shoal/connection.js";
import { Geometry } from "../../client_demo/web/shoal/geometry.js";
import { Replica } from "../../client_demo/web/shoal/replica.js";
import { Schema } from "../../client_demo/web/shoal/schema.js";
import { itemOf, load } from "./vectors.js";

const VISIBLE = 300;
const TICKS = 400;
const WARM_UP = 100;
const MOST_MS = 1;
const TURN = 1 << 3;
const HP = 1 << 5;
const ENTER_BYTES = 8 + 1 + 8 + 4 + 4 + 2 + 2 + 2; // of a Fish

const { schema: schemaData, geometry: geometryData } = load("parts");
const schema = Schema.fromData(itemOf(schemaData));
const geometry = Geometry.fromData(itemOf(geometryData));
const cells = geometry.cells;
const kinds = schema.kinds.length;

/** The keys of `count` parts of the kind Fish, spread over the cells. */
function keysOf(count) {
  return Array.from({ length: count }, (_, i) => {
    return Math.floor(i / cells) * cells * kinds + (i % cells) * kinds;
  });
}

function all(slots) {
  return (1n << BigInt(slots)) - 1n;
}

function snapshot(tick, updates) {
  return encode([17, tick, 0, [[0, 1, 0, 0, updates]]]);
}

function entering(key, slots, firstId) {
  const columns = new DataView(new ArrayBuffer(slots * ENTER_BYTES));
  for (let slot = 0; slot < slots; slot += 1) {
    columns.setBigUint64(8 * slot, BigInt(firstId + slot), true);
  }
  return [key, 0, 4, all(slots), new Uint8Array(columns.buffer)];
}

/** Everybody of a part turns and has another hp. */
function turning(key, slots, tick) {
  const speeds = new Int16Array(2 * slots).fill(100 + (tick % 50));
  const hp = new Uint8Array(slots).fill(tick);
  return [key, -1 - (TURN | HP), all(slots), new Uint8Array(speeds.buffer), all(slots), hp];
}

for (const parts of [5, 20, 100]) {
  test(`${VISIBLE} that turn and change in ${parts} parts cost well under a millisecond`, (t) => {
    const slots = VISIBLE / parts;
    const keys = keysOf(parts);
    const connection = new Connection();
    connection.state = State.PLAYING;
    const replica = new Replica(schema, geometry);
    const enter = keys.map((key, i) => entering(key, slots, 2 ** 40 + i * slots));
    replica.apply(connection.receive(snapshot(1, enter)));
    assert.equal(replica.size, VISIBLE);
    const taken = [];
    for (let tick = 2; tick < TICKS; tick += 1) {
      const data = snapshot(tick, keys.map((key) => turning(key, slots, tick)));
      const began = performance.now();
      const changes = replica.apply(connection.receive(data));
      taken.push(performance.now() - began);
      assert.equal(changes.turned.length, VISIBLE);
    }
    const sorted = taken.slice(WARM_UP).sort((one, other) => one - other);
    const median = sorted[sorted.length >> 1];
    const p99 = sorted[Math.floor(0.99 * sorted.length)];
    t.diagnostic(`median ${(1000 * median).toFixed(0)} us, p99 ${(1000 * p99).toFixed(0)} us`);
    assert.ok(median < MOST_MS, `${median} ms`);
    assert.equal(replica.columns(0).ids.length, VISIBLE);
  });
}
