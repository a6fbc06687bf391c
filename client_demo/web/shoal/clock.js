/**
 * When to show what: the clocks of a client, without a clock.
 *
 * Playback needs no ping: a snapshot of tick t that arrives at a has the offset a - t * dt. The
 * least offset of late is the base; what an arrival is later than that is its delay. Showing the
 * world `interval + a high quantile of the delays + half a frame` behind the base hides the jitter.
 * The delay rises fast and falls slowly; playback follows by running a few percent faster or slower
 * and never steps back. A stall (a gap followed by a burst, as TCP shows loss) is not jitter and
 * does not widen the delay.
 *
 * The same as `protocol/clock.py`, to the bit. Must not know: messages, positions. Times are
 * seconds of any one monotonic clock.
 */

const QUANTILE = 0.9; // of TCP; what is later is stalls, which a delay of theirs would not hide well
const FORGET = 0.9993; // a packet; half of a delay's weight is gone after 50 s at 20 Hz
const BUCKET_S = 0.004;
const BUCKETS = 256;
const WINDOW_S = 10; // over which the base is the least offset: follows clocks that drift
const HALF_FRAME_S = 1 / 120;
const STALL_INTERVALS = 4;
const RISE_S = 0.3;
const FALL_S = 10;
const RATE_MAX = 0.05; // playback runs at most so much faster or slower
const DEAD_ZONE_S = 0.004; // a bucket of delays; nothing closer is known
const BURST_S = 1;
const RESET_S = 0.5; // further behind than this it jumps forward
/** Nothing is drawn that lies further ahead of the newest snapshot, in seconds. */
export const EXTRAPOLATE_S = 0.25;
const ROUND_TRIPS = 8;

/** The round trip: the least of the last 8 measurements, since snapshots queue before pongs. */
export class RoundTrip {
  #last = [];

  /** Note a measurement. @param {number} seconds */
  add(seconds) {
    this.#last.push(Math.max(seconds, 0));
    if (this.#last.length > ROUND_TRIPS) this.#last.shift();
  }

  /** The round trip; 0 before the first measurement. */
  get seconds() {
    return this.#last.length === 0 ? 0 : Math.min(...this.#last);
  }
}

/** A histogram of delays that forgets; its quantile is known at once. */
class Delays {
  #weights = new Float64Array(BUCKETS);
  #gain = 1; // grows instead of shrinking all weights
  #base = 0;

  add(seconds) {
    const bucket = Math.min(Math.max(Math.trunc(seconds / BUCKET_S), 0), BUCKETS - 1);
    this.#gain /= FORGET;
    this.#weights[bucket] += this.#gain;
    if (this.#gain > 1e100) {
      for (let at = 0; at < BUCKETS; at += 1) this.#weights[at] /= this.#gain;
      this.#gain = 1;
    }
  }

