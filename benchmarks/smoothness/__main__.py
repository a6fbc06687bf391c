"""How smooth the world looks over bad links, measured against the truth and beside a peer.

    python -m benchmarks.smoothness                        every preset; the table of the README
    python -m benchmarks.smoothness --profile average      one link only
    python -m benchmarks.smoothness --json FILE --plot FILE.png
    python -m benchmarks.smoothness --no-peer              without Node.js

A sea with a crowd in it is simulated, and one player's messages arrive when the link says. The real
client draws them 60 times a second in virtual time, as does the peer; every body on every frame is
compared with where it was at the time that the frame shows. Ends with 1, and says why, when a
promise is not kept. Takes about five minutes.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import machine
from benchmarks.smoothness import peer
from benchmarks.smoothness.run import Job, misses, run
from protocol.link import PRESETS

__all__ = ["main", "table"]

_CURVE: Final = {
    "clean": (20, 60, 100, 150),
    "good": (30, 60, 100, 150, 200),
    "average": (50, 75, 100, 150, 200, 300),
    "poor": (75, 100, 150, 200, 300, 400),
    "mobile": (100, 200, 300, 450, 600, 800),
}
_HEAD: Final = (
    "| link | | view age ms | error p50 | error p99 | starving | time-flow error p99 |"
    " longest freeze (its stall) ms | steps back | input to photon, frames p99 | corrections |"
    " rubber-bands |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def table(results: Sequence[dict[str, Any]]) -> str:
    """The figures as a Markdown table."""
    rows = [_HEAD]
    for result in results:
        own = f"{result['photon_frames_p99']} | {result['corrections']} | {result['rubber_bands']}"
        rows.append(_row(result["profile"], "Shoal", result["ours"], own))
        for key, who in (("peer_as_old", "peer, as old"), ("peer", "peer, as it comes")):
            if key in result:
                rows.append(_row("", who, result[key], " | | "))
    return "\n".join(rows)


def _row(link: str, who: str, each: dict[str, Any], own: str) -> str:
    return (
        f"| {link} | {who} | {each['view_age_ms_p50']:.0f} | {each['error_p50']:.2f}"
        f" | {each['error_p99']:.2f} | {each['stall_ratio'] * 100:.1f} %"
        f" | {each['flow_error_p99']:.3f}"
        f" | {each['longest_freeze_ms']:.0f} ({each['its_stall_ms']:.0f})"
        f" | {each['backward_steps']} | {own} |"
    )


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description="Smoothness over bad links, beside a peer.")
    parser.add_argument("--profile", action="append", choices=list(PRESETS), help="else all")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each session")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a PNG")
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args(argv)
    results: list[dict[str, Any]] = []
    try:
        if not options.no_peer:
            peer.install(_log)
        for name in options.profile or PRESETS:
            job = Job(
                profile=name,
                seconds=options.seconds,
                seed=options.seed,
                peer=not options.no_peer,
                curve=_CURVE[name] if options.plot or options.json else (),
            )
            results.append(run(job, _log))
    except peer.PeerMissing as missing:
        sys.exit(f"{missing}; --no-peer does without")
    except KeyboardInterrupt:
        sys.exit(130)
    document = {"machine": machine.describe(), "results": results}
    if options.json is not None:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    print(table(results))
    if options.plot is not None:
        _plot(results, options.plot)
    missed = [miss for result in results for miss in misses(result)]
    if missed:
        sys.exit("not as smooth as is promised:\n" + "\n".join(missed))


def _plot(results: Sequence[dict[str, Any]], path: Path) -> None:
    try:
        from benchmarks.smoothness.plot import plot  # noqa: PLC0415 - for an extra

        plot(results, path)
    except ModuleNotFoundError:
        sys.exit("plots need matplotlib: pip install 'shoal[plot]'")


if __name__ == "__main__":
    main()
