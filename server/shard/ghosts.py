"""Ghosts: read-only copies of what other shards own near the border.

Neighbours' frames are applied to one receiving table per neighbour, only for the cells within the
game's reach, and only up to the tick before the one that runs: then it does not matter which shard
of a node steps first. A frame that was missed is asked for, as any gateway does.

An entity that this shard has just handed over stays a ghost on its course until its new owner
has taken it, so that rules never lose sight of it.

Must not know: worlds' state, sessions, the journal, the bus.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from protocol import courses
from protocol.apply import Report
from protocol.errors import ProtocolError
from protocol.frame import Frame
from protocol.geometry import Geometry
from protocol.parts import PartTable
from protocol.schema import Course, Schema
from server.shard import limits
from server.shard.guests import CourseColumns, GuestBatch
from server.shard.mail import Resync
from sim.game import Game
from sim.ghosts import Ghosts as GhostColumns

__all__ = ["GhostForm", "Ghosts", "ghost_forms"]

Ids = npt.NDArray[np.uint64]
Columns = tuple[Ids, dict[str, npt.NDArray[Any]]]


@attrs.frozen
class GhostForm:
    """Of one kind: which columns a ghost has, and how the kind moves (None: it does not)."""

    fields: tuple[str, ...]
    course: Course | None


def ghost_forms(game: Game, schema: Schema) -> list[GhostForm]:
    """The forms of a game's kinds, in order."""
    return [
        GhostForm(spec.ghost_fields, kind.course)
        for spec, kind in zip(game.rules.kinds, schema.kinds, strict=True)
    ]


@attrs.define
class _Neighbour:
    table: PartTable
    waiting: list[Frame] = attrs.field(factory=list)
    asked_at: int = -limits.RESYNC_PATIENCE_TICKS


