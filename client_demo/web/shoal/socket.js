/**
 * A client on a browser's WebSocket, across as many links as it takes.
 *
 * A lost link is resumed with the session's token after a pause that doubles with every failure; the
 * server's close code says whether coming back makes sense. Messages may be sent through a bad link
 * that is only simulated (`link.js`), in both directions.
 *
 * Must not know: games, the page. What it needs of a browser (`WebSocket`, timers, a clock, chance)
 * may be given, so tests need none.
 */

import { CloseCode, ProtocolError } from "./errors.js";
import { SUBPROTOCOL } from "./limits.js";
import { ConditionedLink } from "./link.js";

/** How far a socket is. */
export const Phase = Object.freeze({
  CLOSED: "closed", // not opened yet, or left
  CONNECTING: "connecting",
  PLAYING: "playing",
  WAITING: "waiting", // to come back
  ENDED: "ended", // for good; `reason` says why
});

const HEARTBEAT_MS = 50;
const PAUSE_FIRST_S = 0.25;
const PAUSE_MAX_S = 8;
const CONNECT_S = 10;
/** Coming back would only earn the same answer. */
const FINAL = new Set([
  CloseCode.POLICY,
  CloseCode.TOO_BIG,
  CloseCode.BAD_MESSAGE,
  CloseCode.AUTH,
  CloseCode.KICKED,
  CloseCode.TAKEN_OVER,
  CloseCode.VERSION,
  CloseCode.RATE,
]);

/** What a socket needs of its surroundings. */
const BROWSER = {
  makeWebSocket: (url) => new WebSocket(url, SUBPROTOCOL),
  setTimeout: (act, ms) => setTimeout(act, ms),
  clearTimeout: (timer) => clearTimeout(timer),
  now: () => performance.now() / 1000,
  random: () => Math.random(),
};

/** One player at a URL. */
export class Socket {
  #url;
  #makeClient;
  #browser;
  #web = null;
  #heartbeat = null;
  #retry = null;
  #open = false;
  #heard = false; // something, on this link
  #failures = 0;
  #lastCode = 0;
  /** @type {ConditionedLink | null} */
  #link = null;
  #down = []; // {arrives, data}, ascending: on their way here, and below to the server
  #up = [];

  /**
   * @param {string} url ws:// or wss://
   * @param {() => import("./client.js").Client} makeClient gives a client that has said nothing yet;
   *   a second one is needed only when the session is lost for good
   * @param {Partial<typeof BROWSER>} [browser]
   */
  constructor(url, makeClient, browser = {}) {
    this.#url = url;
    this.#makeClient = makeClient;
    this.#browser = { ...BROWSER, ...browser };
    /** The client; another one after a session was lost. */
    this.client = makeClient();
    /** One of Phase. */
    this.phase = Phase.CLOSED;
    /** Why the last link ended, for a person. */
    this.reason = "";
    /** When it will try again, in seconds, while it waits. */
    this.retryAt = 0;
    /** Links that were opened, sessions that went on after a loss, and those that began anew. */
    this.links = 0;
    this.resumes = 0;
    this.rejoins = 0;
    /**
     * Told of each message as it really arrives, before a simulated link holds it back.
     *
     * @type {((data: Uint8Array, now: number, isFirst: boolean) => void) | null} `isFirst`: of its link
     */
    this.onArrival = null;
  }

  /** Connect, and stay so until `leave`. */
  open() {
    if (this.phase !== Phase.CLOSED && this.phase !== Phase.ENDED) return;
    this.#failures = 0;
    this.#connect();
    this.#beat();
  }

