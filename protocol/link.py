"""What a bad link does to messages, without a link: the same model as in JavaScript, to the bit.

A connection over TCP loses nothing and never reorders; what players have of a bad network comes as
time. Each direction is a pipe: what is pushed into it queues for the rate, takes the base delay and
a jitter that wanders, and when a packet is lost, waits one to two round trips for its second
sending. Whatever was pushed meanwhile waits behind it and arrives with it, in one burst.

Nothing here sleeps or sends: `Pipe.push` says when a message arrives, and who drives it holds the
message back until then. The same seed and the same pushes give the same times, here and in
`client_demo/web/shoal/link.js`: only operations that IEEE 754 defines to the last bit, and whole
numbers of 32 bits. Golden vectors (`tests/vectors/link.json`) hold both to it.

Invariants: arrivals never descend; nothing arrives before `delay_s`, nor faster than the rate.
Must not know: sockets, clocks, what messages say. Times are seconds of any one monotonic clock.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

__all__ = ["PRESETS", "ConditionedLink", "Pipe", "PipeStatistics", "Profile", "find_profile"]

SEGMENT_BYTES: Final = 1400  # what TCP sends, and loses, at once
STALL_TRIPS: Final = (1.0, 2.0)  # of a lost packet: fast retransmission, or a timeout
MEAN_JITTERS: Final = 1.0833  # mean of max(0, 1 + n) for a bell-shaped n

_WORD: Final = 0xFFFFFFFF
_EVEN: Final = 2.0**-32
_SLOT_S: Final = 0.02  # the jitter wanders in steps of so long
_KEEP: Final = 0.96  # of the last step's; 0.96^2 + 0.28^2 = 1 keeps the deviation at 1
_NEW: Final = 0.28
_SLOTS_MAX: Final = 256  # after a longer pause nothing is left of what was before
_BELL_MEAN: Final = 131070.0  # of four even parts of 16 bits
_BELL_DEVIATION: Final = 37837.22728

# The streams of chance, each a number of its own.
_WANDER, _LOSS, _LENGTH, _BURST = 1, 2, 3, 4


@attrs.frozen(kw_only=True)
class Profile:
    """One direction of a link.

    `delay_s`: the least that a message takes, one way. `jitter_s`: in the middle so much more, half
    of the time less, never below zero, now and then four times as much; it wanders over about half
    a second. `loss`: the share of packets that are lost, each of which holds everything up for one
    to two round trips. Within bursts, one of `burst_s` somewhere in every `burst_every_s`, it is
    `burst_loss` instead. `bytes_per_s`: the rate, 0 for none. `queue_bytes`: what may wait for the
    rate before a sender is held back (`Pipe.held_until`).
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    burst_loss: float = 0.0
    burst_s: float = 0.0
    burst_every_s: float = 0.0
    bytes_per_s: float = 0.0
    queue_bytes: float = 0.0

    @property
    def round_trip_s(self) -> float:
        """Both ways without jitter, what a stall is measured in."""
        return 2 * self.delay_s

    @property
    def mean_delay_s(self) -> float:
        """What a message takes on average while none is lost and none queues."""
        return self.delay_s + self.jitter_s * MEAN_JITTERS


# What is commonly tested as a good, an average and a poor link, and a phone on the move. None is
# short of rate for a game alone; a slider or a profile of one's own makes it so.
PRESETS: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        "clean": Profile(),
        "good": Profile(
            delay_s=0.02,
            jitter_s=0.003,
            loss=0.002,
            bytes_per_s=2_500_000,
            queue_bytes=262_144,
        ),
        "average": Profile(
            delay_s=0.05,
            jitter_s=0.008,
            loss=0.02,
            bytes_per_s=1_250_000,
            queue_bytes=131_072,
        ),
        "poor": Profile(
            delay_s=0.1,
            jitter_s=0.015,
            loss=0.1,
            bytes_per_s=250_000,
            queue_bytes=65_536,
        ),
        "mobile": Profile(
            delay_s=0.2,
            jitter_s=0.05,
            loss=0.02,
            burst_loss=0.4,
            burst_s=1.5,
            burst_every_s=10,
            bytes_per_s=125_000,
            queue_bytes=65_536,
        ),
    }
)


def find_profile(name: str) -> Profile:
    """The preset of that name. Raises ValueError, which lists them."""
    try:
        return PRESETS[name]
    except KeyError:
        raise ValueError(f"{name!r} is no link; there are {', '.join(PRESETS)}") from None


@attrs.frozen
class PipeStatistics:
    """Totals of one direction; stalls are of lost packets, in seconds."""

    messages: int
    bytes: int
    stalls: int
    stalled_s: float
    longest_stall_s: float


