"""Every bound and patience of the engine's client, with the checks that hold between them.

A bound's comment says what happens when it is reached. Times are in seconds.
"""

from typing import Final

# --- the link ------------------------------------------------------------------------------------
CONNECT_S: Final = 2.0  # one attempt to reach one server; then the next one is tried
RECONNECT_FIRST_S: Final = 0.05  # between rounds over all servers; doubles
RECONNECT_MAX_S: Final = 0.5  # an incumbent must be back well before contenders stop waiting
PROBE_EVERY_S: Final = 1.0  # a ping on the link
PROBE_PATIENCE_S: Final = 2.5  # without its answer the link counts as lost
CLOSE_S: Final = 1.0  # a goodbye that takes longer is cut short
# Messages of the bus that wait for the socket; further ones are dropped and counted. Four MiB are
# a second or two of frames of a loaded node: what is older is of no use to anybody.
WAITING_BYTES_MAX: Final = 4 * 1024 * 1024

# --- asking --------------------------------------------------------------------------------------
ANSWER_S: Final = 2.0  # then the outcome is unknown, and the same is asked again
LEASE_ANSWER_S: Final = 0.5  # for leases, which end meanwhile
AGAIN_FIRST_S: Final = 0.02  # before asking again; doubles
AGAIN_MAX_S: Final = 0.5
PREPARE_S: Final = 15.0  # for the first answers of a cluster that may be electing its leaders

# --- leases --------------------------------------------------------------------------------------
LEASE_TTL_MAX_S: Final = 600.0  # a longer lease is refused: nobody could take it over
META_BYTES_MAX: Final = 256 * 1024  # of a lease; a longer one is refused
LEASE_KEPT_S: Final = 3600.0  # how long the engine remembers what was not renewed, or was released
CALM_S: Final = 1.5  # after trouble with the engine contenders wait, and incumbents renew
RELEASE_S: Final = 2.0  # then a lease is left to run out

# --- records -------------------------------------------------------------------------------------
# A stored message carries at most this much; longer records and checkpoints are cut. It is fixed,
# since a repeated append must be cut in the same places, and a quarter of NATS's default limit.
PART_BYTES: Final = 256 * 1024
HEAD_BYTES: Final = 4 * 1024  # room for a message's headers
ID_BYTES_MAX: Final = 512  # of a record, quoted; longer ones are refused
PIPELINE_PARTS: Final = 128  # appended at once before answers are waited for
PIPELINE_BYTES: Final = 4 * 1024 * 1024
DOUBTS_MAX: Final = 5  # refused appends with nothing in their place; then the writer is fenced
TRIM_RECORDS: Final = 512  # trims are told to the engine when they are worth the trouble
CHECKPOINT_STREAMS: Final = 8  # shards share these, so that no single one carries all
READ_SINGLY: Final = 16  # so few messages are fetched one by one, all at once
PULL_MESSAGES: Final = 128  # asked for at once by a reader
PULL_BYTES: Final = 8 * 1024 * 1024
PULL_S: Final = 3.0  # a reader's standing question; then it asks anew
PULL_LATE_S: Final = 0.15  # after that without any answer it asks again at once
PULL_GRACE_S: Final = 2.0  # after that without any answer its place in the stream is made anew
CONSUMER_KEPT_S: Final = 20.0  # the engine forgets a reader that asks nothing for so long
MISSING_STREAM_S: Final = 0.5  # between looks for a stream that nobody has made yet

if CALM_S <= 2 * RECONNECT_MAX_S:
    raise AssertionError("an incumbent must be able to come back while contenders wait")
if PULL_S + PULL_GRACE_S >= CONSUMER_KEPT_S:
    raise AssertionError("a reader that waits must not be forgotten")
if LEASE_KEPT_S <= LEASE_TTL_MAX_S:
    raise AssertionError("a lease must not be forgotten while it is held")
if PIPELINE_BYTES < PART_BYTES:
    raise AssertionError("one part must fit in the pipeline")
