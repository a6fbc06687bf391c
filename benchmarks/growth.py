"""How cost grows with clients and with entities, beside Colyseus: a table of figures, and plots.

    python -m benchmarks.growth                        measure, write docs/growth.json, and plot
    python -m benchmarks.growth --plot                 plot what docs/growth.json has

It runs the interest benchmark at rising numbers of clients, and of roamers with 200 clients, and
the simulation benchmark at rising numbers of entities. Every run is validated; one that fails ends
its curve, and all with 1 when the others are done. Figures are written after each run. Plots need
matplotlib (`pip install 'shoal[plot]'`); without it they are left out. Leave the machine alone
meanwhile: it takes about half an hour.
"""

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks import machine
from benchmarks.interest import peers
from benchmarks.interest.children import ROOT, ChildFailedError, python
from benchmarks.interest.run import InvalidRunError, Job, run

__all__ = ["exponent", "main"]

DOCS: Final = ROOT / "docs"
_CLIENTS: Final = {
    "shoal": (250, 500, 1000, 1500, 2000, 2500, 3000),
    "colyseus": (100, 200, 400, 600, 800),
}
_ROAMERS: Final = {"shoal": (200, 1000, 4000, 10_000, 20_000), "colyseus": (200, 1000, 4000)}
_FEW_CLIENTS: Final = 200
_ENTITIES: Final = "1000,3000,10000,30000,100000"
_COLOURS: Final = {"shoal": "#0b7a75", "colyseus": "#c8553d"}
_NAMES: Final = {"shoal": "Shoal", "colyseus": "Colyseus 0.18"}

Figures = dict[str, Any]


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float | None:
    """The slope of cost over size on logarithmic axes, by least squares: 1 is linear.

    None for fewer than two points.
    """
    if len(sizes) < 2:
        return None
    xs, ys = ([math.log(value) for value in values] for values in (sizes, costs))
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread


def measure(
    clients: dict[str, Sequence[int]],
    roamers: dict[str, Sequence[int]],
    entities: str,
    seconds: float,
    log: Callable[[str], None],
    save: Callable[[Figures], None] = lambda _: None,
) -> Figures:
    """All runs; `save` is given what there is after each.

    A run that fails ends its curve, not the others; what happened stands in `failed`. Raises
    CalledProcessError when the simulation benchmark fails.
    """
    figures: Figures = {
        "machine": machine.describe(), "clients": {}, "roamers": {}, "simulation": [], "failed": []
    }  # fmt: skip
    jobs = {
        "clients": {
            peer: [Job(peer=peer, clients=n, roamers=n, seconds=seconds) for n in sizes]
            for peer, sizes in clients.items()
        },
        "roamers": {
            peer: [Job(peer=peer, clients=_FEW_CLIENTS, roamers=n, seconds=seconds) for n in sizes]
            for peer, sizes in roamers.items()
        },
    }
    for growing, by_peer in jobs.items():
        for peer, rising in by_peer.items():
            results = figures[growing][peer] = []
            for result in _run_all(rising, figures["failed"], log):
                results.append(result)
                save(figures)
    log(f"simulation: {entities} entities")
    argv = [*python("benchmarks.simulation", entities=entities), "--json"]
    lines = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    figures["simulation"] = [json.loads(line) for line in lines.splitlines()[1:]]
    save(figures)
    return figures


def _run_all(
    jobs: Iterable[Job], failed: list[str], log: Callable[[str], None]
) -> Iterator[Figures]:
    """The runs of one peer, up to the first that it does not hold, or that fails."""
    for job in jobs:
        try:
            result = run(job, log)
        except (ChildFailedError, InvalidRunError) as error:
            log(str(error))
            failed.append(f"{job.peer}, {job.clients} clients, {job.roamers} roamers: {error}")
            return
        log(json.dumps({name: result[name] for name in ("cpu_s_per_s", "held")}))
        yield result
        if not result["held"]:
            return


def summary(figures: Figures) -> Figures:
    """How fast cost grows over the larger half of the sizes that are held: 1 is linear.

    Of what grows, by peer; None where fewer than two sizes are held.
    """
    exponents: dict[str, dict[str, float | None]] = {
        growing: {
            peer: _growth([each for each in results if each["held"]], growing, "cpu_s_per_s")
            for peer, results in figures[growing].items()
        }
        for growing in ("clients", "roamers")
    }
    exponents["entities"] = {"shoal": _growth(figures["simulation"], "entities", "total_ms")}
    return {"growth_exponent": exponents}