class Pipe:
    """One direction of a link. `profile` may be replaced at any time; order is kept."""

    def __init__(self, profile: Profile, seed: int = 0) -> None:
        self.profile = profile
        self._key = _mix(seed & _WORD)
        self._free_at = self._arrives_last = -math.inf
        self._slot: int | None = None
        self._wandered = 0.0
        self._packets = 0
        self._messages = self._bytes = self._stalls = 0
        self._stalled_s = self._longest_stall_s = 0.0

    def push(self, size: int, now: float) -> float:
        """A message of `size` bytes is sent at `now`; gives when it arrives."""
        profile = self.profile
        leaves = max(now, self._free_at)
        if profile.bytes_per_s > 0:
            leaves += size / profile.bytes_per_s
        self._free_at = leaves
        arrives = leaves + profile.delay_s + self._jitter(leaves) + self._stall(size, leaves)
        self._arrives_last = max(self._arrives_last, arrives)
        self._messages += 1
        self._bytes += size
        return self._arrives_last

    def backlog(self, now: float) -> float:
        """How many bytes wait for the rate."""
        return max(self._free_at - now, 0.0) * self.profile.bytes_per_s

    def held_until(self, now: float) -> float:
        """When the queue has room: a sender who blocks, as TCP's does, pushes nothing before."""
        rate = self.profile.bytes_per_s
        return max(now, self._free_at - self.profile.queue_bytes / rate) if rate > 0 else now

    def statistics(self) -> PipeStatistics:
        """Totals so far."""
        return PipeStatistics(
            self._messages, self._bytes, self._stalls, self._stalled_s, self._longest_stall_s
        )

    # --- inside ----------------------------------------------------------------------------------

    def _jitter(self, time: float) -> float:
        return self.profile.jitter_s * max(1.0 + self._wander(time), 0.0)

    def _wander(self, time: float) -> float:
        """Bell-shaped, mean 0, deviation 1, and much like it was a moment ago."""
        slot = math.floor(time / _SLOT_S)
        if self._slot is None or slot - self._slot > _SLOTS_MAX:
            self._wandered = self._bell(slot)
        else:
            for passed in range(self._slot + 1, slot + 1):
                self._wandered = _KEEP * self._wandered + _NEW * self._bell(passed)
        self._slot = slot
        return self._wandered

    def _stall(self, size: int, time: float) -> float:
        """What lost packets of a message cost it: the longest of their stalls."""
        profile = self.profile
        loss = profile.burst_loss if self._in_burst(time) else profile.loss
        least, most = STALL_TRIPS
        longest = 0.0
        first = self._packets
        self._packets += max(math.ceil(size / SEGMENT_BYTES), 1)
        if loss <= 0:
            return 0.0
        for packet in range(first, self._packets):
            if self._even(_LOSS, packet) < loss:
                trips = least + (most - least) * self._even(_LENGTH, packet)
                longest = max(longest, trips * profile.round_trip_s)
        if longest > 0:
            self._stalls += 1
            self._stalled_s += longest
            self._longest_stall_s = max(self._longest_stall_s, longest)
        return longest

    def _in_burst(self, time: float) -> bool:
        profile = self.profile
        if profile.burst_s <= 0:
            return False
        window = math.floor(time / profile.burst_every_s)
        spare = max(profile.burst_every_s - profile.burst_s, 0.0)
        begins = window * profile.burst_every_s + spare * self._even(_BURST, window)
        return begins <= time < begins + profile.burst_s

    def _even(self, stream: int, index: int) -> float:
        """0 (included) to 1, evenly."""
        return self._bits(stream, index) * _EVEN

    def _bell(self, index: int) -> float:
        """Mean 0, deviation 1, never beyond 3.47: a sum of four even parts."""
        one, other = self._bits(_WANDER, 2 * index), self._bits(_WANDER, 2 * index + 1)
        total = (one & 0xFFFF) + (one >> 16) + (other & 0xFFFF) + (other >> 16)
        return (total - _BELL_MEAN) / _BELL_DEVIATION

    def _bits(self, stream: int, index: int) -> int:
        """32 bits that are a function of seed, stream and index."""
        return _mix(_mix(self._key ^ stream) ^ (index & _WORD))


class ConditionedLink:
    """Both directions of one link, each with a chance of its own."""

    def __init__(self, profile: Profile, seed: int = 0) -> None:
        self.up = Pipe(profile, 2 * seed)
        self.down = Pipe(profile, 2 * seed + 1)


def _mix(word: int) -> int:
    """Spread 32 bits over 32 bits (after C. Wellons, "Prospecting for hash functions", 2018)."""
    word = (word + 0x9E3779B9) & _WORD
    word = (word ^ (word >> 16)) * 0x21F0AAAD & _WORD
    word = (word ^ (word >> 15)) * 0x735A2D97 & _WORD
    return word ^ (word >> 15)
