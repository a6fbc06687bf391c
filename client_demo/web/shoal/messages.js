/**
 * The messages between a client and a server: what a client sends as bytes, what it receives read.
 *
 * Messages are plain objects that name their `type`. One table for each direction says how a type
 * is written or read; every item that is read is checked, and whatever is wrong blames the peer.
 * The updates of a snapshot stay bytes, well formed, until a replica reads them (`unpacking.js`).
 *
 * Must not know: schemas (values are wire integers here), states, sockets.
 */

import { encode as encodeItem, Reader } from "./cbor.js";
import { CloseCode, LocalProtocolError, RemoteProtocolError } from "./errors.js";
import { isId } from "./ids.js";
import * as limits from "./limits.js";
import { skipUpdates } from "./unpacking.js";

/** @typedef {import("./ids.js").Id} Id */

/**
 * The first message: who wants to play where. `resume` is a token of an earlier welcome.
 *
 * @typedef {object} Hello
 * @property {"hello"} type
 * @property {string | null} [world]
 * @property {string} [name]
 * @property {Uint8Array | null} [token]
 * @property {Uint8Array | null} [resume]
 * @property {boolean} [observe]
 */

/**
 * An intent for `tick`. `view` is the tick that the player saw, times 256, 0 if unknown; `ack`
 * acknowledges snapshots up to that tick, 0 for none; `values` are wire integers and texts.
 *
 * @typedef {object} Input
 * @property {"input"} type
 * @property {number} seq from 1, each new input one more
 * @property {number} tick
 * @property {number} [view]
 * @property {number} [ack]
 * @property {number} kind
 * @property {(Id | string)[]} values
 */

/** @typedef {{type: "ack", tick: number}} Ack */
/** @typedef {{type: "ping" | "pong", stamp: number}} Ping of either side, and its answer */
/** @typedef {{type: "resync", cells: number[]}} Resync */
/** @typedef {{type: "bye"}} Bye */
/** @typedef {Hello | Input | Ack | Ping | Resync | Bye} ClientMessage */

/**
 * The answer to a hello. `schema` and `geometry` are plain data for Schema and Geometry.
 *
 * @typedef {object} Welcome
 * @property {"welcome"} type
 * @property {Id} session
 * @property {Uint8Array} token
 * @property {number} hz
 * @property {number} tick
 * @property {Id} entity
 * @property {object} schema
 * @property {object} geometry
 * @property {boolean} observer
 * @property {string} conditions
 */

/** @typedef {{entity: Id, kind: number, step: number, values: number[]}} Private */

/**
 * Some updates, in their bytes: `count` of them, from `at` on.
 *
 * @typedef {{data: Uint8Array, at: number, count: number}} Updates
 */

/**
 * One shard's updates; its tick is the snapshot's less `age`, its step that less `lag`.
 *
 * @typedef {object} Group
 * @property {number} shard
 * @property {number} epoch
 * @property {number} age
 * @property {number} lag
 * @property {Updates} updates
 */

/**
 * What one client receives for `tick`. `report` and `private` are null while unchanged.
 *
 * @typedef {object} Snapshot
 * @property {"snapshot"} type
 * @property {number} tick
 * @property {{applied: number, margin: number} | null} report
 * @property {Private | null} private
 * @property {number[]} dropped cells, to be forgotten before the groups are read
 * @property {Group[]} groups
 */

/**
 * One-off facts of one shard's tick, each [kind, values...].
 *
 * @typedef {object} Events
 * @property {"events"} type
 * @property {number} tick
 * @property {number} shard
 * @property {[number, ...(Id | string)[]][]} events
 */

/** @typedef {{entity: Id, name: string, score: number}} ScoreRow */
/** @typedef {{type: "scores", rows: ScoreRow[]}} Scores the board, best first */
/** @typedef {{type: "goodbye", code: number, reason: string, retryS: number}} Goodbye */
/** @typedef {{type: "geometry", geometry: object}} GeometryChange the world is cut anew */

/**
 * @typedef {Welcome | Snapshot | Events | Scores | Goodbye | GeometryChange | Ping} ServerMessage
 */

const INT32_AND_ONE = 2 ** 31;

/**
 * The message in `data` from the server. Throws RemoteProtocolError with the code to close with.
 *
 * @param {Uint8Array} data one binary WebSocket message
 * @returns {ServerMessage}
 */
