"""Nodes and their coordinator in one process: who joins gets work, who dies is followed."""

from itertools import pairwise

import pytest
import trio

from protocol.frame import Frame
from server.placement.coordinator import RECORD, RecordError, run_coordinator
from server.placement.handover import Handovers
from server.placement.words import Beacon, Handover, Report, Stage, WordError
from server.shard import keeper
from server.shard.mail import frame_subject
from server.shard.recovery import Recovered, Standby
from tests.server.placement.world import WORLD, assert_sound, setting


async def test_the_first_node_runs_all_and_a_second_one_gets_half(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with setting() as given:
        await given.start("a")
        await given.wait(lambda: given.homes() == {"a": {0, 1, 2, 3}})
        await trio.sleep(2)
        await given.start("b")
        await given.wait(lambda: sorted(map(len, given.homes().values())) == [2, 2], 60)
        await trio.sleep(3)
        assert given.tally().crossings > 2
        assert_sound(given)


async def test_a_planned_move_misses_hardly_a_tick(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with setting() as given:
        await given.start("a")
        await given.wait(lambda: given.homes() == {"a": {0, 1, 2, 3}})
        await trio.sleep(1)
        await given.start("b")
        await given.wait(lambda: bool(given.homes()["b"]), 60)
        (moved, *_) = given.homes()["b"]
        await trio.sleep(1)
        frames = given.published()[moved]
        assert len({epoch for epoch, _ in frames}) == 2
        gaps = [after - before for (_, before), (_, after) in pairwise(frames)]
        assert max(gaps) <= 2, "the next owner steps in the next tick or the one after"
        assert_sound(given)


async def test_receivers_go_on_after_a_planned_move_and_begin_anew_after_a_crash(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with setting() as given:
        heard = given.bus.subscribe(frame_subject(WORLD, "*"), buffer=100_000)
        await given.start("a")
        await given.wait(lambda: given.homes() == {"a": {0, 1, 2, 3}})
        await trio.sleep(1)
        await given.start("b")
        await given.wait(lambda: sorted(map(len, given.homes().values())) == [2, 2], 60)
        await trio.sleep(1)
        moved = given.homes()["b"]
        given.kill("b")
        await given.wait(lambda: given.homes() == {"a": {0, 1, 2, 3}})
        await trio.sleep(1)
    stood: dict[int, tuple[int, int]] = {}
    anew = []
    for frame in (Frame.decode(message.data) for message in heard.take_nowait()):
        if not frame.base:
            anew.append((frame.shard, frame.complete))
        else:
            assert frame.stands_on(*stood[frame.shard]), "the last frame of whoever owned it"
        stood[frame.shard] = frame.epoch, frame.tick
    again = [(shard, True) for shard in sorted(moved)]
    assert sorted(anew[:4]) == [(shard, True) for shard in range(4)]
    assert sorted(anew[4:]) == again


async def test_who_takes_a_dear_shard_over_has_hardly_a_step_to_take_again(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setattr(keeper, "SAVE_S", -1.0)  # no step costs anything here
    replayed = []
    finish = Standby.finish

    async def noted(standby: Standby, *args: int) -> Recovered:
        recovered = await finish(standby, *args)
        replayed.append(recovered.replayed)
        return recovered

    monkeypatch.setattr(Standby, "finish", noted)
    async with setting() as given:
        await given.start("a")
        await given.wait(lambda: given.homes() == {"a": {0, 1, 2, 3}})
        await trio.sleep(8)
        replayed.clear()
        await given.start("b")
        await given.wait(lambda: sorted(map(len, given.homes().values())) == [2, 2], 60)
        assert len(replayed) == 2
        assert max(replayed) <= 5, "of up to 40 between two checkpoints"
        assert_sound(given)


@pytest.mark.slow
async def test_a_shard_moves_to_and_fro_without_a_pause_or_a_loss(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with setting() as given:
        for name in "ab":
            await given.start(name)
        await given.wait(lambda: sorted(map(len, given.homes().values())) == [2, 2], 60)
        given.published()
        await trio.sleep(12)  # a checkpoint later: what is followed has been trimmed before
        for name in "cd":
            await given.start(name)
            await trio.sleep(12)
        for name in "ab":
            await given.members[name].reconciler.leave()
            await trio.sleep(12)
        assert given.homes()["a"] == given.homes()["b"] == set()
        moves = 0
        for frames in given.published().values():
            gaps = [after - before for (_, before), (_, after) in pairwise(frames)]
            assert max(gaps) <= 2, "neither a pause nor dilation"
            moves += len({epoch for epoch, _ in frames}) - 1
        assert moves >= 4
        assert given.tally().crossings > 2
        assert given.tally().lost == given.tally().duplicated == frozenset()


@pytest.mark.parametrize("stage", [None, Stage.BEHIND])
async def test_a_shard_moves_too_when_its_next_owner_is_not_heard_or_not_ready(
    stage: Stage | None, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    tell = Handovers._tell

    def say(handovers: Handovers, shard: int, _: Stage) -> None:
        if stage is not None:
            tell(handovers, shard, stage)

    monkeypatch.setattr(Handovers, "_tell", say)
    async with setting() as given:
        await given.start("a")
        await given.wait(lambda: given.homes() == {"a": {0, 1, 2, 3}})
        await trio.sleep(1)
        await given.start("b")
        await given.wait(lambda: sorted(map(len, given.homes().values())) == [2, 2], 60)
        await trio.sleep(3)
        assert_sound(given)
        assert given.tally().crossings > 2


async def test_whoever_dies_is_followed_within_five_seconds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with setting() as given:
        for name in "abc":
            await given.start(name)
        await given.wait(lambda: sum(map(len, given.homes().values())) == 4)
        await trio.sleep(3)
        for name in "ab":  # the first of them coordinates
            given.kill(name)
            waited = await given.wait(lambda: sum(map(len, given.homes().values())) == 4, 10)
            assert waited <= 5
            await trio.sleep(2)
        assert given.homes() == {"c": {0, 1, 2, 3}}
        assert_sound(given)
        assert given.tally().crossings > 2


async def test_a_node_that_leaves_hands_its_shards_over(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with setting() as given:
        await given.start("a")
        await given.start("b")
        await given.wait(lambda: sorted(map(len, given.homes().values())) == [2, 2], 60)
        await trio.sleep(2)
        given.published()
        await given.members["a"].reconciler.leave()
        await given.wait(lambda: given.homes() == {"a": set(), "b": {0, 1, 2, 3}})
        await trio.sleep(1)
        for frames in given.published().values():
            gaps = [after - before for (_, before), (_, after) in pairwise(frames)]
            assert max(gaps) <= 20, "nobody waits for a lease to run out"


async def test_the_world_goes_on_where_it_was_after_all_were_away(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with setting() as given:
        member = await given.start("a")
        await given.wait(lambda: given.homes() == {"a": {0, 1, 2, 3}})
        await trio.sleep(7)
        before = member.node.tick
        given.kill("a")
        await trio.sleep(3600)
        again = await given.start("b")
        await given.wait(lambda: given.homes() == {"b": {0, 1, 2, 3}})
        await trio.sleep(1)
        assert before < again.node.tick < before + 400, "an hour is 72,000 ticks"
        assert_sound(given)


async def test_another_world_on_the_same_engine_is_refused(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with setting() as given:
        await given.start("a")
        await given.wait(lambda: given.homes() == {"a": {0, 1, 2, 3}})
        given.kill("a")
        with pytest.raises(RecordError, match="another one"), trio.fail_after(60):
            await run_coordinator(
                "b",
                given.founding(identity={"game": "chess"}),
                world=WORLD,
                bus=given.bus,
                directory=given.directory,
                journal=given.journal,
                wall=trio.current_time,
            )
        kept = await given.journal.load(RECORD)
        assert kept is not None


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x01", b"\x83\x01\x02\x03"])
def test_words_that_are_none_are_refused(data: bytes) -> None:
    with pytest.raises(WordError):
        Beacon.decode(data)
    with pytest.raises(WordError):
        Report.decode(data)
    with pytest.raises(WordError):
        Handover.decode(data)
