"""What must hold of a run, whatever was done to its processes.

How long a takeover takes is a promise for machines that are let be; on one that others use as well,
the bound is given by whoever knows it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["broken"]

NEVER: Final = (
    "entities_lost",
    "entities_duplicated",
    "double_owners",
    "replica_mismatches",
    "disconnects_unrecovered",
)
HAPPENED: Final = ("crossings", "migrations", "kills", "takeovers", "replica_checks")


def broken(result: Mapping[str, Any], *, bots: int, takeover_s: float) -> Iterator[str]:
    """A sentence for each promise that a run has broken, or has not put to the test."""
    for name in NEVER:
        if result[name]:
            yield f"{name} is {result[name]}, not 0"
    for name in HAPPENED:
        if not result[name]:
            yield f"{name} is {result[name]}: nothing was put to the test"
    if result["bots_playing"] != bots:
        yield f"{result['bots_playing']} bots play at the end, not {bots}"
    if result["takeovers"] and result["takeover_s_max"] > takeover_s:
        yield f"a takeover took {result['takeover_s_max']} s, more than {takeover_s}"
