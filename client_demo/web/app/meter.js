/**
 * What a frame costs, and what the link brings: figures over the last seconds.
 *
 * Must not know: the page, canvases.
 */

const FRAMES = 300;
const SAMPLE_EVERY_S = 0.1;
const RATE_S = 1;
const ERROR_S = 5;
const KINDS = { snapshot: "snapshots", events: "events" };

/** The last so many numbers, and their quantiles. */
class Recent {
  #numbers = new Float64Array(FRAMES);
  #count = 0;

  add(number) {
    this.#numbers[this.#count % FRAMES] = number;
    this.#count += 1;
  }

  /** @param {number} share 0 to 1 */
  quantile(share) {
    const known = this.#numbers.slice(0, Math.min(this.#count, FRAMES)).sort();
    return known.length === 0 ? 0 : known[Math.min(Math.floor(share * known.length), known.length - 1)];
  }

  clear() {
    this.#count = 0;
  }
}

/** Frames: how far apart they are, and how long their script takes, in milliseconds. */
export class FrameMeter {
  #apart = new Recent();
  #script = new Recent();
  #last = null;

  constructor() {
    this.frames = 0;
  }

  /** A frame's script ran from `began` to `ended`, in milliseconds. */
  add(began, ended) {
    if (this.#last !== null) this.#apart.add(began - this.#last);
    this.#last = began;
    this.#script.add(ended - began);
    this.frames += 1;
  }

  /** Begin to measure anew. */
  clear() {
    this.#apart.clear();
    this.#script.clear();
    this.#last = null;
  }

  /**
   * A share of the frames came within so many milliseconds of the last.
   *
   * @param {number} [share] 0 to 1
   */
  frameMs(share = 0.95) {
    return this.#apart.quantile(share);
  }

  /**
   * A share of the frames took no more script than that, in milliseconds.
   *
   * @param {number} [share] 0 to 1
   */
  scriptMs(share = 0.95) {
    return this.#script.quantile(share);
  }
}

/**
 * One sample of a client's link. Rates are over the last second.
 *
 * @typedef {object} Sample
 * @property {number} now
 * @property {{snapshots: number, events: number, other: number}} bytes per second
 * @property {number} roundTripMs
 * @property {number} bufferMs how much newer the newest snapshot is than what is shown
 * @property {number} delayMs behind the fastest snapshots
 * @property {number} tickIntervalMs that the server takes for a tick
 * @property {number} serverTick
 * @property {number} error of the prediction when it was last corrected, in units; 0 if not of late
 */

/** Takes samples of a client ten times a second. */
export class LinkMeter {
  #samples = []; // {now, bytes, tick}
  #corrections = 0;
  #errors = []; // {now, error}
  #client = null;

  /**
   * A frame of `client` is drawn at `now`; gives a sample when one is due, else null.
   *
   * @param {import("../shoal/client.js").Client} client
   * @param {number} now
   * @returns {Sample | null}
   */
  note(client, now) {
    if (client !== this.#client) {
      this.#client = client;
      this.#samples = [];
      this.#corrections = 0;
    }
    const { foresight, timeline } = client;
    if (foresight !== null && foresight.corrections !== this.#corrections) {
      this.#corrections = foresight.corrections;
      // What is further was put elsewhere, and not predicted wrongly.
      if (foresight.error <= client.schema.jump) this.#errors.push({ now, error: foresight.error });
    }
    const last = this.#samples.at(-1);
    if (timeline === null || (last !== undefined && now < last.now + SAMPLE_EVERY_S)) return null;
    const { bytesBy, roundTripS } = client.statistics();
    const bytes = { snapshots: 0, events: 0, other: 0 };
    for (const [type, count] of Object.entries(bytesBy)) bytes[KINDS[type] ?? "other"] += count;
    this.#samples.push({ now, bytes, tick: timeline.newest });
    while (this.#samples[0].now < now - RATE_S - SAMPLE_EVERY_S / 2) this.#samples.shift();
    const { now: then, bytes: before, tick } = this.#samples[0];
    const elapsed = now - then;
    const rate = (kind) => (elapsed > 0 ? (bytes[kind] - before[kind]) / elapsed : 0);
    const ticks = timeline.newest - tick;
    return {
      now,
      bytes: { snapshots: rate("snapshots"), events: rate("events"), other: rate("other") },
      roundTripMs: roundTripS * 1000,
      bufferMs: (timeline.newest - timeline.shown) * timeline.interval * 1000,
      delayMs: timeline.delayS * 1000,
      tickIntervalMs: ticks > 0 ? (elapsed / ticks) * 1000 : timeline.interval * 1000,
      serverTick: timeline.newest,
      error: this.#worst(now),
    };
  }

  #worst(now) {
    this.#errors = this.#errors.filter((each) => each.now > now - ERROR_S);
    return Math.max(0, ...this.#errors.map((each) => each.error));
  }
}
