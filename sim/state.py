"""What a world is made of, and how the engine runs a game's functions in it.

What it is: the base of `World` for the modules of the engine: the parts of the state, the frame of
a step, and `call`, through which every function of a game is run.

Invariants: entities come and go only when a game's function has ended, and a column that is no
longer numbers is blamed on the function that left it so.

It must not know the order of a step, nor what authors see.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.engine import TickOutput
from sim.errors import DeclarationError, GameError
from sim.game import Game
from sim.ghosts import GhostRows, read_ghosts
from sim.history import History, Positions
from sim.rng import Rng
from sim.roster import Roster
from sim.sessions import Sessions

Bounds = tuple[float, float, float, float]


class State:
    """The parts of one shard's world; `World` says what they mean."""

    game: Game
    seed: int
    bounds: Bounds
    step: int
    tick: int
    dt: float
    view: float
    rng: Rng
    roster: Roster
    players: Sessions
    ghosts: list[GhostRows]
    histories: list[History]

    def reset(self, game: Game, seed: int, maker: int, bounds: Bounds | None) -> None:
        """Make an empty world."""
        _check_complete(game)
        game.rules.frozen = True
        self.game = game
        self.seed = seed
        self.bounds = bounds or (0.0, 0.0, *game.size)
        self.step = 0
        self.tick = 0
        self.dt = 1 / game.hz
        self.view = 0.0
        self.rng = Rng(seed, 0)
        self.roster = Roster(game.rules, maker, self.destroy)
        self.players = Sessions()
        self.ghosts = [read_ghosts(spec, None) for spec in game.rules.kinds]
        ticks = int(np.ceil(game.history_s * game.hz)) + 2  # both ends, and one to lie between
        self.histories = [History(ticks, game.jump) for _ in game.rules.kinds]
        self.output = TickOutput()
        self._began = 0  # the step at whose end new courses begin
        self._inside = False
        self.interest_classes: dict[int, npt.NDArray[np.uint8]] = {}

    def stand_at(self, tick: int, step: int) -> None:
        """Be at the end of a step, as a checkpoint was."""
        self.tick, self.step, self._began = tick, step, step
        self.rng = Rng(self.seed, step)

    def spawn(self, made: object) -> int:
        """A new entity, in its table when the running handler or system ends; gives its id."""
        entity = self.roster.spawn(made)
        if not self._inside:
            self.flush()
        return entity

    def destroy(self, which: int | npt.NDArray[np.uint64]) -> int:
        """Destroy an id or ids when the running handler or system ends; gives how many are here.

        Ids that are not here are left out; a neighbour's entity is its owner's to destroy.
        """
        count = self.roster.destroy(which)
        if not self._inside:
            self.flush()
        return count

    def begin(self, tick: int, step: int) -> TickOutput:
        """Start a step; gives the output that it fills, with what was done since the last one."""
        self.step, self.tick = step, tick
        self.rng = Rng(self.seed, step)
        self.interest_classes.clear()
        self._inside = True
        return self.output

    def end(self) -> TickOutput:
        """The step is done; gives what it did."""
        self._began = self.step
        self._inside = False
        output, self.output = self.output, TickOutput()
        return output

    def call(self, what: str, function: Callable[..., Any], /, *args: Any, **named: Any) -> Any:
        """Run a game's function, then let those come and go whom it spawned and destroyed."""
        inside, self._inside = self._inside, True
        try:
            result = function(*args, **named)
            for population in self.roster.populations:
                if population.unchecked:
                    self._check_columns(what, function)
            if self.roster.waits:
                self.flush()
        except Exception as error:
            name = getattr(function, "__name__", "?")
            error.add_note(f"In the {what} {name} of {self.game.name}, step {self.step}.")
            raise
        finally:
            self._inside = inside
        return result

    def flush(self) -> None:
        """Carry out what was spawned and destroyed."""
        created, destroyed = self.roster.flush(self._began)
        self.output.created += created
        self.output.destroyed += destroyed
        for entity in destroyed:
            self.players.gone(entity)

    def amend_memory(self) -> None:
        """Note where ghosts were at the end of the tick before, as their owners say now."""
        for spec, ghosts in zip(self.game.rules.kinds, self.ghosts, strict=True):
            if spec.course is not None and len(ghosts.ids):
                places = Positions(ghosts.ids, ghosts.columns["x"], ghosts.columns["y"])
                self.histories[spec.index].amend(self.tick - 1, places)

    def remember(self) -> None:
        """Note where everybody is now, for `rewound`; of ghosts it is where their courses lead."""
        for population in self.roster.populations:
            if population.spec.course is not None:
                ghosts = self.ghosts[population.spec.index]
                ids = np.concatenate((population.column("id"), ghosts.ids))
                x, y = (
                    np.concatenate((population.column(at), ghosts.ahead(at, speed, self.dt, side)))
                    for at, speed, side in zip("xy", ("vx", "vy"), self.game.size, strict=True)
                )
                self.histories[population.spec.index].record(self.tick, ids, x, y)

    def _check_columns(self, what: str, function: Callable[..., Any]) -> None:
        for population in self.roster.populations:
            if population.unchecked:
                broken = population.first_broken()
                population.unchecked.clear()
                if broken is not None:
                    raise GameError(f"The {what} {function.__name__} leaves {broken}.")


def _check_complete(game: Game) -> None:
    rules = game.rules
    if not rules.kinds:
        raise DeclarationError(f"{game.name} has no entities: declare one with @game.entity.")
    handled: set[type | None] = {rules.inputs[index].cls for index, _ in rules.handlers}
    for spec in rules.kinds:
        handled |= {getattr(spec.motion, "steer", None), getattr(spec.motion, "dash_input", None)}
    for message in rules.inputs:
        if message.cls not in handled:
            raise DeclarationError(
                f"Nothing handles the input {message.name}: declare @game.on_input"
                f"({message.name}), or bind it to a motion."
            )
