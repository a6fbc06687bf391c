// Colyseus with the interest workload: one room at 20 Hz, each client with a view of the entities
// in the 3 x 3 cells around its own.
//
//   node colyseus.mjs --port 0 --roamers 200 --side 600 --seed 1
//
// Set up as its documentation advises for such a room: views, patches right after the simulation
// step instead of on a timer beside it, no compression, an encoder buffer that need not grow.
// Message 0 takes a new heading, message 1 asks for the truth (validate.mjs).

import { Console } from "node:console";
import { createRequire } from "node:module";
import { matchMaker, Room, Server } from "@colyseus/core";
import { Encoder, schema, StateView, t } from "@colyseus/schema";
import { WebSocketTransport } from "@colyseus/ws-transport";

import { Cells, drop } from "./cells.mjs";
import { fail, numbers, rounded, serve, Window } from "./control.mjs";
import {
  chances,
  HEADINGS,
  HP_MAX,
  HP_RATE,
  HZ,
  ROAMER_TURNS_HZ,
  STEPS_PER_UNIT,
  STRIDE_X,
  STRIDE_Y,
  TICK_MS,
} from "./rules.mjs";

const INPUT = 0;
const TRUTH = 1;
const SEAT_S = 120; // a seat waits this long for its client: hundreds join at once

process.env.NODE_ENV = "production"; // Colyseus looks when it makes seats

// Views share one buffer for each patch; it must hold what changed for all of them.
Encoder.BUFFER_SIZE = 4 * 1024 * 1024;

const Entity = schema(
  { x: t.uint16(), y: t.uint16(), heading: t.uint8(), hp: t.uint8() },
  "Entity",
);
const State = schema({ entities: t.map(Entity).view() }, "State");

const options = numbers({ port: 0, roamers: 200, side: undefined, seed: 1 });
if (options.side * STEPS_PER_UNIT > 65535) fail("positions of 16 bits want a smaller world");

/** One that walks through the world, and `entity`, which is what Colyseus sends of it. */
class Walker {
  cell = -1;
  entity = new Entity();

  /** `view` is what a player sees; a roamer has none and turns by chance. */
  constructor(key, chance, view) {
    this.key = key;
    this.view = view;
    this.place(chance() * options.side, chance() * options.side);
    this.turn(whole(chance, HEADINGS));
    this.entity.hp = HP_MAX;
  }

  place(x, y) {
    this.x = x;
    this.y = y;
    this.entity.x = (x * STEPS_PER_UNIT) | 0;
    this.entity.y = (y * STEPS_PER_UNIT) | 0;
  }

  turn(heading) {
    this.heading = heading;
    this.entity.heading = heading;
  }

  /** One tick. Who would leave the world stays where it is along that axis and turns back. */
  step(chance) {
    if (this.view === null && chance() < ROAMER_TURNS_HZ / HZ) this.turn(whole(chance, HEADINGS));
    let x = this.x + STRIDE_X[this.heading];
    let y = this.y + STRIDE_Y[this.heading];
    if (x < 0 || x >= options.side) {
      x = this.x;
      this.turn((HEADINGS / 2 - this.heading) & (HEADINGS - 1));
    }
    if (y < 0 || y >= options.side) {
      y = this.y;
      this.turn(-this.heading & (HEADINGS - 1));
    }
    this.place(x, y);
    if (chance() < HP_RATE) this.entity.hp = whole(chance, HP_MAX);
  }

  row() {
    const { x, y, heading, hp } = this.entity;
    return [this.key, x, y, heading, hp];
  }
}

function whole(chance, end) {
  return (chance() * end) | 0;
}

class Bench extends Room {
  state = new State();
  autoDispose = false;
  seatReservationTimeout = SEAT_S;
  cells = new Cells(options.side);
  window = new Window();
  #chance = chances(options.seed);
  #walkers = [];
  #players = new Map(); // by session
  #asked = new Set(); // clients who want to know the truth
  #keys = 0;

