"""What playback remembers of one entity: keys at the ticks at which it changed.

Between two keys nothing changed: a course is evaluated, everything else is held. A course that is
told at tick T began a step earlier, so it already leads from T - 1 to T.

Must not know: clocks, replicas, who renders.
"""

from collections.abc import Callable
from typing import Any

import attrs

from protocol.schema import Kind

__all__ = ["Key", "Spot", "Track"]

KEYS_MAX = 48

# (shard, tick) -> the shard's step at that tick, with a fraction where ticks were skipped
StepAt = Callable[[int, int], float]


@attrs.frozen
class Key:
    """An entity from `tick` on: where it was (course or plain position), and its fields."""

    tick: int
    shard: int
    course: tuple[int, int, int, int, int] | None
    x: float
    y: float
    fields: dict[str, Any]
    teleport: bool = False


@attrs.frozen
class Spot:
    """A position in units and a velocity in units per tick."""

    x: float
    y: float
    vx: float
    vy: float


@attrs.define
class Track:
    """Keys of one entity, ascending; `ends` is the tick from which it is not shown, if known."""

    kind: int
    keys: list[Key]
    ends: int | None = None
    held: bool = False

    def add(self, key: Key, keep_from: float) -> None:
        """Append a key, and forget those that nothing before `keep_from` needs."""
        if self.keys and self.keys[-1].tick == key.tick:
            self.keys[-1] = attrs.evolve(key, teleport=key.teleport or self.keys[-1].teleport)
        else:
            self.keys.append(key)
        while len(self.keys) > 1 and (self.keys[1].tick <= keep_from or len(self.keys) > KEYS_MAX):
            del self.keys[0]

    def at(self, tick: int) -> Key:
        """The key in force at `tick`: the newest that is not later, else the first."""
        found = self.keys[0]
        for key in reversed(self.keys):
            if key.tick <= tick:
                return key
        return found

    def spot(self, tick: int, kind: Kind, step_at: StepAt, key: Key | None = None) -> Spot:
        """Where the entity is at a whole tick."""
        key = self.at(tick) if key is None else key
        form = kind.course
        if key.course is None or form is None:
            return Spot(key.x, key.y, 0.0, 0.0)
        x0, y0, vx, vy, step0 = key.course
        step = step_at(key.shard, tick)
        age = step - step0
        ratio = form.num / form.den
        pace = ratio * form.step * (step_at(key.shard, tick + 1) - step)  # less in dilated time
        return Spot(
            (x0 + vx * age * ratio) * form.step,
            (y0 + vy * age * ratio) * form.step,
            vx * pace,
            vy * pace,
        )
