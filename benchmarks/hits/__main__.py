"""Whether who shoots at what they see hits it, whatever the link: lag compensation, measured.

    python -m benchmarks.hits                              the table of the README
    python -m benchmarks.hits --rtt-ms 150 --shots 2000    one way there, with rewind and without
    python -m benchmarks.hits --rtt-ms 300 --jitter-ms 30  300 ms there and back, jitter each way
    python -m benchmarks.hits --link poor                  a preset of protocol.link, with stalls
    python -m benchmarks.hits --rtt-ms 150 --aims-as-drawn as a client that ignores Client.origin

Bots swim about around the border of two shards with random turns and dashes, and shoot at each
other. Each shot is judged on its shooter's screen, by the game's own rule, and compared with what
the server told. Each run prints one JSON line; the last line says whether shots are fair: at least
95 % of those that hit on the screen hit on the server with a round trip of up to 150 ms, and less
than half of them where the server judges the present (at 150 ms). If not, it exits with 1.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

from benchmarks import machine
from benchmarks.hits.run import Job, run
from protocol.link import PRESETS, find_profile

__all__ = ["main", "verdict"]

SHARE_MIN: Final = 0.95
SHARE_WITHOUT_MAX: Final = 0.5
REQUIRED_MS: Final = 150.0

_WAYS: Final = ((0.0, 0.0), (150.0, 0.0), (300.0, 0.0), (150.0, 30.0), (300.0, 30.0))


def verdict(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Whether what was run is as fair as is promised; true of what was not run."""
    judged = [result for result in results if result["share"] is not None]
    judged = [result for result in judged if result.get("link") is None]  # stalls are only told
    fair = [r for r in judged if r["rewind"] and r["rtt_ms"] <= REQUIRED_MS]
    present = [r for r in judged if not r["rewind"] and r["rtt_ms"] == REQUIRED_MS]
    return {
        "share_min": SHARE_MIN,
        "share_without_rewind_max": SHARE_WITHOUT_MAX,
        "fair": all(result["share"] >= SHARE_MIN for result in fair)
        and all(result["share"] < SHARE_WITHOUT_MAX for result in present)
        and all(result["share"] is not None for result in results),
    }


def _jobs(options: argparse.Namespace) -> Iterator[Job]:
    ways: Sequence[tuple[float, float]] = _WAYS
    if options.rtt_ms is not None:
        ways = ((options.rtt_ms, options.jitter_ms),)
    if options.link is not None:
        ways = ((find_profile(options.link).round_trip_s * 1000, 0.0),)
    for rtt_ms, jitter_ms in ways:
        for rewind in (True, False):
            yield Job(
                rtt_ms=rtt_ms,
                jitter_ms=jitter_ms,
                link=options.link,
                shots=options.shots,
                rewind=rewind,
                aims_as_drawn=options.aims_as_drawn,
                seed=options.seed,
            )


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="Shots that hit on the screen and on the server.")
    parser.add_argument("--rtt-ms", type=float, help="one round trip only; else several")
    parser.add_argument("--jitter-ms", type=float, default=0.0, help="one way, with --rtt-ms")
    parser.add_argument("--link", choices=list(PRESETS), help="a bad link, instead of these")
    parser.add_argument("--shots", type=int, default=500, help="of each run")
    parser.add_argument("--aims-as-drawn", action="store_true", help="ignore Client.origin")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    print(json.dumps({"machine": machine.describe()}), flush=True)
    results = []
    for job in _jobs(options):
        results.append(run(job))
        print(json.dumps(results[-1]), flush=True)
    final = verdict(results)
    print(json.dumps(final))
    if not final["fair"]:
        sys.exit("shots are not as fair as is promised")


if __name__ == "__main__":
    main()
