"""Every bound of the simulation, with checks between them.

What must fit the wire is bounded by the wire: ages in 16 bits, positions in signed 32 bits, the
sections of an update in one 64-bit mask. A game that exceeds a bound is refused when it is
declared, never while it runs.
"""

from typing import Final

# A course is begun anew at this age (in steps), so that an age fits the wire's 16 bits.
COURSE_AGE_MAX: Final = 32_000
COURSE_AGE_WIRE_MAX: Final = 65_535
POSITION_MAX: Final = 2**31 - 1

# Products of speed, age and the fraction of a course are evaluated in int64 and, by receivers
# whose only number is the double, exactly below this.
COURSE_PRODUCT_MAX: Final = 2**52

FIELD_STEPS_MAX: Final = 2**32 - 1
TEXT_BYTES_MAX: Final = 64
KINDS_MAX: Final = 64
FIELDS_MAX: Final = 48
INPUTS_MAX: Final = 64
EVENTS_MAX: Final = 64
INTEREST_CLASSES_MAX: Final = 8

# An id is the maker's number above a counter.
COUNTER_BITS: Final = 40
MAKER_MAX: Final = 2**23 - 1

# A field that only the server sees need not say its step: a millionth, exact in a double.
SERVER_STEP: Final = 2.0**-20
SERVER_STEPS_MAX: Final = 2**51

# A handoff in transit is moved along its course by at most this many steps.
TRANSIT_STEPS_MAX: Final = 20_000

HISTORY_S_MAX: Final = 5.0

# A client replays so many inputs at most, and predicts so many ticks ahead of the server's word.
PREDICTED_INPUTS: Final = 128
PREDICTED_TICKS: Final = 100

assert COURSE_AGE_MAX + TRANSIT_STEPS_MAX <= COURSE_AGE_WIRE_MAX, "A late arrival's age must fit."
assert FIELDS_MAX + 5 <= 63, "The sections of an update are named by one 64-bit mask."
assert COUNTER_BITS + MAKER_MAX.bit_length() <= 63, "Ids stay positive in signed 64 bits."
assert SERVER_STEPS_MAX < 2**53, "Integers of columns must be exact in a double."
