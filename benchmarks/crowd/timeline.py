"""What happened to a crowd, second by second: one line each, for readers and operators.

`late` is the share of players' ticks in that second that took longer than they may, `worst` the
longest in ms, `speed` the slowest that was announced, in percent. Then the share of a core that
each process took, `eyes` being the one that watches and `others` all that is no part of this, and
by how many ms the one that watches was late itself at worst: what it saw late by less than that may
have been in time. `players` says who played where at the end of the second, and what follows is
what was decided and what came of it.

Must not know: how anything is heard, the game.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

__all__ = ["Second", "Timeline", "told"]

LATE_SHOWN: Final = 0.0005  # a smaller share of late ticks is none


@attrs.define
class Second:
    """What one second of the crowd was like."""

    intervals: list[npt.NDArray[np.float64]] = attrs.field(factory=list)
    speed: int = 1000
    cores: dict[str, float] = attrs.field(factory=dict)
    watcher_late_s: float = 0.0
    players: dict[int, int] = attrs.field(factory=dict)
    events: list[str] = attrs.field(factory=list)


@attrs.define
class Timeline:
    """Notes what is told to it under the second of the present tick, `hz` of which are a second."""

    hz: int
    late_ms: float
    seconds: dict[int, Second] = attrs.field(factory=dict)
    _tick: int = 0
    _epochs: dict[int, tuple[int, int]] = attrs.field(factory=dict)
    _homes: dict[int, str] = attrs.field(factory=dict)
    _owners: dict[int, tuple[int, ...]] = attrs.field(factory=dict)

    @property
    def present(self) -> Second:
        """That of the newest tick."""
        return self.seconds.setdefault(self._tick // self.hz, Second())

    def frame(
        self, shard: int, epoch: int, tick: int, speed: int, passed_s: npt.NDArray[np.float64]
    ) -> None:
        """A shard's frame came, so long after the one before for each of its players."""
        self._tick = max(self._tick, tick)
        second = self.present
        before, stepped = self._epochs.get(shard, (epoch, tick))
        if epoch != before and shard in self._owners:  # who rests steps seldom
            second.events.append(f"{shard} taken over, {tick - stepped - 1} ticks without")
        self._epochs[shard] = epoch, tick
        if len(passed_s):
            second.intervals.append(passed_s)
            second.speed = min(second.speed, speed)

    def plan(self, leaves: Mapping[int, tuple[int, ...]], homes: Mapping[int, str]) -> None:
        """The world is cut into these rectangles of cells, and these nodes run its shards."""
        events = self.present.events
        if self._owners:
            events += [
                f"{shard} opens on {homes.get(shard, '?')}"
                for shard in leaves.keys() - self._owners.keys()
            ]
            events += [f"{shard} merges" for shard in self._owners.keys() - leaves.keys()]
        for shard, home in homes.items():
            before = self._homes.get(shard, home)
            if home != before and shard in leaves and shard in self._owners:
                events.append(f"{shard} to {home}")
        self._owners, self._homes = dict(leaves), dict(homes)


def told(timeline: Timeline, first: int, last: int) -> str:
    """The lines of the seconds from `first` to before `last`."""
    names = list(next(iter(timeline.seconds.values())).cores) if timeline.seconds else []
    for second in timeline.seconds.values():
        names = list(second.cores) or names
    head = ["   s", "worst", " late", "speed", *(f"{n[:4]:>4}" for n in names), "off", "players"]
    lines = ["  ".join(head)]
    for number, second in sorted(timeline.seconds.items()):
        if first <= number < last:
            lines.append(_line(number, second, names, timeline.late_ms))
    return "\n".join(lines)


def _line(number: int, second: Second, names: Sequence[str], late_ms: float) -> str:
    passed = 1000 * np.concatenate([np.zeros(1), *second.intervals])
    late = float((passed > late_ms).mean())
    parts = [
        f"{number:4}",
        f"{passed.max():5.0f}",
        f"{100 * late:4.0f}%" if late > LATE_SHOWN else "    .",
        f"{second.speed // 10:4}%",
        *(f"{second.cores.get(name, 0):4.2f}" for name in names),
        f"{1000 * second.watcher_late_s:3.0f}",
        " ".join(f"{s}:{n}" for s, n in sorted(second.players.items()) if n),
    ]
    return "  ".join(parts) + "".join(f"; {event}" for event in second.events)
