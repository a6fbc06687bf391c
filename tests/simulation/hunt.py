"""Whether the simulation finds planted bugs, and after how many seeds."""

import multiprocessing
import time
from collections.abc import Iterator

import attrs

from tests.simulation.mutants import FOUND_BY, MUTANTS
from tests.simulation.runs import run_seed

__all__ = ["hunt"]

SEEDS_MAX = 100
# What a substitute runs into that does not fit the code any more: that is no find.
_STALE = ("TypeError", "AttributeError", "NameError", "ImportError")


@attrs.frozen
class Found:
    """What came of one mutant: the seed that found it, None if none did, and what it said."""

    name: str
    seed: int | None
    tried: int
    said: str
    took_s: float


def hunt(*, jobs: int, recorded: bool) -> int:
    """Look for every planted bug and print a table; 0 if all are found.

    `recorded`: by the seed that is known to find it. Where that no longer does, since any change of
    the server changes what a seed does, further ones are tried, and the table tells.
    """
    names = list(MUTANTS)
    missed = []
    print(f"{'planted bug':<40} {'seed':>5} {'tried':>5} {'took':>6}  what was noticed")
    for found in _results(names, jobs, recorded=recorded):
        seed = "-" if found.seed is None else str(found.seed)
        print(
            f"{found.name:<40} {seed:>5} {found.tried:>5} {found.took_s:>5.0f}s  {found.said}",
            flush=True,
        )
        if found.seed is None:
            missed.append(found.name)
    print(f"{len(names) - len(missed)} of {len(names)} planted bugs were found")
    if missed:
        print(f"NOT FOUND: {', '.join(missed)}")
    return 1 if missed else 0


def _results(names: list[str], jobs: int, *, recorded: bool) -> Iterator[Found]:
    everything = list(range(1, SEEDS_MAX + 1))
    wanted = [(name, [FOUND_BY[name], *everything] if recorded else everything) for name in names]
    if jobs <= 1:
        yield from map(_find, wanted)
        return
    with multiprocessing.Pool(jobs, maxtasksperchild=1) as pool:
        yield from pool.imap(_find, wanted, chunksize=1)


def _find(wanted: tuple[str, list[int]]) -> Found:
    name, seeds = wanted
    began = time.monotonic()
    for tried, seed in enumerate(seeds, start=1):
        result = run_seed(seed, mutant=name)
        if not result.violations:
            continue
        said, took_s = _brief(result.violations[0]), time.monotonic() - began
        if any(sign in result.violations[0] for sign in _STALE):
            return Found(name, None, tried, f"the bug itself is broken: {said}", took_s)
        return Found(name, seed, tried, said, took_s)
    return Found(name, None, len(seeds), "", time.monotonic() - began)


def _brief(violation: str) -> str:
    """The first line, or the error's own if it is a traceback."""
    lines = [line.strip(" |+-") for line in violation.strip().splitlines()]
    errors = [line for line in lines if line.split(":")[0].endswith(("Error", "Damaged", "Lost"))]
    text = lines[0] if len(lines) == 1 or not errors else f"{lines[0]}: {errors[-1]}"
    return text if len(text) <= 110 else text[:107] + "..."
