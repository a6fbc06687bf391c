"""Every bound of the gateway, with the checks that hold between them.

A bound's comment says what happens when it is reached. Times are seconds.
"""

from typing import Final

from protocol.limits import RETAINED_TICKS
from server.shard import limits as shard_limits

# --- handshake -----------------------------------------------------------------------------------
HELLO_S: Final = 5.0  # a link that has not said hello by then is closed with 4408
JOIN_S: Final = 10.0  # a join that no shard has answered by then is closed with 1013
RESUME_S: Final = 4.0  # a resume that no shard has answered by then is closed with 4401
ASK_AGAIN_S: Final = 0.25  # how often a join or a resume is repeated until it is answered
RESUMES_PENDING: Final = 2  # links that ask for one session at one time; more are refused

# --- what a link may ask (net counts messages before they get here) -------------------------------
INPUTS_KEPT: Final = 64  # unacknowledged inputs kept for a new owner; the oldest is forgotten
INPUT_REPEAT_TICKS: Final = 8  # an input that no frame reports for so long is sent again
RESYNC_EVERY_S: Final = 1.0  # a link that asks for keyframes sooner waits until then

# --- what a link may owe -------------------------------------------------------------------------
UNACKNOWLEDGED_BYTES: Final = 16 * 1024  # with more in flight the link is late, and skipped
LATE_S: Final = 1.0  # so is one whose oldest snapshot is older than its round trip and this
ROUND_TRIP_S: Final = 0.25  # assumed until the first pong
ROUND_TRIP_S_MAX: Final = 2.0  # a longer one counts as this
ROUND_TRIPS_KEPT: Final = 8  # the least of them counts
PAUSE_S: Final = 1.0  # a longer pause of this very process counts as this, not against the links
SILENCE_S: Final = 10.0  # no acknowledgement and no byte accepted for so long: dropped
PING_EVERY_S: Final = 2.0
OUTBOX_MESSAGES: Final = 32  # single messages waiting for one link; at more it is dropped

# --- taking turns --------------------------------------------------------------------------------
LINKS_PER_STEP: Final = 64  # written in one go, about half a millisecond: then others may run

# --- events --------------------------------------------------------------------------------------
EVENTS_PASSING: Final = 256  # of cells, per link; at more the oldest goes
EVENTS_LASTING: Final = 1536  # per link; at more all go, and the shards are asked for them later
EVENTS_BYTES: Final = 8 * 1024  # told in one write to a link, or a tick's if that is more
EVENTS_CAUGHT_UP: Final = 256  # with fewer waiting a link can be told what the shards remember
EVENT_S: Final = 1.0  # an event of a cell that could not be sent for so long is dropped

# --- budgets -------------------------------------------------------------------------------------
BUDGET_BURST: Final = 4  # ticks' worth of a client's bytes that may be sent at one tick
STREAM_PARTS: Final = (
    4096  # parts that a thinned interest remembers; at more, gone ones are dropped
)

# --- frames --------------------------------------------------------------------------------------
FRAMES_CHAINED: Final = 4  # frames of one shard in one snapshot; with more, links get one delta
# Frames of one shard that are not applied to the gateway's own copy; at more the oldest is. They
# are few, for who needs the copy next waits until all are applied, and everybody else with him.
BACKLOG_FRAMES: Final = 4
BACKLOG_BYTES: Final = 4 * 1024 * 1024
RESYNC_AGAIN_S: Final = 0.25  # how often a shard is asked again for what a missed frame held
FRAMES_BUFFERED: Final = 256  # bus messages waiting for the gateway; the oldest are dropped
BULLETINS_BUFFERED: Final = 4096  # the same for bulletins, which come from every shard
MAIL_BUFFERED: Final = 4096  # mails waiting for the gateway; the oldest are dropped
BULLETIN_S: Final = 1.0  # every shard says so often at least that it lives
SHARD_SILENT_S: Final = 2.5  # a shard that publishes nothing for so long may be changing its owner
WORLD_AWAY_S: Final = 6.0  # the same for longer than a takeover may take: the gateway is not ready
HEARTBEAT_S: Final = 0.5  # every shard that is followed hears from the gateway this often
UNFOLLOW_AFTER_S: Final = 5.0  # a shard that is not needed for so long is followed no more
CUT_SETTLES_S: Final = 30.0  # so long after a cut shards count as showing who is where they were
SEEK_AFTER_S: Final = 1.0  # all shards are asked for a session that no followed one has so long

# --- memory --------------------------------------------------------------------------------------
INTERESTS_KEPT: Final = 8192  # memoised interests; at more, those without a link are forgotten
DETACHED_MAX: Final = 16384  # lost sessions that shards are reminded of; the oldest is forgotten
DETACH_AGAIN_S: Final = 1.0  # how often the owner of a lost session is reminded
DETACH_FORGET_S: Final = 10.0  # a lost session that no frame lists for so long is forgotten
PRIVATES_KEPT: Final = 8192  # of sessions that play elsewhere; the oldest is forgotten
SCORES_TOP: Final = 10
SCORES_EVERY_S: Final = 1.0

if INPUTS_KEPT > shard_limits.INPUTS_BUFFERED:
    raise AssertionError("a new owner must have room for every input that is resent to it")
if SILENCE_S <= ROUND_TRIP_S_MAX + LATE_S:
    raise AssertionError("a link must be able to be late before it is dropped")
if HEARTBEAT_S * 2 > shard_limits.GATEWAY_SILENCE_TICKS / 60:
    raise AssertionError("a shard at 60 Hz must not take a gateway that beats for a silent one")
if SHARD_SILENT_S < 2 * BULLETIN_S or SHARD_SILENT_S >= RESUME_S:
    raise AssertionError("a shard is silent when two bulletins are missing, and before who asks it")
if WORLD_AWAY_S < SHARD_SILENT_S:
    raise AssertionError("a gateway must not be given up before its shards are")
if shard_limits.EVENTS_REMEMBERED + EVENTS_CAUGHT_UP > EVENTS_LASTING:
    raise AssertionError("a link that has caught up must have room for what a shard remembers")
if EVENTS_BYTES > UNACKNOWLEDGED_BYTES:
    raise AssertionError("a link must not be late by the events of one write")
if FRAMES_CHAINED > RETAINED_TICKS:
    raise AssertionError("a link that missed more than one snapshot holds needs a delta to exist")
