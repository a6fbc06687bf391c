"""Every bound of the links, with the checks that hold between them.

A bound's comment says what happens when it is reached. Times are seconds.
"""

from typing import Final

# --- handshake -----------------------------------------------------------------------------------
HANDSHAKE_S: Final = 5.0  # a connection whose handshake takes longer is freed
HANDSHAKES_MAX: Final = 512  # at once; the oldest is dropped, a good one takes milliseconds
HEAD_BYTES: Final = 8 * 1024  # of an opening request; a longer one ends the connection
PROXY_BYTES: Final = 2 * 1024  # of what a trusted proxy says before; a longer one ends it too

# --- pages ---------------------------------------------------------------------------------------
VISITS_MAX: Final = 64  # connections for the page at once; the quietest is dropped
VISITS_PER_ADDRESS_MAX: Final = 32  # a browser opens six; the quietest of the address is dropped
VISIT_REQUESTS: Final = 200  # on one connection; with the last reply it is closed
VISIT_IDLE_S: Final = 5.0  # for the next request to be there; then the connection is closed
REPLY_S: Final = 10.0  # for a reply to be taken; then the connection is dropped
BODY_BYTES: Final = 256  # of a request, enough for an action; a longer one gets 413
REQUESTS_PER_S: Final = 300.0  # of everybody; more get 429. About 5 % of one core
REQUESTS_BURST: Final = 600.0
ADDRESS_REQUESTS_PER_S: Final = 60.0  # of one address; more get 429
ADDRESS_REQUESTS_BURST: Final = 300.0  # a page is some thirty files, and is reloaded
ADDRESSES_KEPT: Final = 1024  # whose requests are remembered; beyond, the latest only
PAGE_FILES: Final = 1000  # in the folder that is served; with more the server does not start
PAGE_BYTES: Final = 32 * 1024 * 1024  # all files together; the same

# --- what a client may send ----------------------------------------------------------------------
MESSAGE_BYTES: Final = 16 * 1024  # of one message; a longer one closes with 1009
FRAGMENTS: Final = 64  # of one message; more close with 1008
FRAMES_PER_S: Final = 120.0  # of any kind, sustained; more close with 4429 before any decoding
FRAMES_BURST: Final = 300.0  # what a stalled network may deliver at once on top
BYTES_PER_S: Final = 64.0 * 1024  # sustained; more close with 4429
BYTES_BURST: Final = 256.0 * 1024
INBOX_MESSAGES: Final = 512  # waiting to be drained; more close with 1008
RECEIVE_BYTES: Final = 4 * 1024  # taken from the kernel at once, so that one flood yields often
DRAIN_S: Final = 0.01  # how long reading rests between turns: what arrives meanwhile waits
DRAIN_SOCKETS: Final = 128  # read in one go, about a millisecond; then other tasks have their turn

# --- what waits to be sent -----------------------------------------------------------------------
NOTSENT_BYTES: Final = 4 * 1024  # the kernel says no when so much was never sent even once
STUCK_S: Final = 10.0  # no byte accepted for so long while some wait: forced close
SWEEP_S: Final = 1.0  # how often that is looked for

# --- ending --------------------------------------------------------------------------------------
CLOSE_S: Final = 2.0  # for what is unsent, the Close frame and the peer's answer; then forced
LINGER_BYTES: Final = 256 * 1024  # read and thrown away meanwhile; more, and it is forced

# --- how many ------------------------------------------------------------------------------------
BACKLOG: Final = 1024  # connections that the kernel holds until they are accepted
DESCRIPTORS_RESERVED: Final = 64  # never used for clients: journal files, logs, the bus
ACCEPT_PAUSE_S: Final = 0.1  # how long accepting rests when the system is out of something

if FRAMES_BURST < INBOX_MESSAGES / 2:
    raise AssertionError("the flood's count must not hide behind the inbox")
if INBOX_MESSAGES <= FRAMES_BURST:
    raise AssertionError("whoever keeps to the rate must not overfill the inbox at once")
if RECEIVE_BYTES < BYTES_PER_S * DRAIN_S * 4:
    raise AssertionError("what keeps to the rate must never pile up behind the pauses")
if BYTES_BURST < 4 * MESSAGE_BYTES:
    raise AssertionError("several of the longest messages must be welcome")
if CLOSE_S > HANDSHAKE_S:
    raise AssertionError("ending must not take longer than beginning")
if VISITS_PER_ADDRESS_MAX >= VISITS_MAX:
    raise AssertionError("one address must not have every visit to itself")
if ADDRESS_REQUESTS_BURST >= REQUESTS_BURST:
    raise AssertionError("one address must not spend what is everybody's")
if STUCK_S <= CLOSE_S + SWEEP_S:
    raise AssertionError("a link that ends must not be taken for a stuck one")
