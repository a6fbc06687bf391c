/**
 * The whole client without its socket: bytes in, bytes out, time as an argument.
 *
 * It says hello, applies snapshots to its replica, acknowledges them (on inputs, else at most four
 * times a second), paces its inputs by the server's reports, measures the round trip, asks for parts
 * whose replica went wrong, and comes back after a lost link with its unacknowledged inputs.
 *
 * The same as `protocol/client.py`. Must not know: sockets, games, rendering. Times are seconds of
 * any one monotonic clock (`performance.now() / 1000`).
 */

import { InputPacer, RoundTrip, Timeline } from "./clock.js";
import { Connection, State } from "./connection.js";
import { LocalProtocolError } from "./errors.js";
import { Heard } from "./events.js";
import { Foresight } from "./foresight.js";
import { Geometry } from "./geometry.js";
import { CLIENT_EVENTS, RESYNC_CELLS_MAX } from "./limits.js";
import { Playback } from "./playback.js";
import { Predictor } from "./predict.js";
import { Replica } from "./replica.js";
import { Schema } from "./schema.js";
import { Unconfirmed } from "./unconfirmed.js";

/** @typedef {import("./ids.js").Id} Id */
/** @typedef {import("./playback.js").Shown} Shown */

const ACK_EVERY_S = 0.25;
const PING_EVERY_S = 1;
const RESYNC_EVERY_S = 1;

/** How the world is shown, each with what the one before it has. */
export const Mode = Object.freeze({
  RAW: 1, // everybody where the newest snapshot has them
  INTERPOLATED: 2, // everybody a little in the past, smooth
  PREDICTED: 3, // the own avatar at once
  EXTRAPOLATED: 4, // and going on for a moment while the server is silent
});

/**
 * A one-off fact of the server.
 *
 * @typedef {{name: string, tick: number, shard: number, values: Record<string, any>}} Event
 */

/** One player, or one observer, of a world. */
export class Client {
  #hello;
  #predicts;
  #wantsPlayback;
  #fixedDelayS;
  #connection = new Connection();
  #foreseen = { entity: 0, kind: 0 };
  #out = [];
  #roundTrip = new RoundTrip();
  #pacer = new InputPacer(20);
  #inputs = new Unconfirmed();
  #resuming = false; // from the welcome of another link to its first snapshot
  #acked = 0;
  #heard = new Heard();
  #ackDue = 0;
  #pingDue = 0;
  #measuredFrom = 0; // pongs to older pings are of another link
  #resyncDue = 0;
  #resync = new Set();
  #totals = { bytes: 0, messages: 0, snapshots: 0, events: 0, resumes: 0, checks: 0, mismatches: 0 };
  #bytes = {};

  /**
   * @param {string} [name]
   * @param {object} [options]
   * @param {string | null} [options.world]
   * @param {Uint8Array | null} [options.token] that the game asks for
   * @param {Uint8Array | null} [options.resume] of an earlier welcome
   * @param {boolean} [options.observe] to look on without an avatar
   * @param {boolean} [options.predicts] the own avatar; false shows it like everybody else
   * @param {boolean} [options.playback] false saves the tracks for who never looks at `screen`
   * @param {number | null} [options.fixedDelayS] of what is shown; null adapts to the link
   */
  constructor(name = "", options = {}) {
    const { world = null, token = null, resume = null, observe = false } = options;
    const { predicts = true, playback = true, fixedDelayS = null } = options;
    this.name = name;
    this.#hello = { type: "hello", world, name, token, resume, observe };
    this.#predicts = predicts;
    this.#wantsPlayback = playback;
    this.#fixedDelayS = fixedDelayS;
    /** @type {import("./messages.js").Welcome | null} */
    this.welcome = null;
    /** @type {Schema | null} */
    this.schema = null;
    /** @type {Geometry | null} */
    this.geometry = null;
    /** @type {Replica | null} */
    this.replica = null;
    /** @type {Playback | null} */
    this.playback = null;
    /** @type {Timeline | null} */
    this.timeline = null;
    /** @type {Foresight | null} */
    this.foresight = null;
    /** The own avatar. @type {Id} */
    this.entity = 0;
    /** What its owner alone is told, by name. @type {Record<string, number>} */
    this.private = {};
    /** @type {import("./messages.js").Goodbye | null} */
    this.goodbye = null;
    /** @type {import("./messages.js").ScoreRow[]} */
    this.scores = [];
    /** What happened and was not taken out yet, oldest first. @type {Event[]} */
    this.events = [];
    /** Called after each snapshot. @type {((changes: import("./replica.js").Changes) => void) | null} */
    this.onChanges = null;
  }

