"""What a player saw: everybody's place at an earlier moment.

It must not know worlds; it reads what they remember.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import attrs

from sim.errors import GameError
from sim.history import History, Positions
from sim.rules import Rules


@attrs.frozen(eq=False)
class Past:
    """The world at tick `tick`: `past[Kind]` gives ids, x, y of owned entities and ghosts alike."""

    tick: float
    _rules: Rules
    _histories: Sequence[History]

    def __getitem__(self, kind: type) -> Positions:
        spec = self._rules.kind_of.get(kind)
        if spec is None or spec.course is None:
            raise GameError(f"{kind.__name__} is not a kind with a motion: its past is not kept.")
        return self._histories[spec.index].at(self.tick)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """There is nothing to end: looking back changes nothing."""
