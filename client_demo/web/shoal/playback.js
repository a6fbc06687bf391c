/**
 * What a player sees: the replica's past, between snapshots, smooth.
 *
 * At a render tick with a fraction the picture lies between two whole ticks. An entity moves along
 * its course, and along the new one from the tick at which that begins, as it does in the
 * simulation. What is told too late for that is joined to what was drawn by a cubic Hermite curve.
 * Plain positions are interpolated only over the last interval
 * before a change, since until then nothing changed. A teleport snaps. The newest ticks are
 * extrapolated for at most a quarter of a second, and only while the server is silent.
 *
 * The same as `protocol/playback.py`. Invariant: memory is bounded by the entities in view times the
 * keys of a track. Must not know: sockets, clocks, prediction.
 */

import { EXTRAPOLATE_S } from "./clock.js";
import { Steps } from "./steps.js";
import { Track } from "./tracks.js";

/** @typedef {import("./ids.js").Id} Id */

const KEPT_S = 1.5;
const SPARE_TRACKS = 64; // of entities that are gone, before one looks for what to forget

/**
 * One entity on the screen: position in units, velocity in units per second.
 *
 * It is made anew for each screen; `fields` are shared, and not to be changed.
 *
 * @typedef {object} Shown
 * @property {number} kind
 * @property {number} shard the shard that told of it
 * @property {number} x
 * @property {number} y
 * @property {number} vx
 * @property {number} vy
 * @property {Record<string, import("./fields.js").Value>} fields
 * @property {boolean} held it is between two places, on its last course
 */

/** Tracks of everybody in view, fed after each snapshot. */
export class Playback {
  #schema;
  /** @type {Map<Id, Track>} */
  #tracks = new Map();
  /** @type {Map<number, Steps>} */
  #steps = new Map();
  /** Of one screen: by shard, the whole tick and the steps at it and at the next. */
  #memo = new Map();
  /** By kind: a position's unit, and what a speed adds to it in a step. */
  #forms;
  #newest = 0;
  #restarted = false;
  #kept;
  #ahead;

