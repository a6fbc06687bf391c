"""A crowd that gathers in one corner of the world, then in another."""

from typing import Final

ROUNDS: Final = "SHOAL_BENCH_ROUNDS"  # the variable that says how dear a crowd is
