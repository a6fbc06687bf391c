// The golden vectors: the library reads and writes them as every other implementation does. All but
// `frame` are for clients; `motion` is tested with the motion model.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Report } from "../../client_demo/web/shoal/apply.js";
import { decode, encode } from "../../client_demo/web/shoal/cbor.js";
import { checksum } from "../../client_demo/web/shoal/checksum.js";
import { Connection, State } from "../../client_demo/web/shoal/connection.js";
import { evaluate } from "../../client_demo/web/shoal/courses.js";
import { RemoteProtocolError } from "../../client_demo/web/shoal/errors.js";
import { Field } from "../../client_demo/web/shoal/fields.js";
import { Geometry } from "../../client_demo/web/shoal/geometry.js";
import * as messages from "../../client_demo/web/shoal/messages.js";
import { PartTable } from "../../client_demo/web/shoal/parts.js";
import { Replica } from "../../client_demo/web/shoal/replica.js";
import { Schema } from "../../client_demo/web/shoal/schema.js";
import { KindForm } from "../../client_demo/web/shoal/unpacking.js";
import { fromHex, itemOf, load, toHex } from "./vectors.js";

for (const vector of load("cbor")) {
  test(`CBOR ${vector.hex.slice(0, 40) || "of nothing"} is read, written or refused`, () => {
    const data = fromHex(vector.hex);
    if ("refused" in vector) {
      assert.throws(() => decode(data), RemoteProtocolError, vector.refused);
      return;
    }
    const item = itemOf(vector.item);
    assert.deepEqual(decode(data), item);
    if (!vector.read_only) assert.equal(toHex(encode(item)), vector.hex);
  });
}

/** A message of a client as the library takes it, from the items of its vector. */
const SAYING = {
  Hello: ([, , world, name, token, resume, observe]) => ({
    type: "hello", world, name, token, resume, observe,
  }),
  Input: ([, seq, tick, view, ack, kind, values]) => ({
    type: "input", seq, tick, view, ack, kind, values,
  }),
  Ack: ([, tick]) => ({ type: "ack", tick }),
  Ping: ([, stamp]) => ({ type: "ping", stamp }),
  Pong: ([, stamp]) => ({ type: "pong", stamp }),
  Resync: ([, cells]) => ({ type: "resync", cells }),
  Bye: () => ({ type: "bye" }),
};

/** A message of a server as the library gives it; the updates of groups as their number. */
const HEARD = {
  Welcome: ([, map]) => ({ type: "welcome", ...map }),
  Snapshot: ([, tick, told, ...items]) => {
    const report = told & 1 ? { applied: items.shift(), margin: items.shift() } : null;
    const own = told & 2 ? items.shift() : null;
    const dropped = told & 4 ? items.shift() : [];
    const groups = items.shift();
    assert.deepEqual(items, []);
    return {
      type: "snapshot",
      tick,
      report,
      private: own && { entity: own[0], kind: own[1], step: own[2], values: own.slice(3) },
      dropped,
      groups: groups.map(([shard, epoch, age, lag, updates]) => ({
        shard, epoch, age, lag, updates: updates.length,
      })),
    };
  },
  Events: ([, tick, shard, events]) => ({ type: "events", tick, shard, events }),
  Scores: ([, rows]) => ({
    type: "scores",
    rows: rows.map(([entity, name, score]) => ({ entity, name, score })),
  }),
  Goodbye: ([, code, reason, retryS]) => ({ type: "goodbye", code, reason, retryS }),
  GeometryChange: ([, geometry]) => ({ type: "geometry", geometry }),
  Ping: ([, stamp]) => ({ type: "ping", stamp }),
  Pong: ([, stamp]) => ({ type: "pong", stamp }),
};

for (const vector of load("messages")) {
  test(`a ${vector.message} of a ${vector.sender} (${vector.hex.slice(0, 16)})`, () => {
    const items = itemOf(vector.items);
    if (vector.sender === "client") {
      assert.equal(toHex(messages.encode(SAYING[vector.message](items))), vector.hex);
      return;
    }
    const message = messages.decode(fromHex(vector.hex));
    if (message.type === "snapshot") {
      for (const group of message.groups) group.updates = group.updates.count;
    }
    assert.deepEqual(message, HEARD[vector.message](items));
    if (message.type === "welcome") Schema.fromData(message.schema);
    if ("geometry" in message) Geometry.fromData(message.geometry);
  });
}

test("values are quantised as in the vectors", () => {
  for (const vector of load("quantising")) {
    const field = new Field(vector.name, vector.type, vector.lo, vector.step);
    assert.equal(field.toInt(vector.value), vector.int);
    assert.equal(field.toWire(vector.value), vector.int);
    assert.equal(field.toValue(vector.int), vector.back);
    assert.equal(field.fromWire(vector.int), vector.back);
  }
});

