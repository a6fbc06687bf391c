"""The same inputs give the same world: again, from a checkpoint, from a journal's bytes."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Annotated, Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import EngineError, Game, World, motion, quant, text
from sim.engine import TickInput
from sim.replay import DivergenceError, Recorder, Recording, differences, replay

Drive = Callable[[World], Any]
STEER, BURST, RUDDER, DROP = range(4)

sessions = st.integers(1, 5)
parts = st.integers(0, 200)
ops = st.one_of(
    st.tuples(st.just("joins"), st.tuples(sessions, st.text(max_size=9))),
    st.tuples(st.just("leaves"), sessions),
    st.tuples(st.just("inputs"), st.tuples(sessions, st.just(STEER), st.tuples(parts, parts),
                                           st.integers(0, 9999))),
    st.tuples(st.just("inputs"), st.tuples(sessions, st.just(BURST), st.just(()), st.just(0))),
    st.tuples(st.just("inputs"), st.tuples(sessions, st.just(RUDDER), st.tuples(parts),
                                           st.just(0))),
    st.tuples(st.just("inputs"), st.tuples(sessions, st.just(DROP),
                                           st.tuples(st.integers(0, 9)), st.just(0))),
    st.tuples(st.just("depart"), st.integers(0, 5)),
)  # fmt: skip
scripts = st.lists(st.lists(ops, max_size=4), min_size=1, max_size=15)


def play(driver: Any, tick: list[tuple[str, Any]]) -> list[int]:
    """One tick of a script: what it consumes, and who departs after it."""
    given: dict[str, list[Any]] = {"joins": [], "leaves": [], "inputs": [], "depart": []}
    for name, what in tick:
        given[name].append(what)
    departing = given.pop("depart")[:1]
    driver.step(**given)
    ids = driver.world.owned_ids()
    departed = [ids[row % len(ids)] for row in departing if ids]
    driver.world.depart(departed)
    return departed


@settings(deadline=None, max_examples=60)
@given(script=scripts, cut=st.integers(0, 14))
def test_a_restored_world_goes_on_alike(
    pond: SimpleNamespace, drive: Drive, script: list[Any], cut: int
) -> None:
    first = drive(World(pond.game, seed=3))
    second = None
    for index, tick in enumerate(script):
        if index == cut % len(script):
            second = drive(World.restore(pond.game, first.world.checkpoint()))
            second.commands = list(first.commands)
            assert second.world.digests() == first.world.digests()
        play(first, tick)
        if second is not None:
            play(second, tick)
            assert differences(first.world.digests(), second.world.digests()) == []
    assert second is not None
    assert second.world.checksum() == first.world.checksum()
    assert second.world.checkpoint() == first.world.checkpoint(), "Even the past is the same."


@settings(deadline=None, max_examples=50)
@given(script=scripts)
def test_nobody_is_lost_or_doubled(pond: SimpleNamespace, drive: Drive, script: list[Any]) -> None:
    driver = drive(World(pond.game, seed=3))
    world = driver.world
    departed: list[int] = []
    for tick in script:
        departed += play(driver, tick)
        ids = world.owned_ids()
        assert len(set(ids)) == len(ids)
        assert all(world.get(entity).id == entity for entity in ids)
        assert world.created == world.destroyed + len(ids) + len(departed)


class RecordedWorld:
    """A world whose steps and departures a recorder takes down."""

    def __init__(self, recorder: Recorder) -> None:
        self.advance, self.depart = recorder.advance, recorder.depart
        self._world = recorder.world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)


@settings(deadline=None, max_examples=30)
@given(script=scripts)
def test_a_recorded_run_replays_to_the_same_checksum(
    pond: SimpleNamespace, drive: Drive, script: list[Any]
) -> None:
    world = World(pond.game, seed=3)
    recorder = Recorder(world)
    driver = drive(world)
    driver.world = RecordedWorld(recorder)
    for tick in script:
        play(driver, tick)
    recording = Recording.from_bytes(recorder.finish().to_bytes())
    assert replay(pond.game, recording).checksum() == world.checksum()


def recorded(pond: SimpleNamespace) -> Recording:
    recorder = Recorder(World(pond.game, seed=3))
    recorder.advance(TickInput(1, 1, joins=[(1, "ann")]))
    for step in range(2, 9):
        values = (step * 10, 100)
        recorder.advance(TickInput(step, step, inputs=[(1, STEER, values, 0)]))
    return recorder.finish()


def test_a_replay_that_differs_names_the_tick_and_the_column(pond: SimpleNamespace) -> None:
    recording = recorded(pond)
    wrong = TickInput(5, 5, inputs=[(1, STEER, (51, 100), 0)]).to_bytes()
    steps = list(recording.steps)
    steps[4] = attrs.evolve(steps[4], given=wrong)
    with pytest.raises(DivergenceError, match=r"tick 5 \(step 5\).* in Boat\.") as caught:
        replay(pond.game, attrs.evolve(recording, steps=tuple(steps)))
    assert caught.value.tick == 5
    assert "Boat.thrust_x" in caught.value.columns
    assert "Boat.thrust_y" not in caught.value.columns


def test_a_recording_of_other_code_is_refused(
    pond: SimpleNamespace, another_pond: Callable[[], SimpleNamespace]
) -> None:
    recording = recorded(pond)
    other = another_pond()

    @other.game.system
    def drift(world: World) -> None:
        world[other.Boat].fuel -= 1

    with pytest.raises(EngineError, match="other code"):
        replay(other.game, recording)
    with pytest.raises(EngineError, match="not a recording"):
        Recording.from_bytes(b"\x80")


@pytest.mark.parametrize("data", [b"", b"\xa0", b"\x80", b"\xff"])
def test_bytes_that_are_no_checkpoint_are_refused(pond: SimpleNamespace, data: bytes) -> None:
    with pytest.raises(EngineError, match="not a checkpoint"):
        World.restore(pond.game, data)


def test_a_checkpoint_of_another_game_is_refused(pond: SimpleNamespace) -> None:
    other = Game("other", size=(64, 64))
    other.entity(pond.Buoy)
    with pytest.raises(EngineError, match="of pond, not of other"):
        World.restore(other, World(pond.game, seed=1).checkpoint())


def version(fields: dict[str, Any]) -> Game:
    game = Game("ship", size=(1024, 512))
    cls = attrs.make_class(
        "Ship", {name: attrs.field(default=d) for name, (_, d) in fields.items()}
    )
    cls.__annotations__ = {name: note for name, (note, _) in fields.items()}
    game.entity(motion=motion.Free())(cls)
    return game


def test_a_checkpoint_of_an_older_version_is_read_by_names() -> None:
    place = {
        "x": (Annotated[float, quant(0, 1024, 1 / 16)], 7),
        "y": (Annotated[float, quant(0, 512, 1 / 16)], 8),
        "vx": (Annotated[float, quant(-64, 63, 1 / 4)], 1),
        "vy": (Annotated[float, quant(-64, 63, 1 / 4)], 0),
    }
    old = version(place | {"hp": (Annotated[float, quant(0, 10, 1)], 6), "old": (bool, True)})
    new = version(
        place
        | {
            "hp": (Annotated[float, quant(-5, 20, 1 / 2)], 1),
            "crew": (Annotated[int, quant(0, 9, 1)], 3),
            "name": (Annotated[str, text(4)], ""),
        }
    )
    world = World(old, seed=1)
    ship = world.spawn(old.rules.kinds[0].cls())
    world.advance(TickInput(1, 1))
    restored = World.restore(new, world.checkpoint())
    found = restored.get(ship)
    assert found.x == pytest.approx(7.05, abs=1 / 4096)
    assert (found.vx, found.hp, found.crew, found.name) == (1.0, 6.0, 3, "")
    restored.advance(TickInput(2, 2))
    assert found.x == pytest.approx(7.1, abs=1 / 4096)


def test_worlds_of_other_seeds_differ(pond: SimpleNamespace, drive: Drive) -> None:
    sums = set()
    for seed in (1, 2):
        world = World(pond.game, seed=seed)
        drive(world).step(joins=[(1, "ann")])
        sums.add(world.digests()["Boat.x"])
    assert len(sums) == 2
