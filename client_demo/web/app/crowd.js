/**
 * More bots, for who runs `shoal demo`: the server has the action, or it does not.
 *
 * Must not know: the page.
 */

const ADDRESS = "demo/bots";

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
    try {
      const answer = await fetch(ADDRESS);
      this.bots = answer.ok ? await answer.json() : null;
    } catch {
      // The server is away; what was known stays.
    }
  }

  /** Ask for more of them. @param {number} count */
  async grow(count) {
    const request = {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ count }),
    };
    try {
      const answer = await fetch(ADDRESS, request);
      const told = await answer.text();
      this.refusal = answer.ok ? "" : told.trim();
      if (answer.ok) this.bots = JSON.parse(told);
    } catch {
      this.refusal = "the server cannot be reached";
    }
  }
}