test("courses lead to the same place", () => {
  for (const { p0, v, age, num, den, p } of load("courses")) {
    assert.equal(evaluate(p0, v, age, num, den), p);
  }
});

// --- parts ---------------------------------------------------------------------------------------

const parts = load("parts");
const schema = Schema.fromData(itemOf(parts.schema));
const geometry = Geometry.fromData(itemOf(parts.geometry));
const forms = schema.kinds.map((kind) => new KindForm(kind));

/** Who stands in a part, slot by slot, in absolute wire integers, as the vectors have it. */
function stateOf(table, key) {
  const slab = table.slabs[key % table.slabs.length];
  const part = slab.parts.get(key);
  if (part === undefined) return [];
  return slab.rowsIn(part).map((row) => ({
    slot: slab.slot[row],
    id: slab.ids[row],
    fields: Object.fromEntries(
      slab.kind.fields.map((field, index) => [field.name, slab.wire(index, row)]),
    ),
    course: slab.course(row),
  }));
}

function asIs(rows) {
  return rows.map(({ slot, id, fields, course }) => ({
    slot,
    id: itemOf(id),
    fields: Object.fromEntries(Object.entries(fields).map(([name, v]) => [name, itemOf(v)])),
    course,
  }));
}

/** A table whose part is as before the update. */
function prepared(vector, key) {
  const table = new PartTable(0, 1, schema, geometry, forms);
  const slab = table.slabs[key % forms.length];
  for (const being of asIs(vector.before)) {
    const part = slab.make(key, table.cellOf(key));
    slab.reserve(1);
    const row = slab.enter(part, being.slot, being.id);
    slab.kind.fields.forEach((field, index) => {
      const value = being.fields[field.name];
      if (!field.isText) slab.fields[index][row] = value;
      else {
        const bytes = new Uint8Array(field.bytes);
        bytes.set(Buffer.from(value));
        slab.fields[index].read(row, new DataView(bytes.buffer), 0);
      }
    });
    if (being.course) {
      [slab.x0[row], slab.y0[row], slab.vx[row], slab.vy[row], slab.step0[row]] = being.course;
    }
  }
  return table;
}

test("updates change parts as in the vectors", () => {
  for (const vector of parts.updates) {
    const key = vector.items[0];
    const table = prepared(vector, key);
    assert.deepEqual(stateOf(table, key), asIs(vector.before));
    table.advance(vector.tick, vector.step);
    const report = new Report();
    table.apply({ data: fromHex(vector.hex), at: 0, count: 1 }, vector.tick, report);
    assert.deepEqual(stateOf(table, key), asIs(vector.after));
    const slab = table.slabs[key % forms.length];
    assert.equal(checksum(slab, slab.parts.get(key)), vector.crc);
    assert.deepEqual(report.unsynced, []);
    assert.deepEqual(report.failed, []);
  }
});

// --- the worked example --------------------------------------------------------------------------

test("the worked example of the page ends where the page says", () => {
  const example = Object.fromEntries(load("example").map(({ name, hex }) => [name, fromHex(hex)]));
  const connection = new Connection();
  assert.deepEqual(connection.send({ type: "hello", name: "Ada" }), example.hello);
  assert.equal(connection.state, State.WELCOME);
  connection.state = State.PLAYING; // the page leaves out the welcome
  const replica = new Replica(schema, geometry);
  replica.apply(connection.receive(example.keyframe));
  const input = { seq: 3, tick: 101, view: 25216, ack: 100, kind: 0 };
  const values = schema.inputs[0].encode({ dx: 1, note: "hi" });
  assert.deepEqual(connection.send({ type: "input", ...input, values }), example.input);
  const fish = 2 ** 40 + 1;
  const { x, y, fields, shard } = replica.entity(fish);
  assert.deepEqual({ x, y, fields, shard }, {
    x: (286720 + 1229) / 4096, // two steps of 192 / 64 units a second
    y: 32,
    fields: { hp: 99, name: "Ada" },
    shard: 0,
  });
  const changes = replica.apply(connection.receive(example.turn));
  assert.deepEqual(changes.turned, [fish]);
  assert.deepEqual(changes.changed, [fish]);
  assert.deepEqual(replica.entity(fish).course, [287949, 131072, 192, -64, 40]);
  assert.equal(replica.entity(fish).x, 70.449951171875);
  assert.equal(replica.entity(fish).y, 130867 / 4096);
  const checked = replica.apply(connection.receive(example.crc));
  assert.equal(checked.crcChecks, 1);
  assert.equal(checked.mismatches, 0);
});
