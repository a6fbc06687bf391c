"""Shoal and its peers side by side: alternating runs, medians, and ratios of medians.

Must not know: how a run is done.
"""

import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import attrs

from benchmarks.interest.children import ChildFailedError
from benchmarks.interest.run import InvalidRunError, Job, Log, run

__all__ = ["alternate", "find_max", "medians", "ratio"]

_FIGURES: Final = (
    "hz",
    "tick_interval_ms_p50",
    "tick_interval_ms_p99",
    "cpu_s_per_s",
    "cpu_user",
    "cpu_system",
    "bytes_per_client_s",
    "messages_per_client_s",
    "rss_mb",
    "visible",
)
Result = dict[str, Any]


def alternate(
    jobs: Sequence[Job], runs: int, log: Log, tell: Callable[[Result], None]
) -> list[Result]:
    """Run all jobs in turn, `runs` times; the medians of each, in the order of `jobs`."""
    found: list[list[Result]] = [[] for _ in jobs]
    for _ in range(runs):
        for job, results in zip(jobs, found, strict=True):
            result = run(job, log)
            tell(result)
            results.append(result)
    return [medians(results) for results in found]


def medians(results: Sequence[Result]) -> Result:
    """One result of several runs of one job."""
    first = results[0]
    figures = {
        name: round(statistics.median(values), 3)
        for name in _FIGURES
        if (values := [each[name] for each in results if each.get(name) is not None])
    }
    same: Result = {
        name: first[name]
        for name in ("peer", "mode", "clients", "roamers", "input_hz")
        if name in first
    }
    return {**same, "runs": len(results), **figures, "held": all(each["held"] for each in results)}


def ratio(ours: float, theirs: float) -> float | None:
    """Ours over theirs, rounded; None when there is nothing to compare with."""
    return round(ours / theirs, 3) if theirs else None


def find_max(
    job: Job, guess: int, log: Log, tell: Callable[[Result], None], *, precision: float
) -> int:
    """The largest number of clients that is held twice in a row, to within `precision` of it.

    As many roamers as clients. Goes up or down from `guess` by a quarter, then halves the span.
    """
    held, failed = 0, 0
    clients = guess
    while True:
        if _holds(attrs.evolve(job, clients=clients, roamers=clients), log, tell):
            held = clients
        else:
            failed = clients
        if failed and held and failed - held <= max(1, precision * held):
            return held
        if failed and not held:
            clients = round(clients * 0.75)
        elif held and not failed:
            clients = round(clients * 1.25)
        else:
            clients = _rounded((held + failed) / 2, precision * held)
        if clients <= 1:
            return 0


def _holds(job: Job, log: Log, tell: Callable[[Result], None]) -> bool:
    """Whether two of at most three runs hold: a noisy neighbour must not decide alone."""
    good = bad = 0
    while good < 2 and bad < 2:
        try:
            result = run(job, log)
        except (ChildFailedError, InvalidRunError) as error:
            log(str(error))
            bad += 1
            continue
        tell(result)
        good += result["held"]
        bad += not result["held"]
    return good == 2


def _rounded(clients: float, step: float) -> int:
    """A number that is easy to read, no finer than a third of `step`."""
    unit = 50 if step >= 150 else 25 if step >= 75 else 10 if step >= 30 else 1
    return round(clients / unit) * unit


def lines(results: Iterable[Result]) -> str:
    """JSON lines."""
    return "\n".join(json.dumps(result) for result in results)
