"""What a game has declared: kinds, messages, handlers, hooks.

What it is: the registry that `Game`'s decorators fill and worlds read. Order is the order of
declaration, and part of the schema.

It must not know how decorators look, nor worlds.
"""

from collections.abc import Callable
from typing import Any

import attrs

from sim import limits
from sim.errors import DeclarationError
from sim.specs import KindSpec, MessageSpec

Function = Callable[..., Any]


@attrs.frozen
class System:
    """A function of the world each step; or, predicted, of one kind's columns and dt."""

    name: str
    function: Function
    predicted: int | None  # the kind


@attrs.frozen
class Command:
    """What an entity's owner does for another shard. `kinds` are those that it can be done to."""

    name: str
    function: Function
    kinds: frozenset[int]


@attrs.frozen
class Scoreboard:
    """Rows (entity, name, score) every so many steps, the best `top` of them."""

    function: Function
    every_steps: int
    top: int


@attrs.define
class Rules:
    """A game's declarations. Frozen once a world was made from them."""

    kinds: list[KindSpec] = attrs.field(factory=list)
    inputs: list[MessageSpec] = attrs.field(factory=list)
    events: list[MessageSpec] = attrs.field(factory=list)
    systems: list[System] = attrs.field(factory=list)
    setups: list[Function] = attrs.field(factory=list)
    join: Function | None = None
    leaves: dict[int, Function] = attrs.field(factory=dict)
    handlers: dict[tuple[int, int], Function] = attrs.field(factory=dict)  # (input, kind)
    commands: dict[str, Command] = attrs.field(factory=dict)
    interests: dict[int, Function] = attrs.field(factory=dict)
    scoreboard: Scoreboard | None = None
    kind_of: dict[type, KindSpec] = attrs.field(factory=dict)
    input_of: dict[type, MessageSpec] = attrs.field(factory=dict)
    event_of: dict[type, MessageSpec] = attrs.field(factory=dict)
    frozen: bool = False

    def check_new(self, cls: type, known: list[Any], most: int) -> None:
        """Refuse a second class of one name, one class too many, and anything too late."""
        name = getattr(cls, "__name__", repr(cls))
        if self.frozen:
            raise DeclarationError(f"{name}: declare everything before the first world is made.")
        taken = {*self.kind_of, *self.input_of, *self.event_of}
        if any(other.__name__ == name for other in taken):
            raise DeclarationError(f"The name {name} is taken: one name, one class.")
        if len(known) >= most:
            raise DeclarationError(f"{name} is one more than the {most} that a game may have.")

    def add_kind(self, spec: KindSpec) -> None:
        """Register a kind."""
        self.kinds.append(spec)
        self.kind_of[spec.cls] = spec

    def add_input(self, spec: MessageSpec) -> None:
        """Register an input."""
        self.inputs.append(spec)
        self.input_of[spec.cls] = spec

    def add_event(self, spec: MessageSpec) -> None:
        """Register an event."""
        self.events.append(spec)
        self.event_of[spec.cls] = spec

    def kind(self, cls: object, where: str) -> KindSpec:
        """The kind of a class. Raises DeclarationError."""
        spec = self.kind_of.get(cls) if isinstance(cls, type) else None
        if spec is None:
            name = getattr(cls, "__name__", cls)
            raise DeclarationError(
                f"{where}: {name} is not a kind of entity; declare it above with @game.entity."
            )
        return spec

    def functions(self) -> list[Function]:
        """All that a game has handed over, in a fixed order."""
        board = self.scoreboard
        return [
            *([] if self.join is None else [self.join]),
            *([] if board is None else [board.function]),
            *self.setups,
            *self.leaves.values(),
            *self.handlers.values(),
            *(system.function for system in self.systems),
            *(command.function for command in self.commands.values()),
            *self.interests.values(),
        ]


assert limits.KINDS_MAX <= 255, "Scripts and frames name kinds in one byte."
