"""The interest benchmark: how many clients one core holds, at what cost, beside its peers.

    python -m benchmarks.interest --clients 400                         one run of Shoal
    python -m benchmarks.interest --clients 400 --against colyseus      side by side, with ratios
    python -m benchmarks.interest --find-max --against colyseus         the most that each holds
    python -m benchmarks.interest --clients 3200 --against floor        beside a bare sender
    python -m benchmarks.interest --clients 1000 --crowd                all of them in one cell
    python -m benchmarks.interest --clients 1000 --crowd --mode positions --client-bytes-per-s 16384

A thousand in one cell need less than the usual budget; with the tighter one they are thinned.

Each run prints one JSON line, and the whole ends with one more: medians and ratios (Shoal / peer).
The server has core 0 for itself, the bots core 1: let nothing else run. Every run ends with real
clients whose replicas are compared with the server's truth; if they differ, it exits with 1.
"""

import argparse
import json
import sys
from typing import Any, Final

import attrs

from benchmarks import machine
from benchmarks.interest import compare, peers, rules
from benchmarks.interest.children import ChildFailedError
from benchmarks.interest.run import InvalidRunError, Job, run
from server.settings import Settings

_GUESS: Final = {"shoal": 4000, "colyseus": 800}


def main() -> None:
    """Run what the command line asks for."""
    options = _parse()
    try:
        _run(options)
    except (InvalidRunError, ChildFailedError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("\ninterrupted")


def _run(options: argparse.Namespace) -> None:
    _tell({"machine": machine.describe()})
    peer, absent = _peer(options.against)
    ours = Job(
        peer="shoal",
        clients=options.clients,
        roamers=options.clients if options.roamers is None else options.roamers,
        mode=options.mode,
        input_hz=options.input_hz,
        seconds=options.seconds,
        client_bytes_per_s=options.client_bytes_per_s,
    )
    if options.crowd:
        _crowd(ours)
        return
    if options.find_max:
        _find_max(ours, peer, absent, options)
        return
    runs = options.runs or (3 if peer else 1)
    if peer == "floor":
        _against_floor(ours, runs)
        return
    jobs = [ours, attrs.evolve(ours, peer=peer)] if peer else [ours]
    medians = compare.alternate(jobs, runs, _log, _tell)
    _tell(_summary(medians, absent))


def _crowd(ours: Job) -> None:
    result = run(attrs.evolve(ours, crowd=True, roamers=0), _log)
    _tell(result)
    if not (result["held"] and result["within_budget"]):
        sys.exit("the crowd was not held, or got more than its budget")


def _against_floor(ours: Job, runs: int) -> None:
    """The floor sends messages as long as ours are, so ours is measured first."""
    first = compare.alternate([ours], 1, _log, _tell)[0]
    size = round(first["bytes_per_client_s"] / first["messages_per_client_s"]) - 4
    floor = attrs.evolve(ours, peer="floor", roamers=0, floor_bytes=size)
    medians = compare.alternate([ours, floor], runs, _log, _tell)
    _tell({**_summary(medians, None), "floor_bytes": size})


def _find_max(ours: Job, peer: str | None, absent: str | None, options: argparse.Namespace) -> None:
    most = compare.find_max(
        ours, options.guess or _GUESS["shoal"], _log, _tell, precision=options.precision
    )
    result: dict[str, Any] = {"clients_max": most, "input_hz": ours.input_hz, "mode": ours.mode}
    if peer:
        job = attrs.evolve(ours, peer=peer)
        theirs = compare.find_max(job, _GUESS[peer], _log, _tell, precision=options.precision)
        again = compare.find_max(ours, most, _log, _tell, precision=options.precision)
        most = min(most, again)  # the machine was the same before and after
        result |= {
            "clients_max": most,
            "peer": peer,
            "clients_max_peer": theirs,
            "clients_ratio": compare.ratio(most, theirs),
        }
    _tell(result | _absent(absent))


def _summary(medians: list[dict[str, Any]], absent: str | None) -> dict[str, Any]:
    ours = medians[0]
    if len(medians) == 1:
        return {"median": ours} | _absent(absent)
    theirs = medians[1]
    return {
        "median": ours,
        "median_peer": theirs,
        "cpu_per_client_ratio": compare.ratio(ours["cpu_s_per_s"], theirs["cpu_s_per_s"]),
        "cpu_user_ratio": compare.ratio(ours["cpu_user"], theirs["cpu_user"]),
        "bytes_ratio": compare.ratio(ours["bytes_per_client_s"], theirs["bytes_per_client_s"]),
    }


def _peer(name: str | None) -> tuple[str | None, str | None]:
    """The peer if it can be had, else None and why not."""
    if name is None:
        return None, None
    try:
        peers.install(_log)
    except peers.PeerMissing as error:
        _log(f"{name} is left out: {error}")
        return None, str(error)
    return name, None


def _absent(reason: str | None) -> dict[str, str]:
    return {"peer_absent": reason} if reason else {}


def _tell(result: dict[str, Any]) -> None:
    print(json.dumps(result), flush=True)


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.interest",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--roamers", type=int, help="as many as clients unless given")
    parser.add_argument("--mode", choices=("courses", "positions"), default="courses")
    parser.add_argument("--input-hz", type=float, default=rules.PLAYER_TURNS_HZ)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each window")
    parser.add_argument("--runs", type=int, help="of each; 3 beside a peer, else 1")
    parser.add_argument("--against", choices=("colyseus", "floor"))
    parser.add_argument("--find-max", action="store_true")
    parser.add_argument("--crowd", action="store_true", help="all clients in one cell")
    budget = Settings().client_bytes_per_s
    parser.add_argument("--client-bytes-per-s", type=int, default=budget, help="a client's budget")
    parser.add_argument("--guess", type=int, help="where the search for the most begins")
    parser.add_argument("--precision", type=float, default=0.04, help="of the search, as a share")
    return parser.parse_args()


if __name__ == "__main__":
    main()
