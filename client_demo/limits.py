"""Every bound of the demo client, with the checks that hold between them.

A bound's comment says what happens when it is reached. Times are seconds.
"""

from typing import Final

# --- connection ----------------------------------------------------------------------------------
CONNECT_S: Final = 5.0  # for the TCP connection and the handshake together; then it has failed
LAST_WORDS_S: Final = 0.1  # for reading why a server hung up in the handshake; then it has failed
CLOSE_S: Final = 1.0  # for the closing handshake; then the connection is dropped
RECEIVE_BYTES: Final = 16 * 1024  # taken from the kernel at once
LINK_PIECES: Final = 4096  # on their way over a conditioned link; then nothing more is taken
BACKOFF_S_FIRST: Final = 0.25  # before the first attempt to come back; each failure doubles it
BACKOFF_S_MAX: Final = 8.0
ATTEMPTS_MAX: Final = 12  # failures in a row; then the connection gives up
FIRST_ATTEMPTS_MAX: Final = 4  # the same before the first welcome: maybe there is no server

# --- bots ----------------------------------------------------------------------------------------
BOTS_MAX: Final = 5000
JOINS_PER_S: Final = 50.0  # a crowd joins over seconds, as crowds do
LEAVE_S: Final = 2.0  # for all bots to say goodbye; then they are dropped

# --- screen --------------------------------------------------------------------------------------
FRAMES_PER_S: Final = 10.0
FIRST_PICTURE_S: Final = 5.0  # how long `watch --once` waits for the world to show itself
SCORES_S: Final = 1.5  # and then for the scores, which are told once a second
MAP_COLUMNS_MIN, MAP_ROWS_MIN = 16, 6  # a smaller terminal shows no map

if BACKOFF_S_FIRST > BACKOFF_S_MAX:
    raise AssertionError("backing off must not begin above its end")
