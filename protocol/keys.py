"""The keys of parts.

Must not know: what parts hold.
"""

import attrs

__all__ = ["Keys"]


@attrs.frozen
class Keys:
    """How a part's key is made: ordinal * (cells * kinds) + cell * kinds + kind."""

    cells: int
    kinds: int

    def key(self, cell: int, kind: int, ordinal: int) -> int:
        """The key of the `ordinal`-th part of a kind in a cell."""
        return ordinal * self.cells * self.kinds + cell * self.kinds + kind

    def cell(self, key: int) -> int:
        """The cell of a part."""
        return key // self.kinds % self.cells

    def kind(self, key: int) -> int:
        """The kind of a part."""
        return key % self.kinds