  onCreate() {
    for (let made = 0; made < options.roamers; made++) this.#spawn(null);
    this.onMessage(INPUT, (client, half) => this.#input(client, half));
    this.onMessage(TRUTH, (client) => this.#asked.add(client));
    this.setTimestep(() => this.#tick(), TICK_MS);
    this.patchRate = null; // each tick broadcasts; set after the timestep, or a timer remains
  }

  onJoin(client) {
    client.view = new StateView();
    this.#players.set(client.sessionId, this.#spawn(client.view));
  }

  onLeave(client) {
    const walker = this.#players.get(client.sessionId);
    if (walker === undefined) return;
    this.#players.delete(client.sessionId);
    this.#asked.delete(client);
    this.#remove(walker);
  }

  get population() {
    return this.#walkers.length;
  }

  #input(client, half) {
    const walker = this.#players.get(client.sessionId);
    if (walker === undefined || !Number.isInteger(half)) return;
    walker.turn((half * 2) & (HEADINGS - 1)); // half a heading fits one byte of msgpack
    this.window.received();
  }

  #tick() {
    const began = performance.now();
    for (const walker of this.#walkers) {
      walker.step(this.#chance);
      const cell = this.cells.at(walker.x, walker.y);
      if (cell !== walker.cell) this.#cross(walker, cell);
    }
    const stepped = performance.now();
    this.broadcastPatch();
    this.window.ticked(began, stepped);
    this.#tellTruth();
  }

  #spawn(view) {
    const { cells } = this;
    const walker = new Walker((++this.#keys).toString(36), this.#chance, view);
    this.state.entities.set(walker.key, walker.entity);
    this.#walkers.push(walker);
    cells.enter(walker, cells.at(walker.x, walker.y));
    for (const cell of cells.around(walker.cell)) {
      for (const watcher of cells.watchers[cell]) watcher.view.add(walker.entity);
      if (view !== null) for (const seen of cells.walkers[cell]) view.add(seen.entity);
    }
    return walker;
  }

  /**
   * Those who see only the old cell lose the walker, those who see only the new one gain it. What a
   * player sees changes likewise; it goes on seeing itself.
   */
  #cross(walker, to) {
    const { cells } = this;
    const { cell: from, entity, view } = walker;
    cells.leave(walker);
    for (const cell of cells.onlyAround(from, to)) {
      for (const watcher of cells.watchers[cell]) watcher.view.remove(entity);
      if (view !== null) for (const lost of cells.walkers[cell]) view.remove(lost.entity);
    }
    for (const cell of cells.onlyAround(to, from)) {
      for (const watcher of cells.watchers[cell]) watcher.view.add(entity);
      if (view !== null) for (const found of cells.walkers[cell]) view.add(found.entity);
    }
    cells.enter(walker, to);
  }

  #remove(walker) {
    const { cells } = this;
    drop(this.#walkers, walker);
    cells.leave(walker);
    for (const cell of cells.around(walker.cell)) {
      for (const watcher of cells.watchers[cell]) watcher.view.remove(walker.entity);
    }
    walker.view.dispose();
    this.state.entities.delete(walker.key);
  }

  /** What a client's copy must be as of the patch that it was sent just before. */
  #tellTruth() {
    for (const client of this.#asked) {
      const { cell } = this.#players.get(client.sessionId);
      const seen = this.cells.around(cell).flatMap((near) => this.cells.walkers[near]);
      client.send(TRUTH, seen.map((walker) => walker.row()));
    }
    this.#asked.clear();
  }
}

const transport = new WebSocketTransport({ perMessageDeflate: false });
const server = new Server({
  transport,
  greet: false,
  gracefullyShutdown: false,
  logger: new Console(process.stderr), // stdout is for the benchmark
});
server.define("bench", Bench);
await server.listen(options.port, "127.0.0.1");

const { roomId } = await matchMaker.createRoom("bench", {});
const room = matchMaker.getLocalRoomById(roomId);
const { version } = createRequire(import.meta.url)("@colyseus/core/package.json");
serve(transport.server.address().port, `colyseus ${version}`, room.window, () => ({
  clients: room.clients.length,
  entities: room.population,
  visible: rounded(room.cells.meanVisible()),
}));
