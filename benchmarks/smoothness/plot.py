"""The plot: error against view age, a panel for each link, ours beside the peer's.

Must not know: how figures are made.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

__all__ = ["plot"]

_OURS: Final = "#0b7a75"
_PEER: Final = "#c8553d"
_LEAST: Final = 0.05  # units; below it there is nothing to see


def plot(results: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw into a PNG. Raises ModuleNotFoundError without matplotlib."""
    import matplotlib.pyplot as plt  # noqa: PLC0415 - an extra

    figure, axes = plt.subplots(
        1, len(results), figsize=(3.1 * len(results), 3.5), sharey=True, squeeze=False
    )
    for axis, result in zip(axes[0], results, strict=True):
        _curve(axis, [result["ours"], *result["ours_fixed"].values()], _OURS, "Shoal")
        _mark(axis, result["ours"], _OURS, "its own delay")
        if "peer" in result:
            _curve(axis, list(result["peer_curve"].values()), _PEER, "snapshot-interpolation")
            _mark(axis, result["peer"], _PEER, "its own buffer")
        axis.set_title(result["profile"])
        axis.set_xlabel("view age, ms (median)")
        axis.set_yscale("log")
        axis.grid(visible=True, alpha=0.25)
    axes[0][0].set_ylabel("interpolation error, units (p99)")
    axes[0][0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _curve(axis: Any, figures: Sequence[dict[str, Any]], colour: str, label: str) -> None:
    points = sorted((each["view_age_ms_p50"], max(each["error_p99"], _LEAST)) for each in figures)
    ages, errors = zip(*points, strict=True)
    axis.plot(ages, errors, color=colour, marker=".", markersize=4, linewidth=1.2, label=label)


def _mark(axis: Any, figures: dict[str, Any], colour: str, label: str) -> None:
    age, error = figures["view_age_ms_p50"], max(figures["error_p99"], _LEAST)
    axis.plot([age], [error], "o", color=colour, markersize=8, fillstyle="none", label=label)