  /** Delays count from `base` now: those that are known move along, by whole buckets. */
  rebase(base) {
    const shift = Math.trunc((base - this.#base) / BUCKET_S);
    if (shift === 0) return;
    this.#base += shift * BUCKET_S;
    const moved = new Float64Array(BUCKETS);
    for (let at = 0; at < BUCKETS; at += 1) {
      moved[Math.min(Math.max(at - shift, 0), BUCKETS - 1)] += this.#weights[at];
    }
    this.#weights = moved;
  }

  quantile() {
    let sum = 0;
    for (const weight of this.#weights) sum += weight;
    let left = sum * QUANTILE;
    for (let at = 0; at < BUCKETS; at += 1) {
      left -= this.#weights[at];
      if (left <= 0) return (at + 1) * BUCKET_S;
    }
    return 0;
  }
}

/** Maps arrivals of snapshots to the tick to show. `fixedDelayS` switches adaption off. */
export class Timeline {
  #offsets = []; // [time, offset], offsets ascending
  #delays = new Delays();
  #target;
  #delay;
  #arrived = 0;
  #shownAt = 0;
  #shown = null;
  #resumed = false;
  #burstUntil = 0;
  #stalls = 0;
  #longestGap = 0;

  /**
   * @param {number} hz
   * @param {number | null} [fixedDelayS]
   */
  constructor(hz, fixedDelayS = null) {
    /** Seconds between two ticks. */
    this.interval = 1 / hz;
    /** The delay that is held, in seconds, or null; may be set at any time. */
    this.fixedDelayS = fixedDelayS;
    /** The newest tick that arrived. */
    this.newest = 0;
    this.#target = this.#delay = this.interval + HALF_FRAME_S;
  }

  /** Whether a snapshot has arrived (since the last `restart`). */
  get started() {
    return this.#offsets.length > 0;
  }

  /** The tick that was shown last; 0 before the first. */
  get shown() {
    return this.#shown ?? 0;
  }

  /** The delay in force, in seconds. */
  get delayS() {
    return this.#delay;
  }

  /** The delay that it follows, in seconds. */
  get targetS() {
    return this.#target;
  }

  /** How often nothing came for long, so far. */
  get stalls() {
    return this.#stalls;
  }

  /** The longest of those times, in seconds. */
  get longestGapS() {
    return this.#longestGap;
  }

  /**
   * Another link to the same world: its offsets are its own; what was shown stays shown.
   *
   * Time ran on while nothing came, but what is drawn stood still soon. It goes on from there: at
   * the present, or where the world does if that stood still as well.
   */
  restart() {
    this.#offsets.length = 0;
    this.#burstUntil = 0;
    if (this.#shown === null) return;
    this.#shown = Math.min(this.#shown, this.newest + EXTRAPOLATE_S / this.interval);
    this.#resumed = true;
  }

  /** A snapshot of `tick` arrived. @param {number} tick @param {number} now */
  arrive(tick, now) {
    const offset = now - tick * this.interval;
    const gap = this.started ? now - this.#arrived : 0;
    this.#arrived = now;
    this.newest = Math.max(this.newest, tick);
    this.#noteOffset(offset, now);
    this.#delays.rebase(this.#base);
    const delay = offset - this.#base;
    if (gap > STALL_INTERVALS * this.interval + this.#target) {
      // What was held up comes in a burst, soon over. What stays late after that is no stall but a
      // slower way, and counts as delay.
      this.#burstUntil = now + Math.min(gap, BURST_S);
      this.#stalls += 1;
      this.#longestGap = Math.max(this.#longestGap, gap);
    }
    if (now < this.#burstUntil) {
      if (delay > this.#target) return;
      this.#burstUntil = 0;
    }
    this.#delays.add(delay);
    this.#target = this.interval + this.#delays.quantile() + HALF_FRAME_S;
  }

  /** The tick that the server is at, as the fastest snapshots tell: late by their way here. */
  serverTick(now) {
    return this.started ? (now - this.#base) / this.interval : 0;
  }

  /** The tick to show at `now`; never less than before. 0 before the first snapshot. */
  renderTick(now) {
    const elapsed = Math.max(now - this.#shownAt, 0);
    this.#shownAt = Math.max(now, this.#shownAt);
    if (!this.started) return this.shown;
    this.#followTarget(elapsed);
    const ideal = (now - this.#base - this.#delay) / this.interval;
    if (this.#shown === null) {
      this.#shown = Math.max(ideal, 0);
      return this.#shown;
    }
    const behind = (ideal - this.#shown) * this.interval - elapsed;
    const jumpS = this.#resumed ? 0 : RESET_S;
    this.#resumed = false;
    if (behind > jumpS) {
      this.#shown = ideal;
    } else if (behind >= -RESET_S) {
      this.#shown += (elapsed * rate(behind)) / this.interval;
    } // else hold still until the time that is shown is the time again
    return this.#shown;
  }

  get #base() {
    return this.#offsets[0][1];
  }

  #noteOffset(offset, now) {
    const offsets = this.#offsets;
    while (offsets.length > 0 && offsets[offsets.length - 1][1] >= offset) offsets.pop();
    offsets.push([now, offset]);
    while (offsets[0][0] < now - WINDOW_S) offsets.shift();
  }

  #followTarget(elapsed) {
    if (this.fixedDelayS !== null) {
      this.#delay = this.fixedDelayS;
      return;
    }
    const time = this.#target > this.#delay ? RISE_S : FALL_S;
    this.#delay += (this.#target - this.#delay) * Math.min(elapsed / time, 1);
  }
}

/** How fast to play when `behind` seconds late: exactly 1 most of the time. */
function rate(behind) {
  if (Math.abs(behind) <= DEAD_ZONE_S) return 1;
  return 1 + Math.min(Math.max(behind, -RATE_MAX), RATE_MAX);
}

const WANTED = 2;
const PACE_RESET_TICKS = 10;
const LEAD_MAX = 60;
const PACE_RATE_MAX = 0.1;

/**
 * The tick to aim inputs at, from the server's reports of how early they come.
 *
 * A margin of 2 ticks is wanted. A report moves the aim by half its error; reports are ignored
 * until the last correction can have come back, or it would swing. The tick that is given out
 * follows the aim at 0.9 to 1.1 of the normal pace and never goes back, so neither do the inputs,
 * nor the avatar that is drawn at that tick; only an error of over 10 ticks is jumped. An input
 * that comes over 10 ticks late was held up: that the link is so slow is believed from the second
 * one on. On another link the world may have stood still meanwhile: there alone it goes back.
 */
export class InputPacer {
  #interval;
  #quietUntil = 0;
  #reported = false;
  #heldUp = 0; // by how many ticks the last input came too late, if it was held up
  #resumed = false;
  #tick = null;
  #tickedAt = 0;

  /** @param {number} hz */
  constructor(hz) {
    this.#interval = 1 / hz;
    /** So many ticks before the server's tick, as the timeline knows it, inputs are aimed. */
    this.lead = 2 * WANTED;
  }

  /** The tick that was given out last; 0 before the first. */
  get last() {
    return this.#tick ?? 0;
  }

  /** Another link to the same world. */
  restart() {
    this.#resumed = true;
    this.#heldUp = 0;
  }

  /** A measured round trip, which says where to begin before the first report. */
  roundTrip(seconds) {
    if (!this.#reported) this.#aim(WANTED + seconds / this.#interval);
  }

  /** The server says that the newest input came `margin` ticks early. */
  report(margin, now, roundTripS) {
    this.#reported = true;
    let error = WANTED - margin;
    const before = this.#heldUp;
    this.#heldUp = error > PACE_RESET_TICKS ? error : 0;
    if (now < this.#quietUntil || Math.abs(error) < 1) return;
    if (this.#heldUp !== 0) {
      if (before === 0) return;
      error = Math.min(error, before);
    }
    const share = Math.abs(error) > PACE_RESET_TICKS ? 1 : 0.5;
    this.#aim(this.lead + error * share);
    // The correction is played out at a tenth of the pace before it can be seen at all.
    const slewing = share === 1 ? 0 : (Math.abs(error) * share) / PACE_RATE_MAX;
    this.#quietUntil = now + roundTripS + (2 + slewing) * this.#interval;
  }

  /**
   * The tick that an input sent at `now` is for, with its fraction; never less than before, but
   * for the first one after a `restart`.
   *
   * @param {number} serverTick what the timeline says; 0 while it does not know
   * @param {number} now
   */
  tick(serverTick, now) {
    if (serverTick === 0 && this.#tick !== null) return this.#tick;
    const wanted = serverTick + this.lead;
    const elapsed = Math.max(now - this.#tickedAt, 0) / this.#interval;
    this.#tickedAt = Math.max(now, this.#tickedAt);
    if (this.#tick === null || wanted - this.#tick - elapsed > PACE_RESET_TICKS) {
      this.#tick = wanted;
    } else if (this.#tick + elapsed - wanted <= PACE_RESET_TICKS) {
      const most = elapsed * PACE_RATE_MAX;
      this.#tick += elapsed + Math.min(Math.max(wanted - this.#tick - elapsed, -most), most);
    } else if (this.#resumed) {
      this.#tick = wanted;
    } // else it stands still until the server has caught up
    this.#resumed = false;
    return this.#tick;
  }

  #aim(lead) {
    this.lead = Math.min(Math.max(lead, 0), LEAD_MAX);
  }
}
