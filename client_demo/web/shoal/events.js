/**
 * Which durable events a client was told, so that it hands out none of them twice.
 *
 * A server tells them again to a player who comes back, since it cannot know what the lost link
 * still brought. Remembered are the newest CLIENT_EVENTS.
 *
 * Modelled on `Heard` of protocol/events.py. Must not know: messages, links, who looks at events.
 */

import { CLIENT_EVENTS } from "./limits.js";

export class Heard {
  /** @type {Map<string, number>} how often each was told, the oldest first */
  #told = new Map();
  /** @type {Map<string, number>} how often each may still come again */
  #repeats = new Map();

  /** Another link: whatever was told may be told again. */
  cameBack() {
    this.#repeats = new Map(this.#told);
  }

  /** Note that an event is told; whether it is told for the first time. */
  isNew(tick, shard, kind, values) {
    const event = [tick, shard, kind, ...values.map((value) => `${typeof value}:${value}`)].join("\0");
    const repeats = this.#repeats.get(event) ?? 0;
    if (repeats > 0) {
      this.#repeats.set(event, repeats - 1);
      return false;
    }
    const before = this.#told.get(event) ?? 0;
    this.#told.delete(event);
    this.#told.set(event, before + 1);
    if (this.#told.size > CLIENT_EVENTS) this.#told.delete(this.#told.keys().next().value);
    return true;
  }
}
