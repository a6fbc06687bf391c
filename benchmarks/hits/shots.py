"""A shot as its shooter saw it and as the server judged it, and figures over many.

Both judgements are by the game's own rule: the first whom the ray meets. On the screen the ray goes
from where the own diver is drawn through the point that was aimed at.

Must not know: bots, time.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import numpy as np

from protocol.client import Event
from protocol.playback import Shown
from sim.games.lanterns import Diver, Leviathan, game
from sim.games.lanterns.harpoon import Hit, first_hit
from sim.history import Positions

__all__ = ["Point", "Shot", "figures", "met_on_screen"]

Point = tuple[float, float]

_KINDS: Final[dict[type, int]] = {
    kind: game.rules.kind_of[kind].index for kind in (Diver, Leviathan)
}


def met_on_screen(screen: Mapping[int, Shown], me: int, aim: Point) -> Hit:
    """Whom a ray from the own avatar through `aim` meets among those on a screen."""
    seen: dict[type, Positions] = {}
    for kind, number in _KINDS.items():
        ids = [entity for entity, shown in screen.items() if shown.kind == number]
        x, y = (np.array([getattr(screen[entity], axis) for entity in ids]) for axis in "xy")
        seen[kind] = Positions(np.array(ids, np.uint64), x.astype(float), y.astype(float))
    at = screen[me].x, screen[me].y
    away = math.dist(at, aim)
    return first_hit(seen, me, at, ((aim[0] - at[0]) / away, (aim[1] - at[1]) / away))


@attrs.define
class Shot:
    """One shot: what was seen when it was fired, and what the server told of it later.

    `view` is the tick that the screen showed, `tick` the one that the input is for, `meant` whom
    the bot had in mind, `seen` whom the ray met on the screen. `across` says whether shooter and
    target had different shards. `told` is the server's event, None as long as there is none.
    """

    view: float
    tick: int
    meant: int
    seen: Hit
    across: bool = False
    told: Event | None = None

    @property
    def agreed(self) -> bool:
        """Whether the server hit whom the screen hit; both may have missed."""
        return self.told is not None and self.told.target == self.seen.target


def figures(shots: Sequence[Shot], *, hz: float, rewind_s: float) -> dict[str, Any]:
    """Counts, and how far the server's picture was from the screen's.

    `share` is of the shots that hit on the screen; one that the server told nothing of is not
    agreed. `view_age` is how old what a shooter saw was when the shot was judged, `beyond_limit`
    how often it was older than the server goes back.
    """
    answered = [(shot, shot.told) for shot in shots if shot.told is not None]
    both = [(s, e) for s, e in answered if s.agreed and s.seen.target]
    ages_s = [(event.tick - 1 - shot.view) / hz for shot, event in answered]
    targets = [math.dist((s.seen.x, s.seen.y), (e.hit_x, e.hit_y)) for s, e in both]
    return {
        **_counts(shots),
        "across_border": _counts([shot for shot in shots if shot.across]),
        "view_age_ms_p50": _percentile(ages_s, 50, 1000),
        "view_age_ms_p99": _percentile(ages_s, 99, 1000),
        "beyond_limit": sum(age > rewind_s + 1e-9 for age in ages_s) if rewind_s else None,
        "target_off_p50": _percentile(targets, 50),
        "target_off_p99": _percentile(targets, 99),
    }


def _counts(shots: Sequence[Shot]) -> dict[str, Any]:
    on_screen = [shot for shot in shots if shot.seen.target]
    agreed = sum(shot.agreed for shot in on_screen)
    told = [(shot.seen.target, shot.told.target) for shot in shots if shot.told is not None]
    return {
        "shots": len(shots),
        "hits_on_screen": len(on_screen),
        "agreed": agreed,
        "share": round(agreed / len(on_screen), 4) if on_screen else None,
        "false_hits": sum(not seen and bool(target) for seen, target in told),
        "other_hits": sum(bool(seen and target) and seen != target for seen, target in told),
        "unanswered": len(shots) - len(told),
    }


def _percentile(values: Sequence[float], percent: int, scale: float = 1.0) -> float | None:
    return round(float(np.percentile(values, percent)) * scale, 2) if values else None
