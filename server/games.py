"""Finding the game that a command line names as `module:game`."""

import importlib
import sys

from sim import Game

DEFAULT_GAME = "sim.games.lanterns:game"


class GameNotFoundError(Exception):
    """The name leads to no game; the message says where the search ended."""


def load_game(name: str) -> Game:
    """The `Game` that `name` means, as `package.module:variable`.

    The current folder is searched first, so that `shoal serve mygame:game` finds mygame.py.
    Errors inside the module itself are raised as they are: they are the author's to read.

    Raises GameNotFoundError when the name is not of that form, or leads to no module or no game.
    """
    module_name, colon, variable = name.partition(":")
    if not colon or not module_name or not variable:
        raise GameNotFoundError(
            f"{name!r} does not name a game; write module:variable, for instance {DEFAULT_GAME}"
        )
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise  # the module was found, and something that it imports was not
        raise GameNotFoundError(f"there is no module {error.name!r} here (in {name!r})") from None
    game = getattr(module, variable, None)
    if not isinstance(game, Game):
        found = "nothing" if game is None else f"a {type(game).__name__}"
        raise GameNotFoundError(f"{name!r} is {found}, not a sim.Game")
    return game
