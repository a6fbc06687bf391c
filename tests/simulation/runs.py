"""Running seeds: one with its story, or many at once with a summary."""

import logging
import multiprocessing
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import attrs
import structlog

from tests.simulation.cluster import Result, simulate
from tests.simulation.mutants import planted
from tests.simulation.plan import Plan

__all__ = ["describe", "run_many", "run_one", "run_seed"]


def run_seed(seed: int, *, calm: bool = False, mutant: str | None = None) -> Result:
    """What comes of one seed. `calm`: nothing is broken. `mutant`: with a planted bug."""
    plan = Plan.of(seed)
    with _no_logs(), planted(mutant):
        try:
            return simulate(attrs.evolve(plan, faults=()) if calm else plan)
        except Exception:  # noqa: BLE001 - of one seed of many, which is to be named
            text = f"the simulation itself ended with an error\n{traceback.format_exc()}"
            return Result(seed, "", (text,), "", 0.0, Counter())


def run_one(seed: int, *, calm: bool = False, mutant: str | None = None) -> int:
    """Run one seed and tell its story; 0 if every promise was kept."""
    began = time.monotonic()
    result = run_seed(seed, calm=calm, mutant=mutant)
    print(describe(result))
    print(_counts(result.counts))
    print(
        f"seed {seed}: {result.simulated_s:.1f} s simulated in {time.monotonic() - began:.1f} s, "
        f"trace {result.digest}"
    )
    return 1 if result.violations else 0


def run_many(seeds: Iterable[int], *, jobs: int) -> int:
    """Run seeds, show how it goes, and sum them up; 0 if every promise was kept in all."""
    wanted = list(seeds)
    began = time.monotonic()
    counts: Counter[str] = Counter()
    failed: list[Result] = []
    simulated_s = 0.0
    for done, result in enumerate(_results(wanted, jobs), start=1):
        counts.update(result.counts)
        simulated_s += result.simulated_s
        if result.violations:
            failed.append(result)
            print(describe(result), flush=True)
        if done % 10 == 0 or done == len(wanted):
            print(
                f"{done} of {len(wanted)} seeds, {simulated_s:.0f} s simulated in "
                f"{time.monotonic() - began:.0f} s, {len(failed)} failed",
                flush=True,
            )
    print(_counts(counts))
    print(f"{'seeds':>22} {len(wanted)}\n{'simulated hours':>22} {simulated_s / 3600:.2f}")
    if failed:
        print(f"FAILED: seeds {', '.join(str(result.seed) for result in failed)}")
    return 1 if failed else 0


def describe(result: Result) -> str:
    """A result in words: nothing but its seed if all is well."""
    if not result.violations:
        return f"seed {result.seed}: every promise was kept"
    first = result.violations[0]
    lines = [f"seed {result.seed} FAILED {first}", result.story]
    if len(result.violations) > 1:
        lines += ["and then:", *(f"  {text}" for text in result.violations[1:6])]
    lines.append(f"again: python -m tests.simulation --seed {result.seed}")
    return "\n".join(lines)


def _results(seeds: list[int], jobs: int) -> Iterator[Result]:
    if jobs <= 1:
        yield from map(run_seed, seeds)
        return
    with multiprocessing.Pool(jobs, maxtasksperchild=25) as pool:
        yield from pool.imap_unordered(run_seed, seeds)


def _counts(counts: Counter[str]) -> str:
    return "\n".join(f"{name:>22} {counts[name]}" for name in sorted(counts))


@contextmanager
def _no_logs() -> Iterator[None]:
    """The server's own log tells what was broken on purpose; nobody wants to read that."""
    kept = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**kept)
