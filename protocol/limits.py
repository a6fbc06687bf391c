"""Every bound of the protocol, by name, with what happens when it is reached."""

from typing import Final

VERSION: Final = 2
SUBPROTOCOL: Final = f"shoal.v{VERSION}"

# A part's slots fit one 64-bit bitmap, which CBOR shortens by itself when few are in use.
SLOTS: Final = 64
# Deltas are exact from any tick this recent; an older baseline gets a keyframe.
RETAINED_TICKS: Final = 64
# Every part is checked against its replica's CRC once in so many ticks, staggered by part.
CRC_TICKS: Final = 64
# A course's age travels as u16; the simulation starts it anew before it could overflow.
COURSE_AGE_MAX: Final = 32_000

# An entity that left for another place is kept on its course for so long; then it is lost sight of.
HELD_TICKS: Final = 10
# Keys of parts are ordinal * (cells * kinds) + cell * kinds + kind.
PART_KEY_MAX: Final = 1 << 32

# Depth of nesting in a message; deeper is refused before it is built.
DEPTH_MAX: Final = 16
# Bytes of a message from a client, and from a server. Longer ones close the link with 1009.
CLIENT_MESSAGE_BYTES_MAX: Final = 16 * 1024
SERVER_MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024

# A client keeps so many inputs that the server has not confirmed, and so many unread events.
CLIENT_INPUTS: Final = 64
CLIENT_EVENTS: Final = 1024

NAME_BYTES_MAX: Final = 64
TOKEN_BYTES_MAX: Final = 512
REASON_BYTES_MAX: Final = 256
TEXT_BYTES_MAX: Final = 256
KINDS_MAX: Final = 64
FIELDS_MAX: Final = 48
INPUT_KINDS_MAX: Final = 64
INPUT_VALUES_MAX: Final = 32
EVENT_KINDS_MAX: Final = 64
RESYNC_CELLS_MAX: Final = 1024
EVENTS_MAX: Final = 4096
CELLS_MAX: Final = 1 << 20
SHARDS_MAX: Final = 4096
TICK_MAX: Final = (1 << 53) - 1

assert RETAINED_TICKS < 256, "a baseline's age in a frame's index is one byte"
assert COURSE_AGE_MAX + RETAINED_TICKS < 1 << 16, "ages are u16, also of a receiver that lags"
assert NAME_BYTES_MAX <= TEXT_BYTES_MAX, "a name must fit a text field"
