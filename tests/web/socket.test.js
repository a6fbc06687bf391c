// A socket keeps its session across links, without a browser: fake WebSockets, fake time.

import assert from "node:assert/strict";
import { test } from "node:test";

import { encode } from "../../client_demo/web/shoal/cbor.js";
import { Client } from "../../client_demo/web/shoal/client.js";
import { makeProfile } from "../../client_demo/web/shoal/link.js";
import { Phase, Socket } from "../../client_demo/web/shoal/socket.js";
import { fromHex, load } from "./vectors.js";

const vectors = load("messages");
const WELCOME = fromHex(vectors.find((vector) => vector.message === "Welcome").hex);

/** Time, timers and WebSockets that stand still until they are told. */
class World {
  constructor() {
    this.now = 100;
    this.webs = [];
    this.timers = [];
  }

  get browser() {
    return {
      makeWebSocket: (url) => {
        const web = { url, readyState: 0, sent: [], closed: false };
        web.send = (data) => {
          assert.equal(web.readyState, 1, "only what is open is sent on");
          web.sent.push(data);
        };
        web.close = () => {
          web.closed = true;
          web.readyState = 3;
        };
        this.webs.push(web);
        return web;
      },
      setTimeout: (act, ms) => {
        const timer = { act, at: this.now + ms / 1000 };
        this.timers.push(timer);
        return timer;
      },
      clearTimeout: (timer) => {
        this.timers = this.timers.filter((other) => other !== timer);
      },
      now: () => this.now,
      random: () => 1,
    };
  }

  pass(seconds) {
    const until = this.now + seconds;
    for (;;) {
      this.timers.sort((one, other) => one.at - other.at);
      if (this.timers.length === 0 || this.timers[0].at > until) break;
      const { act, at } = this.timers.shift();
      this.now = Math.max(at, this.now);
      act();
    }
    this.now = until;
  }

  get web() {
    return this.webs.at(-1);
  }

  accept() {
    this.web.readyState = 1;
    this.web.onopen({});
  }

  tell(data) {
    this.web.onmessage({ data: data.slice().buffer });
  }

  end(code, reason = "") {
    this.web.readyState = 3;
    this.web.onclose({ code, reason });
  }
}

function opened() {
  const world = new World();
  const socket = new Socket("ws://here/", () => new Client("ann"), world.browser);
  socket.open();
  return { world, socket };
}

function playing() {
  const both = opened();
  both.world.accept();
  both.world.tell(WELCOME);
  assert.equal(both.socket.phase, Phase.PLAYING);
  return both;
}

test("it says hello when the link is open, and plays when it is welcomed", () => {
  const { world, socket } = opened();
  assert.equal(socket.phase, Phase.CONNECTING);
  assert.equal(world.web.binaryType, "arraybuffer");
  world.accept();
  assert.equal(world.web.sent.length, 1);
  world.tell(WELCOME);
  assert.equal(socket.phase, Phase.PLAYING);
  assert.notEqual(socket.client.entity, 0);
});

test("a lost link is resumed with the session's token", () => {
  const { world, socket } = playing();
  const { token } = socket.client.welcome;
  world.end(1006);
  assert.equal(socket.phase, Phase.WAITING);
  assert.equal(socket.reason, "the connection was lost");
  world.pass(0.26);
  assert.equal(world.webs.length, 2);
  world.accept();
  const hello = Buffer.from(world.web.sent[0]);
  assert.ok(hello.includes(Buffer.from(token)), "the hello has the token");
  world.tell(WELCOME);
  assert.equal(socket.resumes, 1);
  assert.equal(socket.rejoins, 0);
  assert.equal(socket.client.statistics().resumes, 1);
});

test("a dropped link closes its WebSocket, and what that still says is not heard", () => {
  const { world, socket } = playing();
  const old = world.web;
  socket.drop();
  assert.ok(old.closed);
  assert.equal(socket.phase, Phase.WAITING);
  old.onmessage({ data: WELCOME.slice().buffer });
  old.onclose({ code: 1006, reason: "" });
  assert.equal(socket.phase, Phase.WAITING);
  world.pass(0.3);
  assert.equal(world.webs.length, 2);
});

test("pauses double with each failure, up to a bound", () => {
  const { world, socket } = opened();
  const pauses = [];
  for (let time = 0; time < 8; time += 1) {
    world.end(1006);
    assert.equal(socket.reason, "the server cannot be reached");
    pauses.push(socket.retryAt - world.now);
    world.pass(pauses.at(-1) + 0.001);
  }
  assert.deepEqual(
    pauses.map((pause) => Math.round(pause * 1000)),
    [250, 500, 1000, 2000, 4000, 8000, 8000, 8000],
  );
});

