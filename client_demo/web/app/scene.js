/**
 * What there is to see at one moment: who is where, where they came from, what just happened.
 *
 * It asks the client for its screen and remembers what a picture needs beyond that.
 *
 * Must not know: canvases, the page, sockets.
 */

import { Mode } from "../shoal/client.js";
import { HALF_WIDTHS, HARPOON_RANGE, REACH, TRAIL_KINDS, WIDENS } from "./lanterns.js";

/** @typedef {import("../shoal/ids.js").Id} Id */

/**
 * One entity, as it is shown.
 *
 * @typedef {object} Body
 * @property {Id} id
 * @property {string} kind its name
 * @property {number} x in units, as are y and all places
 * @property {number} y
 * @property {number} vx units per second
 * @property {number} vy
 * @property {Record<string, any>} fields
 * @property {boolean} own
 * @property {number} shard that told of it
 * @property {boolean} held it is no longer told of
 */

/** @typedef {{at: number, x: number, y: number}[]} Trail oldest first; `at` in seconds */

/**
 * The trace of an event: `age` 0 to 1, from (x, y) to (toX, toY) where it has two ends. `gain`: light
 * that the player won, or lost if below 0.
 *
 * @typedef {object} Effect
 * @property {string} name
 * @property {number} age
 * @property {number} x
 * @property {number} y
 * @property {number} toX
 * @property {number} toY
 * @property {boolean} hit
 * @property {number} gain
 */

/** How a shot was judged: a box of `radius` around where its target was rewound to.
 *
 * @typedef {{x: number, y: number, toX: number, toY: number, radius: number, age: number,
 *   hit: boolean}} Rewind
 */

/** @typedef {{x: number, y: number, age: number, from: number, to: number}} Handoff */

const TRAIL_EVERY_S = 0.05;
const TRAIL_S = 4;
const SEEN_MAX = 256;
/** How long the trace of an event is seen, in seconds. */
const LASTS_S = { Aimed: 0.25, Harpooned: 0.45, Snuffed: 0.9, Robbed: 1.2 };
const LASTS_ELSE_S = 0.5;
const REWIND_S = 1.5;
const HANDOFF_S = 0.8;

/** The world of one client, shown in one way. */
export class Scene {
  #coming = []; // events whose tick is not on the screen yet
  #seen = []; // {began, event}
  #handoffs = []; // {began, id, from, to, x, y}
  #homes = new Map();

  /** @param {import("../shoal/client.js").Client} client */
  constructor(client) {
    this.client = client;
    /** @type {Body[]} */
    this.bodies = [];
    /** The own avatar; null while there is none. @type {Body | null} */
    this.me = null;
    /** @type {Map<Id, Trail>} */
    this.trails = new Map();
    this.mode = Mode.EXTRAPOLATED;
  }

  /**
   * Go on to `now`, in seconds, with events that were told since the last time.
   *
   * @param {number} now
   * @param {import("../shoal/client.js").Event[]} events
   */
  update(now, events) {
    const { client } = this;
    const names = client.schema.kinds.map((kind) => kind.name);
    this.me = null;
    this.bodies = [];
    for (const [id, { kind, shard, x, y, vx, vy, fields, held }] of client.screen(now, this.mode)) {
      const own = id === client.entity;
      const body = { id, kind: names[kind], x, y, vx, vy, fields, own, shard, held };
      this.bodies.push(body);
      if (own) this.me = body;
    }
    this.#noteTrails(now);
    this.#noteHandoffs(now);
    this.#noteEvents(now, events);
  }

  /** How far a diver's lantern shines, in units: as far as it is told of others. */
  get sight() {
    const { interest } = this.client.schema;
    return interest[this.lantern];
  }

  /** The class of the own interest. */
  get lantern() {
    const light = this.me?.fields.light;
    if (light === undefined) return 0;
    const wide = WIDENS.filter((least) => light >= least).length;
    return Math.min(wide, this.client.schema.interest.length - 1);
  }

  /** The player shoots: that is seen before the server says what came of it. */
  aimed(dx, dy, now) {
    const { me } = this;
    if (me === null || this.client.private.harpoon_wait > 0) return;
    const values = { x: me.x, y: me.y, hit_x: me.x + dx * HARPOON_RANGE };
    values.hit_y = me.y + dy * HARPOON_RANGE;
    this.#see(now, { name: "Aimed", tick: 0, shard: 0, values });
  }

