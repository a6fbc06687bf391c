/**
 * Where the server has everybody right now: a second client that hears what the simulated link still
 * holds back, and looks ahead of it along the courses.
 *
 * Must not know: the page, sockets.
 */

import { Client, Mode } from "../shoal/client.js";
import { ProtocolError } from "../shoal/errors.js";

const AHEAD_S = 0.25;

/** Everybody's true places, as far as the real link tells. */
export class Truth {
  /** @type {Client | null} */
  #client = null;

  /** A message of the server, as it really arrived; `isFirst`: of a new link. */
  hear(data, now, isFirst) {
    if (isFirst) {
      this.#client = new Client("", { predicts: false, fixedDelayS: 0 });
      this.#client.start(); // says nothing to anybody, but is ready to hear
    }
    if (this.#client === null) return;
    try {
      this.#client.receive(data, now);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#client = null; // the player's own client says what is wrong
    }
  }

  /**
   * Where everybody is at `now`.
   *
   * @param {number} now in seconds
   * @returns {{id: import("../shoal/ids.js").Id, x: number, y: number}[]}
   */
  places(now) {
    const client = this.#client;
    if (client === null || !client.ready) return [];
    const { newest, interval } = client.timeline;
    const ahead = (client.serverTick(now) - newest) * interval;
    const age = Math.min(Math.max(ahead, 0), AHEAD_S);
    return [...client.screen(now, Mode.RAW)].map(([id, { x, y, vx, vy }]) => {
      return { id, x: x + vx * age, y: y + vy * age };
    });
  }
}
