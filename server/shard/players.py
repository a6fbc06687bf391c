"""What frames say of sessions: where their interest is centred, what applied, what is private.

A private section goes out when it changed. Sections are compared as integers, so that nothing is
encoded for the many that did not.

Must not know: the bus, how sessions are kept.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from protocol import cbor
from protocol.frame import SessionColumns
from protocol.geometry import Geometry
from server.shard.interest import follow_centres
from server.shard.sessions import Session
from sim.engine import Export
from sim.world import World

__all__ = ["Players"]


class Players:
    """The sessions of one shard as its frames show them."""

    def __init__(self, geometry: Geometry, world: World, kinds: int) -> None:
        self._geometry = geometry
        self._world = world
        self._kinds = range(kinds)
        self._shown: dict[int, bytes] = {}

    def follow(self, sessions: Sequence[Session], exports: Sequence[Export]) -> None:
        """Bring the interest of `sessions` to where their entities are now."""
        if not sessions:
            return
        entities = np.array([session.entity for session in sessions], np.uint64)
        order = np.argsort(entities)
        wanted = entities[order]
        for kind in self._kinds:
            rows = exports[kind]
            at = np.minimum(np.searchsorted(wanted, rows.ids), len(wanted) - 1)
            found = np.flatnonzero(wanted[at] == rows.ids)
            if len(found):
                self._follow([sessions[place] for place in order[at[found]]], kind, rows, found)

    def _follow(
        self, sessions: Sequence[Session], kind: int, rows: Export, found: npt.NDArray[np.int64]
    ) -> None:
        centres = np.array([session.centre for session in sessions], np.int64)
        moved = follow_centres(self._geometry, centres, rows.x[found], rows.y[found])
        classes = self._world.interests(kind)[found]
        for session, centre, radius_class in zip(
            sessions, moved.tolist(), classes.tolist(), strict=True
        ):
            session.centre = centre
            session.radius_class = radius_class

    def columns(self, sessions: Sequence[Session]) -> SessionColumns:
        """A row for each of `sessions`, ascending by session."""
        ordered = sorted(sessions, key=lambda session: session.id)
        return SessionColumns(
            session=np.array([session.id for session in ordered], np.uint64),
            entity=np.array([session.entity for session in ordered], np.uint64),
            hop=np.array([session.hop for session in ordered], np.uint32),
            generation=np.array([session.generation for session in ordered], np.uint32),
            centre=np.array([session.centre for session in ordered], np.int32),
            cls=np.array([session.radius_class for session in ordered], np.uint8),
            applied=np.array([session.inputs.applied for session in ordered], np.uint32),
            margin=np.array([session.inputs.margin for session in ordered], np.int16),
        )

    def changed_privates(self, sessions: Sequence[Session], step: int) -> list[tuple[int, bytes]]:
        """The private sections that differ from those of the last time."""
        shown = self._shown
        self._shown = {}
        changed = []
        for session, kind, ints in self._sections(sessions):
            # A new link knows nothing, so its generation belongs to what was shown.
            key = session.generation.to_bytes(4, "little") + ints.tobytes()
            self._shown[session.id] = key
            if shown.get(session.id) != key:
                changed.append((session.id, _section(session, kind, step, ints)))
        return changed

    def privates(self, sessions: Sequence[Session], step: int) -> list[tuple[int, bytes]]:
        """The private sections of `sessions`, changed or not."""
        return [
            (session.id, _section(session, kind, step, ints))
            for session, kind, ints in self._sections(sessions)
        ]

    def _sections(
        self, sessions: Sequence[Session]
    ) -> Iterator[tuple[Session, int, npt.NDArray[np.int64]]]:
        owners = {session.entity: session for session in sessions if session.entity}
        for kind in self._kinds:
            ids, rows = self._world.privates(kind)
            for entity, ints in zip(ids.tolist(), rows, strict=True):
                session = owners.get(entity)
                if session is not None:
                    yield session, kind, ints


def _section(session: Session, kind: int, step: int, ints: npt.NDArray[np.int64]) -> bytes:
    return cbor.dumps([session.entity, kind, step, *ints.tolist()])
