"""How bugs are planted, and all that can be.

Each mutant replaces a few lines of the real code for as long as it is planted; nothing in the
server knows of this. What they are stands in `mutants` and `mutants_play`.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import attrs

__all__ = ["MUTANTS", "Mutant", "nothing", "plant", "planted"]


@attrs.frozen
class Mutant:
    """A planted bug: what is wrong, and what to put in place of what."""

    name: str
    says: str
    patches: tuple[tuple[Any, str, Any], ...]


MUTANTS: dict[str, Mutant] = {}


def plant(name: str, says: str, *patches: tuple[Any, str, Any]) -> None:
    MUTANTS[name] = Mutant(name, says, patches)


def nothing(*_: Any) -> None:
    """What a mutant leaves out."""


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """The server with a bug, or as it is for None."""
    with ExitStack() as stack:
        for owner, attribute, substitute in MUTANTS[name].patches if name else ():
            stack.enter_context(patch.object(owner, attribute, substitute))
        yield
