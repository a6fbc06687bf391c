"""Where whatever must not happen is reported. The first report ends a run."""

import trio

__all__ = ["Judge"]


class Judge:
    """Collects violations of what is promised."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.found = trio.Event()

    def blame(self, text: str) -> None:
        """Something happened that must not."""
        self.violations.append(f"at {trio.current_time():.3f}: {text}")
        self.found.set()

    def require(self, condition: object, text: str) -> None:
        """Blame unless `condition` holds."""
        if not condition:
            self.blame(text)
