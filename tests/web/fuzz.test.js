// Whatever a broken or hostile server sends, a client throws its own RemoteProtocolError or takes
// it, and what was refused has changed nothing.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Connection, State } from "../../client_demo/web/shoal/connection.js";
import { RemoteProtocolError } from "../../client_demo/web/shoal/errors.js";
import { Geometry } from "../../client_demo/web/shoal/geometry.js";
import { Replica } from "../../client_demo/web/shoal/replica.js";
import { Schema } from "../../client_demo/web/shoal/schema.js";
import { Chance, damaged } from "./chance.js";
import { fromHex, itemOf, load, toHex } from "./vectors.js";

const ROUNDS = 400; // of damage to each message
/** A snapshot with all items, whose update is one of no kind in the schema. */
const NO_UPDATE = load("messages").find(({ hex }) => hex.startsWith("8811")).hex;

const parts = load("parts");
const schema = Schema.fromData(itemOf(parts.schema));
const geometry = Geometry.fromData(itemOf(parts.geometry));
const said = load("messages").filter(({ sender }) => sender === "server");
const keyframe = example("keyframe");

function example(step) {
  return fromHex(load("example").find(({ name }) => name === step).hex);
}

/** A snapshot around one update: its tick and step, and the update's bytes. */
function snapshotOf({ tick, step, hex }) {
  const head = [0x84, 17, ...whole(tick), 0, 0x81, 0x85, 0, 1, 0, ...whole(tick - step), 0x81];
  return Uint8Array.of(...head, ...fromHex(hex));
}

function whole(value) {
  return value < 24 ? [value] : [0x18, value];
}

const messages = [
  ...said.map(({ hex }) => fromHex(hex)),
  ...["keyframe", "turn", "crc"].map((step) => example(step)),
  ...parts.updates.map(snapshotOf),
];

/** What a client does with a message: everything that looks into it. */
function take(data, replica) {
  const connection = new Connection();
  connection.state = data[1] === 16 ? State.WELCOME : State.PLAYING;
  const message = connection.receive(data);
  if (message.type === "welcome") {
    new Replica(Schema.fromData(message.schema), Geometry.fromData(message.geometry));
  } else if (message.type === "geometry") {
    replica.regeometry(Geometry.fromData(message.geometry));
  } else if (message.type === "snapshot") {
    replica.apply(message);
    for (let kind = 0; kind < schema.kinds.length; kind += 1) replica.columns(kind);
    for (const id of replica.ids()) assert.ok(replica.entity(id).fields);
  } else if (message.type === "events") {
    for (const [kind, ...items] of message.events) schema.events[kind]?.decode(items);
  }
}

function isTaken(data, replica) {
  try {
    take(data, replica);
    return true;
  } catch (error) {
    assert.ok(error instanceof RemoteProtocolError, `${toHex(data)}: ${error.stack}`);
    return false;
  }
}

function seen(replica) {
  const columns = schema.kinds.map((_, kind) => replica.columns(kind));
  return JSON.stringify(columns, (_, value) => (typeof value === "bigint" ? `${value}` : value));
}

test("every message is taken as it is", () => {
  const refused = messages.filter((data) => !isTaken(data, new Replica(schema, geometry)));
  assert.deepEqual(refused.map(toHex), [NO_UPDATE], "what is no update of this schema, alone");
});

test("no part of a message is a message", () => {
  for (const data of messages) {
    for (let length = 0; length < data.length; length += 1) {
      assert.ok(!isTaken(data.subarray(0, length), new Replica(schema, geometry)), `${length}`);
    }
    assert.ok(!isTaken(Uint8Array.of(...data, 0xf6), new Replica(schema, geometry)));
  }
});

test("damaged messages are refused with the library's own error, or taken", () => {
  const chance = new Chance(4);
  let taken = 0;
  for (const data of messages) {
    for (let round = 0; round < ROUNDS; round += 1) {
      if (isTaken(damaged(chance, data), new Replica(schema, geometry))) taken += 1;
    }
  }
  const share = taken / (messages.length * ROUNDS);
  assert.ok(share > 0.05 && share < 0.7, `some are harmless, others are not: ${share}`);
});

test("a malformed update changes nothing of what is held", () => {
  const chance = new Chance(5);
  const replica = new Replica(schema, geometry);
  assert.ok(isTaken(keyframe, replica));
  const before = seen(replica);
  const turn = example("turn");
  let refused = 0;
  for (let round = 0; round < 2000; round += 1) {
    const copy = new Replica(schema, geometry);
    take(keyframe, copy);
    if (isTaken(damaged(chance, turn), copy)) continue;
    refused += 1;
    if (copy.tables.get(0).tick === 100) assert.equal(seen(copy), before);
  }
  assert.ok(refused > 500);
});

test("random bytes are no message", () => {
  const chance = new Chance(6);
  for (let round = 0; round < 5000; round += 1) {
    const data = chance.bytes(1 + chance.below(40));
    if (round % 2) data.set([0x84, 17].slice(0, data.length));
    isTaken(data, new Replica(schema, geometry));
  }
});

test("an update of a game without kinds is refused", () => {
  const kindless = Schema.fromData({ ...schema.data, kinds: [] });
  assert.ok(!isTaken(keyframe, new Replica(kindless, geometry)));
});

test("a connection takes nothing more after what it refused", () => {
  const connection = new Connection();
  connection.state = State.PLAYING;
  assert.throws(() => connection.receive(Uint8Array.of(0xf7)), RemoteProtocolError);
  assert.equal(connection.state, State.CLOSED);
  assert.throws(() => connection.receive(keyframe), RemoteProtocolError);
});
