"""One shard's world: what a game's handlers hold in their hands.

What it is: the tables of this shard's entities, what is known of the neighbours', and everything
that a rule may do. The server's side of it (stepping, handoff, export, checkpoints) is the second
half of the class, thin calls into the modules that do it.

Invariants: the same game, seed and inputs give the same world, bit for bit. A rule changes only
what this shard owns; everything else is a command to its owner.

It must not know sockets, clocks, or other shards.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

import numpy as np
import numpy.typing as npt

from sim import stepping, transit
from sim.checkpoint import read_checkpoint, write_checkpoint
from sim.digests import checksum_of, digests
from sim.engine import EmittedEvent, Export, Outgoing, TickInput, TickOutput
from sim.errors import GameError
from sim.export import export, private_columns
from sim.game import Game
from sim.past import Past
from sim.plain import plain
from sim.rules import Command
from sim.state import Bounds, State
from sim.table import Everyone, Table

K = TypeVar("K")


class World(State):
    """The state of one shard. `bounds` is its rectangle (x0, y0, x1, y1), the whole world if None.

    It may become another one between two steps, when the world is cut anew; where x0 == x1 the
    shard has none, and whoever is left here is on the way elsewhere.

    `maker` is the number that ids made here begin with: the shard's own plus one. `step` and `tick`
    are those of the step that runs, or of the last one; `view` is the tick that was on the screen
    of the player whose input is handled, 0 if it is not known.
    """

    def __init__(
        self, game: Game, seed: int, *, maker: int = 1, bounds: Bounds | None = None
    ) -> None:
        self.reset(game, seed, maker, bounds)
        for setup in game.rules.setups:
            self.call("setup", setup, self)

    @classmethod
    def empty(cls, game: Game, seed: int, *, maker: int, bounds: Bounds) -> "World":
        """A world in which nobody is, not even whom the game's setups would make."""
        world = cls.__new__(cls)
        world.reset(game, seed, maker, bounds)
        return world

    # --- what a rule sees ------------------------------------------------------------------------

    def __getitem__(self, kind: type[K]) -> Table[K]:
        """The entities of a kind that this shard owns, as columns."""
        return self.roster.tables[self._kind(kind)]

    def everyone(self, kind: type[K]) -> Everyone[K]:
        """Owned entities of a kind and the neighbours' ghosts, as read-only columns."""
        index = self._kind(kind)
        return Everyone(self.roster.populations[index], self.ghosts[index])

    @overload
    def get(self, entity: int) -> Any | None: ...
    @overload
    def get(self, entity: int, kind: type[K]) -> K | None: ...
    def get(self, entity: int, kind: type | None = None) -> Any | None:
        """An owned entity as an object; None if it is not here, or not of this kind."""
        row = self.roster.row(int(entity))
        return row if kind is None or isinstance(row, kind) else None

    def rewound(self, view: float, limit_s: float) -> Past:
        """Where everybody was at tick `view` (0: now), at most `limit_s` seconds ago."""
        if limit_s > self.game.history_s:
            raise GameError(f"The game remembers {self.game.history_s} s: raise Game(history_s=).")
        newest = self.tick - 1 if self._inside else self.tick
        back = newest - limit_s * self.game.hz
        tick = min(max(view, back), newest) if view else float(newest)
        return Past(tick, self.game.rules, self.histories)

    # --- what a rule does ------------------------------------------------------------------------

    def emit(
        self, event: object, *, at: tuple[float, float] | None = None, to: int | None = None
    ) -> None:
        """Tell an event: to who sees the place `at`, to the player of entity `to`, or to all."""
        spec = self.game.rules.event_of.get(type(event))
        if spec is None:
            raise GameError(f"{event!r} is not an event that was declared with @game.event.")
        if at is not None and to is not None:
            raise GameError("An event is at a place or to a player, not both.")
        place = None if at is None else (float(at[0]), float(at[1]))
        recipient = None if to is None else int(to)
        self.output.events.append(EmittedEvent(spec.index, spec.encode(event), place, recipient))

    def command(self, target: int, what: Callable[..., Any] | str, /, **args: Any) -> None:
        """Ask something of an entity, owned or not: its owner does it in its next step."""
        name = what if isinstance(what, str) else getattr(what, "__name__", "")
        command: Command | None = self.game.rules.commands.get(name)
        if command is None or (callable(what) and command.function is not what):
            raise GameError(f"{name or what!r} was not declared with @game.command.")
        given = {key: plain(f"{name}({key}=)", value) for key, value in args.items()}
        self.output.commands.append(Outgoing(int(target), name, given))

    # --- the server's side -----------------------------------------------------------------------

    def advance(self, given: TickInput) -> TickOutput:
        """One step: see `sim.stepping` for the order of things."""
        return stepping.advance(self, given)

    def depart(self, ids: Sequence[int]) -> list[bytes]:
        """Cut entities out, with session, inputs and past, for another shard's `arrivals`."""
        self.interest_classes.clear()
        return transit.depart(self, ids)

    @property
    def sessions(self) -> dict[int, int]:
        """The entity of each session, 0 for a session whose entity was destroyed."""
        return self.players.entity

    def take_bound(self) -> dict[int, int]:
        """The sessions whose entity changed since the last call, with what it is now."""
        bound, self.players.bound = self.players.bound, {}
        return bound

    @property
    def maker(self) -> int:
        """The number that ids made here begin with."""
        return self.roster.maker

    @property
    def created(self) -> int:
        """How many entities were made here so far."""
        return self.roster.created

    @property
    def destroyed(self) -> int:
        """How many entities were destroyed here so far."""
        return self.roster.destroyed

    def owned_ids(self) -> list[int]:
        """All entities that are here."""
        return self.roster.ids()

    def export(self, kind: int) -> Export:
        """The rows of the kind with this index, as they are replicated."""
        return export(self.roster.populations[kind])

    def private(self, entity: int) -> tuple[int, list[int]]:
        """An entity's kind, and what its owner alone receives. Raises KeyError if it is gone."""
        population = self.roster.find(entity)
        if population is None:
            raise KeyError(entity)
        rows = np.array([population.place[entity]])
        columns = private_columns(population, rows)
        return population.spec.index, [int(column[0]) for column in columns]

    def privates(self, kind: int, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """What the owners of some `rows` of a kind alone receive: int64[N, fields]."""
        columns = private_columns(self.roster.populations[kind], rows)
        table = np.stack(columns, axis=1) if columns else np.zeros((len(rows), 0), np.int64)
        return table.astype(np.int64)

    def interest(self, entity: int) -> int:
        """Which of the game's interest radii an entity's player has; 0 if it is not here."""
        population = self.roster.find(entity)
        if population is None:
            return 0
        return int(self.interests(population.spec.index)[population.place[entity]])

    def interests(self, kind: int) -> npt.NDArray[np.uint8]:
        """The same for all rows of a kind, in the order of `export`."""
        known = self.interest_classes.get(kind)
        if known is None:
            known = self.interest_classes[kind] = self._ask_interest(kind)
        return known

    def _ask_interest(self, kind: int) -> npt.NDArray[np.uint8]:
        function = self.game.rules.interests.get(kind)
        table = self.roster.looking[kind]
        if function is None or not len(table):
            return np.zeros(len(table), np.uint8)
        classes = np.broadcast_to(np.asarray(function(table)), len(table))
        if classes.min() < 0 or classes.max() >= len(self.game.radii):
            raise GameError(f"{function.__name__}: a class is 0 to {len(self.game.radii) - 1}.")
        return classes.astype(np.uint8)

    def pass_over(self, ids: int) -> None:
        """Leave out so many ids: somebody else may have given them away."""
        self.roster.counter += ids

    def checkpoint(self) -> bytes:
        """Everything that the next steps depend on, as bytes; to be taken between steps."""
        return write_checkpoint(self)

    @classmethod
    def restore(cls, game: Game, data: bytes) -> "World":
        """The world of a checkpoint. Raises EngineError if it cannot be read.

        A checkpoint of another version of the game is read by names: what is new gets its
        default, what is unknown is left out.
        """
        world = cls.__new__(cls)
        read_checkpoint(world, game, data)
        return world

    def checksum(self) -> int:
        """32 bits over all integers of the state."""
        return checksum_of(self)

    def digests(self) -> dict[str, int]:
        """The same by column, `Kind.field`: they say where two worlds differ."""
        return digests(self)

    def _kind(self, cls: type) -> int:
        spec = self.game.rules.kind_of.get(cls)
        if spec is None:
            raise GameError(f"{cls.__name__} is not a kind of {self.game.name}'s entities.")
        return spec.index
