"""How old what a client holds of a part of the world becomes before it is told of it again.

In a crowd that gets more than its budget parts take turns, so each is told of more seldom. A part
that has nothing new is not told of either: in a crowd that moves, a part of few for some ticks.

Must not know: connections, servers.
"""

from protocol.replica import Changes, Replica

__all__ = ["Ages"]


class Ages:
    """When each part of a replica was told of last, and the oldest that any became."""

    def __init__(self) -> None:
        self.oldest_ticks = 0
        self._told: dict[tuple[int, int], int] = {}  # by shard and key

    def note(self, replica: Replica, changes: Changes) -> None:
        """Take in what one snapshot did. Parts that are not there any more are forgotten."""
        news = {*changes.entered, *changes.turned, *changes.set, *changes.changed}
        places = {replica.locate(entity) for entity in news}
        told: dict[tuple[int, int], int] = {}
        for shard, table in replica.tables.items():
            for key in table.parts_in(range(replica.geometry.cells)):
                kind = table.keys.kind(key)
                here = any((shard, kind, row) in places for row in table.rows_of(key).tolist())
                before = self._told.get((shard, key), replica.tick)
                told[shard, key] = replica.tick if here else before
                # A part that was told of now was as old as this until now.
                self.oldest_ticks = max(self.oldest_ticks, replica.tick - before)
        self._told = told