  // --- the link's life -----------------------------------------------------------------------------

  /** The hello: the first message on a link, also after one that ended without a welcome. @returns {Uint8Array} */
  start() {
    this.#connection = new Connection();
    this.#out = [];
    return this.#connection.send(this.#hello);
  }

  /**
   * The hello on another link, which asks for the session back.
   *
   * What was shown stays until the welcome; inputs that the server has not confirmed are sent again
   * after it. If the session is gone (4401), make a new client.
   *
   * @returns {Uint8Array}
   */
  reconnect() {
    this.#connection = new Connection();
    this.#out = [];
    this.goodbye = null;
    const token = this.welcome === null ? this.#hello.resume : this.welcome.token;
    if (this.welcome !== null) this.#totals.resumes += 1;
    return this.#connection.send({ ...this.#hello, resume: token?.length > 0 ? token : null });
  }

  /** The last message of a player who goes for good. @returns {Uint8Array} */
  leave() {
    return this.#connection.send({ type: "bye" });
  }

  /** Whether the welcome and a first snapshot are here. */
  get ready() {
    return this.timeline !== null && this.timeline.started;
  }

  /** Whether the link is up and the server has let this client in. */
  get playing() {
    return this.#connection.state === State.PLAYING;
  }

  // --- bytes in ------------------------------------------------------------------------------------

  /**
   * Take one message of the server, and give it as it was read.
   *
   * Throws RemoteProtocolError when it is none, or may not be sent now: close the link.
   *
   * @param {Uint8Array} data
   * @param {number} now
   */
  receive(data, now) {
    this.#totals.bytes += data.length;
    this.#totals.messages += 1;
    const message = this.#connection.receive(data);
    this.#bytes[message.type] = (this.#bytes[message.type] ?? 0) + data.length;
    this.#take(message, now);
    return message;
  }

  // --- bytes out -----------------------------------------------------------------------------------

