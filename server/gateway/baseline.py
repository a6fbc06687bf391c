"""Baselines: what links hold of each shard.

A WebSocket is ordered and reliable, so what was last written to a link is a valid baseline. All
links that were written at one tick share one object.

Must not know: links, feeds.
"""

from collections.abc import Mapping

import attrs

__all__ = ["Baseline", "Position"]


@attrs.frozen
class Position:
    """A tick of one shard, of what was begun in `epoch`."""

    epoch: int
    tick: int


@attrs.frozen(eq=False)
class Baseline:
    """What the links that were written at `tick` hold of each shard; compared by identity.

    A link is on time if and only if its baseline is the newest object.
    """

    tick: int
    positions: Mapping[int, Position]