export function decode(data) {
  if (data.length > limits.SERVER_MESSAGE_BYTES_MAX) {
    const most = limits.SERVER_MESSAGE_BYTES_MAX;
    throw new RemoteProtocolError(`a message of more than ${most} bytes`, CloseCode.TOO_BIG);
  }
  const reader = new Reader(data);
  const count = reader.array(data.length);
  if (count === 0) throw malformed("a message is an array that begins with its type");
  const number = reader.whole();
  const form = READERS.get(number);
  if (form === undefined) throw malformed(`a server sends no message of type ${number}`);
  if (form.items !== null && form.items !== count) {
    throw malformed(`a message of type ${number} has ${form.items} items`);
  }
  const message = form.read(reader, count);
  reader.finish();
  return message;
}

/**
 * A client's message as bytes. Throws LocalProtocolError for what is no message.
 *
 * @param {ClientMessage} message
 * @returns {Uint8Array}
 */
export function encode(message) {
  if (!Object.hasOwn(WRITERS, message.type)) {
    throw new LocalProtocolError(`no message of a client: ${String(message.type)}`);
  }
  const data = encodeItem(WRITERS[message.type](message));
  if (data.length > limits.CLIENT_MESSAGE_BYTES_MAX) {
    throw new LocalProtocolError(`a ${message.type} of ${data.length} bytes is too long`);
  }
  return data;
}

// --- writing -------------------------------------------------------------------------------------

const WRITERS = {
  hello: ({ world = null, name = "", token = null, resume = null, observe = false }) => [
    0, limits.VERSION, world, name, token, resume, observe,
  ],
  input: ({ seq, tick, view = 0, ack = 0, kind, values }) => {
    for (const value of values) {
      if (typeof value !== "string" && !isId(value)) {
        throw new LocalProtocolError(`${String(value)} is no wire value`);
      }
    }
    return [1, whole(seq), whole(tick), whole(view), whole(ack), whole(kind), [...values]];
  },
  ack: ({ tick }) => [2, whole(tick)],
  ping: ({ stamp }) => [3, whole(stamp)],
  pong: ({ stamp }) => [4, whole(stamp)],
  resync: ({ cells }) => [5, Array.from(cells, whole)],
  bye: () => [6],
};

function whole(item) {
  if (Number.isSafeInteger(item) && item >= 0) return item;
  throw new LocalProtocolError(`${String(item)} is not a whole number`);
}

// --- reading -------------------------------------------------------------------------------------

/** By a message's number: how many items it has (null: the reader knows), and its reader. */
const READERS = new Map([
  [3, { items: 2, read: (reader) => ({ type: "ping", stamp: reader.whole() }) }],
  [4, { items: 2, read: (reader) => ({ type: "pong", stamp: reader.whole() }) }],
  [16, { items: 2, read: readWelcome }],
  [17, { items: null, read: readSnapshot }],
  [18, { items: 4, read: readEvents }],
  [19, { items: 2, read: readScores }],
  [20, { items: 4, read: readGoodbye }],
  [21, { items: 2, read: readGeometry }],
]);

const WELCOME = {
  session: (reader) => reader.id(),
  token: (reader) => reader.bytes(limits.TOKEN_BYTES_MAX),
  hz: (reader) => reader.whole(HZ_MAX),
  tick: (reader) => reader.whole(),
  entity: (reader) => reader.id(),
  schema: readMap,
  geometry: readMap,
  observer: (reader) => reader.flag(),
  conditions: (reader) => reader.text(limits.REASON_BYTES_MAX),
};
const WELCOME_KEYS = Object.keys(WELCOME);
const HZ_MAX = 1000;
const KEY_BYTES_MAX = 16;
const MAP_DEPTH = 2; // of the schema and the geometry in a welcome: in its map, in its array

function readWelcome(reader) {
  /** @type {any} */
  const welcome = { type: "welcome" };
  const count = reader.map();
  for (let index = 0; index < count; index += 1) {
    const key = reader.text(KEY_BYTES_MAX);
    if (!WELCOME_KEYS.includes(key) || Object.hasOwn(welcome, key)) {
      throw malformed("a welcome with a key that it does not have, or twice");
    }
    welcome[key] = WELCOME[key](reader);
  }
  if (count !== WELCOME_KEYS.length || welcome.hz < 1) {
    throw malformed("a welcome that does not say all");
  }
  return welcome;
}

function readMap(reader, depth = MAP_DEPTH) {
  if (!reader.isMapNext()) throw malformed("a schema or a geometry that is no map");
  return reader.any(depth);
}

