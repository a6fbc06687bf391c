"""Who owned which shard when, as somebody sees it who hears every frame and knows every blow.

A shard's epoch names its owner. When frames of a newer epoch begin, the shard was moved, or taken
over from an owner that was struck (killed, paused, cut off), or the engine was away. Two owners at
once are seen where two epochs publish one shard for the same tick, or where the older one still
publishes for ticks in which the newer one already did. What a dead owner showed and did not make
durable, its heir takes again as the same step in a later tick; that is counted apart.

Must not know: the bus, processes, what frames say. Times are seconds of one clock.
"""

from collections import OrderedDict
from statistics import median
from typing import Any, Final

import attrs

__all__ = ["Owners"]

SETTLED_S: Final = 1.0  # whoever publishes for so long after a blow has survived it
TICKS_KEPT: Final = 4096  # of each shard; who published an older one is forgotten


@attrs.define
class _Reign:
    """The frames of one epoch of one shard."""

    epoch: int
    first_tick: int
    last_tick: int
    last_step: int
    began: float
    last: float


class Owners:
    """Everything about owners that a demonstration has to show."""

    def __init__(self) -> None:
        self.takeovers_s: list[float] = []
        self.takeovers_in_outages_s: list[float] = []
        self.migrations_s: list[float] = []
        self.lapses = 0
        self.steps_retold = 0
        self.doubles: set[tuple[int, int]] = set()
        self._reigns: dict[int, _Reign] = {}
        self._ticks: dict[int, OrderedDict[int, int]] = {}
        self._owners: dict[tuple[int, int], str] = {}
        self._homes: dict[int, str] = {}
        self._blows: dict[str, list[float]] = {}
        self._outages: list[tuple[float, float | None]] = []

    # --- what happens ----------------------------------------------------------------------------

    def granted(self, shard: int, epoch: int, owner: str) -> None:
        """The lease of a shard names its owner."""
        self._owners[shard, epoch] = owner

    def placed(self, homes: dict[int, str]) -> None:
        """The coordinator wants shards at these nodes."""
        self._homes.update(homes)

    def struck(self, owner: str, now: float) -> None:
        """An owner was killed, paused or cut off: what it has must be taken over."""
        self._blows.setdefault(owner, []).append(now)

    def engine_away(self, now: float) -> None:
        """The engine is down from now on."""
        self._outages.append((now, None))

    def engine_back(self, now: float) -> None:
        """It is there again."""
        began, _ = self._outages[-1]
        self._outages[-1] = began, now

    def told(self, shard: int, epoch: int, tick: int, step: int, now: float) -> None:
        """A frame was published."""
        reign = self._reigns.get(shard)
        self._look_for_doubles(shard, epoch, tick, reign)
        if reign is None or epoch > reign.epoch:
            if reign is not None:
                self._succeeded(shard, reign, now)
                self.steps_retold += max(0, reign.last_step - step + 1)
            self._reigns[shard] = _Reign(epoch, tick, tick, step, now, now)
        elif epoch == reign.epoch:
            reign.last_tick, reign.last_step = max(tick, reign.last_tick), step
            reign.last = now

    def awaited(self) -> frozenset[int]:
        """The shards that nobody has published since their owner was struck."""
        return frozenset(
            shard
            for shard, reign in self._reigns.items()
            if any(
                blow >= max(reign.began, reign.last - SETTLED_S)
                for blow in self._blows.get(self._owners.get((shard, reign.epoch), ""), ())
            )
        )

    # --- what it means ---------------------------------------------------------------------------

    def numbers(self) -> dict[str, Any]:
        """What was seen."""
        taken = sorted(self.takeovers_s)
        away = self.takeovers_in_outages_s
        moves = sorted(self.migrations_s)
        return {
            "migrations": len(moves),
            "migration_gap_ms_max": round(1000 * moves[-1]) if moves else None,
            "takeovers": len(taken),
            "takeover_s_p50": round(median(taken), 2) if taken else None,
            "takeover_s_max": round(taken[-1], 2) if taken else None,
            "takeovers_in_engine_outages": len(away),
            "takeover_in_engine_outage_s_max": round(max(away), 2) if away else None,
            "leases_lapsed": self.lapses,
            "steps_retold": self.steps_retold,
            "double_owners": len(self.doubles),
        }

    def _look_for_doubles(self, shard: int, epoch: int, tick: int, reign: _Reign | None) -> None:
        ticks = self._ticks.setdefault(shard, OrderedDict())
        if ticks.setdefault(tick, epoch) != epoch:
            self.doubles.add((shard, tick))
        if reign is not None and epoch < reign.epoch and tick >= reign.first_tick:
            self.doubles.add((shard, tick))
        while len(ticks) > TICKS_KEPT:
            ticks.popitem(last=False)

    def _succeeded(self, shard: int, reign: _Reign, now: float) -> None:
        """The reign is over; why, and how long nobody ruled."""
        owner = self._owners.get((shard, reign.epoch), "")
        blow = next((at for at in self._blows.get(owner, ()) if reign.began <= at <= now), None)
        since = reign.last if blow is None else min(blow, now)
        if self._was_away(since):
            self.takeovers_in_outages_s.append(now - since)
        elif blow is not None:
            self.takeovers_s.append(now - blow)
        elif self._homes.get(shard) != owner:
            self.migrations_s.append(now - reign.last)
        else:
            self.lapses += 1

    def _was_away(self, since: float) -> bool:
        """Whether the engine was down at any time since then."""
        return any(ended is None or ended >= since for _, ended in self._outages)
