"""What an item that came over the bus must be: the readers of frames and bulletins ask here.

Must not know: what the items mean.
"""

from typing import Any, Final

from protocol import limits

__all__ = ["ID_MAX", "SHARD_MAX", "typed", "whole"]

ID_MAX: Final = (1 << 64) - 1
SHARD_MAX: Final = (1 << 32) - 1


def whole(item: Any, most: int = limits.TICK_MAX) -> int:
    """A whole number from 0 to `most`. Raises ValueError."""
    if type(item) is not int or not 0 <= item <= most:
        raise ValueError(f"not a whole number up to {most}")
    return item


def typed(item: Any, kind: type) -> Any:
    """An item of exactly this type. Raises ValueError."""
    if type(item) is not kind:
        raise ValueError(f"not a {kind.__name__}")
    return item
