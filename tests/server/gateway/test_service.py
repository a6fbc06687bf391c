"""The service gives the core its time: polls ahead of each slot, composes when frames are there."""

import math
from functools import partial

import pytest
import trio
from trio_websocket import open_websocket

from protocol import messages
from protocol.connection import Connection
from protocol.messages import Role
from server.cluster.bus import MemoryBus
from server.gateway.core import GatewayConfig
from server.gateway.hearing import Hearing
from server.gateway.service import COMPOSE_WAIT_S, POLL_AHEAD_S, RunningGateway, run_gateway
from server.net.listen import listen
from server.shard.schedule import Schedule

HZ = 20


class Core:
    """Stands in for the gateway's core and notes when it is called."""

    def __init__(self) -> None:
        self.polls: list[float] = []
        self.composed: list[tuple[int, float]] = []
        self.arrived: set[int] = set()
        self.compose_s = 0.0

    def poll(self, now: float) -> None:
        self.polls.append(now)

    def awaits_frames(self, tick: int) -> bool:
        return tick not in self.arrived

    def part(self, now: float) -> None:
        pass

    def frame(self, data: bytes, _now: float) -> None:
        self.arrived.add(int(data))

    def compose_steps(self, tick: int, now: float):
        self.composed.append((tick, now))
        yield from ()


async def run_for(seconds: float, core: Core, publish) -> None:
    """Run the service's tasks around `core`; `publish(bus, schedule)` plays the shards."""
    schedule = Schedule(trio.current_time() + 1.0, HZ)
    bus = MemoryBus()
    hearing = Hearing(bus, "w", "g0")
    hearing.follow_all()
    running = RunningGateway(core, None, schedule, hearing)
    with trio.move_on_after(1.0 + seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(running.hear)
            nursery.start_soon(running.compose)
            nursery.start_soon(publish, bus, schedule)


async def test_it_composes_as_soon_as_every_frame_is_there(autojump_clock) -> None:
    async def publish(bus, schedule) -> None:
        for tick in range(1, 40):
            await trio.sleep_until(schedule.begins_s(tick) + 0.003)
            bus.publish("w.frame.0", str(tick).encode())

    core = Core()
    start = trio.current_time() + 1.0
    await run_for(1.0, core, publish)
    ticks = dict(core.composed)
    assert len(ticks) >= 19, "every tick is composed"
    for tick in range(1, 18):
        assert ticks[tick] == pytest.approx(start + tick / HZ + 0.003), "when its frames came"


async def test_it_waits_for_nobody_longer_than_a_fixed_time(autojump_clock) -> None:
    async def publish(bus, schedule) -> None:
        await trio.sleep_forever()

    core = Core()
    start = trio.current_time() + 1.0
    await run_for(0.5, core, publish)
    for tick, at in core.composed:
        if tick > 0:
            assert at == pytest.approx(start + tick / HZ + COMPOSE_WAIT_S)


async def test_shards_that_keep_the_process_busy_past_the_time_are_not_missed(
    autojump_clock,
) -> None:
    async def publish(bus, schedule) -> None:
        for tick in range(1, 40):
            await trio.sleep_until(schedule.begins_s(tick))
            autojump_clock.jump(0.03)  # the steps of all shards, without a pause
            bus.publish("w.frame.0", str(tick).encode())

    class Watching(Core):
        def compose_steps(self, tick: int, now: float):
            assert tick <= 0 or tick in self.arrived, f"the frame of {tick} was there"
            return super().compose_steps(tick, now)

    core = Watching()
    await run_for(1.0, core, publish)
    assert len(core.composed) >= 18


async def test_inputs_are_polled_just_before_each_slot_and_once_between(autojump_clock) -> None:
    async def publish(bus, schedule) -> None:
        await trio.sleep_forever()

    core = Core()
    start = trio.current_time() + 1.0
    await run_for(0.5, core, publish)
    for tick in range(1, 9):
        begins = start + tick / HZ
        assert any(math.isclose(at, begins - POLL_AHEAD_S) for at in core.polls)
        assert any(math.isclose(at, begins + 0.5 / HZ) for at in core.polls)


async def test_composing_that_lasts_into_the_next_slot_does_not_keep_inputs_from_it(
    autojump_clock,
) -> None:
    async def publish(bus, schedule) -> None:
        await trio.sleep_forever()

    class Long(Core):
        def compose_steps(self, tick: int, now: float):
            self.composed.append((tick, now))
            for _ in range(38):
                autojump_clock.jump(0.001)
                yield

    core = Long()
    start = trio.current_time() + 1.0
    await run_for(0.5, core, publish)
    for tick in range(2, 9):
        begins = start + tick / HZ
        assert any(begins - POLL_AHEAD_S <= at <= begins for at in core.polls)
    assert len(core.polls) <= 2 * len(core.composed) + 2, "as often as ever"


async def test_a_slow_gateway_skips_ticks_and_never_doubles_one(autojump_clock) -> None:
    async def publish(bus, schedule) -> None:
        await trio.sleep_forever()

    class Slow(Core):
        def compose_steps(self, tick: int, now: float):
            self.composed.append((tick, now))
            autojump_clock.jump(0.12)  # the whole process was busy for more than two slots
            yield

    core = Slow()
    await run_for(1.0, core, publish)
    ticks = [tick for tick, _ in core.composed]
    assert ticks == sorted(set(ticks)), "each tick at most once, in order"
    assert len(ticks) < 20, "what was missed is not caught up"


async def test_shutting_down_says_goodbye_and_ends(world) -> None:
    config = GatewayConfig(
        name="g0", world="w", schema=world.schema, geometry=world.geometry, reveal=True
    )
    async with trio.open_nursery() as nursery:

        async def serve(*, task_status) -> None:
            await run_gateway(
                config,
                bus=MemoryBus(),
                schedule=Schedule(trio.current_time(), HZ),
                listen=partial(listen, host="127.0.0.1", port=0),
                task_status=task_status,
            )
            ended.set()

        ended = trio.Event()
        running = await nursery.start(serve)
        with trio.fail_after(5):
            async with open_websocket(
                "127.0.0.1", running.port, "/", use_ssl=False, subprotocols=["shoal.v2"]
            ) as socket:
                ends = Connection(Role.CLIENT)
                await socket.send_message(ends.send(messages.Hello(observe=True)))
                welcome = ends.receive(await socket.get_message())
                assert isinstance(welcome, messages.Welcome), "an observer is let in"
                nursery.start_soon(lambda: running.shut_down(deadline_s=2.0))
                message = welcome
                while not isinstance(message, messages.Goodbye):
                    message = ends.receive(await socket.get_message())
                assert message.code == 1012, "come back later"
                assert message.retry_s > 0
            await ended.wait()
        assert running.statistics().links == 0
