/** Every bound of the protocol that a client meets, by name; `protocol/limits.py` says why. */

export const VERSION = 2;
export const SUBPROTOCOL = `shoal.v${VERSION}`;

/** A part's slots, which fit one 64-bit bitmap. */
export const SLOTS = 64;
/** An entity that left for another place is kept on its course for so many ticks. */
export const HELD_TICKS = 10;
/** Keys of parts are ordinal * (cells * kinds) + cell * kinds + kind, and less than this. */
export const PART_KEY_MAX = 2 ** 32;

/** Containers inside one another in a message. */
export const DEPTH_MAX = 16;
/** Bytes of a message from a client, and from a server. */
export const CLIENT_MESSAGE_BYTES_MAX = 16 * 1024;
export const SERVER_MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** A client keeps so many inputs that the server has not confirmed, and so many unread events. */
export const CLIENT_INPUTS = 64;
export const CLIENT_EVENTS = 1024;

export const NAME_BYTES_MAX = 64;
export const TOKEN_BYTES_MAX = 512;
export const REASON_BYTES_MAX = 256;
export const TEXT_BYTES_MAX = 256;
export const KINDS_MAX = 64;
export const FIELDS_MAX = 48;
export const INPUT_KINDS_MAX = 64;
export const INPUT_VALUES_MAX = 32;
export const EVENT_KINDS_MAX = 64;
export const RESYNC_CELLS_MAX = 1024;
export const EVENTS_MAX = 4096;
export const SCORES_MAX = 1024;
export const CELLS_MAX = 2 ** 20;
export const SHARDS_MAX = 4096;
export const SHARD_MAX = 2 ** 32 - 1;
/** Ticks, steps, epochs and sequence numbers: whole numbers that a double holds exactly. */
export const TICK_MAX = Number.MAX_SAFE_INTEGER;
