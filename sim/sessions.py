"""Whose entity is whose, and what each player intends.

What it is: sessions bound to entities, and per session the newest input of each kind that holds.

Invariants: an entity has at most one session. The order is that in which sessions came, which is
the order in which held inputs are handled.

It must not know links, tokens, or what inputs do.
"""

from typing import Any

import attrs

from sim.specs import MessageSpec


@attrs.define
class Held:
    """An input that holds: its wire values, made into the game's object, and its view.

    `view` is the rendered tick times 256 when it was given, at tick `tick`.
    """

    values: tuple[Any, ...]
    command: Any
    view: int
    tick: int

    def view_at(self, tick: int) -> float:
        """What is on the player's screen now, in ticks; 0 if it is not known."""
        return self.view / 256 + (tick - self.tick) if self.view else 0.0


class Sessions:
    """Sessions, their entities (0 for none), and the inputs that hold."""

    def __init__(self) -> None:
        self.entity: dict[int, int] = {}
        self.session: dict[int, int] = {}
        self.held: dict[int, dict[int, Held]] = {}
        self.bound: dict[int, int] = {}  # whose entity changed since somebody asked; no state

    def bind(self, session: int, entity: int) -> None:
        """Give a session its entity; what it held before is dropped."""
        self.drop(session)
        self.entity[session] = self.bound[session] = entity
        self.held[session] = {}
        if entity:
            self.session[entity] = session

    def drop(self, session: int) -> int:
        """Forget a session; gives its entity, 0 for none."""
        entity = self.entity.pop(session, 0)
        self.bound[session] = 0
        self.held.pop(session, None)
        self.session.pop(entity, None)
        return entity

    def gone(self, entity: int) -> None:
        """The entity was destroyed: its session stays, without one."""
        session = self.session.pop(entity, None)
        if session is not None:
            self.entity[session] = self.bound[session] = 0
            self.held[session].clear()

    def hold(self, session: int, kind: int, held: Held) -> None:
        """Replace the input of a kind."""
        self.held[session][kind] = held

    def to_data(self, session: int, tick: int) -> list[Any]:
        """Plain data of what a session holds, with ages instead of ticks."""
        return [
            [kind, list(held.values), held.view, tick - held.tick]
            for kind, held in sorted(self.held[session].items())
        ]

    def load(self, session: int, data: list[Any], inputs: list[MessageSpec], tick: int) -> None:
        """What `to_data` gave, at another tick."""
        for kind, values, view, age in data:
            held = Held(tuple(values), inputs[kind].decode(values), view, tick - age)
            self.held[session][kind] = held
