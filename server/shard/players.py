"""What frames say of sessions: where their interest is centred, what applied, what is private.

Sessions are rows of columns, which are kept from tick to tick: a tick costs what has changed, not
how many play. A private section goes out when it changed; sections are compared as integers, so
that nothing is encoded for the many that did not.

Must not know: the bus, how sessions are kept.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs
import numpy as np
import numpy.typing as npt

from protocol import cbor
from protocol.geometry import Geometry
from protocol.listing import COLUMNS, SessionColumns
from server.shard.interest import follow_centres
from server.shard.sessions import Session, SessionTable
from sim.engine import Export
from sim.world import World

__all__ = ["Players"]

Ints = npt.NDArray[np.int64]
_NOBODY: Final = -1


class Players:
    """The sessions of one shard as its frames show them."""

    def __init__(self, geometry: Geometry, world: World, sessions: SessionTable) -> None:
        self._geometry = geometry
        self._world = world
        self._table = sessions
        self._sessions: list[Session] = []  # ascending by id, as the columns
        self._place: dict[int, int] = {}
        self._columns = SessionColumns.empty()
        self._rows = _Rows(0)
        self._kinds = range(len(world.game.rules.kinds))
        self._shown: list[_Shown | None] = [None] * len(self._kinds)

    def follow(self, exports: Sequence[Export]) -> None:
        """Bring the columns, and the interest of the sessions, to where their entities are now."""
        if self._table.take_reordered():
            self._line_up()
        else:
            self._note(self._table.take_changed())
            self._note_inputs(self._table.take_progressed())
        self._rows.find(self._columns.entity, exports)
        for kind, rows in enumerate(exports):
            playing = (self._rows.kind == kind).nonzero()[0]
            if len(playing):
                self._follow(kind, rows, playing, self._rows.row[playing])

    def columns(self, guests: Sequence[Session]) -> SessionColumns:
        """A row for each session of the shard and for each of `guests`, ascending by session.

        Who is back already, before it was handed over, is a guest no more.
        """
        own = self._columns
        away = {guest.id: guest for guest in guests if guest.id not in self._place}
        return own.joined(_columns_of(list(away.values()))) if away else own

    def plays(self, guests: Sequence[Session], entity: int) -> bool:
        """Whether the entity is that of a session here, or of one of `guests`."""
        return bool((self._columns.entity == entity).any()) or any(
            guest.entity == entity for guest in guests
        )

    def changed_privates(self, step: int) -> list[tuple[int, bytes]]:
        """The private sections that differ from those of the last time."""
        changed: list[tuple[int, bytes]] = []
        for kind in self._kinds:
            now = self._privates(kind)
            places = now.changed_since(self._shown[kind])
            self._shown[kind] = now
            changed += self._sections(kind, now, places, step)
        return changed

    def privates(self, gateway: str, step: int) -> list[tuple[int, bytes]]:
        """The private sections of all sessions whose link `gateway` holds."""
        found: list[tuple[int, bytes]] = []
        for kind in self._kinds:
            now = self._privates(kind)
            every = self._sections(kind, now, np.arange(len(now.places)), step)
            found += [
                (session, item)
                for session, item in every
                if self._sessions[self._place[session]].gateway == gateway
            ]
        return found

    # --- rows ------------------------------------------------------------------------------------

    def _line_up(self) -> None:
        """Sessions came or went."""
        self._table.take_changed()
        self._table.take_progressed()
        self._sessions = sorted(self._table, key=lambda session: session.id)
        self._place = {session.id: place for place, session in enumerate(self._sessions)}
        self._columns = _columns_of(self._sessions)
        self._rows = _Rows(len(self._sessions))

    def _note(self, changed: Sequence[Session]) -> None:
        """Take over what changed of sessions, in columns of their own: frames keep the old ones."""
        if not changed:
            return
        places = [self._place[session.id] for session in changed]
        fresh = _columns_of(changed)
        self._columns = _replaced(self._columns, places, fresh)

    def _note_inputs(self, sessions: Sequence[Session]) -> None:
        """The same for what became of inputs, which is two columns."""
        if not sessions:
            return
        places = [self._place[session.id] for session in sessions]
        inputs = [session.inputs for session in sessions]
        applied, margin = self._columns.applied.copy(), self._columns.margin.copy()
        applied[places] = [each.applied for each in inputs]
        margin[places] = [each.margin for each in inputs]
        self._columns = attrs.evolve(self._columns, applied=applied, margin=margin)

    def _follow(self, kind: int, rows: Export, places: Ints, at: Ints) -> None:
        columns = self._columns
        before, classes_before = columns.centre[places], columns.cls[places]
        centres = follow_centres(
            self._geometry, before.astype(np.int64), rows.x[at], rows.y[at]
        ).astype(np.int32)
        classes = self._world.interests(kind)[at]
        moved = ((centres != before) | (classes != classes_before)).nonzero()[0]
        if not len(moved):
            return
        for place, centre, radius_class in zip(
            places[moved].tolist(), centres[moved].tolist(), classes[moved].tolist(), strict=True
        ):
            session = self._sessions[place]
            session.centre, session.radius_class = centre, radius_class
        self._note([self._sessions[place] for place in places[moved].tolist()])

    # --- private sections ------------------------------------------------------------------------

    def _privates(self, kind: int) -> "_Shown":
        places = (self._rows.kind == kind).nonzero()[0]
        keys = self._columns.session[places], self._columns.generation[places]
        return _Shown(places, *keys, self._world.privates(kind, self._rows.row[places]))

    def _sections(
        self, kind: int, shown: "_Shown", which: Ints, step: int
    ) -> Iterator[tuple[int, bytes]]:
        for place, ints in zip(shown.places[which].tolist(), shown.ints[which], strict=True):
            session = self._sessions[place]
            yield session.id, cbor.dumps([session.entity, kind, step, *ints.tolist()])


class _Shown:
    """The private integers of a kind's players: of the sessions at `places`, rows of `ints`.

    A new link knows nothing, so its generation belongs to what was shown.
    """

    def __init__(
        self, places: Ints, sessions: npt.NDArray[Any], generations: npt.NDArray[Any], ints: Ints
    ) -> None:
        self.places = places
        self.sessions = sessions
        self.generations = generations
        self.ints = ints

    def changed_since(self, before: "_Shown | None") -> Ints:
        """The rows that were shown differently, or not at all."""
        if before is None:
            return np.arange(len(self.places))
        if np.array_equal(self.sessions, before.sessions):
            generations, ints, known = before.generations, before.ints, None
        else:
            at = np.searchsorted(before.sessions, self.sessions)
            at = np.minimum(at, max(len(before.sessions) - 1, 0))
            if not len(before.sessions):
                return np.arange(len(self.places))
            known = before.sessions[at] == self.sessions
            generations, ints = before.generations[at], before.ints[at]
        different = (self.ints != ints).any(axis=1) | (self.generations != generations)
        if known is not None:
            different |= ~known
        places: Ints = different.nonzero()[0]
        return places


def _columns_of(sessions: Sequence[Session]) -> SessionColumns:
    return SessionColumns.of(
        [
            (s.id, s.entity, s.hop, s.generation, s.centre, s.radius_class, i.applied, i.margin)
            for s, i in ((session, session.inputs) for session in sessions)
        ]
    )


def _replaced(columns: SessionColumns, places: list[int], fresh: SessionColumns) -> SessionColumns:
    """New columns with the rows `fresh` at `places`."""
    made = []
    for name in COLUMNS:
        column = getattr(columns, name).copy()
        column[places] = getattr(fresh, name)
        made.append(column)
    return SessionColumns(*made)


class _Rows:
    """In which row of which kind of the world each session's entity is.

    Rows rarely change, so what was found is only checked.
    """

    def __init__(self, count: int) -> None:
        self.kind = np.full(count, _NOBODY)
        self.row = np.zeros(count, np.int64)

    def find(self, entities: npt.NDArray[np.uint64], exports: Sequence[Export]) -> None:
        """Bring them to the rows of `exports`; an entity that is in none has kind -1."""
        lost = self.kind == _NOBODY
        for kind, export in enumerate(exports):
            places = (self.kind == kind).nonzero()[0]
            if len(places):
                there = self.row[places] < len(export.ids)
                ids = export.ids[np.where(there, self.row[places], 0)] if len(export.ids) else 0
                lost[places] = ~there | (ids != entities[places])
        sought = (lost & (entities > 0)).nonzero()[0]
        self.kind[lost] = _NOBODY
        for kind, export in enumerate(exports) if len(sought) else ():
            if not len(export.ids):
                continue
            order = np.argsort(export.ids)
            at = order[np.searchsorted(export.ids, entities[sought], sorter=order) % len(order)]
            found = export.ids[at] == entities[sought]
            self.kind[sought[found]] = kind
            self.row[sought[found]] = at[found]
