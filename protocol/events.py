"""Events as a client hands them out: by name, with their values by field.

Must not know: messages, links, who looks at them.
"""

from typing import Any

import attrs

__all__ = ["Event"]


@attrs.frozen
class Event:
    """A one-off fact: what happened, at which tick, in which shard, values by field."""

    name: str
    tick: int
    shard: int
    values: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, "values")[name]
        except KeyError:
            raise AttributeError(name) from None
