"""What one client sent, and what it was told became of it.

An input is reported as applied, and stays so unless a later report takes that back: then it is
undone, and the client has to count it.

Must not know: journals.
"""

__all__ = ["Inputs"]


class Inputs:
    """The inputs of one session. `shots` are the numbers of those that carry one, by sequence."""

    def __init__(self) -> None:
        self.shots: dict[int, int] = {}
        self.sent_at: list[float] = []  # of each, the first one's number is 1
        self.applied = 0
        self.undone: set[int] = set()
        self.undone_times = 0

    def report(self, applied: int) -> None:
        """The client was told up to which input all have taken effect."""
        if applied < self.applied:
            self.undone.update(range(applied + 1, self.applied + 1))
            self.undone_times += self.applied - applied
        self.applied = applied

    def unanswered(self, until: float) -> int:
        """How many of those that were sent before `until` were not reported."""
        return sum(at < until for at in self.sent_at[self.applied :])

    def standing(self) -> dict[int, int]:
        """The shots that were reported, and not taken back: numbers by sequence."""
        return {
            seq: number
            for seq, number in self.shots.items()
            if seq <= self.applied and seq not in self.undone
        }
