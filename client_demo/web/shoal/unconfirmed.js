/**
 * The inputs that a client has sent, until the server confirms that they have taken effect.
 *
 * The same as `protocol/unconfirmed.py`. Must not know: links, clocks, what an input means.
 */

import { CLIENT_INPUTS } from "./limits.js";

/** Inputs in the order of their numbers, which begin at 1; the newest `CLIENT_INPUTS` are kept. */
export class Unconfirmed {
  /** The number of the last one. */
  newest = 0;
  /** The newest that has taken effect. */
  confirmed = 0;
  /** How many had taken effect when a crash of the server undid them. */
  lost = 0;
  #repeated = 0; // the newest that was sent more than once
  #waiting = [];

  /** Note one that is sent for the first time. */
  add(entry) {
    this.newest = entry.seq;
    this.#waiting.push(entry);
    if (this.#waiting.length > CLIENT_INPUTS) this.#waiting.shift();
  }

  /**
   * The server says which is the newest that has taken effect.
   *
   * True if that is news, and news of an input that was sent once: how late a repeated one came
   * says nothing of the link.
   *
   * @param {number} applied
   */
  confirm(applied) {
    const isNews = applied > this.confirmed;
    // Whoever simulates may have lost what was not durable.
    if (applied < this.confirmed) this.lost += this.confirmed - applied;
    this.confirmed = applied;
    while (this.#waiting.length > 0 && this.#waiting[0].seq <= applied) this.#waiting.shift();
    return isNews && applied > this.#repeated;
  }

  /**
   * What to send again on another link, nothing for a later tick than `latest`.
   *
   * While there was no link the ticks were counted on. If the world stood still, those that were
   * meant for its future are meant for now.
   *
   * @param {number} latest
   */
  again(latest) {
    this.#repeated = this.newest;
    this.#waiting = this.#waiting.map((entry) => {
      return entry.tick > latest ? { ...entry, tick: latest } : entry;
    });
    return [...this.#waiting];
  }
}
