"""Which sessions a shard has: as columns, as what changed of them, and as rows that are kept.

A frame lists all of them, or those that have changed since the frame that it stands on and those
that are gone: few of them change from one tick to the next.

Must not know: frames, links, who sends.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

__all__ = ["COLUMNS", "Listing", "SessionColumns", "SessionRow", "difference"]

Ids = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
# session, entity, hop, generation, centre, cls, applied, margin
SessionRow: TypeAlias = tuple[int, int, int, int, int, int, int, int]

COLUMNS: Final[dict[str, np.dtype[Any]]] = {
    "session": np.dtype("<u8"),
    "entity": np.dtype("<u8"),
    "hop": np.dtype("<u4"),
    "generation": np.dtype("<u4"),
    "centre": np.dtype("<i4"),
    "cls": np.dtype("u1"),
    "applied": np.dtype("<u4"),
    "margin": np.dtype("<i2"),
}
# What makes a row another one. The margin does not: it is told with the input that it is of.
_TELLING: Final = ("entity", "hop", "generation", "centre", "cls", "applied")


@attrs.frozen(eq=False)
class SessionColumns:
    """Sessions of one shard, a row each, ascending by session.

    `centre` and `cls` are the interest (centre -1: none yet), `applied` the newest input that took
    effect, `margin` how many ticks early the newest input came.
    """

    session: npt.NDArray[np.uint64]
    entity: npt.NDArray[np.uint64]
    hop: npt.NDArray[np.uint32]
    generation: npt.NDArray[np.uint32]
    centre: npt.NDArray[np.int32]
    cls: npt.NDArray[np.uint8]
    applied: npt.NDArray[np.uint32]
    margin: npt.NDArray[np.int16]

    @classmethod
    def empty(cls) -> "SessionColumns":
        """No sessions."""
        return cls(*(np.empty(0, dtype) for dtype in COLUMNS.values()))

    @classmethod
    def of(cls, rows: Sequence[SessionRow]) -> "SessionColumns":
        """`rows` as columns, in their order."""
        if not rows:
            return cls.empty()
        columns = zip(zip(*rows, strict=True), COLUMNS.values(), strict=True)
        return cls(*(np.array(values, dtype) for values, dtype in columns))

    def take(self, places: Ints) -> "SessionColumns":
        """The rows at `places`."""
        return SessionColumns(*(getattr(self, name)[places] for name in COLUMNS))

    def joined(self, others: "SessionColumns") -> "SessionColumns":
        """These rows and those of `others`, ascending again."""
        session = np.concatenate((self.session, others.session))
        order = session.argsort(kind="stable")
        return SessionColumns(
            *(
                np.concatenate((getattr(self, name), getattr(others, name)))[order]
                for name in COLUMNS
            )
        )

    def rows(self) -> Iterator[SessionRow]:
        """The rows one by one."""
        return zip(*(getattr(self, name).tolist() for name in COLUMNS), strict=True)

    def __len__(self) -> int:
        return len(self.session)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SessionColumns) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in COLUMNS
        )

    __hash__ = None  # type: ignore[assignment]  # arrays are mutable


def difference(before: SessionColumns, now: SessionColumns) -> tuple[SessionColumns, Ids]:
    """The rows of `now` that `before` does not have as they are, and the sessions that are gone.

    Columns that are the same array in both are known to be the same.
    """
    if len(before.session) and (
        before.session is now.session or np.array_equal(before.session, now.session)
    ):
        return now.take(_changed(before, now)), _NOBODY
    known = np.isin(now.session, before.session, assume_unique=True)
    gone = before.session[~np.isin(before.session, now.session, assume_unique=True)]
    if known.any():
        there = before.take(np.searchsorted(before.session, now.session[known]))
        different = ~known
        different[known.nonzero()[0][_changed(there, now.take(known.nonzero()[0]))]] = True
        return now.take(different.nonzero()[0]), gone
    return now, gone


def _changed(before: SessionColumns, now: SessionColumns) -> Ints:
    """The places of rows that differ, where both have the same sessions."""
    different = np.zeros(len(now), np.bool_)
    for name in _TELLING:
        old, new = getattr(before, name), getattr(now, name)
        if old is not new:
            different |= old != new
    places: Ints = different.nonzero()[0]
    return places


_NOBODY: Final = np.empty(0, np.uint64)


class Listing:
    """The sessions that a shard has by the frames that were taken, as rows by session."""

    def __init__(self) -> None:
        self.rows: dict[int, SessionRow] = {}

    def begin(self, listed: SessionColumns) -> list[SessionRow]:
        """Take all that the shard lists; those rows that are not as they were."""
        before, self.rows = self.rows, {row[0]: row for row in listed.rows()}
        return [row for session, row in self.rows.items() if before.get(session) != row]

    def go_on(self, changed: SessionColumns, gone: Ids) -> list[SessionRow]:
        """Take what changed; those rows."""
        for session in gone.tolist():
            self.rows.pop(session, None)
        rows = list(changed.rows())
        self.rows.update((row[0], row) for row in rows)
        return rows
