"""A shard that is recovered from its journal goes on as the one that was lost."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from server.cluster.journal import MemoryJournal
from server.cluster.seams import Draft
from server.shard.host import Shard
from server.shard.mail import Input, Join
from server.shard.recovery import RecordsMissingError, Recovered, Standby, recover
from server.shard.saved import Saved, SavedError
from sim.replay import DivergenceError

HASH = b"h" * 32


async def recovered(
    cluster: Any, shard: Shard, *, epoch: int = 2, game: Any = None, **config: Any
) -> Recovered:
    journal = cluster.journal
    claimed = journal.claim_nowait(shard.id, epoch)

    def make(saved: bytes | None) -> Shard:
        changed = attrs.evolve(shard.config, epoch=epoch, **config)
        return Shard(game or cluster.game, cluster.schema, cluster.bus, changed, saved)

    return await recover(make, shard.id, claimed, journal)


def essence(shard: Shard) -> Saved:
    """A shard's state without what a crash may take: inputs that wait, and the interest's centre,
    which may lag behind differently.
    """
    saved = Saved.decode(shard.checkpoint())
    sessions = [[*row[:8], *row[10:-1], row[-1][1]] for row in sorted(saved.sessions)]
    outbox = [sorted(saved.outbox[0])]
    return attrs.evolve(saved, sessions=sessions, outbox=outbox, progress=sorted(saved.progress))


def play(cluster: Any, ticks: int, *, checkpoint_at: frozenset[int] = frozenset()) -> None:
    """Players join, push themselves about, lose links; now and then a checkpoint is kept."""
    for _ in range(ticks):
        number = cluster.now + 1
        if number <= 12:
            cluster.send(number % len(cluster.shards), Join(1000 + number, HASH, f"p{number}"))
        for shard in cluster.shards:
            for session in shard.sessions:
                seq = session.inputs.seen + 1
                values = (number % 5 - 2, session.id % 3 - 1)
                entry = Input(session.id, session.generation, seq, number + 2, 0, 0, values)
                cluster.send(shard.id, entry)
        cluster.tick()
        if cluster.now in checkpoint_at:
            for shard, writer in zip(cluster.shards, cluster.writers, strict=True):
                stored = cluster.journal.load_nowait(shard.id)
                cluster.journal.save_nowait(
                    shard.id,
                    shard.checkpoint(),
                    position=writer.position,
                    revision=stored.revision if stored else 0,
                )


@pytest.mark.parametrize("checkpoints", [(), (60,), (30, 119)], ids=["none", "one", "newest"])
async def test_it_is_what_it_was(
    make_cluster: Callable[..., Any], checkpoints: tuple[int, ...]
) -> None:
    cluster = make_cluster(balls=20, digests_every=1)
    play(cluster, 120, checkpoint_at=frozenset(checkpoints))
    assert cluster.tally().crossings > 50
    before = [essence(shard) for shard in cluster.shards]
    replayed = 120 - max(checkpoints, default=0)
    for shard, wanted in zip(cluster.shards, before, strict=True):
        found = await recovered(cluster, shard)
        assert essence(found.shard) == wanted
        assert (found.replayed, found.appended) == (replayed, 0)
        assert found.shard.world.checksum() == shard.world.checksum()


async def test_a_world_goes_on_after_all_its_shards_were_lost(
    make_cluster: Callable[..., Any],
) -> None:
    cluster = make_cluster(balls=25, digests_every=1)
    for epoch in range(2, 8):
        play(cluster, 17, checkpoint_at=frozenset({40, 80}))
        for place, shard in enumerate(list(cluster.shards)):
            shard.retire()
            found = await recovered(cluster, shard, epoch=epoch)
            cluster.shards[place], cluster.writers[place] = found.shard, found.writer
    play(cluster, 30)
    tally = cluster.tally()
    assert tally.lost == tally.duplicated == frozenset()
    assert tally.crossings > 60
    assert sum(len(shard.sessions) for shard in cluster.shards) + tally.in_transit >= 12


async def test_outs_that_a_crash_left_out_are_appended(make_cluster: Callable[..., Any]) -> None:
    cluster = make_cluster(balls=40)
    cluster.slow_journal = True
    lost = 0
    for _ in range(60):
        cluster.tick()
        for shard, writer, commit in cluster.held:
            if commit.outs and shard.id == 0 and not lost:
                lost = len(commit.outs)
                journal: MemoryJournal = cluster.journal
                record = Draft(str(commit.tick), commit.record)
                journal.append_nowait(0, [record], expect=writer.position)
                break
            writer.commit_nowait(commit)
            shard.committed(commit.tick)
        if lost:
            break
        cluster.held.clear()
    found = await recovered(cluster, cluster.shards[0])
    assert found.appended == lost > 0
    names = [record.id for record in cluster.journal.read_nowait(0, 0)]
    assert len(set(names)) == len(names)
    again = await recovered(cluster, found.shard, epoch=3)
    assert again.appended == 0, "a second recovery finds them there"


async def test_a_journal_that_leads_elsewhere_is_refused(make_cluster: Callable[..., Any]) -> None:
    cluster = make_cluster(balls=5, digests_every=1)
    play(cluster, 20)
    with pytest.raises(DivergenceError, match=r"tick 1 .*Ball"):
        await recovered(cluster, cluster.shards[0], seed=8)


async def test_who_follows_a_journal_has_only_its_end_to_take(
    make_cluster: Callable[..., Any],
) -> None:
    cluster = make_cluster(balls=20, digests_every=1)
    play(cluster, 40, checkpoint_at=frozenset({10}))
    shard, journal = cluster.shards[0], cluster.journal

    def make(saved: bytes | None) -> Shard:
        config = attrs.evolve(shard.config, epoch=0)
        return Shard(cluster.game, cluster.schema, cluster.bus, config, saved)

    standby = Standby(make, shard.id, journal)
    await standby.begin()
    assert standby.exact
    play(cluster, 3)
    assert await standby.follow() >= 3
    play(cluster, 2)
    standby.skip_mail()
    claimed = journal.claim_nowait(shard.id, 2)
    found = await standby.finish(claimed, epoch=2)
    assert found.shard.world.digests() == shard.world.digests()
    assert found.shard.config.epoch == found.shard.table.epoch == 2
    assert found.shard.world.tick == shard.world.tick


async def test_who_follows_a_journal_notices_that_it_was_trimmed(
    make_cluster: Callable[..., Any],
) -> None:
    cluster = make_cluster(balls=5)
    play(cluster, 5)
    shard, journal = cluster.shards[0], cluster.journal

    def make(saved: bytes | None) -> Shard:
        return Shard(cluster.game, cluster.schema, cluster.bus, shard.config, saved)

    standby = Standby(make, shard.id, journal)
    await standby.begin()
    play(cluster, 10)
    last = (await journal.read(shard.id, 0))[-3].position
    await journal.trim(shard.id, last)
    with pytest.raises(RecordsMissingError):
        await standby.follow()


@pytest.mark.parametrize(("same", "behind"), [(True, 0), (False, 0), (True, 2), (False, 2)])
async def test_whose_code_a_journal_is_of_is_known_before_there_are_records_behind_a_checkpoint(
    make_cluster: Callable[..., Any], *, same: bool, behind: int
) -> None:
    cluster = make_cluster(balls=5)
    play(cluster, 10, checkpoint_at=frozenset({10}))
    play(cluster, behind)
    game = make_cluster(balls=5).game
    if not same:
        game._code = "other"
    shard = cluster.shards[0]

    def make(saved: bytes | None) -> Shard:
        return Shard(game, cluster.schema, cluster.bus, shard.config, saved)

    standby = Standby(make, shard.id, cluster.journal)
    await standby.begin()
    assert standby.exact == same


async def test_after_a_change_of_code_those_who_came_are_here(
    make_cluster: Callable[..., Any],
) -> None:
    cluster = make_cluster(balls=20)
    play(cluster, 40, checkpoint_at=frozenset({10}))
    records = cluster.journal
    owned = [set(shard.world.owned_ids()) for shard in cluster.shards]
    players = [{s.id for s in shard.sessions} for shard in cluster.shards]
    for place, shard in enumerate(list(cluster.shards)):
        changed = make_cluster(balls=20).game
        changed._code = "other"
        claimed = records.claim_nowait(shard.id, 2)

        def make(saved: bytes | None, shard: Shard = shard, game: Any = changed) -> Shard:
            return Shard(game, cluster.schema, cluster.bus, shard.config, saved)

        found = await recover(make, shard.id, claimed, records)
        shard.retire()
        cluster.shards[place], cluster.writers[place] = found.shard, found.writer
        assert {session.id for session in found.shard.sessions} == players[place]
        entities = [session.entity for session in found.shard.sessions]
        assert all(found.shard.world.get(entity) is not None for entity in entities)
        here = set(found.shard.world.owned_ids())
        assert len(here) == len(owned[place])
        assert len(here - owned[place]) <= len(entities), "only who joined since may be renamed"
    play(cluster, 20)
    tally = cluster.tally()
    assert tally.duplicated == frozenset()


def test_a_checkpoint_that_is_due_in_a_skipped_tick_is_left_by_the_next_one(
    make_cluster: Callable[..., Any],
) -> None:
    cluster = make_cluster(balls=1, checkpoint_every=10)
    cluster.slow_journal = True
    for tick in range(1, 41):
        cluster.tick(skip=frozenset({0}) if tick % 10 == 0 else frozenset())
    left = [held.tick for shard, _, held in cluster.held if shard.id == 0 and held.checkpoint]
    assert left == [11, 21, 31]


async def test_inputs_that_had_not_taken_effect_are_taken_once_more(cluster: Any) -> None:
    cluster.send(0, Join(77, HASH, "ann"))
    cluster.tick()
    (session,) = cluster.shards[0].sessions
    inputs = [Input(77, 1, seq, cluster.now + seq, 0, 0, (1, 0)) for seq in range(1, 9)]
    cluster.send(0, *inputs)
    for _ in range(3):
        cluster.tick()
    applied = session.inputs.applied
    assert 0 < applied < 8
    assert session.inputs.seen == 8
    found = await recovered(cluster, cluster.shards[0])
    again = found.shard.sessions.get(77)
    assert again is not None
    assert (again.inputs.seen, again.inputs.applied) == (applied, applied)


def test_bytes_that_are_no_checkpoint_are_refused() -> None:
    with pytest.raises(SavedError, match="not a shard's checkpoint"):
        Saved.decode(b"\x00")
    with pytest.raises(SavedError, match="format 9"):
        Saved.decode(b"\x81\x09")
