"""On what a benchmark ran: the first thing to know about its numbers.

Must not know: what is measured.
"""

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["describe"]


def describe() -> dict[str, Any]:
    """CPU model, cores that this process may use, Python, numpy, and the system."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpu_model() -> str:
    """What the kernel calls the CPU; elsewhere than on Linux what Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor())
