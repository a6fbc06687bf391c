/**
 * One player's game: what was pressed, sent, heard and shown, frame by frame.
 *
 * An input is sent in the frame in which its key was pressed, and that frame shows it.
 *
 * Must not know: which elements the page is made of.
 */

import { Client, Mode } from "../shoal/client.js";
import { Phase, Socket } from "../shoal/socket.js";
import { WAITS } from "./lanterns.js";
import { FrameMeter, LinkMeter } from "./meter.js";
import { nameOf, OFF, profileOf } from "./simulated.js";
import { Truth } from "./truth.js";

const WORDS_EVERY_S = 0.25;

/** The game of one name at one address; null for who only looks on. */
export class Game {
  #controls;
  #stages;
  #truth = new Truth();
  #linkMeter = new LinkMeter();
  #client = null;
  #wordsDue = 0;
  #words = [];

  /**
   * @param {string} url
   * @param {string | null} name
   * @param {import("./controls.js").Controls} controls
   * @param {{main: import("./stage.js").Stage, raw: import("./stage.js").Stage}} stages
   * @param {import("./settings.js").Settings} settings
   */
  constructor(url, name, controls, stages, settings) {
    this.#controls = controls;
    this.#stages = stages;
    this.settings = settings;
    this.frames = new FrameMeter();
    this.link = OFF;
    this.delayMs = null;
    const observe = name === null;
    const make = () => new Client(name ?? "", { observe, fixedDelayS: this.#fixedDelayS });
    this.socket = new Socket(url, make);
    this.socket.onArrival = (data, now, isFirst) => this.#truth.hear(data, now, isFirst);
    this.socket.open();
  }

  get client() {
    return this.socket.client;
  }

  /** Simulate a link. @param {import("./simulated.js").LinkSettings} link */
  simulate(link) {
    this.link = link;
    this.socket.condition(profileOf(link));
  }

  /** Show the world so long after the fastest snapshots; null adapts. @param {number | null} ms */
  delay(ms) {
    this.delayMs = ms;
    if (this.client.timeline !== null) this.client.timeline.fixedDelayS = this.#fixedDelayS;
  }

  /** Play and paint one frame at `now`, in seconds; gives a sample of the link when one is due. */
  frame(now) {
    this.socket.advance(now);
    const { client, settings } = this;
    const { main, raw } = this.#stages;
    if (client.schema === null || !client.ready) {
      if (main.scene === null) main.paintEmpty(now); // else the last picture stays
      return null;
    }
    if (client !== this.#client) {
      this.#client = client;
      this.#controls.beginAnew();
      this.delay(this.delayMs);
    }
    this.#send(client, now);
    const events = client.events.splice(0);
    const truth = settings.layers.truth ? this.#truth.places(now) : [];
    main.update(client, settings.mode, now, events);
    main.paint(now, settings.layers, truth);
    if (settings.split) {
      raw.update(client, Mode.RAW, now, events);
      raw.paint(now, settings.layers, truth);
    }
    return this.#linkMeter.note(client, now);
  }

  /** Why one cannot play now, for a person; "" while one can. */
  notice(now) {
    const { phase, reason, retryAt } = this.socket;
    if (phase === Phase.WAITING) {
      return `${reason} - trying again in ${Math.max(retryAt - now, 0).toFixed(1)} s`;
    }
    if (phase === Phase.CONNECTING) return this.client.schema === null ? "diving in ..." : "coming back ...";
    return phase === Phase.ENDED ? `${reason} - reload the page to play again` : "";
  }

  /** What is told beside the picture. */
  hud(now) {
    const { client, settings } = this;
    const scene = this.#stages.main.scene;
    const me = scene?.me ?? null;
    return {
      light: me?.fields.light ?? null,
      sight: me === null ? 0 : scene.sight,
      waits: WAITS.filter(({ column }) => column in client.private).map(
        ({ column, name, longestS }) => {
          const left = client.private[column] / client.schema.hz / longestS;
          return { name, left: Math.min(left, 1) };
        },
      ),
      scores: client.scores.map(({ entity, name, score }) => {
        return { name, score, own: entity === client.entity };
      }),
      notice: this.notice(now),
      netcode: this.#netcode(now),
      linkName: nameOf(this.link),
      help: settings.help,
      mode: settings.mode,
      split: settings.split,
    };
  }

  /** What the page offers to scripts: `window.shoalDemo.stats()`. Times are in milliseconds. */
  stats() {
    const { client, settings } = this;
    const told = client.statistics();
    const scene = this.#stages.main.scene;
    const me = scene?.me ?? null;
    return {
      playing: this.socket.phase === Phase.PLAYING && me !== null,
      entity: String(client.entity),
      x: me?.x ?? null,
      y: me?.y ?? null,
      shard: me?.shard ?? null,
      shards: client.geometry?.leaves.length ?? 0,
      light: me?.fields.light ?? null,
      visible: scene?.bodies.length ?? 0,
      names: scene?.bodies.map((body) => body.fields.name).filter((each) => each) ?? [],
      frames: this.frames.frames,
      frame_ms_p50: this.frames.frameMs(0.5),
      frame_ms_p95: this.frames.frameMs(),
      script_ms_p50: this.frames.scriptMs(0.5),
      script_ms_p95: this.frames.scriptMs(),
      snapshots: told.snapshots,
      crc_checks: told.crcChecks,
      mismatches: told.mismatches,
      resumes: this.socket.resumes,
      rejoins: this.socket.rejoins,
      corrections: told.corrections,
      rubber_bands: told.rubberBands,
      round_trip_ms: told.roundTripS * 1000,
      view_age_ms: told.viewAgeS * 1000,
      mode: settings.mode,
      split: settings.split,
      link: nameOf(this.link),
      notice: this.notice(performance.now() / 1000),
    };
  }

  get #fixedDelayS() {
    return this.delayMs === null ? null : this.delayMs / 1000;
  }

  #send(client, now) {
    const { scene, camera } = this.#stages.main;
    if (this.socket.phase !== Phase.PLAYING) this.#controls.forgetPresses(); // a late shot is none
    if (client.welcome.observer) return this.#controls.forgetPresses();
    const me = scene?.client === client ? scene.me : null;
    // Shots begin where the server will have the avatar, which is not quite where it is drawn.
    const place = me === null ? null : camera.pixel(...(client.origin(now) ?? [me.x, me.y]));
    for (const { input, values } of this.#controls.acts(client.schema, place)) {
      client.sendInput(input, values, now);
      if (input === "Harpoon") scene?.aimed(values.dx, values.dy, now);
    }
  }

  /** The line about the netcode; nobody reads faster than it changes. */
  #netcode(now) {
    if (now < this.#wordsDue) return this.#words;
    this.#wordsDue = now + WORDS_EVERY_S;
    const { roundTripS, viewAgeS, corrections, rubberBands } = this.client.statistics();
    this.#words = [
      `round trip ${Math.round(roundTripS * 1000)} ms`,
      `view age ${Math.round(viewAgeS * 1000)} ms`,
      `corrections ${corrections}`,
      `rubber-bands ${rubberBands}`,
      `frame ${this.frames.frameMs().toFixed(1)} ms`,
      `script ${this.frames.scriptMs().toFixed(1)} ms`,
    ];
    return this.#words;
  }
}