  /** The traces of what happened a moment ago, oldest first. @returns {Effect[]} */
  effects(now) {
    const effects = [];
    for (const { began, event } of this.#seen) {
      const age = (now - began) / (LASTS_S[event.name] ?? LASTS_ELSE_S);
      if (age < 1 && event.values.x !== undefined) effects.push(this.#effect(event, age));
    }
    return effects;
  }

  /** Shots that were judged of late. @returns {Rewind[]} */
  rewinds(now) {
    return this.#seen
      .filter(({ began, event }) => event.name === "Harpooned" && now - began < REWIND_S)
      .map(({ began, radius, event: { values } }) => ({
        x: values.x,
        y: values.y,
        toX: values.hit_x,
        toY: values.hit_y,
        radius,
        age: (now - began) / REWIND_S,
        hit: values.target !== 0,
      }));
  }

  /** Who changed hands between shards of late, where it is now. @returns {Handoff[]} */
  handoffs(now) {
    this.#handoffs = this.#handoffs.filter(({ began }) => now - began < HANDOFF_S);
    const places = new Map(this.bodies.map((body) => [body.id, body]));
    return this.#handoffs.map(({ began, id, from, to, x, y }) => {
      const at = places.get(id) ?? { x, y };
      return { x: at.x, y: at.y, age: (now - began) / HANDOFF_S, from, to };
    });
  }

  /** Bodies of which another shard has a ghost, by that shard. */
  ghosts() {
    const { geometry } = this.client;
    const { columns, cell: side, leaves } = geometry;
    const ghosts = [];
    for (const { x, y, shard } of this.bodies) {
      const cell = geometry.cellOf(x, y);
      const column = cell % columns;
      const row = Math.floor(cell / columns);
      for (const leaf of leaves) {
        if (leaf.shard === shard) continue;
        const across = Math.max(leaf.x0 - column - 1, column - leaf.x1, 0) * side;
        const down = Math.max(leaf.y0 - row - 1, row - leaf.y1, 0) * side;
        if (across * across + down * down < REACH * REACH) ghosts.push({ x, y, shard: leaf.shard });
      }
    }
    return ghosts;
  }

  /** The cells that the player is told of, as the server works them out. @returns {number[]} */
  interest() {
    const { geometry } = this.client;
    if (this.me === null) return [];
    return geometry.interestCells(geometry.cellOf(this.me.x, this.me.y), this.lantern);
  }

  // --- inside --------------------------------------------------------------------------------------

  #effect({ name, values }, age) {
    const { entity } = this.client;
    const won = values.thief === entity ? values.light : 0;
    const lost = values.victim === entity ? values.light : 0;
    return {
      name,
      age: Math.max(age, 0),
      x: values.x,
      y: values.y,
      toX: values.hit_x ?? values.x,
      toY: values.hit_y ?? values.y,
      hit: (values.target ?? 0) !== 0,
      gain: won - lost,
    };
  }

  #see(now, event) {
    const target = this.bodies.find((body) => body.id === event.values.target);
    const radius = HALF_WIDTHS[target?.kind] ?? HALF_WIDTHS.Diver;
    this.#seen.push({ began: now, event, radius });
    if (this.#seen.length > SEEN_MAX) this.#seen.shift();
  }

  /** An event is seen when its tick is on the screen; what one did oneself, at once. */
  #noteEvents(now, events) {
    const shown = this.mode === Mode.RAW ? Infinity : this.client.timeline.shown;
    const { entity } = this.client;
    const later = [];
    for (const event of [...this.#coming, ...events]) {
      const { shooter, diver } = event.values;
      const isDue = event.tick <= shown || shooter === entity || diver === entity;
      if (isDue) this.#see(now, event);
      else later.push(event);
    }
    this.#coming = later.slice(-SEEN_MAX);
  }

  #noteTrails(now) {
    const { jump } = this.client.schema;
    const seen = new Set();
    for (const { id, kind, x, y } of this.bodies) {
      if (!TRAIL_KINDS.includes(kind)) continue;
      seen.add(id);
      let trail = this.trails.get(id);
      if (trail === undefined) this.trails.set(id, (trail = []));
      const last = trail.at(-1);
      const wasPut = last !== undefined && Math.hypot(x - last.x, y - last.y) > jump;
      if (wasPut) trail.length = 0;
      if (wasPut || last === undefined || now >= last.at + TRAIL_EVERY_S) {
        trail.push({ at: now, x, y });
      }
      while (trail.length > 0 && trail[0].at < now - TRAIL_S) trail.shift();
    }
    for (const id of this.trails.keys()) if (!seen.has(id)) this.trails.delete(id);
  }

  #noteHandoffs(now) {
    const homes = new Map();
    for (const { id, shard, x, y } of this.bodies) {
      const before = this.#homes.get(id);
      if (before !== undefined && before !== shard) {
        this.#handoffs.push({ began: now, id, from: before, to: shard, x, y });
      }
      homes.set(id, shard);
    }
    this.#homes = homes;
  }
}
