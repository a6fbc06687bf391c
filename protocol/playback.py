"""What a player sees: the replica's past, between snapshots, smooth.

At a render tick with a fraction the picture lies between two whole ticks. An entity moves along its
course, and along the new one from the tick at which that begins, as it does in the simulation. What
is told too late for that is joined to what was drawn by a cubic Hermite curve. Plain positions are
interpolated only over the last interval before a change, since until then nothing changed. A
teleport snaps. The newest ticks are extrapolated for at most a quarter of a second, and only while
the server is silent. After Gaffer on Games and Source.

Invariant: memory is bounded by the entities in view times the keys of a track.
Must not know: sockets, clocks, prediction.
"""

from typing import Any, Final

import attrs

from protocol.clock import EXTRAPOLATE_S
from protocol.replica import Changes, EntityView, Replica
from protocol.schema import Kind, Schema
from protocol.steps import Steps
from protocol.tracks import Key, Spot, Track

__all__ = ["Playback", "Shown"]

KEPT_S: Final = 1.5
_SPARE_TRACKS: Final = 64  # of entities that are gone, before one looks for what to forget


@attrs.define
class Shown:
    """One entity on the screen: position in units, velocity in units per second.

    It is made anew for each screen, so it is nobody else's (and not frozen, which costs thrice).
    """

    kind: int
    x: float
    y: float
    vx: float
    vy: float
    fields: dict[str, Any]
    held: bool = False

    def __getattr__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, "fields")[name]
        except KeyError:
            raise AttributeError(name) from None


