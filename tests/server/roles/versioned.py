"""The `shoal` command as another version of the server would be: same wire, other code.

    python -m tests.server.roles.versioned VERSION node|gateway ...

Version 2 has other rules, so that it cannot replay what version 1 recorded, and other habits: how
often the coordinator speaks, nodes report, and gateways tell shards that they are there.
"""

import sys

from server.cli import main
from server.gateway import limits
from server.placement import coordinator, reconciler
from sim import Game


def be_version_two() -> None:
    Game.code = property(lambda game: f"version-two-{game.hash[:4]}")  # type: ignore[assignment,method-assign]
    coordinator.BEACON_S = 0.15  # type: ignore[misc]
    reconciler.REPORT_S = 0.6  # type: ignore[misc]
    limits.HEARTBEAT_S = 0.3  # type: ignore[misc]


if __name__ == "__main__":
    if sys.argv.pop(1) == "2":
        be_version_two()
    main()
