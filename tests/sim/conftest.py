"""A small game that uses every part of the authoring API, and worlds driven by random scripts."""

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Annotated, Any

import attrs
import numpy as np
import pytest

from sim import Entity, Game, Table, World, ident, motion, owner_only, quant, server_only, text
from sim.engine import TickInput, TickOutput

WIDTH, HEIGHT = 1024.0, 512.0
CoordX = Annotated[float, quant(0, WIDTH, 1 / 16)]
CoordY = Annotated[float, quant(0, HEIGHT, 1 / 16)]
Speed = Annotated[float, quant(-256, 255.75, 1 / 4, sim_step=1 / 64)]
Part = Annotated[float, quant(-1, 1, 1 / 100)]


@attrs.frozen
class Steer:
    dx: Part
    dy: Part


@attrs.frozen
class Burst:
    pass


@attrs.frozen
class Drop:
    weight: Annotated[int, quant(0, 9, 1)]


@attrs.frozen
class Rudder:
    turn: Part


@attrs.define
class Boat(Entity):
    x: CoordX
    y: CoordY
    vx: Speed = 0
    vy: Speed = 0
    name: Annotated[str, text(8)] = ""
    fuel: Annotated[float, quant(0, 100, 1 / 4)] = 100
    logs: Annotated[int, owner_only, quant(0, 255, 1)] = 0
    rudder: Annotated[float, server_only] = 0
    sunk: bool = False

    def describe(self) -> str:
        return f"{self.name} at {self.x:.0f}"


@attrs.define
class Log(Entity):
    x: CoordX
    y: CoordY
    vx: Speed = 0
    vy: Speed = 0
    owner: Annotated[int, ident] = 0
    left: Annotated[int, server_only] = 60


@attrs.define
class Buoy(Entity):
    x: CoordX
    y: CoordY
    lit: bool = False


@attrs.frozen
class Dropped:
    by: Annotated[int, ident]
    name: Annotated[str, text(8)]
    weight: Annotated[int, quant(0, 9, 1)]


def anchor(world: World) -> None:
    left, top, right, bottom = world.bounds
    world.spawn(Buoy(x=(left + right) / 2, y=(top + bottom) / 2))


def join(world: World, name: str) -> Boat:
    return Boat(x=world.rng.uniform(world.step, "x", 0, WIDTH), y=HEIGHT / 2, name=name)


def leave(world: World, me: Boat) -> bool:
    return me.sunk


def steer(world: World, me: Boat, cmd: Rudder) -> None:
    me.rudder += cmd.turn
    me.fuel -= 0.1 * abs(cmd.turn)


def drop(world: World, me: Boat, cmd: Drop) -> None:
    made = world.spawn(Log(x=me.x, y=me.y, vx=cmd.weight * 3, vy=-cmd.weight, owner=me.id))
    world.command(me.id, count, what=made, extra=[1, 2.5, "a"])
    world.emit(Dropped(me.id, me.name, cmd.weight), at=(me.x, me.y))


def count(world: World, me: Boat, what: int, extra: list[Any]) -> None:
    me.logs += 1


def sink(world: World, me: Boat | Log) -> None:
    world.destroy(me.id)


def rot(world: World) -> None:
    logs = world[Log]
    logs.left = logs.left - 1
    world.destroy(logs.id[logs.left <= 0])


def swell(world: World) -> None:
    logs = world[Log]
    waving = (logs.id + np.uint64(world.step)) % np.uint64(7) == 0
    logs.vy[waving] += world.rng.uniform(logs.id[waving], "swell", -5, 5)


def light(world: World) -> None:
    buoys, boats = world[Buoy], world.everyone(Boat)
    near = [bool((np.abs(boats.x - buoy.x) < 100).any()) for buoy in buoys.rows()]
    buoys.lit = np.array(near, np.bool_)


def leak(boats: Table[Boat], dt: float) -> None:
    boats.fuel = (boats.fuel - dt / 10).clip(0, 100)


def sight(boats: Table[Boat]) -> Any:
    return (boats.fuel > 50).astype(np.int64)


def scores(world: World) -> Iterable[tuple[int, str, int]]:
    return [(boat.id, boat.name, boat.logs) for boat in world[Boat].rows()]


def make_pond() -> SimpleNamespace:
    """Boats with players, drifting logs, and buoys that stay where they are."""
    game = Game("pond", size=(WIDTH, HEIGHT), interest_radius=(80, 160), reach=64)
    dash = motion.Dash(factor=3, seconds=0.2, cooldown=2)
    sailing = motion.Thrust(
        accel=120, drag=1, max_speed=60, dash=dash, steer=Steer, dash_input=Burst
    )
    game.entity(motion=sailing, ghost_fields=("name", "fuel"))(Boat)
    game.entity(motion=motion.Free())(Log)
    game.entity(ghost_fields=("lit",))(Buoy)
    game.event(durable=True)(Dropped)
    game.setup(anchor)
    game.join(join)
    game.leave(leave)
    game.on_input(Rudder)(steer)
    game.on_input(Drop, once=True)(drop)
    game.command(count)
    game.command(sink)
    for rule in (rot, swell, light):
        game.system(rule)
    game.system(predicted=True)(leak)
    game.interest(Boat)(sight)
    game.scoreboard(every=0.5, top=2)(scores)
    return SimpleNamespace(
        game=game, Steer=Steer, Burst=Burst, Drop=Drop, Rudder=Rudder, Boat=Boat, Log=Log,
        Buoy=Buoy, Dropped=Dropped, count=count, sink=sink,
    )  # fmt: skip


@pytest.fixture(scope="session")
def pond() -> SimpleNamespace:
    return make_pond()


@pytest.fixture(scope="session")
def another_pond() -> Callable[[], SimpleNamespace]:
    """Makes a new game each time, for those who want to declare more."""
    return make_pond


class Driver:
    """Steps a world with consecutive ticks, and sends its commands back to it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.commands: list[Any] = []
        self.given: list[bytes] = []

    def step(self, **what: Any) -> TickOutput:
        given = TickInput(
            tick=self.world.tick + 1,
            step=self.world.step + 1,
            commands=[*self.commands, *what.pop("commands", [])],
            **what,
        )
        self.given.append(given.to_bytes())
        output = self.world.advance(given)
        self.commands = list(output.commands)
        return output

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.step()


@pytest.fixture(scope="session")
def drive() -> Callable[[World], Driver]:
    return Driver
