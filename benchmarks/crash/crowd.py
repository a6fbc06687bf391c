"""The players' processes: one command to all, one answer of all.

A client in Python costs a good part of a percent of a core, and one that is late is a bot that
measures itself. So the players are spread over processes.

Must not know: what is asked.
"""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, Self

from benchmarks.interest.children import Child, python

__all__ = ["Crowd"]

PROCESSES: Final = 2
_READY_S: Final = 60.0


class Crowd:
    """All processes with bots. An answer is that of each, put together."""

    def __init__(self, children: list[Child]) -> None:
        self._children = children

    @classmethod
    @contextmanager
    def running(cls, *, port: int, count: int, seed: int) -> Iterator[Self]:
        """`count` bots, shared out evenly; they end with the block."""
        ends = [count * number // PROCESSES for number in range(PROCESSES + 1)]
        with ExitStack() as stack:
            children = [
                stack.enter_context(
                    Child.running(
                        python("benchmarks.crash.bots", port=port, first=first, end=end, seed=seed),
                        None,
                    )
                )
                for first, end in itertools.pairwise(ends)
                if end > first
            ]
            yield cls(children)

    def wait_ready(self) -> dict[str, Any]:
        """The first line of each."""
        return _together([child.wait_ready(_READY_S) for child in self._children])

    def tell(self, command: str) -> None:
        """Give a command. Raises ChildFailedError if a child is gone."""
        for child in self._children:
            child.tell(command)

    def ask(self, command: str, patience_s: float = _READY_S) -> dict[str, Any]:
        """Give a command and wait for the answers. Raises ChildFailedError."""
        self.tell(command)
        return _together([child.answer(patience_s) for child in self._children])


def _together(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Lists one after the other, what has names with all names, of numbers the greatest."""
    first, *others = answers
    whole = dict(first)
    for answer in others:
        for name, value in answer.items():
            if isinstance(value, list):
                whole[name] = whole[name] + value
            elif isinstance(value, dict):
                whole[name] = whole[name] | value
            else:
                whole[name] = max(whole[name], value)
    return whole
