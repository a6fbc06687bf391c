"""Chance from one seed, a stream of its own for each purpose.

So a change in one part (one message more on the bus) leaves what the others do as it was, as far
as that is possible, and seeds keep finding what they have found.
"""

import random

__all__ = ["Chance"]


class Chance:
    """The seed of a run."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def of(self, purpose: str) -> random.Random:
        """The stream for `purpose`; the same each time it is asked for anew."""
        return random.Random(f"{self.seed}/{purpose}")
