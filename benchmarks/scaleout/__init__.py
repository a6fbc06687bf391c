"""The same clients on one process, and on two nodes and two gateways around an engine."""

from typing import Final

ROAMERS: Final = "SHOAL_BENCH_ROAMERS"  # the variable that says how many are in the world
