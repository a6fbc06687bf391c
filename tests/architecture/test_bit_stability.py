"""The simulation uses none of the functions whose bits differ between processors.

numpy's exponentials, logarithms, powers and inverse angles pick different code on different
processors; `sim.math` offers stable ones. The standard library's come from the platform's libm.
"""

import ast
from pathlib import Path

import pytest

import sim

ROOT = Path(sim.__file__).parent
NUMPY = {
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "logaddexp", "logaddexp2",
    "power", "float_power", "pow", "cbrt", "hypot", "sin", "cos", "tan", "arcsin", "arccos",
    "arctan", "arctan2", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "arcsinh",
    "arccosh", "arctanh", "sinc", "logspace", "geomspace", "random", "dot", "matmul", "inner",
    "vdot", "einsum", "tensordot", "linalg", "fft",
}  # fmt: skip
MODULES = {"math", "cmath", "random", "statistics"}


def offences(source: str) -> list[str]:
    """Every forbidden use in a module, as `line: what`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=name) if name in NUMPY:
                found.append(f"{node.lineno}: numpy.{name}")
            case ast.ImportFrom(module=str(module), names=names, level=0):
                top, *below = module.split(".")
                bad = [name.name for name in names if top == "numpy" and name.name in NUMPY]
                found += [f"{node.lineno}: from {module} import {name}" for name in bad]
                is_bad = top in MODULES or (top == "numpy" and not NUMPY.isdisjoint(below))
                found += [f"{node.lineno}: {module}"] if is_bad else []
            case ast.Import(names=names):
                found += [
                    f"{node.lineno}: {name.name}"
                    for name in names
                    if name.name.split(".")[0] in MODULES or name.name == "numpy.random"
                ]
            case ast.BinOp(op=ast.MatMult()):
                found.append(f"{node.lineno}: @ (sums in an order that BLAS picks)")
            case ast.BinOp(op=ast.Pow()) if not _is_constant(node):
                found.append(f"{node.lineno}: ** of something that is not a constant")
    return found


def _is_constant(node: ast.BinOp) -> bool:
    """Whether an expression is made of literals alone, as 2.0**-53, or squares."""
    if isinstance(node.right, ast.Constant) and node.right.value == 2:
        return True  # numpy and Python both square by one multiplication
    return not any(isinstance(part, ast.Name | ast.Attribute | ast.Call) for part in ast.walk(node))


@pytest.mark.parametrize(
    "path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_module_of_the_simulation_depends_on_the_processor(path: Path) -> None:
    assert offences(path.read_text()) == [], "Use sim.math and world.rng instead."


@pytest.mark.parametrize(
    "source",
    [
        "np.exp(x)", "numpy.hypot(x, y)", "from numpy import arctan2", "import math",
        "from math import sin", "x ** 0.5", "a @ b", "np.random.default_rng()",
        "import random as r",
        "import numpy.random",
        "from numpy.random import default_rng",
    ],
)  # fmt: skip
def test_the_check_sees(source: str) -> None:
    assert len(offences(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "np.sqrt(x)",
        "x ** 2",
        "2.0 ** -53",
        "from sim import math",
        "from . import math",
        "math.sin(x)",
    ],
)
def test_the_check_lets_pass(source: str) -> None:
    assert offences(source) == []
