"""A node's slots stay with the coordinator's clock, whatever its own does."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from server.cluster.bus import MemoryBus
from server.placement.plan import Plan
from server.placement.reconciler import Listener
from server.placement.words import Beacon, beacon_subject
from server.roles import clock
from server.roles.clock import Slew, keep_time, schedule_of
from server.shard.schedule import Schedule

HZ = 20
EPOCH_S = 1_700_000_000.0
BEACON_S = 0.25


def beacon(now_s: float, *, number: int = 1, epoch: int = 1) -> Beacon:
    return Beacon(
        epoch=epoch,
        number=number,
        now_s=EPOCH_S + now_s,
        start_s=EPOCH_S,
        hz=HZ,
        identity="sea",
        geometry=None,
        plan=Plan(),
    )


def follow(
    slew: Slew,
    start_s: float,
    *,
    seconds: float,
    drift: float = 0.0,
    delay_s: tuple[float, float] = (0.001, 0.003),
    seed: int = 1,
    epoch: int = 1,
    ahead_s: float = 0.0,
) -> Iterator[tuple[float, float]]:
    """The node's time and what it then takes for tick 0, beacon for beacon; the truth is 0.

    The coordinator's clock runs faster by `drift` and is `ahead_s` ahead from the start.
    """
    chance = random.Random(seed)
    for count in range(int(seconds / BEACON_S)):
        told_at = count * BEACON_S
        heard_at = told_at + chance.uniform(*delay_s)
        start_s += slew.hear(
            beacon(told_at * (1 + drift) + ahead_s, epoch=epoch), heard_at, start_s
        )
        yield heard_at, start_s


@pytest.mark.parametrize("drift", [-0.0002, 0.0002])
def test_a_clock_that_goes_wrong_is_led(drift: float) -> None:
    late = [
        start_s + now * drift
        for now, start_s in follow(Slew(HZ), 0.0, seconds=600, drift=drift)
        if now > 10
    ]
    assert max(map(abs, late)) < 0.006, "it went its own way"


def test_beacons_that_are_held_up_are_not_believed() -> None:
    slew = Slew(HZ)
    rows = list(follow(slew, 0.0, seconds=120, delay_s=(0.001, 0.8), seed=2))
    assert max(abs(start_s) for _, start_s in rows[40:]) < 0.1
    chance = random.Random(3)
    start_s = 0.0
    for count in range(400):
        told_at = count * BEACON_S
        held_up = chance.choice([0.001, 0.002, 0.3])
        start_s += slew.hear(beacon(told_at, number=count, epoch=2), told_at + held_up, start_s)
    assert abs(start_s) < 0.003, "a third of the beacons led it astray"


def test_no_tick_becomes_noticeably_longer_or_shorter() -> None:
    before, was = 0.0, 0.2
    for now, start_s in follow(Slew(HZ), was, seconds=60):
        assert abs(start_s - was) <= clock.RATE * max(now - before, 0) + 1e-9
        before, was = now, start_s
    assert abs(was) < 0.004, "it has not arrived after a minute"


def test_a_silence_is_not_made_up_for_at_once() -> None:
    slew = Slew(HZ)
    slew.hear(beacon(0.0), 0.001, 0.5)
    moved = slew.hear(beacon(500.0, number=2), 500.001, 0.5)
    assert abs(moved) <= clock.RATE * clock.ELAPSED_S_MAX


def test_another_coordinators_clock_counts_from_its_first_beacon_on() -> None:
    slew = Slew(HZ)
    _, former_s = list(follow(slew, 0.0, seconds=20))[-1]
    _, start_s = list(follow(slew, former_s, seconds=20, epoch=2, ahead_s=-0.02))[-1]
    assert start_s == pytest.approx(0.02, abs=0.004), "it still goes by the former one"


def test_half_a_tick_apart_is_alarming() -> None:
    slew = Slew(HZ)
    slew.hear(beacon(0.0), 0.001, -0.02)
    assert not slew.alarming
    slew.hear(beacon(0.25, number=2), 0.251, -0.03)
    assert slew.alarming


async def test_a_wrong_clock_is_not_believed(autojump_clock: Any) -> None:
    told = beacon(100.0)
    right = schedule_of(told, trio.current_time(), lambda: EPOCH_S + 100.004)
    assert right.start_s == pytest.approx(trio.current_time() - 100.004)
    with capture_logs() as logs:
        led = schedule_of(told, trio.current_time(), lambda: EPOCH_S + 107.0)
    assert led.start_s == pytest.approx(trio.current_time() - 100.0)
    assert [entry["event"] for entry in logs] == ["this machine's clock is wrong"]


async def test_who_is_apart_says_so_and_comes_together_again(autojump_clock: Any) -> None:
    bus, began = MemoryBus(), trio.current_time()
    listener = Listener(bus, "w")
    schedule = Schedule(began - 0.05, HZ)
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listener.run)
            nursery.start_soon(keep_time, listener, schedule)
            for number in range(1, 60):
                told = beacon(trio.current_time() - began, number=number)
                bus.publish(beacon_subject("w"), told.encode())
                await trio.sleep(BEACON_S)
            nursery.cancel_scope.cancel()
    assert abs(schedule.start_s - began) < 0.002
    assert [entry["event"] for entry in logs] == [
        "half a tick apart from the coordinator",
        "together with the coordinator again",
    ]