class Playback:
    """Tracks of everybody in view, fed after each snapshot."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._tracks: dict[int, Track] = {}
        self._steps: dict[int, Steps] = {}
        self._memo: dict[tuple[int, int], float] = {}  # steps by shard and tick, of one screen
        # By kind: a position's unit, what a speed adds to it in a step, and steps in a second.
        self._forms = [
            (form.step, form.num / form.den, schema.hz) if (form := kind.course) else (0.0, 0.0, 0)
            for kind in schema.kinds
        ]
        self._newest = 0
        self._restarted = False
        self._kept = KEPT_S * schema.hz
        self._ahead = EXTRAPOLATE_S * schema.hz

    def restart(self) -> None:
        """Another link: the replica begins anew, and whoever it does not have next time is gone."""
        self._restarted = True

    def feed(self, replica: Replica, changes: Changes, *, shown: float = 0.0) -> None:
        """Take over what one snapshot changed; `replica` has it applied already.

        `shown` is the tick that was drawn last: what is told late does not change it any more.
        """
        self._newest = replica.tick
        for shard, table in replica.tables.items():
            self._steps.setdefault(shard, Steps()).add(table.tick, table.step)
        jumped = set(changes.set)
        touched = dict.fromkeys((*changes.entered, *changes.turned, *changes.set, *changes.changed))
        for entity in touched:
            view = replica.entity(entity)
            if view is not None:
                self._note(view, replica.tables[view.shard].tick, int(shown), jumped)
        for entity, code in changes.left.items():
            self._end(entity, replica, gone=code == 0)
        for entity in changes.dropped:
            self._end(entity, replica, gone=entity not in replica)
        if self._restarted:
            self._restarted = False
            for entity in self._tracks.keys() - set(replica.ids()):
                self._end(entity, replica, gone=True)
        if len(self._tracks) > 2 * len(replica) + _SPARE_TRACKS:
            self._forget_ended()

    def screen(self, render_tick: float) -> dict[int, Shown]:
        """Everybody as of `render_tick`."""
        tick = min(render_tick, self._newest + self._ahead)
        self._memo.clear()
        shown: dict[int, Shown] = {}
        for entity, track in list(self._tracks.items()):
            if track.ends is not None and track.ends <= tick:
                del self._tracks[entity]
            elif track.keys[0].tick <= tick + 1:
                shown[entity] = self._show(track, tick)
        return shown

    def __len__(self) -> int:
        return len(self._tracks)

    # --- inside ----------------------------------------------------------------------------------

    def _note(self, view: EntityView, tick: int, drawn: int, jumped: set[int]) -> None:
        track = self._tracks.get(view.id)
        if track is None or (track.ends is not None and track.ends < tick):
            track = self._tracks[view.id] = Track(view.kind, [])
        track.ends, track.held = None, False
        began = max(self._began(view, tick, track), drawn)
        if track.keys:
            began = max(began, drawn + 2, track.keys[-1].tick)
        key = Key(began, view.shard, view.course, view.x, view.y, view.fields)
        if track.keys and (view.id in jumped or view.course is None):
            self._memo.clear()
            key = attrs.evolve(key, teleport=self._teleports(track, key))
        track.add(key, self._newest - self._kept)

    def _began(self, view: EntityView, tick: int, track: Track) -> int:
        """Since when it is as it is: a course that is told late counts from where it began."""
        known = track.keys[-1] if track.keys else None
        if view.course is None or (
            known is not None and (known.course, known.shard) == (view.course, view.shard)
        ):
            return tick
        return min(self._steps[view.shard].tick_at(view.course[4] + 1), tick)

    def _teleports(self, track: Track, key: Key) -> bool:
        kind = self._schema.kinds[track.kind]
        was = track.spot(key.tick, kind, self._step_at, track.keys[-1])
        now = track.spot(key.tick, kind, self._step_at, key)
        return (was.x - now.x) ** 2 + (was.y - now.y) ** 2 > self._schema.jump**2

    def _end(self, entity: int, replica: Replica, *, gone: bool) -> None:
        track = self._tracks.get(entity)
        if track is None or track.ends is not None:
            return
        if gone or entity not in replica:
            track.ends = replica.tick
        else:
            track.held = True

    def _forget_ended(self) -> None:
        """Nobody has looked for long: forget those that no screen can show any more."""
        oldest = self._newest - self._kept
        for entity, track in list(self._tracks.items()):
            if track.ends is not None and track.ends <= oldest:
                del self._tracks[entity]

    def _show(self, track: Track, tick: float) -> Shown:
        whole = int(tick)
        part = tick - whole
        newest = track.keys[-1]
        if newest.tick <= whole and newest.course is not None:
            return self._evaluate(track, newest, newest.course, whole, part)
        kind = self._schema.kinds[track.kind]
        before, after = track.at(whole), track.at(whole + 1)
        # A course told at a tick leads there from the tick before: its start is on both.
        here = track.spot(whole, kind, self._step_at, before)
        snaps = after.teleport and after is not before
        there = track.spot(whole + 1, kind, self._step_at, before if snaps else after)
        if before is after or self._continues(here, track, whole, kind, after):
            x, y = here.x + (there.x - here.x) * part, here.y + (there.y - here.y) * part
        else:
            x, y = _between(here, there, part)
        hz = self._schema.hz
        vx = (here.vx + (there.vx - here.vx) * part) * hz
        vy = (here.vy + (there.vy - here.vy) * part) * hz
        return Shown(track.kind, x, y, vx, vy, before.fields, track.held)

    def _continues(self, here: Spot, track: Track, whole: int, kind: Kind, after: Key) -> bool:
        """Whether the newer course begins where the older one has led: then it is the whole way."""
        if after.course is None or kind.course is None or after.teleport:
            return False
        start = track.spot(whole, kind, self._step_at, after)
        near = kind.course.step  # each course has its own rounding
        return abs(start.x - here.x) <= near and abs(start.y - here.y) <= near

    def _evaluate(
        self,
        track: Track,
        key: Key,
        course: tuple[int, int, int, int, int],
        whole: int,
        part: float,
    ) -> Shown:
        """The common case, without detours: nothing has changed since the newest key."""
        x0, y0, vx, vy, step0 = course
        step = self._step_at(key.shard, whole)
        stride = self._step_at(key.shard, whole + 1) - step
        unit, ratio, hz = self._forms[track.kind]
        travelled = (step + stride * part - step0) * ratio
        pace = stride * ratio * unit * hz
        return Shown(
            track.kind,
            (x0 + vx * travelled) * unit,
            (y0 + vy * travelled) * unit,
            vx * pace,
            vy * pace,
            key.fields,
            track.held,
        )

    def _step_at(self, shard: int, tick: int) -> float:
        step = self._memo.get((shard, tick))
        if step is None:
            step = self._memo[shard, tick] = self._steps[shard].at(tick)
        return step


def _between(here: Spot, there: Spot, part: float) -> tuple[float, float]:
    """A point of the cubic Hermite curve, which is a straight line on a constant course."""
    square, cube = part * part, part * part * part
    start, end = 2 * cube - 3 * square + 1, 3 * square - 2 * cube
    leave, arrive = cube - 2 * square + part, cube - square
    if here.vx == here.vy == there.vx == there.vy == 0.0:  # plain positions know no velocity
        start, end = 1 - part, part
    return (
        start * here.x + end * there.x + leave * here.vx + arrive * there.vx,
        start * here.y + end * there.y + leave * here.vy + arrive * there.vy,
    )