  /** Say goodbye, so that the session ends at once, and close the link. */
  leave() {
    if (this.client.playing && this.#web?.readyState === 1) this.#web.send(this.client.leave());
    this.#stop(Phase.CLOSED, "");
  }

  /** Lose the link as a broken network would, and come back. */
  drop() {
    if (this.#web !== null) this.#lost(CloseCode.LOST, "the connection was dropped");
  }

  /**
   * Simulate a bad link in both directions from now on; null for none.
   *
   * @param {import("./link.js").Profile | null} profile
   * @param {number} [seed]
   */
  condition(profile, seed = 1) {
    if (profile === null) {
      this.#link = null; // what is under way still comes first
    } else if (this.#link === null) {
      this.#link = new ConditionedLink(profile, seed);
    } else {
      this.#link.up.profile = profile;
      this.#link.down.profile = profile;
    }
    this.client.linkChanged(this.#browser.now());
  }

  /** Hear what has arrived by `now` and say what there is to say; call it before each frame. */
  advance(now) {
    const { client } = this;
    while (this.#down.length > 0 && this.#down[0].arrives <= now) {
      const { arrives, data } = this.#down.shift();
      this.#hear(data, arrives);
    }
    if (!this.#open || this.client !== client) return;
    client.tick(now);
    for (const data of client.outgoing()) this.#say(data, now);
    while (this.#up.length > 0 && this.#up[0].arrives <= now) this.#web.send(this.#up.shift().data);
  }

  // --- one link ------------------------------------------------------------------------------------

  #connect() {
    const { makeWebSocket, setTimeout, clearTimeout } = this.#browser;
    const resuming = this.client.welcome !== null;
    this.phase = Phase.CONNECTING;
    this.links += 1;
    this.#heard = false;
    const web = makeWebSocket(this.#url);
    web.binaryType = "arraybuffer";
    this.#web = web;
    const mine = (act) => (event) => {
      if (this.#web === web) act(event); // else it is of a link that was given up
    };
    const timer = setTimeout(
      mine(() => this.#lost(CloseCode.LOST, "the server does not answer")),
      CONNECT_S * 1000,
    );
    web.onopen = mine(() => {
      this.#open = true;
      const hello = resuming ? this.client.reconnect() : this.client.start();
      this.#say(hello, this.#browser.now());
    });
    web.onmessage = mine(({ data }) => {
      clearTimeout(timer);
      this.#arrive(data);
    });
    web.onclose = mine(({ code, reason }) => {
      clearTimeout(timer);
      this.#lost(code, reason);
    });
  }

  #arrive(data) {
    if (typeof data === "string") {
      this.#lost(CloseCode.BAD_MESSAGE, "the server does not speak shoal: a text message");
      return;
    }
    const now = this.#browser.now();
    const bytes = new Uint8Array(data);
    const last = this.#down.at(-1)?.arrives ?? now;
    const arrives = this.#link === null ? now : this.#link.down.push(bytes.length, now);
    this.#down.push({ arrives: Math.max(arrives, last), data: bytes });
    this.onArrival?.(bytes, now, !this.#heard);
    this.#heard = true;
    this.advance(now);
  }

  #hear(data, now) {
    const { client } = this;
    const before = client.welcome;
    try {
      client.receive(data, now);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#lost(error.code ?? CloseCode.BAD_MESSAGE, `the server does not speak shoal: ${error.message}`);
      return;
    }
    if (client.welcome === before) return;
    this.resumes += before === null ? 0 : 1;
    this.phase = Phase.PLAYING;
    this.reason = "";
    this.#failures = 0;
  }

  #say(data, now) {
    const last = this.#up.at(-1)?.arrives ?? now;
    const arrives = this.#link === null ? now : this.#link.up.push(data.length, now);
    if (arrives <= now && this.#up.length === 0) this.#web.send(data);
    else this.#up.push({ arrives: Math.max(arrives, last), data });
  }

  #lost(code, reason) {
    const { goodbye, welcome } = this.client;
    this.#close();
    if (code === CloseCode.AUTH && welcome !== null) {
      this.client = this.#makeClient(); // the session is gone for good
      this.rejoins += 1;
    } else if (FINAL.has(code) && !this.#mayResumeAfter(code)) {
      this.#stop(Phase.ENDED, goodbye?.reason || reason || `closed with code ${code}`);
      return;
    }
    this.#lastCode = code;
    this.#failures = this.#heard ? 1 : this.#failures + 1;
    const otherwise = this.#heard ? "the connection was lost" : "the server cannot be reached";
    const said = this.#heard ? goodbye : null; // else it was said on another link
    this.reason = said?.reason || reason || otherwise;
    this.phase = Phase.WAITING;
    const pause = this.#pauseS(said);
    this.retryAt = this.#browser.now() + pause;
    this.#retry = this.#browser.setTimeout(() => this.#connect(), pause * 1000);
  }

  /** Who was too slow to read may come back, once in a row: a laptop may have slept. */
  #mayResumeAfter(code) {
    const wasSlow = code === CloseCode.POLICY && this.client.welcome !== null;
    return wasSlow && this.#lastCode !== CloseCode.POLICY;
  }

  #pauseS(goodbye) {
    const longest = Math.min(PAUSE_FIRST_S * 2 ** (this.#failures - 1), PAUSE_MAX_S);
    const asked = Math.min(goodbye?.retryS ?? 0, PAUSE_MAX_S);
    return asked + longest * (0.5 + 0.5 * this.#browser.random()); // a crowd comes back spread out
  }

  /** Let go of the link, and of what was under way on it. */
  #close() {
    const web = this.#web;
    this.#web = null;
    this.#open = false;
    this.#down = [];
    this.#up = [];
    web?.close();
  }

  #stop(phase, reason) {
    const { clearTimeout } = this.#browser;
    this.#close();
    clearTimeout(this.#heartbeat);
    clearTimeout(this.#retry);
    this.phase = phase;
    this.reason = reason;
  }

  /** Time goes on without frames, too: in a tab that nobody sees. */
  #beat() {
    this.#heartbeat = this.#browser.setTimeout(() => {
      this.#beat();
      this.advance(this.#browser.now());
    }, HEARTBEAT_MS);
  }
}
