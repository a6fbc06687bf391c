/**
 * The rules of Lanterns as its players come to know them, for what the page shows of them.
 *
 * The same numbers as in `sim/games/lanterns`. Must not know: clients, canvases.
 */

/** A harpoon flies so far, in units. */
export const HARPOON_RANGE = 200;
/** Half as wide as what a harpoon must touch, by the kind's name, in units. */
export const HALF_WIDTHS = Object.freeze({ Diver: 10, Leviathan: 30 });
/** The light at which a lantern becomes wider. */
export const WIDENS = Object.freeze([40, 120, 300]);
/** A shard knows of entities of other shards that are so near to it, in units. */
export const REACH = 256;
/** Who leaves a trail. */
export const TRAIL_KINDS = Object.freeze(["Diver", "Leviathan"]);
/** Private columns that count down in ticks, what they are waits for, and the longest, in seconds. */
export const WAITS = Object.freeze([
  Object.freeze({ column: "harpoon_wait", name: "harpoon", longestS: 1 }),
  Object.freeze({ column: "flare_wait", name: "flare", longestS: 6 }),
  Object.freeze({ column: "dash_wait", name: "dash", longestS: 2 }),
]);
