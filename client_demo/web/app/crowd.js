/**
 * More bots, for who runs `shoal demo`.
 *
 * Must not know: the page.
 */

import { ask, wish } from "./actions.js";

/** Where a server has them. */
export const BOTS = "demo/bots";

/** The bots of a demo. */
export class Crowd {
  constructor() {
    /** How many there are and may be; null where the server has no such action. */
    this.bots = null;
    /** What the server said last to a request for more, if it was no. */
    this.refusal = "";
  }

  /** Ask how many there are. */
  async look() {
    this.bots = (await ask(BOTS)) ?? this.bots; // if the server is away, what was known stays
  }

  /** Ask for more of them. @param {number} count */
  async grow(count) {
    const { told, refusal } = await wish(BOTS, { count });
    this.refusal = refusal;
    if (told !== null) this.bots = told;
  }
}
