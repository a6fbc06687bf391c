/**
 * More bots, for who runs `shoal demo`: the server has bots of its own, or it has none.
 *
 * What the server would refuse is not asked for: browsers complain of every refusal.
 *
 * Must not know: the page.
 */

const ADDRESS = "demo/bots";
const PAUSE_S = 1.1; // the server grants a wish a second

const BROWSER = {
  fetch: (address, options) => fetch(address, options),
  now: () => performance.now() / 1000,
};

/** The bots of a demo. */
export class Crowd {
  #browser;
  #isAsked = true; // as long as there is such an address
  #wishAt = -Infinity;

  /** @param {Partial<typeof BROWSER>} [browser] */
  constructor(browser = {}) {
    this.#browser = { ...BROWSER, ...browser };
    /** How many there are and may be; null where the server gives none. */
    this.bots = null;
    /** Why there were no more when they were last asked for; "" if there were. */
    this.refusal = "";
  }

  /** Ask how many there are. */
  async look() {
    if (!this.#isAsked) return;
    try {
      const answer = await this.#browser.fetch(ADDRESS);
      if (answer.ok) this.#know(await answer.json());
      else this.#isAsked = answer.status !== 404;
    } catch {
      // The server is away; what was known stays.
    }
  }

  /** Ask for more of them. @param {number} count */
  async grow(count) {
    const now = this.#browser.now();
    this.refusal = this.#hindrance(now);
    if (this.refusal !== "") return;
    this.#wishAt = now;
    const request = {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ count }),
    };
    try {
      const answer = await this.#browser.fetch(ADDRESS, request);
      const told = await answer.text();
      if (answer.ok) this.#know(JSON.parse(told));
      else this.refusal = reasonOf(told);
    } catch {
      this.refusal = "the server cannot be reached";
    }
  }

  #know(told) {
    this.bots = told.bots_max > 0 ? told : null;
  }

  #hindrance(now) {
    if (this.bots === null) return "this server has no bots of its own";
    const { bots, bots_max: most } = this.bots;
    if (bots >= most) return `there are ${bots} bots, and no more may join`;
    return now < this.#wishAt + PAUSE_S ? "not so often" : "";
  }
}

/** Why the server said no: in JSON, or in plain words. */
function reasonOf(told) {
  try {
    return String(JSON.parse(told).error);
  } catch {
    return told.trim();
  }
}
