"""The world of `benchmarks.interest` as a module that programs can load.

How many roamers are in it stands in the environment: they are as many as clients.

Must not know: servers, clients.
"""

import os

from benchmarks.interest import rules
from benchmarks.interest.game import make_game
from benchmarks.scaleout import ROAMERS

__all__ = ["game"]

_roamers = int(os.environ.get(ROAMERS, "1000"))
game = make_game(side=rules.world_side(2 * _roamers), roamers=_roamers)
