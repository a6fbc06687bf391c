// Follows a recording (`recording.py`) with the JavaScript replica, and fails where they part.
//
//   node follow.js RECORDING
//
// Prints one JSON line: how much was compared.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { Connection, State } from "../../client_demo/web/shoal/connection.js";
import { RemoteProtocolError } from "../../client_demo/web/shoal/errors.js";
import { Geometry } from "../../client_demo/web/shoal/geometry.js";
import { Replica } from "../../client_demo/web/shoal/replica.js";
import { Schema } from "../../client_demo/web/shoal/schema.js";
import { fromHex, itemOf } from "./vectors.js";

const lines = readFileSync(process.argv[2], "utf8").trimEnd().split("\n").map(JSON.parse);
const totals = { messages: 0, snapshots: 0, refused: 0, entities: 0, crcChecks: 0, resyncs: 0 };
let connection;
let schema;
let geometry;
let replica;

/** Have the connection in a state, whatever it was in. */
function connect(state) {
  connection = new Connection();
  connection.state = state;
}

/** What the library makes of a message: what it sees after a snapshot, null after all others. */
function take(data) {
  const message = connection.receive(data);
  if (message.type === "welcome") {
    schema = Schema.fromData(message.schema);
    geometry = Geometry.fromData(message.geometry);
    replica = new Replica(schema, geometry);
  } else if (message.type === "geometry") {
    replica.regeometry(Geometry.fromData(message.geometry));
  } else if (message.type === "events") {
    for (const [kind, ...items] of message.events) schema.events[kind]?.decode(items);
  } else if (message.type === "snapshot") {
    return seen(replica.apply(message));
  }
  return null;
}

function byId(one, other) {
  return BigInt(one) < BigInt(other) ? -1 : 1;
}

function seen(changes) {
  const views = [...replica.ids()].sort(byId).map((id) => replica.entity(id));
  totals.entities += views.length;
  totals.crcChecks += changes.crcChecks;
  totals.resyncs += changes.resync.length;
  return {
    tick: replica.tick,
    tables: [...replica.tables.values()]
      .map(({ shard, epoch, tick, step }) => [shard, epoch, tick, step])
      .sort(([one], [other]) => one - other),
    kinds: schema.kinds.map((_, kind) => columns(replica.columns(kind))),
    views: views.map((v) => [v.id, v.kind, v.shard, v.held, v.step, v.x, v.y, v.vx, v.vy]),
    changes: {
      entered: changes.entered.sort(byId),
      left: [...changes.left].sort(([one], [other]) => byId(one, other)),
      dropped: changes.dropped.sort(byId),
      turned: changes.turned.sort(byId),
      set: changes.set.sort(byId),
      changed: changes.changed.sort(byId),
      crcChecks: changes.crcChecks,
      mismatches: changes.mismatches,
      resync: changes.resync.sort((one, other) => one - other),
    },
  };
}

function columns({ shards, fields, ...numbers }) {
  assert.equal(shards.length, numbers.ids.length);
  const asArrays = (named) => Object.entries(named).map(([name, c]) => [name, Array.from(c)]);
  return {
    ...Object.fromEntries(asArrays(numbers)),
    fields: Object.fromEntries(asArrays(fields)),
  };
}

/** A recorded form with its own prototypes, so that it compares with what is computed. */
function recorded(plain) {
  if (Array.isArray(plain)) return plain.map(recorded);
  if (typeof plain !== "object" || plain === null) return plain;
  if ("int" in plain) return itemOf(plain);
  return Object.fromEntries(Object.entries(plain).map(([key, value]) => [key, recorded(value)]));
}

lines.forEach((line, index) => {
  if (line.link) connect(State.WELCOME);
  if (line.fresh) {
    connect(State.PLAYING);
    replica = new Replica(schema, geometry);
  }
  const data = fromHex(line.hex);
  const where = `message ${index + 1}: ${line.hex.slice(0, 4000)}`;
  totals.messages += 1;
  if (line.refused) {
    totals.refused += 1;
    assert.throws(() => take(data), RemoteProtocolError, where);
    return;
  }
  let found;
  try {
    found = take(data);
  } catch (error) {
    error.message += `\n${where}`;
    throw error;
  }
  if (line.seen === null) return;
  totals.snapshots += 1;
  assert.deepEqual(found, recorded(line.seen), where);
});
console.log(JSON.stringify(totals));