  /** @param {import("./schema.js").Schema} schema */
  constructor(schema) {
    this.#schema = schema;
    this.#forms = schema.kinds.map(({ course }) => {
      return course === null ? { unit: 0, ratio: 0 } : { unit: course.step, ratio: course.num / course.den };
    });
    this.#kept = KEPT_S * schema.hz;
    this.#ahead = EXTRAPOLATE_S * schema.hz;
  }

  /** How many tracks there are. */
  get size() {
    return this.#tracks.size;
  }

  /** Another link: the replica begins anew, and whoever it does not have next time is gone. */
  restart() {
    this.#restarted = true;
  }

  /**
   * Take over what one snapshot changed; `replica` has it applied already.
   *
   * @param {import("./replica.js").Replica} replica
   * @param {import("./replica.js").Changes} changes
   * @param {number} [shown] the tick that was drawn last: what is told late does not change it
   */
  feed(replica, changes, shown = 0) {
    this.#newest = replica.tick;
    for (const [shard, table] of replica.tables) {
      let steps = this.#steps.get(shard);
      if (steps === undefined) this.#steps.set(shard, (steps = new Steps()));
      steps.add(table.tick, table.step);
    }
    const jumped = new Set(changes.set);
    const { entered, turned, changed } = changes;
    const touched = new Set(entered);
    for (const ids of [turned, changes.set, changed]) for (const id of ids) touched.add(id);
    const drawn = Math.trunc(shown);
    for (const id of touched) {
      const view = replica.entity(id);
      if (view !== null) this.#note(view, replica.tables.get(view.shard).tick, drawn, jumped);
    }
    for (const [id, code] of changes.left) this.#end(id, replica, code === 0);
    for (const id of changes.dropped) this.#end(id, replica, !replica.has(id));
    if (this.#restarted) {
      this.#restarted = false;
      for (const id of this.#tracks.keys()) if (!replica.has(id)) this.#end(id, replica, true);
    }
    if (this.#tracks.size > 2 * replica.size + SPARE_TRACKS) this.#forgetEnded();
  }

  /**
   * Everybody as of `renderTick`.
   *
   * @param {number} renderTick
   * @param {boolean} [extrapolates] whether to go on when the newest snapshot is older than that
   * @returns {Map<Id, Shown>}
   */
  screen(renderTick, extrapolates = true) {
    const tick = Math.min(renderTick, this.#newest + (extrapolates ? this.#ahead : 0));
    const whole = Math.trunc(tick);
    const part = tick - whole;
    this.#memo.clear();
    const shown = new Map();
    for (const [id, track] of this.#tracks) {
      if (track.ends !== null && track.ends <= tick) {
        this.#tracks.delete(id);
      } else if (track.keys[0].tick <= tick + 1) {
        shown.set(id, this.#show(track, whole, part));
      }
    }
    return shown;
  }

  // --- inside ------------------------------------------------------------------------------------

  #note(view, tick, drawn, jumped) {
    let track = this.#tracks.get(view.id);
    if (track === undefined || (track.ends !== null && track.ends < tick)) {
      this.#tracks.delete(view.id); // a new one stands behind those that are there
      track = new Track(view.kind);
      this.#tracks.set(view.id, track);
    }
    track.ends = null;
    track.held = false;
    const last = track.keys[track.keys.length - 1];
    let began = Math.max(this.#began(view, tick, last), drawn);
    if (last !== undefined) began = Math.max(began, drawn + 2, last.tick);
    const { shard, course, x, y, fields } = view;
    const key = { tick: began, shard, course, x, y, fields, teleport: false };
    if (last !== undefined && (course === null || jumped.has(view.id))) {
      key.teleport = this.#teleports(track, last, key);
    }
    track.add(key, this.#newest - this.#kept);
  }

  /** Since when it is as it is: a course that is told late counts from where it began. */
  #began(view, tick, last) {
    if (view.course === null || (last?.shard === view.shard && same(last.course, view.course))) {
      return tick;
    }
    return Math.min(this.#steps.get(view.shard).tickAt(view.course[4] + 1), tick);
  }

  #teleports(track, last, key) {
    const kind = this.#schema.kinds[track.kind];
    const was = track.spot(key.tick, kind, this.#stepAt, last);
    const now = track.spot(key.tick, kind, this.#stepAt, key);
    return (was.x - now.x) ** 2 + (was.y - now.y) ** 2 > this.#schema.jump ** 2;
  }

  #end(id, replica, isGone) {
    const track = this.#tracks.get(id);
    if (track === undefined || track.ends !== null) return;
    if (isGone || !replica.has(id)) track.ends = replica.tick;
    else track.held = true;
  }

  /** Nobody has looked for long: forget those that no screen can show any more. */
  #forgetEnded() {
    const oldest = this.#newest - this.#kept;
    for (const [id, track] of this.#tracks) {
      if (track.ends !== null && track.ends <= oldest) this.#tracks.delete(id);
    }
  }

  #show(track, whole, part) {
    const newest = track.keys[track.keys.length - 1];
    if (newest.tick <= whole && newest.course !== null) {
      return this.#evaluate(track, newest, whole, part);
    }
    const kind = this.#schema.kinds[track.kind];
    const before = track.at(whole);
    const after = track.at(whole + 1);
    // A course told at a tick leads there from the tick before: its start is on both.
    const here = track.spot(whole, kind, this.#stepAt, before);
    const snaps = after.teleport && after !== before;
    const there = track.spot(whole + 1, kind, this.#stepAt, snaps ? before : after);
    const isLine = before === after || this.#continues(here, track, whole, kind, after);
    const x = isLine ? here.x + (there.x - here.x) * part : between(here, there, part, "x", "vx");
    const y = isLine ? here.y + (there.y - here.y) * part : between(here, there, part, "y", "vy");
    const { hz } = this.#schema;
    return {
      kind: track.kind,
      shard: before.shard,
      x,
      y,
      vx: (here.vx + (there.vx - here.vx) * part) * hz,
      vy: (here.vy + (there.vy - here.vy) * part) * hz,
      fields: before.fields,
      held: track.held,
    };
  }

  /** Whether the newer course begins where the older one has led: then it is the whole way. */
  #continues(here, track, whole, kind, after) {
    if (after.course === null || kind.course === null || after.teleport) return false;
    const start = track.spot(whole, kind, this.#stepAt, after);
    const near = kind.course.step; // each course has its own rounding
    return Math.abs(start.x - here.x) <= near && Math.abs(start.y - here.y) <= near;
  }

  /** The common case, without detours: nothing has changed since the newest key. */
  #evaluate(track, { course, shard, fields }, whole, part) {
    let steps = this.#memo.get(shard);
    if (steps === undefined) {
      const step = this.#stepAt(shard, whole);
      steps = { step, stride: this.#stepAt(shard, whole + 1) - step };
      this.#memo.set(shard, steps);
    }
    const { step, stride } = steps;
    const { unit, ratio } = this.#forms[track.kind];
    const travelled = (step + stride * part - course[4]) * ratio;
    const pace = stride * ratio * unit * this.#schema.hz;
    return {
      kind: track.kind,
      shard,
      x: (course[0] + course[2] * travelled) * unit,
      y: (course[1] + course[3] * travelled) * unit,
      vx: course[2] * pace,
      vy: course[3] * pace,
      fields,
      held: track.held,
    };
  }

  #stepAt = (shard, tick) => this.#steps.get(shard).at(tick);
}

/** On one axis, a point of the cubic Hermite curve, which is a line on a constant course. */
function between(here, there, part, place, speed) {
  if (here.vx === 0 && here.vy === 0 && there.vx === 0 && there.vy === 0) {
    return (1 - part) * here[place] + part * there[place]; // plain positions know no velocity
  }
  const square = part * part;
  const cube = part * part * part;
  const start = 2 * cube - 3 * square + 1;
  const end = 3 * square - 2 * cube;
  const leave = cube - 2 * square + part;
  const arrive = cube - square;
  return start * here[place] + end * there[place] + leave * here[speed] + arrive * there[speed];
}

function same(one, other) {
  return one !== null && one.every((number, index) => number === other[index]);
}