class Ghosts:
    """What one shard knows of its neighbours. `ask` sends a resync to a shard."""

    def __init__(
        self,
        schema: Schema,
        geometry: Geometry,
        forms: Sequence[GhostForm],
        region: frozenset[int],
        ask: Callable[[int, Resync], None],
    ) -> None:
        self._schema = schema
        self._geometry = geometry
        self._forms = forms
        self._region = sorted(region)
        self._ask = ask
        self._neighbours: dict[int, _Neighbour] = {}
        self._lingering: list[GuestBatch] = []
        self._owners: dict[int, int] = {}
        self.resyncs = 0
        self.count = 0  # as of the newest tick

    def owner(self, entity: int) -> int | None:
        """The shard that a ghost belongs to, as of the newest tick; None if it is no ghost."""
        return self._owners.get(entity)

    def watch(self, region: frozenset[int]) -> None:
        """From now on the cells of `region` matter.

        Of those that did not until now, nothing is here: then everybody is asked for everything.
        """
        if not region or not region.issubset(self._region):
            self._neighbours.clear()
        outside = [cell for cell in self._region if cell not in region]
        for neighbour in self._neighbours.values():
            neighbour.table.drop_cells(outside)
        self._region = sorted(region)

    def offer(self, frame: Frame) -> None:
        """Keep a neighbour's frame until the tick after its own."""
        neighbour = self._neighbours.get(frame.shard)
        if neighbour is None:
            table = PartTable(self._schema, self._geometry)
            table.shard = frame.shard
            neighbour = self._neighbours[frame.shard] = _Neighbour(table)
        neighbour.waiting.append(frame)

    def linger(self, batches: Iterable[GuestBatch]) -> None:
        """Keep entities that were cut out, as ghosts, while they are in transit."""
        self._lingering += batches

    def columns(
        self, now: int, step: int, *, here: set[int], in_transit: set[int]
    ) -> list[GhostColumns]:
        """All ghosts at the end of tick `now` - 1, by kind.

        `step` is the world's own at that moment; `here` are the entities that are or become owned,
        `in_transit` those that were handed over and not taken yet.
        """
        for shard in sorted(self._neighbours):
            self._catch_up(shard, self._neighbours[shard], now)
        self._lingering = [
            batch for batch in self._lingering if now - batch.tick <= limits.LINGER_TICKS
        ]
        self._owners = {}
        found = [self._kind(kind, now, step, here, in_transit) for kind in range(len(self._forms))]
        self.count = sum(len(ghosts.ids) for ghosts in found)
        return [ghosts for ghosts in found if len(ghosts.ids)]

    # --- following a neighbour -------------------------------------------------------------------

    def _catch_up(self, shard: int, neighbour: _Neighbour, now: int) -> None:
        due = [frame for frame in neighbour.waiting if frame.tick < now]
        neighbour.waiting = [frame for frame in neighbour.waiting if frame.tick >= now]
        missed = False
        for frame in sorted(due, key=lambda frame: (frame.epoch, frame.tick)):
            missed |= not self._apply(neighbour.table, frame)
        if missed and now - neighbour.asked_at >= limits.RESYNC_PATIENCE_TICKS:
            neighbour.asked_at = now
            self.resyncs += 1
            self._ask(shard, Resync(neighbour.table.tick))

    def _apply(self, table: PartTable, frame: Frame) -> bool:
        """Apply a frame; False if it stands on something that is not here."""
        if table.knows(frame):
            return True
        if not table.make_way(frame):
            return False
        updates = frame.slices(self._region)
        offsets = np.cumsum([0, *map(len, updates)])
        report, damaged = Report(names=False), False
        try:
            table.apply_frame(
                b"".join(updates), offsets, frame.tick, frame.step, report, base=frame.base
            )
        except ProtocolError:
            damaged = True
        if damaged or report.failed or report.unsynced:
            table.reset(frame.epoch)
            return False
        return True

    # --- columns ---------------------------------------------------------------------------------

    def _kind(
        self, kind: int, now: int, step: int, here: set[int], in_transit: set[int]
    ) -> GhostColumns:
        form = self._forms[kind]
        sources: list[Columns] = []
        seen = set(here)
        for shard in sorted(self._neighbours):
            table = self._neighbours[shard].table
            ids, _, fields, course = table.columns(kind)
            if not len(ids):
                continue
            late = min(now - 1 - table.tick, limits.LINGER_TICKS)
            rows = _rows(form, fields, None if course is None else tuple(course), table.step + late)
            owners = [(entity, shard) for entity in ids.tolist()]
            sources.append(self._unseen(ids, rows, seen, owners))
        for batch in self._lingering:
            if batch.kind == kind:
                ids = batch.rows.ids
                rows = _rows(form, batch.rows.fields, batch.rows.course, step)
                owners = list(zip(ids.tolist(), batch.to.tolist(), strict=True))
                seen.update(entity for entity, _ in owners if entity not in in_transit)
                sources.append(self._unseen(ids, rows, seen, owners))
        columns: dict[str, npt.NDArray[Any]] = {}
        if not sources:
            return GhostColumns(kind, np.empty(0, np.uint64), columns)
        for name in form.fields:
            columns[name] = np.concatenate([rows[name] for _, rows in sources])
        return GhostColumns(kind, np.concatenate([ids for ids, _ in sources]), columns)

    def _unseen(
        self,
        ids: Ids,
        rows: dict[str, npt.NDArray[Any]],
        seen: set[int],
        owners: Sequence[tuple[int, int]],
    ) -> Columns:
        """The rows of entities that no earlier source has; they are seen from now on."""
        fresh = [place for place, (entity, _) in enumerate(owners) if entity not in seen]
        self._owners.update(owners[place] for place in fresh)
        seen.update(entity for entity, _ in owners)
        if len(fresh) == len(ids):
            return ids, rows
        return ids[fresh], {name: column[fresh] for name, column in rows.items()}


def _rows(
    form: GhostForm,
    fields: Mapping[str, npt.NDArray[Any]],
    course: CourseColumns | None,
    step: int,
) -> dict[str, npt.NDArray[Any]]:
    """A ghost's columns in integers, its course evaluated at `step`."""
    known = dict(fields)
    if form.course is not None and course is not None:
        x0, y0, vx, vy, step0 = course
        num, den = form.course.num, form.course.den
        known["x"] = courses.evaluate(x0, vx, step - step0, num, den)
        known["y"] = courses.evaluate(y0, vy, step - step0, num, den)
        known["vx"], known["vy"] = vx, vy
    return {name: known[name] for name in form.fields}
