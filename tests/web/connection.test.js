// What may be said when is what the page says: its table is read, and every message tried.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Connection, State } from "../../client_demo/web/shoal/connection.js";
import * as errors from "../../client_demo/web/shoal/errors.js";
import * as limits from "../../client_demo/web/shoal/limits.js";
import { fromHex, load } from "./vectors.js";

const page = readFileSync(new URL("../../protocol/SPEC.md", import.meta.url), "utf8");

const CLIENT = {
  hello: { type: "hello" },
  input: { type: "input", seq: 1, tick: 1, kind: 0, values: [] },
  ack: { type: "ack", tick: 1 },
  resync: { type: "resync", cells: [1] },
  ping: { type: "ping", stamp: 1 },
  pong: { type: "pong", stamp: 1 },
  bye: { type: "bye" },
};
const SERVER = Object.fromEntries(
  load("messages")
    .filter(({ sender }) => sender === "server")
    .map(({ message, hex }) => [message.replace("Change", "").toLowerCase(), fromHex(hex)]),
);

/** "Ping, Bye -> *closed*" as {ping: state, bye: "closed"}. */
function moves(cell, state) {
  const said = cell.split(",").map((each) => each.match(/(\w+)(?: → \*(\w+)\*)?/));
  return Object.fromEntries(said.map(([, name, after]) => [name.toLowerCase(), after ?? state]));
}

/** The page's table: by state, what either side may send, and the state after it. */
function table() {
  const section = page.slice(page.indexOf("## 3. The connection"), page.indexOf("## 4. "));
  const rows = [...section.matchAll(/^\| (hello|welcome|playing)[^|]*\|([^|]+)\|([^|]+)\|$/gm)];
  const states = rows.map(([, state, client, server]) => [
    state,
    { client: moves(client, state), server: moves(server, state) },
  ]);
  return { ...Object.fromEntries(states), closed: { client: {}, server: {} } };
}

function inState(state) {
  const connection = new Connection();
  connection.state = state;
  return connection;
}

test("a connection lets through what the page says, and nothing else", () => {
  const known = table();
  assert.deepEqual(Object.keys(known), Object.values(State));
  for (const [state, { client, server }] of Object.entries(known)) {
    for (const [type, message] of Object.entries(CLIENT)) {
      const connection = inState(state);
      if (type in client) {
        assert.ok(connection.send(message) instanceof Uint8Array);
        assert.equal(connection.state, client[type], `after ${type} while ${state}`);
      } else {
        assert.throws(() => connection.send(message), errors.LocalProtocolError);
        assert.equal(connection.state, state, "what we do wrong changes nothing");
      }
    }
    for (const [type, data] of Object.entries(SERVER)) {
      const connection = inState(state);
      if (type in server) {
        assert.equal(connection.receive(data).type, type);
        assert.equal(connection.state, server[type], `after ${type} while ${state}`);
      } else {
        assert.throws(() => connection.receive(data), errors.RemoteProtocolError);
        assert.equal(connection.state, State.CLOSED);
      }
    }
  }
});

test("what is no message of a client is not sent", () => {
  const connection = inState(State.PLAYING);
  const input = CLIENT.input;
  const wrong = [
    { type: "snapshot" },
    { type: "constructor" },
    { ...input, seq: 1.5 },
    { ...input, tick: -1 },
    { ...input, values: [-1] },
    { ...input, values: [0.5] },
    { ...input, values: [2n ** 64n] },
    { type: "ack", tick: Number.NaN },
    { type: "resync", cells: ["1"] },
    { ...input, values: ["x".repeat(limits.CLIENT_MESSAGE_BYTES_MAX)] },
  ];
  for (const message of wrong) {
    assert.throws(() => connection.send(message), errors.LocalProtocolError, message.type);
  }
  assert.equal(connection.state, State.PLAYING);
});

test("a message that is too long is refused with its own code", () => {
  const data = new Uint8Array(limits.SERVER_MESSAGE_BYTES_MAX + 1);
  assert.throws(() => inState(State.PLAYING).receive(data), { code: errors.CloseCode.TOO_BIG });
  assert.throws(() => inState(State.PLAYING).receive(Uint8Array.of(0x80)), {
    code: errors.CloseCode.BAD_MESSAGE,
  });
});

test("the bytes of a message may lie anywhere in a buffer", () => {
  const welcome = SERVER.welcome;
  const buffer = new Uint8Array(welcome.length + 13).fill(0xff);
  buffer.set(welcome, 7);
  const view = buffer.subarray(7, 7 + welcome.length);
  const message = inState(State.WELCOME).receive(view);
  buffer.fill(0);
  assert.deepEqual(message, inState(State.WELCOME).receive(welcome), "nothing kept is a view");
});

test("a session and an entity of 64 bits survive", () => {
  const id = 2n ** 64n - 3n;
  const message = inState(State.PLAYING).receive(
    Uint8Array.of(0x82, 19, 0x81, 0x83, 0x1b, ...new Array(7).fill(0xff), 0xfd, 0x60, 1),
  );
  assert.equal(message.rows[0].entity, id);
  const data = inState(State.PLAYING).send({ ...CLIENT.input, values: [id] });
  assert.deepEqual(data.slice(-9), Uint8Array.of(0x1b, ...new Array(7).fill(0xff), 0xfd));
});
