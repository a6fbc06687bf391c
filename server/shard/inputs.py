"""The inputs of one session, waiting for their tick.

A client stamps an input with the tick at which it should apply, a little ahead of the server. At
its tick it applies; what comes late collapses into what a single tick can mean: of each intent the
newest, of each edge (a one-shot) one. So a stalled link never lets anyone move twice in a tick.

Invariants: at most `limits.INPUTS_BUFFERED` wait; sequence numbers are accepted in rising order
and each once, so a gateway may send again whatever it is unsure of; inputs apply in the order of
their sequence numbers, whatever ticks they name.

Must not know: games (an input's values stay opaque), sessions, the bus.
"""

from collections import deque
from collections.abc import Container
from typing import Any, NamedTuple

from server.shard import limits

__all__ = ["InputBuffer", "PendingInput"]


class PendingInput(NamedTuple):
    """An input that waits: the tick at which it applies, and what the simulation is told."""

    seq: int
    due: int
    view: int
    kind: int
    values: tuple[int | str, ...]


class InputBuffer:
    """Inputs of one session. `seen` and `applied` are sequence numbers, 0 for none."""

    __slots__ = ("_pending", "applied", "collapsed", "margin", "overflowed", "seen")

    def __init__(self, seen: int = 0, applied: int = 0) -> None:
        self._pending: deque[PendingInput] = deque()
        self.seen = seen
        self.applied = applied
        self.margin = 0
        self.collapsed = 0
        self.overflowed = 0

    def __len__(self) -> int:
        return len(self._pending)

    def offer(self, entry: PendingInput, *, now: int) -> bool:
        """Keep an input until its tick, `entry.due`; False if its sequence number is known already.

        `now` is the tick that runs next; `margin` becomes how many ticks before its own tick the
        input came (negative: too late).
        """
        seq, due = entry.seq, entry.due
        if seq <= self.seen:
            return False
        self.seen = seq
        pending, early = self._pending, due - now
        if early > limits.INPUT_AHEAD_TICKS:
            self.margin = min(early, limits.MARGIN_TICKS_MAX)
            due = now + limits.INPUT_AHEAD_TICKS
        else:
            self.margin = max(early, -limits.MARGIN_TICKS_MAX)
        if pending:
            if len(pending) == limits.INPUTS_BUFFERED:
                # Only a client that sends far ahead, or a stall of seconds, comes here.
                self.applied = pending.popleft().seq
                self.overflowed += 1
            due = max(due, pending[-1].due)
        pending.append(entry if due == entry.due else entry._replace(due=due))
        return True

    def pass_over(self, seq: int) -> None:
        """Take note of an input that cannot be applied: those behind it can."""
        self.seen = max(self.seen, seq)

    def take(self, now: int, edges: Container[int]) -> list[PendingInput]:
        """The inputs that apply at tick `now`, in order; they count as applied.

        `edges` are the input kinds that run each time; of any other only the newest is kept. Edges
        that come late, or more than `limits.EDGES_PER_TICK` of a kind, merge into the newest.
        """
        pending = self._pending
        if not pending or pending[0].due > now:
            return []
        due = []
        while pending and pending[0].due <= now:
            due.append(pending.popleft())
        self.applied = due[-1].seq
        if len(due) == 1:
            return due
        kept = _collapse(due, now, edges)
        self.collapsed += len(due) - len(kept)
        return kept

    def to_data(self) -> list[Any]:
        """Plain data for a handoff or a checkpoint."""
        rows = [[*row[:4], list(row.values)] for row in self._pending]
        return [self.seen, self.applied, self.margin, rows]

    @classmethod
    def from_data(cls, data: list[Any]) -> "InputBuffer":
        """The buffer that `to_data` described."""
        seen, applied, margin, rows = data
        buffer = cls(seen, applied)
        buffer.margin = margin
        for seq, due, view, kind, values in rows:
            buffer._pending.append(PendingInput(seq, due, view, kind, tuple(values)))
        return buffer


def _collapse(due: list[PendingInput], now: int, edges: Container[int]) -> list[PendingInput]:
    kept: list[PendingInput] = []
    count: dict[int, int] = {}
    for entry in reversed(due):  # the newest first: it is the one that stays
        seen = count.get(entry.kind, 0)
        each = entry.kind in edges and entry.due == now
        if seen == 0 or (each and seen < limits.EDGES_PER_TICK):
            count[entry.kind] = seen + 1
            kept.append(entry)
    kept.reverse()
    return kept
