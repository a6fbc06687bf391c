"""Who watches a recording sees the world as it was, at any speed, from wherever they come in."""

from typing import Any

import attrs
import pytest

from protocol.client import Client
from protocol.schema import Schema
from server.cluster.bus import MemoryBus
from server.gateway import Gateway, GatewayConfig
from server.net.memory import MemoryPair
from server.recording.replayer import Replayer
from server.shard.mail import bulletin_subject, frame_subject
from server.testing.client import SimClient


@attrs.define
class Theatre:
    """A recording that is shown, and who watches it, without a clock: a call is a slot."""

    replayer: Replayer
    gateway: Gateway
    frames: Any
    bulletins: Any
    slot: int = 0
    watchers: list[SimClient] = attrs.field(factory=list)

    def watch(self) -> SimClient:
        def pair() -> MemoryPair:
            made = MemoryPair(capacity=1 << 20, now=self.slot / 20)
            self.gateway.connect(made.link, self.slot / 20)
            return made

        self.watchers.append(SimClient(Client("", observe=True), pair))
        return self.watchers[-1]

    def show(self, ticks: int) -> None:
        """Go so many ticks on, and show that."""
        self.slot += 1
        now = self.slot / 20
        for watcher in self.watchers:
            watcher.advance(now)
        self.gateway.poll(now)
        self.replayer.advance(self.replayer.tick + ticks)
        self.replayer.show(self.slot)
        for message in self.bulletins.take_nowait():
            self.gateway.bulletin(message.data, now)
        for message in self.frames.take_nowait():
            self.gateway.frame(message.data, now)
        self.gateway.compose(self.slot, now)
        for watcher in self.watchers:
            watcher.hear(now)


@pytest.fixture
def theatre(game, recording) -> Theatre:
    bus = MemoryBus()
    replayer = Replayer(game, recording, bus)
    replayer.be_shown()
    schema, about = Schema.from_data(game.describe()), recording.about
    config = GatewayConfig(
        name="g",
        world=about.world,
        schema=schema,
        geometry=about.geometry,
        reveal=True,
        client_bytes_per_s=1e7,
    )
    gateway = Gateway(config, bus.publish, {n: s.table for n, s in replayer.shards.items()})
    frames = bus.subscribe(frame_subject(about.world, "*"), buffer=100)
    bulletins = bus.subscribe(bulletin_subject(about.world, "*"), buffer=100)
    return Theatre(replayer, gateway, frames, bulletins)


def check(watcher: SimClient, replayer: Replayer) -> int:
    """A watcher has exactly those who were there, where they were; how many are between shards."""
    truth = {}
    for world in replayer.worlds.values():
        for entity in world.owned_ids():
            row = world.get(entity)
            truth[entity] = row.x, row.y
    view = watcher.view
    assert truth.keys() <= set(view)
    for entity, (x, y) in truth.items():
        assert abs(view[entity].x - x) <= 1 / 16
        assert abs(view[entity].y - y) <= 1 / 16
    return len(set(view) - truth.keys())


@pytest.mark.parametrize("speed", [1, 2, 8])
def test_the_world_is_shown_as_it_was_at_any_speed(theatre, played, speed) -> None:
    watcher = theatre.watch()
    between = 0
    while theatre.replayer.tick < played.ticks:
        theatre.show(speed)
        if watcher.welcomed and theatre.slot > 3:
            between += check(watcher, theatre.replayer)
    assert watcher.checks > 0
    assert watcher.mismatches == 0
    if speed == 1:
        assert between > 0, "who is on its way from one shard to another is shown, too"


def test_while_it_is_paused_clients_are_told_that_nothing_moves(theatre) -> None:
    watcher = theatre.watch()
    for ticks in [2] * 20 + [0] * 70 + [1] * 5 + [0] * 20:
        theatre.show(ticks)
    check(watcher, theatre.replayer)
    assert watcher.client.replica.tick == theatre.slot, "their clocks go on"
    steps = {table.step for table in watcher.client.replica.tables.values()}
    assert steps == {45}
    assert watcher.mismatches == 0


def test_who_joins_midway_gets_all_of_it(theatre) -> None:
    for _ in range(100):
        theatre.show(1)
    watcher = theatre.watch()
    for _ in range(4):
        theatre.show(0)
    check(watcher, theatre.replayer)
    for _ in range(70):
        theatre.show(1)
    check(watcher, theatre.replayer)
    assert watcher.mismatches == 0


def test_events_are_told_durable_ones_too(theatre) -> None:
    watcher = theatre.watch()
    for _ in range(50):
        theatre.show(4)
    names = [event.name for event in watcher.events]
    assert names.count("Medal") > 5
    assert names.count("Flash") > 5


def test_a_frame_that_was_missed_is_made_good(theatre) -> None:
    watcher = theatre.watch()
    for _ in range(10):
        theatre.show(1)
    theatre.replayer.advance(theatre.replayer.tick + 1)
    theatre.slot += 1
    theatre.replayer.show(theatre.slot)
    theatre.frames.take_nowait()  # and is gone
    theatre.slot += 1
    theatre.replayer.show(theatre.slot, anew=theatre.replayer.shards)
    for _ in range(10):
        theatre.show(1)
    check(watcher, theatre.replayer)
