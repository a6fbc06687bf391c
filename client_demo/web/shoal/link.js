/**
 * What a bad link does to messages, without a link: the same model as in Python, to the bit.
 *
 * A connection over TCP loses nothing and never reorders; what players have of a bad network comes
 * as time. Each direction is a pipe: what is pushed into it queues for the rate, takes the base
 * delay and a jitter that wanders, and when a packet is lost, waits one to two round trips for its
 * second sending. Whatever was pushed meanwhile waits behind it and arrives with it, in one burst.
 *
 * Nothing here sleeps or sends: `push` says when a message arrives, and who drives it holds the
 * message back until then. The same seed and the same pushes give the same times, here and in
 * `protocol/link.py`; `tests/vectors/link.json` holds both to it.
 *
 * Must not know: sockets, clocks, what messages say. Times are seconds of any one monotonic clock
 * (`performance.now() / 1000`).
 */

/** What TCP sends, and loses, at once. */
export const SEGMENT_BYTES = 1400;

/** The stall of a lost packet, in round trips: from, to. */
export const STALL_TRIPS = [1, 2];

const MEAN_JITTERS = 1.0833; // mean of max(0, 1 + n) for a bell-shaped n
const EVEN = 2 ** -32;
const SLOT_S = 0.02; // the jitter wanders in steps of so long
const KEEP = 0.96; // of the last step's; 0.96^2 + 0.28^2 = 1 keeps the deviation at 1
const NEW = 0.28;
const SLOTS_MAX = 256; // after a longer pause nothing is left of what was before
const BELL_MEAN = 131070; // of four even parts of 16 bits
const BELL_DEVIATION = 37837.22728;

// The streams of chance, each a number of its own.
const WANDER = 1;
const LOSS = 2;
const LENGTH = 3;
const BURST = 4;

/**
 * One direction of a link.
 *
 * @typedef {object} Profile
 * @property {number} delayS The least that a message takes, one way.
 * @property {number} jitterS In the middle so much more, half of the time less, never below zero,
 *   now and then four times as much; it wanders over about half a second.
 * @property {number} loss The share of packets that are lost, each of which holds everything up for
 *   one to two round trips.
 * @property {number} burstLoss The same within bursts,
 * @property {number} burstS of which one of so long is somewhere in
 * @property {number} burstEveryS every so long.
 * @property {number} bytesPerS The rate, 0 for none.
 * @property {number} queueBytes What may wait for the rate before a sender is held back.
 */

/**
 * A whole profile of some of its properties; the others are 0.
 *
 * @param {Partial<Profile>} [some]
 * @returns {Profile}
 */
export function makeProfile(some = {}) {
  return {
    delayS: 0,
    jitterS: 0,
    loss: 0,
    burstLoss: 0,
    burstS: 0,
    burstEveryS: 0,
    bytesPerS: 0,
    queueBytes: 0,
    ...some,
  };
}

/**
 * The presets, by name; they are those of `protocol/link.py`.
 *
 * @type {Readonly<Record<string, Readonly<Profile>>>}
 */
export const PRESETS = Object.freeze({
  clean: Object.freeze(makeProfile()),
  good: Object.freeze(makeProfile({
    delayS: 0.02, jitterS: 0.003, loss: 0.002, bytesPerS: 2_500_000, queueBytes: 262_144,
  })),
  average: Object.freeze(makeProfile({
    delayS: 0.05, jitterS: 0.008, loss: 0.02, bytesPerS: 1_250_000, queueBytes: 131_072,
  })),
  poor: Object.freeze(makeProfile({
    delayS: 0.1, jitterS: 0.015, loss: 0.1, bytesPerS: 250_000, queueBytes: 65_536,
  })),
  mobile: Object.freeze(makeProfile({
    delayS: 0.2, jitterS: 0.05, loss: 0.02, burstLoss: 0.4, burstS: 1.5, burstEveryS: 10,
    bytesPerS: 125_000, queueBytes: 65_536,
  })),
});

/**
 * The preset of that name. Throws RangeError, which lists them.
 *
 * @param {string} name
 * @returns {Readonly<Profile>}
 */
export function findProfile(name) {
  if (Object.hasOwn(PRESETS, name)) return PRESETS[name];
  throw new RangeError(`'${name}' is no link; there are ${Object.keys(PRESETS).join(", ")}`);
}

/**
 * Both ways without jitter, in seconds: what a stall is measured in.
 *
 * @param {Profile} profile
 */
export function roundTripS(profile) {
  return 2 * profile.delayS;
}

/**
 * What a message takes on average while none is lost and none queues, in seconds.
 *
 * @param {Profile} profile
 */
export function meanDelayS(profile) {
  return profile.delayS + profile.jitterS * MEAN_JITTERS;
}

/** One direction of a link. `profile` may be replaced at any time; order is kept. */
export class Pipe {
  #key;
  #freeAt = -Infinity;
  #arrivesLast = -Infinity;
  #slot = null;
  #wandered = 0;
  #packets = 0;
  #messages = 0;
  #bytes = 0;
  #stalls = 0;
  #stalledS = 0;
  #longestStallS = 0;

