"""A sea to test in: one or two shards of Lanterns, stepped by hand, without sockets or a clock."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sim import World
from sim.engine import EmittedEvent, Score, TickInput
from sim.games.lanterns import Diver, Fish, Leviathan, game

INPUTS = {spec.name: spec for spec in game.rules.inputs}


class Sea:
    """Shards of one world that share a step; what one sends another arrives in the next.

    Handoffs are left out: rules speak across a border by ghosts and commands.
    """

    def __init__(self, *bounds: tuple[float, float, float, float], seed: int = 7) -> None:
        rects = bounds or (None,)
        self.shards = [
            World(game, seed, maker=index + 1, bounds=rect) for index, rect in enumerate(rects)
        ]
        self.step = 0
        self.events: list[Any] = []
        self.boards: list[list[Score]] = []
        self._next: list[dict[str, list[Any]]] = []
        self._commands: list[tuple[int, str, dict[str, Any]]] = []
        self._sessions = 0
        self._clear()

    def _clear(self) -> None:
        self._next = [{"joins": [], "inputs": []} for _ in self.shards]

    def dive(self, x: float, y: float, *, light: float = 100, shard: int = 0) -> Diver:
        """A player's diver at a place."""
        self._sessions += 1
        self._next[shard]["joins"].append((self._sessions, f"diver {self._sessions}"))
        self.tick()
        world = self.shards[shard]
        me: Diver = world.get(world.sessions[self._sessions])
        me.x, me.y, me.light = x, y, light
        self.tick()
        return me

    def send(self, me: Diver, command: Any, *, view: float = 0) -> None:
        """Let a player intend something in the next step; `view` is the tick on its screen."""
        for shard, world in enumerate(self.shards):
            for session, entity in world.sessions.items():
                if entity == me.id:
                    spec = INPUTS[type(command).__name__]
                    given = (session, spec.index, spec.encode(command), round(view * 256))
                    self._next[shard]["inputs"].append(given)

    def tick(self, count: int = 1) -> None:
        """Step all shards."""
        for _ in range(count):
            self._tick()

    def _tick(self) -> None:
        self.step += 1
        commands, self._commands = self._commands, []
        ghosts = [self._ghosts(world) for world in self.shards]
        given, _ = self._next, self._clear()
        for world, ours, others in zip(self.shards, given, ghosts, strict=True):
            output = world.advance(
                TickInput(self.step, self.step, commands=commands, ghosts=others, **ours)
            )
            self._commands += [tuple(command) for command in output.commands]
            self.boards += [output.scores] if output.scores else []
            self.events += [_event(event) for event in output.events]

    def _ghosts(self, world: World) -> list[tuple[int, Any, dict[str, Any]]]:
        """Everything of the other shards; a reach without end."""
        given = []
        for spec in game.rules.kinds:
            seen = [other.everyone(spec.cls) for other in self.shards if other is not world]
            if not seen:
                return []
            columns = {}
            for name in spec.ghost_fields:
                field = spec.field(name)
                scale = field.sim if spec.in_course(name) else field.wire
                values = [getattr(one, name)[: one.owned] for one in seen]
                columns[name] = scale.ints(np.concatenate(values).astype(np.float64))
            ids = np.concatenate([one.id[: one.owned] for one in seen])
            given.append((spec.index, ids, columns))
        return given

    def told(self, kind: type) -> list[Any]:
        """All events of a class so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def empty(self) -> None:
        """Take the fish and the leviathan away, for as long as no second begins."""
        for world in self.shards:
            world.destroy(world[Fish].id)
            world.destroy(world[Leviathan].id)


def _event(emitted: EmittedEvent) -> Any:
    return game.rules.events[emitted.kind].decode(emitted.values)


@pytest.fixture
def sea() -> Sea:
    """One shard."""
    return Sea()


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Sea]:
    """Makes seas of any shards with nothing in them but what a test puts there; no light burns."""
    monkeypatch.setattr("sim.games.lanterns.fish.POPULATION", 0)
    monkeypatch.setattr("sim.games.lanterns.game._code", None)  # what it is now is other code
    monkeypatch.setattr("sim.games.lanterns.divers.BURNS", 0)

    def make(*bounds: tuple[float, float, float, float]) -> Sea:
        calm = Sea(*bounds)
        calm.empty()
        return calm

    return make


@pytest.fixture
def full() -> type[Sea]:
    """Makes seas as they are."""
    return Sea
