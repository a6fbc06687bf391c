"""Scenarios that run the same over memory and over real sockets, and the driver over memory.

A scenario is a coroutine function that is given a driver and asks of it only what `Driver` lists,
so that whoever runs a real server can pass a driver of their own.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import pytest

from server.testing import Sim
from sim.games.lanterns import Harpoon, Steer
from sim.games.lanterns import game as lanterns


class Player(Protocol):
    """What a scenario asks of a client."""

    @property
    def id(self) -> int: ...
    @property
    def view(self) -> Mapping[int, Any]: ...
    @property
    def events(self) -> Sequence[Any]: ...
    @property
    def scores(self) -> Sequence[Any]: ...
    def screen(self) -> Mapping[int, Any]: ...
    def send(self, intent: object, /) -> None: ...


class Driver(Protocol):
    """What a scenario asks of a world that runs Lanterns, 2 x 1 shards."""

    async def join(self, name: str, x: float, y: float, latency: float) -> Player: ...

    async def pass_ticks(self, ticks: int) -> None:
        """Let time pass."""

    def truth(self, entity: int) -> tuple[int, float, float]:
        """The entity's shard and place, as its owner has it."""


class MemoryDriver:
    """A `Driver` without sockets or a clock."""

    def __init__(self, seed: int = 3) -> None:
        self.sim = Sim(lanterns, shards=2, seed=seed)

    async def join(self, name: str, x: float, y: float, latency: float) -> Player:
        return self.sim.join(name, x=x, y=y, latency=latency)

    async def pass_ticks(self, ticks: int) -> None:
        self.sim.tick(ticks)

    def truth(self, entity: int) -> tuple[int, float, float]:
        shard, row = self.sim.find(entity)
        return shard, float(row.x), float(row.y)


async def duel_across_the_border(driver: Driver) -> None:
    """Two clients meet across a border, one shoots the other, the hit is rewound, the score moves.

    Bob swims across Ann's line of fire. She aims at where she sees him, which is where he was; by
    the time of the shot he has left the line. A server that judged the present would miss.
    """
    ann = await driver.join("ann", 990, 880, latency=0.1)
    bob = await driver.join("bob", 1050, 760, latency=0.02)
    bob.send(Steer(dx=0, dy=1))
    for _ in range(40):
        await driver.pass_ticks(1)
        if bob.id in ann.screen() and ann.screen()[bob.id].y > 870:
            break
    assert driver.truth(ann.id)[0] != driver.truth(bob.id)[0], "a border lies between them"
    seen, me = ann.screen()[bob.id], ann.screen()[ann.id]
    distance = math.hypot(seen.x - me.x, seen.y - me.y)
    ann.send(Harpoon(dx=(seen.x - me.x) / distance, dy=(seen.y - me.y) / distance))
    _, _, bobs_y = driver.truth(bob.id)
    assert bobs_y - seen.y > 10, "Bob is further on than Ann sees him, by more than a ray is wide"
    before = await _light(driver, bob)
    await driver.pass_ticks(12)
    (shot,) = [event for event in ann.events if event.name == "Harpooned"]
    assert shot.target == bob.id, "the shot hit what Ann saw"
    assert abs(shot.hit_y - seen.y) < 5, "where she saw it"
    assert [event.target for event in bob.events if event.name == "Harpooned"] == [bob.id], (
        "Bob is told as well, across the border"
    )
    assert await _light(driver, bob) <= before * 0.75, "the light was stolen"
    await driver.pass_ticks(30)
    scores = {row[0]: row[2] for row in ann.scores}
    assert scores[ann.id] > scores[bob.id], "and the score has moved"


async def _light(driver: Driver, player: Player) -> float:
    return float(player.view[player.id].fields["light"])


@pytest.fixture
def duel() -> Callable[[Driver], Awaitable[None]]:
    return duel_across_the_border


@pytest.fixture
def memory_driver() -> MemoryDriver:
    return MemoryDriver()
