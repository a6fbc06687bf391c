"""`module:game` finds the author's game, or says where the search ended."""

from pathlib import Path

import pytest

from server.games import DEFAULT_GAME, GameNotFoundError, load_game

TINY_GAME = """
from sim import Game

game = Game("tiny", tick_hz=10, size=(100, 100), interest_radius=50)
number = 5
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_the_default_game_is_there() -> None:
    assert load_game(DEFAULT_GAME).name == "lanterns"


def test_a_file_in_the_folder_is_found(folder: Path) -> None:
    (folder / "tiny_found.py").write_text(TINY_GAME)
    assert load_game("tiny_found:game").name == "tiny"


@pytest.mark.parametrize("name", ["", "game", ":game", "module:"])
def test_a_name_of_the_wrong_form_is_told_the_right_one(name: str) -> None:
    with pytest.raises(GameNotFoundError, match="module:variable"):
        load_game(name)


def test_a_missing_module_is_named() -> None:
    with pytest.raises(GameNotFoundError, match="no module 'nowhere_at_all'"):
        load_game("nowhere_at_all:game")


def test_a_variable_that_is_no_game_is_named(folder: Path) -> None:
    (folder / "tiny_number.py").write_text(TINY_GAME)
    with pytest.raises(GameNotFoundError, match=r"is a int, not a sim\.Game"):
        load_game("tiny_number:number")
    with pytest.raises(GameNotFoundError, match="is nothing"):
        load_game("tiny_number:other")


def test_what_the_module_itself_misses_is_the_authors_to_read(folder: Path) -> None:
    (folder / "tiny_broken.py").write_text("import not_installed_here\n")
    with pytest.raises(ModuleNotFoundError, match="not_installed_here"):
        load_game("tiny_broken:game")