def _growth(results: Sequence[Figures], size: str, cost: str) -> float | None:
    larger = results[-max(2, (len(results) + 1) // 2) :]
    slope = exponent([each[size] for each in larger], [each[cost] for each in larger])
    return None if slope is None else round(slope, 3)


# --- plots ---------------------------------------------------------------------------------------


def plot(figures: Figures, folder: Path) -> list[Path]:
    """Write the plots; gives their paths. Raises ImportError without matplotlib."""
    from matplotlib import pyplot as plt  # noqa: PLC0415 - an extra, for this alone

    plt.switch_backend("Agg")
    about = f"{figures['machine']['cpu'].strip()}, one core, Python {figures['machine']['python']}"
    left = plt.figure(figsize=(8, 4.5), layout="constrained")
    axes = left.subplots()
    _curves(axes, figures["clients"], "clients")
    axes.set_xlabel("clients (and as many roaming entities)")
    axes.set_title(f"CPU by clients, about 60 entities in view each, 20 Hz\n{about}", fontsize=10)
    right = plt.figure(figsize=(10, 4.5), layout="constrained")
    by_roamers, by_entities = right.subplots(1, 2)
    _curves(by_roamers, figures["roamers"], "roamers")
    by_roamers.set_xlabel(f"roaming entities, with {_FEW_CLIENTS} clients")
    by_roamers.set_title("CPU by what is in the world", fontsize=10)
    sizes = [each["entities"] for each in figures["simulation"]]
    costs = [each["total_ms"] for each in figures["simulation"]]
    linear = [costs[-1] * size / sizes[-1] for size in sizes]
    by_entities.loglog(sizes, costs, "o-", color=_COLOURS["shoal"], label="Shoal")
    by_entities.loglog(sizes, linear, ":", color="grey", label="linear")
    by_entities.set_xlabel("moving entities in one shard")
    by_entities.set_ylabel("step and replicate, ms a tick")
    by_entities.set_title("Simulation and encoding", fontsize=10)
    by_entities.grid(alpha=0.3)
    by_entities.legend()
    right.suptitle(about, fontsize=10)
    paths = [folder / "cpu-by-clients.png", folder / "cpu-by-entities.png"]
    for figure, path in zip((left, right), paths, strict=True):
        figure.savefig(path, dpi=110)
        plt.close(figure)
    return paths


def _curves(axes: Any, by_peer: dict[str, list[Figures]], size: str) -> None:
    for peer, results in by_peer.items():
        held = [each for each in results if each["held"]]
        sizes, costs = [each[size] for each in held], [each["cpu_s_per_s"] for each in held]
        axes.plot(sizes, costs, "o-", color=_COLOURS[peer], label=_NAMES[peer])
        for each in results:
            if not each["held"]:
                axes.plot(each[size], each["cpu_s_per_s"], "x", color=_COLOURS[peer])
    axes.set_ylabel("CPU, seconds a second")
    axes.set_ylim(0, 1.05)
    axes.set_xlim(0)
    axes.grid(alpha=0.3)
    if by_peer:
        axes.legend(title="held (x: not held)")


# --- the command ---------------------------------------------------------------------------------


def main() -> None:
    """Measure and plot."""
    options = _parse()
    target = options.folder / "growth.json"
    try:
        if not options.plot:
            options.folder.mkdir(exist_ok=True)
            save = partial(_save, target)
            measure(*_sizes(options), options.entities, options.seconds, _log, save)
        figures = json.loads(target.read_text(encoding="utf-8"))
        print(json.dumps({"machine": figures["machine"]} | summary(figures)), flush=True)
        for path in plot(figures, options.folder):
            _log(f"wrote {path.name}")
    except ImportError:
        _log("matplotlib is not here, so nothing is plotted: pip install 'shoal[plot]'")
    except subprocess.CalledProcessError as error:
        sys.exit(f"the simulation benchmark failed:\n{error.stderr or error.stdout}")
    except FileNotFoundError:
        sys.exit(f"there is no {target}: measure first")
    except KeyboardInterrupt:
        sys.exit("\ninterrupted")
    if figures["failed"]:
        sys.exit("\n".join(figures["failed"]))


def _save(target: Path, figures: Figures) -> None:
    target.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def _sizes(options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """By peer how many clients, and how many roamers; without Node only ours."""
    clients = {"shoal": options.clients or _CLIENTS["shoal"]}
    roamers = {"shoal": options.roamers or _ROAMERS["shoal"]}
    try:
        peers.install(_log)
    except peers.PeerMissing as error:
        _log(f"Colyseus is left out: {error}")
    else:
        most = max(clients["shoal"])
        clients["colyseus"] = [n for n in _CLIENTS["colyseus"] if n <= most]
        most = max(roamers["shoal"])
        roamers["colyseus"] = [n for n in _ROAMERS["colyseus"] if n <= most]
    return clients, roamers


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--clients", type=_numbers, help="of Shoal, with commas")
    parser.add_argument("--roamers", type=_numbers, help="of Shoal, with commas")
    parser.add_argument("--entities", default=_ENTITIES, help="of the simulation, with commas")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each window")
    parser.add_argument("--plot", action="store_true", help="measure nothing")
    parser.add_argument("--folder", type=Path, default=DOCS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