  /**
   * @param {Profile} profile
   * @param {number} [seed] A whole number.
   */
  constructor(profile, seed = 0) {
    this.profile = profile;
    this.#key = mix(seed >>> 0);
  }

  /**
   * A message of `size` bytes is sent at `now`; gives when it arrives.
   *
   * @param {number} size
   * @param {number} now
   * @returns {number}
   */
  push(size, now) {
    const { bytesPerS, delayS } = this.profile;
    let leaves = Math.max(now, this.#freeAt);
    if (bytesPerS > 0) leaves += size / bytesPerS;
    this.#freeAt = leaves;
    const arrives = leaves + delayS + this.#jitter(leaves) + this.#stall(size, leaves);
    this.#arrivesLast = Math.max(this.#arrivesLast, arrives);
    this.#messages += 1;
    this.#bytes += size;
    return this.#arrivesLast;
  }

  /**
   * How many bytes wait for the rate.
   *
   * @param {number} now
   */
  backlog(now) {
    const { bytesPerS } = this.profile;
    return bytesPerS > 0 ? Math.max(this.#freeAt - now, 0) * bytesPerS : 0;
  }

  /**
   * When the queue has room: a sender who blocks, as TCP's does, pushes nothing before.
   *
   * @param {number} now
   */
  heldUntil(now) {
    const { bytesPerS, queueBytes } = this.profile;
    return bytesPerS > 0 ? Math.max(now, this.#freeAt - queueBytes / bytesPerS) : now;
  }

  /** Totals so far; stalls are of lost packets, in seconds. */
  statistics() {
    return {
      messages: this.#messages,
      bytes: this.#bytes,
      stalls: this.#stalls,
      stalledS: this.#stalledS,
      longestStallS: this.#longestStallS,
    };
  }

  #jitter(time) {
    return this.profile.jitterS * Math.max(1 + this.#wander(time), 0);
  }

  /** Bell-shaped, mean 0, deviation 1, and much like it was a moment ago. */
  #wander(time) {
    const slot = Math.floor(time / SLOT_S);
    if (this.#slot === null || slot - this.#slot > SLOTS_MAX) {
      this.#wandered = this.#bell(slot);
    } else {
      for (let passed = this.#slot + 1; passed <= slot; passed += 1) {
        this.#wandered = KEEP * this.#wandered + NEW * this.#bell(passed);
      }
    }
    this.#slot = slot;
    return this.#wandered;
  }

  /** What lost packets of a message cost it: the longest of their stalls. */
  #stall(size, time) {
    const { profile } = this;
    const loss = this.#inBurst(time) ? profile.burstLoss : profile.loss;
    const [least, most] = STALL_TRIPS;
    let longest = 0;
    const first = this.#packets;
    this.#packets += Math.max(Math.ceil(size / SEGMENT_BYTES), 1);
    if (loss <= 0) return 0;
    for (let packet = first; packet < this.#packets; packet += 1) {
      if (this.#even(LOSS, packet) < loss) {
        const trips = least + (most - least) * this.#even(LENGTH, packet);
        longest = Math.max(longest, trips * roundTripS(profile));
      }
    }
    if (longest > 0) {
      this.#stalls += 1;
      this.#stalledS += longest;
      this.#longestStallS = Math.max(this.#longestStallS, longest);
    }
    return longest;
  }

  #inBurst(time) {
    const { burstS, burstEveryS } = this.profile;
    if (burstS <= 0) return false;
    const window = Math.floor(time / burstEveryS);
    const spare = Math.max(burstEveryS - burstS, 0);
    const begins = window * burstEveryS + spare * this.#even(BURST, window);
    return begins <= time && time < begins + burstS;
  }

  /** 0 (included) to 1, evenly. */
  #even(stream, index) {
    return this.#bits(stream, index) * EVEN;
  }

  /** Mean 0, deviation 1, never beyond 3.47: a sum of four even parts. */
  #bell(index) {
    const one = this.#bits(WANDER, 2 * index);
    const other = this.#bits(WANDER, 2 * index + 1);
    const total = (one & 0xffff) + (one >>> 16) + (other & 0xffff) + (other >>> 16);
    return (total - BELL_MEAN) / BELL_DEVIATION;
  }

  /** 32 bits that are a function of seed, stream and index. */
  #bits(stream, index) {
    return mix((mix((this.#key ^ stream) >>> 0) ^ index) >>> 0);
  }
}

/** Both directions of one link, each with a chance of its own. */
export class ConditionedLink {
  /**
   * @param {Profile} profile
   * @param {number} [seed] A whole number.
   */
  constructor(profile, seed = 0) {
    this.up = new Pipe(profile, 2 * seed);
    this.down = new Pipe(profile, 2 * seed + 1);
  }
}

/** Spread 32 bits over 32 bits (after C. Wellons, "Prospecting for hash functions", 2018). */
function mix(word) {
  let bits = (word + 0x9e3779b9) >>> 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad) >>> 0;
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97) >>> 0;
  return (bits ^ (bits >>> 15)) >>> 0;
}
