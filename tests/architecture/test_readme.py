"""What the README shows is what there is: its game is the example, and its test passes."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def python_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def test_the_game_in_the_readme_is_the_example() -> None:
    game = python_blocks()[0]
    assert game == (ROOT / "examples" / "comets.py").read_text()
    assert game.count("\n") <= 40, "a whole game fits 40 lines"


def test_the_test_in_the_readme_passes() -> None:
    names: dict[str, Any] = {}
    exec(compile(python_blocks()[1], "README.md", "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 1
    tests[0]()