test("a server that does not answer is given up, and asked again", () => {
  const { world, socket } = opened();
  world.accept();
  world.pass(10.01);
  assert.equal(socket.reason, "the server does not answer");
  assert.equal(socket.phase, Phase.WAITING);
});

test("a session that is gone begins anew, with another client", () => {
  const { world, socket } = playing();
  const first = socket.client;
  world.end(1006);
  world.pass(0.3);
  world.accept();
  world.tell(encode([20, 4401, "no such session", 0]));
  world.end(4401, "no such session");
  assert.notEqual(socket.client, first);
  assert.equal(socket.rejoins, 1);
  world.pass(1);
  world.accept();
  assert.equal(world.web.sent.length, 1);
  world.tell(WELCOME);
  assert.equal(socket.phase, Phase.PLAYING);
});

test("a link that ends before the welcome is made again", () => {
  const { world, socket } = opened();
  world.accept();
  world.end(1012, "restart");
  world.pass(10);
  world.accept();
  world.tell(WELCOME);
  assert.equal(socket.phase, Phase.PLAYING);
});

test("who was too slow comes back, once in a row", () => {
  const { world, socket } = playing();
  world.end(1008, "too slow");
  world.pass(10);
  world.accept();
  world.tell(WELCOME);
  assert.equal(socket.phase, Phase.PLAYING);
  world.end(1008, "too slow");
  assert.equal(socket.phase, Phase.ENDED);
});

test("a server that says goodbye and is gone cannot be reached, which is what one is told", () => {
  const { world, socket } = playing();
  world.tell(encode([20, 1012, "the server is shutting down", 2]));
  world.end(1012);
  assert.equal(socket.reason, "the server is shutting down");
  world.pass(3);
  world.end(1006);
  assert.equal(socket.reason, "the server cannot be reached");
  world.pass(1);
  world.accept();
  world.tell(encode([20, 4401, "no such session", 0]));
  world.end(4401, "no such session");
  world.pass(1);
  world.accept();
  world.tell(WELCOME);
  assert.deepEqual([socket.phase, socket.reason], [Phase.PLAYING, ""], "it is there again");
});

test("who was kicked does not come back, and is told why", () => {
  const { world, socket } = playing();
  world.end(4403, "you were kicked");
  assert.equal(socket.phase, Phase.ENDED);
  assert.equal(socket.reason, "you were kicked");
  world.pass(60);
  assert.equal(world.webs.length, 1);
});

test("nonsense from the server ends the link for good", () => {
  const { world, socket } = playing();
  world.tell(Uint8Array.of(0xff, 0x00));
  assert.equal(socket.phase, Phase.ENDED);
  assert.match(socket.reason, /does not speak shoal/);
  assert.ok(world.web.closed);
});

test("a simulated link holds messages back in both directions, in order", () => {
  const world = new World();
  const socket = new Socket("ws://here/", () => new Client("ann"), world.browser);
  socket.condition(makeProfile({ delayS: 0.1 }));
  socket.open();
  world.accept();
  assert.equal(world.web.sent.length, 0, "the hello is on its way");
  world.pass(0.16);
  assert.equal(world.web.sent.length, 1);
  world.tell(WELCOME);
  assert.equal(socket.client.welcome, null);
  world.pass(0.05);
  socket.condition(null); // what is under way stays under way
  assert.equal(socket.client.welcome, null);
  world.pass(0.1);
  assert.notEqual(socket.client.welcome, null);
});

test("what was measured of a link is forgotten when another one is simulated", () => {
  const { world, socket } = playing();
  const roundTrip = () => socket.client.statistics().roundTripS;
  const stamp = () => Math.trunc(world.now * 1000);
  const answer = (asked) => world.tell(encode([4, asked]));
  world.pass(0.1);
  answer(stamp() - 20);
  assert.ok(Math.abs(roundTrip() - 0.02) < 0.002);
  socket.condition(makeProfile({ delayS: 0.1 }));
  const changed = stamp();
  answer(changed - 30); // to a ping of the old link
  world.pass(0.2);
  assert.equal(roundTrip(), 0, "it is not known yet");
  answer(changed + 100);
  world.pass(0.2);
  assert.ok(roundTrip() > 0.1);
});

test("leaving says goodbye, and nothing follows", () => {
  const { world, socket } = playing();
  const before = world.web.sent.length;
  const { web } = world;
  socket.leave();
  assert.equal(web.sent.length, before + 1);
  assert.equal(socket.phase, Phase.CLOSED);
  assert.equal(world.timers.length, 0);
});
