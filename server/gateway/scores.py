"""The scoreboard of the whole world: the shards' best rows merged to the top few.

Must not know: links. A row is (entity, name, score).
"""

from collections.abc import Iterable

from protocol.messages import Scores, encode
from server.gateway import limits

__all__ = ["Row", "ScoreBoard"]

Row = tuple[int, str, int]


class ScoreBoard:
    """Keeps each shard's newest rows."""

    def __init__(self) -> None:
        self._rows: dict[int, tuple[Row, ...]] = {}
        self._told: tuple[Row, ...] = ()
        self._told_at = -limits.SCORES_EVERY_S

    def put(self, shard: int, rows: Iterable[Row]) -> None:
        """Replace the rows of `shard`."""
        self._rows[shard] = tuple(rows)

    def top(self) -> tuple[Row, ...]:
        """The best rows of all shards, highest score first.

        An entity that two shards claim while it changes hands counts once, with its higher score.
        """
        best: dict[int, Row] = {}
        for rows in self._rows.values():
            for row in rows:
                if row[0] not in best or row[2] > best[row[0]][2]:
                    best[row[0]] = row
        ranked = sorted(best.values(), key=lambda row: (-row[2], row[0]))
        return tuple(ranked[: limits.SCORES_TOP])

    def due(self, now: float) -> bytes | None:
        """The message to send to everybody now, None if it is too soon or there are no scores."""
        if now - self._told_at < limits.SCORES_EVERY_S or not self._rows:
            return None
        self._told_at = now
        before, self._told = self._told, self.top()
        return encode(Scores(self._told)) if self._told or before else None

    def message(self) -> bytes | None:
        """What was told last, for those who come later."""
        return encode(Scores(self._told)) if self._told else None
