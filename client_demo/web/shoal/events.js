/**
 * Which durable events a client was told, so that it hands out none of them twice.
 *
 * A server tells them again to a player who comes back, since it cannot know what the lost link
 * still brought, nor what the new one brought already. Twins of one tick come in one message.
 * Remembered are the newest CLIENT_EVENTS.
 *
 * Modelled on `Heard` of protocol/events.py. Must not know: messages, links, who looks at events.
 */

import { CLIENT_EVENTS } from "./limits.js";

export class Heard {
  /** @type {Map<string, number>} how many twins each had, the oldest first */
  #told = new Map();

  /** A message is told, event by event. */
  begin() {
    return new Message(this.#told);
  }
}

/** The durable events of one message on their way in. */
class Message {
  #told;
  /** @type {Map<string, number>} */
  #twins = new Map();

  /** @param {Map<string, number>} told */
  constructor(told) {
    this.#told = told;
  }

  /** Note the next event; whether it is told for the first time. */
  isNew(tick, shard, kind, values) {
    const event = [tick, shard, kind, ...values.map((value) => `${typeof value}:${value}`)].join("\0");
    const twins = (this.#twins.get(event) ?? 0) + 1;
    this.#twins.set(event, twins);
    if (twins <= (this.#told.get(event) ?? 0)) return false;
    this.#told.delete(event);
    this.#told.set(event, twins);
    if (this.#told.size > CLIENT_EVENTS) this.#told.delete(this.#told.keys().next().value);
    return true;
  }
}
