/**
 * Which durable events a client was told, so that it hands out none of them twice.
 *
 * A server tells them again to a player who comes back, since it cannot know what the lost link
 * still brought, nor what the new one has brought meanwhile. The twins of one tick and shard stand in
 * one message, so what counts is how often an event stood in a message at the most. Remembered are
 * the newest CLIENT_EVENTS.
 *
 * Modelled on `Heard` of protocol/events.py. Must not know: messages, links, who looks at events.
 */

import { CLIENT_EVENTS } from "./limits.js";

export class Heard {
  /** @type {Map<string, number>} how often each was told, the oldest first */
  #told = new Map();
  /** @type {Map<string, number>} the same in this message */
  #here = new Map();

  /** Another message begins. */
  begin() {
    this.#here.clear();
  }

  /** Note that this message tells an event; whether it is told for the first time. */
  isNew(tick, shard, kind, values) {
    const event = [tick, shard, kind, ...values.map((value) => `${typeof value}:${value}`)].join("\0");
    const here = (this.#here.get(event) ?? 0) + 1;
    this.#here.set(event, here);
    if (here <= (this.#told.get(event) ?? 0)) return false;
    this.#told.delete(event);
    this.#told.set(event, here);
    if (this.#told.size > CLIENT_EVENTS) this.#told.delete(this.#told.keys().next().value);
    return true;
  }
}
