"""The line about the netcode: what the connection costs and how well it is hidden.

Must not know: pygame, what is drawn.
"""

from collections import deque
from typing import Final

from protocol.client import Client

__all__ = ["Netcode"]

_SAMPLE_EVERY_S: Final = 0.25
_SAMPLES: Final = 13  # rates are over about three seconds
_ERROR_SHOWN_S: Final = 5.0


class Netcode:
    """Takes samples of a client and puts them into words. `link` names what the link simulates."""

    def __init__(self, link: str | None = None) -> None:
        self.link = link
        self.words: list[str] = []
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=_SAMPLES)
        self._frames = 0
        self._corrections = 0
        self._errors: deque[tuple[float, float]] = deque(maxlen=64)

    def note(self, client: Client, now: float) -> None:
        """A frame is drawn at `now`, in seconds."""
        self._frames += 1
        foresight = client.foresight
        if foresight is not None and foresight.corrections != self._corrections:
            self._corrections = foresight.corrections
            if client.schema is not None and foresight.error <= client.schema.jump:
                self._errors.append((now, foresight.error))  # else it was put elsewhere
        if not self._samples or now >= self._samples[-1][0] + _SAMPLE_EVERY_S:
            statistics = client.statistics()
            self._samples.append((now, self._frames, statistics.bytes_received))
            self.words = [
                f"round trip {statistics.round_trip_s * 1000:.0f} ms",
                f"view age {statistics.view_age_s * 1000:.0f} ms",
                f"prediction error {self._worst(now):.1f}",
                f"corrections {statistics.corrections}",
                f"{self._rate(2) / 1000:.1f} kB/s",
                f"{self._rate(1):.0f} fps",
            ]

    def _worst(self, now: float) -> float:
        """The greatest correction of late, in units."""
        return max((size for then, size in self._errors if then > now - _ERROR_SHOWN_S), default=0)

    def _rate(self, column: int) -> float:
        first, last = self._samples[0], self._samples[-1]
        # A new client begins to count anew.
        return max(last[column] - first[column], 0) / max(last[0] - first[0], 1e-6)
