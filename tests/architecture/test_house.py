"""The house is what its papers say: a newcomer who follows them finds every room."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP = {
    "server", "sim", "protocol", "client_demo", "tests", "benchmarks", "deploy", "docs", "examples",
    "README.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "Makefile",
    "pyproject.toml", "constraints.txt", ".ci", ".gitignore",
}  # fmt: skip


def tracked_python_files() -> list[Path]:
    return [
        path
        for package in ("server", "sim", "protocol", "client_demo")
        for path in sorted((ROOT / package).rglob("*.py"))
    ]


def test_nothing_else_lies_at_the_top() -> None:
    listing = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode != 0:
        pytest.skip("this is no git checkout, so nobody can tell what belongs to the project")
    strangers = {line.split("/")[0] for line in listing.stdout.splitlines()} - TOP
    assert not strangers, f"these have no place in the layout: {sorted(strangers)}"


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", "SECURITY.md"])
def test_every_path_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    named = re.findall(
        r"`((?:server|sim|protocol|client_demo|tests|examples|docs|benchmarks)/[\w./-]*)`", text
    )
    missing = sorted({name for name in named if not (ROOT / name).exists()})
    assert not missing, f"{page} names rooms that are not there: {missing}"


def test_modules_stay_small_enough_to_need_no_table_of_contents() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked_python_files()
        if (lines := path.read_text().count("\n")) > 400
    }
    assert not long, f"a file this long wants to be two: {long}"


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in tracked_python_files()
        if not path.read_text().lstrip().startswith('"""')
    ]
    assert not silent, f"modules without a docstring: {silent}"