function readGeometry(reader) {
  return { type: "geometry", geometry: readMap(reader, MAP_DEPTH - 1) };
}

// What a snapshot tells beside its groups, in this order.
const APPLIED = 1;
const PRIVATE = 2;
const DROPPED = 4;
const SNAPSHOT_ITEMS = 4; // its type, the tick, what is told, and the groups

function readSnapshot(reader, count) {
  const tick = reader.whole();
  const told = reader.whole(APPLIED | PRIVATE | DROPPED);
  const more = (told & APPLIED ? 2 : 0) + (told & PRIVATE ? 1 : 0) + (told & DROPPED ? 1 : 0);
  if (count !== SNAPSHOT_ITEMS + more) throw malformed("a snapshot with other items than it tells");
  const report = told & APPLIED ? readReport(reader) : null;
  const own = told & PRIVATE ? readPrivate(reader) : null;
  const dropped = told & DROPPED ? readCells(reader) : [];
  const groups = [];
  for (let left = reader.array(limits.SHARDS_MAX * 2); left > 0; left -= 1) {
    groups.push(readGroup(reader, tick));
  }
  return { type: "snapshot", tick, report, private: own, dropped, groups };
}

function readReport(reader) {
  const applied = reader.whole();
  return { applied, margin: reader.whole(INT32_AND_ONE, -INT32_AND_ONE) };
}

function readPrivate(reader) {
  const count = reader.array(limits.FIELDS_MAX + 3);
  if (count < 3) throw malformed("a private section without its head");
  const entity = reader.id();
  const kind = reader.whole(limits.KINDS_MAX - 1);
  const step = reader.whole();
  const values = [];
  while (values.length < count - 3) values.push(reader.whole(limits.TICK_MAX, -limits.TICK_MAX));
  return { entity, kind, step, values };
}

function readCells(reader) {
  const cells = [];
  const count = reader.array(limits.CELLS_MAX);
  if (count === 0) throw malformed("a snapshot that drops no cell, and says so");
  while (cells.length < count) cells.push(reader.whole(limits.CELLS_MAX - 1));
  return cells;
}

function readGroup(reader, tick) {
  if (reader.array(5) !== 5) throw malformed("a group without all its items");
  const shard = reader.whole(limits.SHARD_MAX);
  const epoch = reader.whole();
  const age = reader.whole(tick);
  const lag = reader.whole(tick - age, -limits.TICK_MAX);
  if (tick - age - lag > limits.TICK_MAX) throw malformed("a group of a step that there is not");
  const count = reader.array(reader.data.length);
  const updates = { data: reader.data, at: reader.at, count };
  skipUpdates(reader, count);
  return { shard, epoch, age, lag, updates };
}

function readEvents(reader) {
  const tick = reader.whole();
  const shard = reader.whole(limits.SHARD_MAX);
  const events = [];
  const count = reader.array(limits.EVENTS_MAX);
  while (events.length < count) {
    const items = reader.array(limits.FIELDS_MAX + 1);
    if (items === 0) throw malformed("an event without a kind");
    const event = [reader.whole(limits.EVENT_KINDS_MAX - 1)];
    while (event.length < items) event.push(readValue(reader));
    events.push(event);
  }
  return { type: "events", tick, shard, events };
}

function readValue(reader) {
  return reader.isTextNext() ? reader.text(limits.TEXT_BYTES_MAX) : reader.id();
}

function readScores(reader) {
  const rows = [];
  const count = reader.array(limits.SCORES_MAX);
  while (rows.length < count) {
    if (reader.array(3) !== 3) throw malformed("a score without all its items");
    const entity = reader.id();
    const name = reader.text(limits.TEXT_BYTES_MAX);
    rows.push({ entity, name, score: reader.real() });
  }
  return { type: "scores", rows };
}

const GOODBYE_CODES = new Set(Object.values(CloseCode));
GOODBYE_CODES.delete(CloseCode.LOST);
const RETRY_S_MAX = 1e6;

function readGoodbye(reader) {
  const code = reader.whole();
  if (!GOODBYE_CODES.has(code)) throw malformed("a goodbye with an unknown code");
  const reason = reader.text(limits.REASON_BYTES_MAX);
  const retryS = reader.real();
  if (!(retryS >= 0 && retryS <= RETRY_S_MAX)) {
    throw malformed("a goodbye that asks to wait for no time that there is");
  }
  return { type: "goodbye", code, reason, retryS };
}

function malformed(what) {
  return new RemoteProtocolError(what);
}
