"""The game as its author declares it: decorators that take classes and functions.

What it is: `Game`, the one object that a game's module makes. It holds no state of a world.

Invariants: a mistake is refused at its decorator, in words that say what to write instead. What was
declared cannot change once a world was made.

It must not know worlds.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar, overload

from sim import limits
from sim.declare import read_kind, read_message
from sim.describe import describe, hash_of
from sim.errors import DeclarationError
from sim.fingerprint import fingerprint
from sim.rules import Command, Function, Rules, Scoreboard, System
from sim.signatures import alternatives, check_signature
from sim.specs import Motion

C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])


class Game:
    """A game: its frame here, its kinds and rules by the decorators.

    `size` is the world's in units, `cell` the side of the squares of interest. `interest_radius` is
    how far players see, one radius or one per class (`interest` says who has which class).
    `interest_rings` are up to two smaller radii: beyond the first, players are told at half of the
    rate, beyond the second at a quarter. `reach`
    is how far rules look beyond a shard's border, in units: ghosts of neighbours are known so far.
    A position further than `jump` units from where it was is a teleport. `history_s` is how far
    `World.rewound` can look back. `version` is the author's own, a part of the game's hash.
    """

    def __init__(
        self,
        name: str,
        *,
        size: tuple[float, float],
        tick_hz: float = 20,
        cell: float = 64.0,
        interest_radius: float | Sequence[float] = 256.0,
        interest_rings: Sequence[float] = (),
        reach: float = 0.0,
        jump: float = 64.0,
        history_s: float = 0.5,
        version: str = "",
    ) -> None:
        self.name = name
        self.hz = tick_hz
        self.size = (float(size[0]), float(size[1]))
        self.cell = float(cell)
        radii = interest_radius if isinstance(interest_radius, Sequence) else (interest_radius,)
        self.radii = tuple(map(float, radii))
        self.rings = tuple(map(float, interest_rings))
        self.reach = float(reach)
        self.jump = float(jump)
        self.history_s = float(history_s)
        self.version = version
        self.rules = Rules()
        self._code: str | None = None
        for parameter, value in _frame(self):
            if not 0 < value < float("inf"):
                raise DeclarationError(f"{name}: {parameter} is above 0 and finite, not {value}.")
        if not 1 <= len(self.radii) <= limits.INTEREST_CLASSES_MAX:
            most = limits.INTEREST_CLASSES_MAX
            raise DeclarationError(f"{name}: interest_radius has 1 to {most} classes.")
        if len(self.rings) > 2 or list(self.rings) != sorted(set(self.rings)):
            raise DeclarationError(f"{name}: interest_rings has up to two radii, ascending.")
        if not reach >= 0 or not 0 <= history_s <= limits.HISTORY_S_MAX:
            most_s = limits.HISTORY_S_MAX
            raise DeclarationError(f"{name}: reach is at least 0, history_s 0 to {most_s} s.")

    def describe(self) -> dict[str, Any]:
        """The schema: plain data that says everything about what is sent."""
        return describe(self)

    @property
    def hash(self) -> str:
        """16 hex digits that differ when the schema does: peers that differ do not match."""
        return hash_of(self)

    @property
    def code(self) -> str:
        """16 hex digits that differ when the schema or the handlers' code does.

        A journal written under another code cannot be replayed.
        """
        if self._code is None or not self.rules.frozen:
            self._code = fingerprint(self.hash, self.rules.functions())
        return self._code

    # --- classes ---------------------------------------------------------------------------------

    @overload
    def entity(self, cls: C, /) -> C: ...
    @overload
    def entity(
        self, /, *, motion: Motion | None = None, ghost_fields: Sequence[str] = ()
    ) -> Callable[[C], C]: ...
    def entity(
        self,
        cls: C | None = None,
        /,
        *,
        motion: Motion | None = None,
        ghost_fields: Sequence[str] = (),
    ) -> C | Callable[[C], C]:
        """Declare a kind of entity: an attrs class with x and y.

        With a `motion`, x and y follow vx and vy; the inputs that the motion binds are declared,
        too. `ghost_fields` are the fields that `World.everyone` shows of neighbours' entities.
        """

        def declare(cls: C) -> C:
            rules = self.rules
            rules.check_new(cls, rules.kinds, limits.KINDS_MAX)
            rules.add_kind(
                read_kind(
                    cls,
                    index=len(rules.kinds),
                    motion=motion,
                    ghost_fields=ghost_fields,
                    hz=self.hz,
                    size=self.size,
                )
            )
            for name, once in (("steer", False), ("dash_input", True)):
                bound = getattr(motion, name, None)
                if bound is not None:
                    self._input(bound, once=once)
            return cls

        return declare if cls is None else declare(cls)

    @overload
    def input(self, cls: C, /) -> C: ...
    @overload
    def input(self, /, *, once: bool = False) -> Callable[[C], C]: ...
    def input(self, cls: C | None = None, /, *, once: bool = False) -> C | Callable[[C], C]:
        """Declare an input that needs no handler, because a motion is bound to it."""

        def declare(cls: C) -> C:
            self._input(cls, once=once)
            return cls

        return declare if cls is None else declare(cls)

    @overload
    def event(self, cls: C, /) -> C: ...
    @overload
    def event(self, /, *, durable: bool = False) -> Callable[[C], C]: ...
    def event(self, cls: C | None = None, /, *, durable: bool = False) -> C | Callable[[C], C]:
        """Declare an event; a durable one is told only once the journal has it."""

        def declare(cls: C) -> C:
            rules = self.rules
            rules.check_new(cls, rules.events, limits.EVENTS_MAX)
            rules.add_event(read_message(cls, index=len(rules.events), flag=durable))
            return cls

        return declare if cls is None else declare(cls)

    # --- players ---------------------------------------------------------------------------------

    def join(self, function: F) -> F:
        """`(world, name) -> entity`: a player comes; the entity is theirs."""
        self._check(function, "join(world: World, name: str) -> Kind", 2)
        if self.rules.join is not None:
            raise DeclarationError(f"{function.__name__}: the game has a join already.")
        self.rules.join = function
        return function

    def leave(self, function: F) -> F:
        """`(world, me: Kind)`: a player goes. The entity is destroyed unless it returns True."""
        hints = self._check(function, "leave(world: World, me: Kind) -> None", 2)
        for spec in self._kinds(function, hints[1]):
            if self.rules.leaves.setdefault(spec, function) is not function:
                raise DeclarationError(f"{function.__name__}: this kind has a leave already.")
        return function

    def on_input(self, cls: type, *, once: bool = False) -> Callable[[F], F]:
        """`(world, me: Kind, cmd: cls)`: what an input does to its player's entity.

        The newest input of a class holds and is handled in each step until it is replaced; with
        `once`, each is handled once.
        """

        def declare(function: F) -> F:
            name = getattr(cls, "__name__", cls)
            usage = f"{function.__name__}(world: World, me: Kind, cmd: {name}) -> None"
            hints = self._check(function, usage, 3)
            if hints[2] is not cls:
                raise DeclarationError(
                    f"{function.__name__} handles {name}, but its cmd is {hints[2]}; "
                    f"write `def {usage}`."
                )
            spec = self._input(cls, once=once)
            for kind in self._kinds(function, hints[1]):
                if self.rules.handlers.setdefault((spec, kind), function) is not function:
                    raise DeclarationError(f"{function.__name__}: {name} has a handler already.")
            return function

        return declare

    # --- rules -----------------------------------------------------------------------------------

    def setup(self, function: F) -> F:
        """`(world)`: called once for each shard of a new world, to fill it."""
        self._check(function, "setup(world: World) -> None", 1)
        self.rules.setups.append(function)
        return function

    @overload
    def system(self, function: F, /) -> F: ...
    @overload
    def system(self, /, *, predicted: bool = False) -> Callable[[F], F]: ...
    def system(self, function: F | None = None, /, *, predicted: bool = False) -> Any:
        """`(world)`: a rule over whole columns, called in each step in the order of declaration.

        A predicted one is `(columns: Table[Kind], dt: float)`: it touches only its own row, so that
        a client can run it on one; it comes after the others, right before the motion.
        """

        def declare(function: F) -> F:
            usage = "rule(columns: Table[Kind], dt: float)" if predicted else "rule(world: World)"
            hints = self._check(function, usage + " -> None", 2 if predicted else 1)
            kind = None
            if predicted:
                of = getattr(hints[0], "__args__", (None,))[0]
                kind = self.rules.kind(of, function.__name__).index
            self.rules.systems.append(System(function.__name__, function, kind))
            return function

        return declare if function is None else declare(function)

    def command(self, function: F) -> F:
        """`(world, me: Kind, **arguments)`: what one entity asks of another, wherever it is."""
        usage = "command(world: World, me: Kind, amount: float) -> None"
        hints = self._check(function, usage, None)
        name = function.__name__
        if name in self.rules.commands:
            raise DeclarationError(f"The game has a command {name} already.")
        kinds = frozenset(self._kinds(function, hints[1]))
        self.rules.commands[name] = Command(name, function, kinds)
        return function

    def interest(self, kind: type) -> Callable[[F], F]:
        """`(columns: Table[Kind]) -> classes`: who sees how far, as indices of interest_radius."""

        def declare(function: F) -> F:
            self._check(function, "lantern(columns: Table[Kind]) -> npt.NDArray[np.int64]", 1)
            self.rules.interests[self.rules.kind(kind, function.__name__).index] = function
            return function

        return declare

    def scoreboard(self, *, every: float = 1.0, top: int = 10) -> Callable[[F], F]:
        """`(world) -> rows (entity, name, score)`: asked each `every` seconds."""

        def declare(function: F) -> F:
            self._check(function, "scores(world: World) -> Iterable[tuple[int, str, int]]", 1)
            steps = max(1, round(every * self.hz))
            self.rules.scoreboard = Scoreboard(function, steps, top)
            return function

        return declare

    # --- checks ----------------------------------------------------------------------------------

    def _check(self, function: Function, usage: str, count: int | None) -> list[Any]:
        if self.rules.frozen:
            raise DeclarationError("Declare everything before the first world is made.")
        return check_signature(function, usage, count)

    def _kinds(self, function: Function, hint: Any) -> list[int]:
        if hint is None:
            raise DeclarationError(f"{function.__name__}: `me` needs its kind: `me: Kind`.")
        return [self.rules.kind(cls, function.__name__).index for cls in alternatives(hint)]

    def _input(self, cls: type, *, once: bool) -> int:
        rules = self.rules
        known = rules.input_of.get(cls)
        if known is None:
            rules.check_new(cls, rules.inputs, limits.INPUTS_MAX)
            known = read_message(cls, index=len(rules.inputs), flag=once)
            rules.add_input(known)
        elif known.flag != once:
            raise DeclarationError(f"{cls.__name__} is declared both with once and without.")
        return known.index


def _frame(game: Game) -> Iterator[tuple[str, float]]:
    """What must be above 0."""
    yield from zip(("width", "height"), game.size, strict=True)
    yield from (("tick_hz", game.hz), ("cell", game.cell), ("jump", game.jump))
    yield from ((f"interest_radius[{index}]", radius) for index, radius in enumerate(game.radii))
    yield from ((f"interest_rings[{index}]", radius) for index, radius in enumerate(game.rings))
