"""How long to wait before the same is tried again."""

from collections.abc import Iterator

__all__ = ["growing_pauses"]


def growing_pauses(first_s: float, most_s: float) -> Iterator[float]:
    """Endless pauses, each twice as long as the one before, `most_s` at the most."""
    pause_s = first_s
    while True:
        yield pause_s
        pause_s = min(pause_s * 2, most_s)