  /** The messages to send now, in order. @returns {Uint8Array[]} */
  outgoing() {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  /** The link became another one: what was measured of it does not count any more. */
  linkChanged(now) {
    this.#roundTrip = new RoundTrip();
    this.#measuredFrom = stampOf(now);
    this.#pingDue = now;
  }

  /** Do what time has brought: acknowledgements, pings, requests for keyframes. */
  tick(now) {
    if (!this.playing || this.replica === null) return;
    if (now >= this.#ackDue && this.replica.tick > this.#acked) {
      this.#acked = this.replica.tick;
      this.#ackDue = now + ACK_EVERY_S;
      this.#say({ type: "ack", tick: this.#acked });
    }
    if (now >= this.#pingDue) {
      this.#pingDue = now + PING_EVERY_S;
      this.#say({ type: "ping", stamp: stampOf(now) });
    }
    if (this.#resync.size > 0 && now >= this.#resyncDue) {
      this.#resyncDue = now + RESYNC_EVERY_S;
      const cells = [...this.#resync].sort((one, other) => one - other).slice(0, RESYNC_CELLS_MAX);
      for (const cell of cells) this.#resync.delete(cell);
      this.#say({ type: "resync", cells });
    }
  }

  /**
   * Send an intent by the names of its kind and fields; gives its number.
   *
   * While the link is lost it is kept, and sent when the session is back. Throws LocalProtocolError
   * before the first snapshot, and for values that do not fit.
   *
   * @param {string} kind
   * @param {Record<string, number | string>} values
   * @param {number} now
   */
  sendInput(kind, values, now) {
    const { schema, timeline, replica } = this;
    if (schema === null || timeline === null || timeline.newest === 0 || replica === null) {
      throw new LocalProtocolError("there is no world yet to send an input to");
    }
    const index = schema.inputIndex(kind);
    if (index < 0) throw new LocalProtocolError(`${schema.game} has no input ${kind}`);
    const wire = schema.inputs[index].encode(values);
    this.#acked = replica.tick;
    this.#ackDue = now + ACK_EVERY_S;
    const entry = {
      type: "input",
      seq: this.#inputs.newest + 1,
      tick: this.inputTick(now),
      view: Math.max(Math.trunc(timeline.renderTick(now) * 256), 0),
      ack: this.#acked,
      kind: index,
      values: wire,
    };
    this.#inputs.add(entry);
    this.foresight?.sent(entry, schema.inputs[index]);
    // Else it waits with the others for the session to go on.
    if (this.playing && !this.#resuming) this.#say(entry);
    return entry.seq;
  }

  // --- what to show --------------------------------------------------------------------------------

  /** The server's tick as the newest snapshots tell it. */
  serverTick(now) {
    return this.timeline === null ? 0 : this.timeline.serverTick(now);
  }

  /** The tick that an input sent now is meant for. */
  inputTick(now) {
    return Math.max(Math.trunc(this.#pacer.tick(this.serverTick(now), now)), 1);
  }

  /**
   * Where the server will have the own avatar when an input that is sent now takes effect: [x, y].
   *
   * Inputs take effect between ticks, the screen shows the avatar within one. So aim at a point of
   * the screen from here, and the shot goes through that point on the server as well. Null where
   * nothing is predicted: then aim from where the avatar is shown.
   *
   * @returns {[number, number] | null}
   */
  origin(now) {
    return this.foresight === null ? null : this.foresight.origin(this.inputTick(now));
  }

  /**
   * Everybody as the player sees them now.
   *
   * @param {number} now
   * @param {number} [mode] one of Mode
   * @returns {Map<Id, Shown>}
   */
  screen(now, mode = Mode.EXTRAPOLATED) {
    if (this.timeline === null || this.playback === null) return new Map();
    const renderTick = this.timeline.renderTick(now);
    if (mode === Mode.RAW) return this.#newest();
    const shown = this.playback.screen(renderTick, mode >= Mode.EXTRAPOLATED);
    const own = shown.get(this.entity);
    if (this.foresight !== null && own !== undefined && mode >= Mode.PREDICTED) {
      const ahead = this.#pacer.tick(this.serverTick(now), now);
      const spot = this.foresight.position(ahead, now);
      if (spot !== null) Object.assign(own, spot);
    }
    return shown;
  }

  /**
   * Totals since the client was made. Times are in seconds; `bytesBy` counts by message type;
   * `inputsLost` are inputs that had taken effect and that a crash of the server undid.
   */
  statistics() {
    const { timeline, foresight } = this;
    return {
      bytesReceived: this.#totals.bytes,
      bytesBy: { ...this.#bytes },
      messagesReceived: this.#totals.messages,
      snapshots: this.#totals.snapshots,
      crcChecks: this.#totals.checks,
      mismatches: this.#totals.mismatches,
      inputs: this.#inputs.newest,
      inputsLost: this.#inputs.lost,
      events: this.#totals.events,
      resumes: this.#totals.resumes,
      corrections: foresight === null ? 0 : foresight.corrections,
      rubberBands: foresight === null ? 0 : foresight.rubberBands,
      roundTripS: this.#roundTrip.seconds,
      viewAgeS: timeline === null ? 0 : timeline.delayS,
      stalls: timeline === null ? 0 : timeline.stalls,
    };
  }

  // --- inside --------------------------------------------------------------------------------------

  #say(message) {
    this.#out.push(this.#connection.send(message));
  }

  /** Everybody where the newest snapshot has them. */
  #newest() {
    const shown = new Map();
    for (const id of this.replica.ids()) {
      const { kind, shard, x, y, vx, vy, fields, held } = this.replica.entity(id);
      shown.set(id, { kind, shard, x, y, vx, vy, fields, held });
    }
    return shown;
  }

  /** The connection's table lets no other types through. */
  #take(message, now) {
    switch (message.type) {
      case "snapshot":
        return this.#takeSnapshot(message, now);
      case "events":
        return this.#takeEvents(message);
      case "scores":
        this.scores = message.rows;
        return;
      case "ping":
        return this.#say({ type: "pong", stamp: message.stamp });
      case "pong":
        if (message.stamp < this.#measuredFrom) return;
        this.#roundTrip.add(now - message.stamp / 1000);
        return this.#pacer.roundTrip(this.#roundTrip.seconds);
      case "welcome":
        return this.#takeWelcome(message, now);
      case "goodbye":
        this.goodbye = message;
        return;
      case "geometry":
        this.geometry = Geometry.fromData(message.geometry);
        this.replica.regeometry(this.geometry);
    }
  }

  #takeWelcome(welcome, now) {
    const schema = Schema.fromData(welcome.schema);
    this.geometry = Geometry.fromData(welcome.geometry);
    const resumed =
      this.welcome?.session === welcome.session && this.schema.hash === schema.hash;
    this.schema = schema;
    this.welcome = welcome;
    this.entity = welcome.entity;
    this.replica = new Replica(this.schema, this.geometry);
    this.#resync.clear();
    this.#acked = 0;
    this.#pingDue = now;
    if (resumed) this.#goOn();
    else this.#begin(welcome.hz);
  }

  #begin(hz) {
    this.playback = this.#wantsPlayback ? new Playback(this.schema) : null;
    this.timeline = new Timeline(hz, this.#fixedDelayS);
    this.foresight = null;
    this.#foreseen = { entity: 0, kind: 0 };
    this.#pacer = new InputPacer(hz);
    this.#inputs = new Unconfirmed();
    this.#resuming = false;
    this.#heard = new Heard();
  }

  /** Show what was shown, until the snapshots say otherwise. */
  #goOn() {
    this.timeline.restart();
    this.#pacer.restart();
    this.playback?.restart();
    this.#resuming = true;
  }

  /** The first snapshot of another link says what may be lost: send it again. */
  #repeat(now) {
    this.#resuming = false;
    const before = this.#pacer.last;
    const aim = this.inputTick(now);
    const entries = this.#inputs.again(aim);
    if (aim < Math.trunc(before) && this.foresight !== null) {
      // The world stood still: what was predicted is of a time that did not come.
      this.#predict(this.foresight.entity, this.foresight.kind, entries);
    }
    for (const entry of entries) this.#say({ ...entry, ack: 0 });
  }

  #takeSnapshot(snapshot, now) {
    const changes = this.replica.apply(snapshot);
    this.timeline.arrive(snapshot.tick, now);
    this.#totals.snapshots += 1;
    this.#totals.checks += changes.crcChecks;
    this.#totals.mismatches += changes.mismatches;
    for (const cell of changes.resync) this.#resync.add(cell);
    this.playback?.feed(this.replica, changes, this.timeline.shown);
    if (snapshot.report !== null && this.#inputs.confirm(snapshot.report.applied)) {
      this.#pacer.report(snapshot.report.margin, now, this.#roundTrip.seconds);
    }
    if (snapshot.private !== null) this.#takePrivate(snapshot.private);
    if (this.#resuming) this.#repeat(now);
    this.foresight?.snapshot(this.replica, this.private, this.#inputs.confirmed);
    this.onChanges?.(changes);
  }

  #takePrivate({ entity, kind, values }) {
    this.entity = entity;
    if (kind >= this.schema.kinds.length) return;
    this.private = this.schema.kinds[kind].privateValues(values);
    if (!this.#predicts) return;
    if (this.#foreseen.entity === entity && this.#foreseen.kind === kind) return;
    this.#foreseen = { entity, kind };
    this.foresight = null;
    this.#predict(entity, kind, []);
  }

  /** Predict the own avatar, with these inputs, from the server's next word on. */
  #predict(entity, kind, inputs) {
    const predictor = new Predictor(this.schema, kind);
    const was = this.foresight;
    if (was !== null) {
      predictor.corrections = was.corrections;
      predictor.rubberBands = was.rubberBands;
    }
    this.foresight = predictor.predictable ? new Foresight(predictor, entity, kind) : null;
    for (const entry of inputs) this.foresight?.sent(entry, this.schema.inputs[entry.kind]);
  }

  #takeEvents({ tick, shard, events }) {
    const heard = this.#heard.begin();
    for (const [kind, ...items] of events) {
      const form = this.schema.events[kind];
      if (form === undefined) continue; // of a newer game than we know
      if (form.durable && !heard.isNew(tick, shard, kind, items)) continue;
      this.events.push({ name: form.name, tick, shard, values: form.decode(items) });
      this.#totals.events += 1;
    }
    if (this.events.length > CLIENT_EVENTS) {
      this.events.splice(0, this.events.length - CLIENT_EVENTS);
    }
  }
}

/** When a ping was sent, as it tells it: in whole milliseconds. */
function stampOf(now) {
  return Math.max(Math.trunc(now * 1000), 0);
}
