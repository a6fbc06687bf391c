"""Every bound of the shard services, with the checks that hold between them.

A bound's comment says what happens when it is reached. Ticks are slots of the world's schedule.
"""

from typing import Final

from protocol.limits import RETAINED_TICKS

# --- mail ----------------------------------------------------------------------------------------
NAME_BYTES: Final = 64  # a gateway's or world's name in a subject; longer ones are refused
TEXT_BYTES: Final = 256  # a player's name or a reason in mail; longer ones are refused
INPUT_FIELDS: Final = 32  # values of one input; more are refused
INBOX_MESSAGES: Final = 4096  # mails kept for the next tick; the oldest are dropped and counted
FRAMES_BUFFERED: Final = 64  # frames of neighbours kept; the oldest are dropped, a resync follows

# --- inputs --------------------------------------------------------------------------------------
INPUTS_BUFFERED: Final = 64  # per session, as many as a gateway keeps; the oldest apply early
INPUT_AHEAD_TICKS: Final = 64  # an input for a later tick is moved to this one
EDGES_PER_TICK: Final = 4  # one-shot inputs that one session may fire in one tick; more merge
MARGIN_TICKS_MAX: Final = 32767  # the margin report is an i16 and stops there

# --- sessions ------------------------------------------------------------------------------------
SESSIONS_MAX: Final = 8192  # sessions of one shard; further joins are refused with 1013
TOKEN_BYTES_MAX: Final = 128  # a resume token; longer ones are refused
HASH_BYTES: Final = 32  # SHA-256
GRACE_TICKS: Final = 600  # a lost link's session waits this long (30 s at 20 Hz), then leaves
GATEWAY_SILENCE_TICKS: Final = 100  # a gateway silent for 5 s is gone; its links count as lost

# --- events --------------------------------------------------------------------------------------
EVENTS_REMEMBERED: Final = 1024  # durable ones, for who comes back; the oldest are forgotten

# --- borders -------------------------------------------------------------------------------------
BORDER_MARGIN_CELLS: Final = 1 / 32  # an entity crosses when it is this far beyond the border
CENTRE_MARGIN_CELLS: Final = 1 / 8  # the interest's centre follows when the entity is this far out
HANDOFFS_PER_TICK: Final = 2048  # entities cut out in one tick; the others go with the next one
MOVES_PER_TICK: Final = 32  # the same while a shard that was cut anew moves house
FORWARDING_ENTRIES: Final = 16384  # where departed entities went; the oldest is forgotten first
FORWARDS_MAX: Final = 8  # a command that was passed on this often is dropped and counted
ARRIVALS_WAITING: Final = 4096  # outs kept per source until their tick; more wait in the journal
OUTS_COME_TICKS: Final = 40  # after a recovery, until the outs of all sources are here
RESYNC_PATIENCE_TICKS: Final = 10  # a neighbour's missed frame is asked for again after this
LINGER_TICKS: Final = 10  # a departed entity is a ghost this long unless its owner shows it earlier

# --- journal -------------------------------------------------------------------------------------
HANDOFF_LAG_TICKS: Final = 4  # with more ticks not yet durable, no handoff begins
COMMIT_LAG_TICKS: Final = 400  # with more, the shard stops stepping until the journal answers
TAKEN_EVERY_TICKS: Final = 64  # how often a receiver repeats what it has taken from each source

# --- rest ----------------------------------------------------------------------------------------
REST_TICKS: Final = 16  # a shard without a rectangle, entities and mail steps this seldom

# --- schedule ------------------------------------------------------------------------------------
DILATION_FLOOR: Final = 100  # permille of full speed; a slower shard is overloaded and says so

if INPUTS_BUFFERED < EDGES_PER_TICK:
    raise AssertionError("a buffer must hold one tick's inputs")
if INPUT_AHEAD_TICKS > MARGIN_TICKS_MAX:
    raise AssertionError("an input that is moved must be early enough to say so")
if HANDOFF_LAG_TICKS >= COMMIT_LAG_TICKS:
    raise AssertionError("handoffs must stop before stepping does")
if REST_TICKS >= RETAINED_TICKS:
    raise AssertionError("the frames of a shard that rests must stand on one another")
if FORWARDING_ENTRIES < 2 * HANDOFFS_PER_TICK:
    raise AssertionError("forwarding must outlive the tick that fills it")
if CENTRE_MARGIN_CELLS <= BORDER_MARGIN_CELLS:
    raise AssertionError("a crossing must not move the centre back and forth")
