"""What concerns others than those who hear a shard's frames is in its bulletins."""

import attrs
import numpy as np
import pytest

from protocol import cbor
from protocol.geometry import Geometry
from protocol.news import Bulletin, Scope
from protocol.schema import Schema
from server.shard import limits
from server.shard.newsroom import Newsroom
from server.shard.space import Partition, Space
from sim.engine import EmittedEvent, Score

GEOMETRY = Geometry.grid(1024, 512, 64, [64.0], shards=(2, 1))
SPACE = Space(Partition.of(GEOMETRY), 0, 0.0)
SCHEMA = Schema.from_data(
    {
        "game": "dots", "hash": "0123456789abcdef", "hz": 20, "size": [1024.0, 512.0],
        "cell": 64.0, "interest": [64.0], "jump": 64.0, "inputs": [],
        "kinds": [{
            "name": "Dot", "course": None, "private": [], "motion": None,
            "fields": [
                {"name": "x", "type": "u16", "lo": 0.0, "step": 0.25, "axis": 0},
                {"name": "y", "type": "u16", "lo": 0.0, "step": 0.25, "axis": 1},
            ],
        }],
        "events": [
            {"name": name, "durable": durable,
             "fields": [{"name": "n", "type": "u8", "lo": 0.0, "step": 1.0}]}
            for name, durable in (("Flash", False), ("Medal", True))
        ],
    }
)  # fmt: skip
FLASH, MEDAL = 0, 1
HERE, THERE = (100.0, 100.0), (900.0, 100.0)
PLAYS, ELSEWHERE = 7, 8
RECAP_TICKS = 10


@pytest.fixture
def newsroom() -> Newsroom:
    return Newsroom(SCHEMA, SPACE, 0, recap_ticks=RECAP_TICKS)


def numbers(events) -> list[int]:
    return [cbor.loads(event.values)[1] for event in events]


def step(newsroom: Newsroom, tick: int, *events: EmittedEvent) -> tuple[list[int], Bulletin | None]:
    """What the frame tells, and the bulletin."""
    newsroom.report(tick, events, None)
    newsroom.durable(tick)
    news = newsroom.take(lambda entity: entity == PLAYS)
    return numbers(news.events), newsroom.bulletin(1, tick)


@pytest.mark.parametrize("kind", [FLASH, MEDAL])
def test_each_event_is_told_in_one_place(newsroom: Newsroom, kind: int) -> None:
    step(newsroom, 1)
    frame, bulletin = step(
        newsroom, 2,
        EmittedEvent(kind, (1,), HERE, None), EmittedEvent(kind, (2,), THERE, None),
        EmittedEvent(kind, (3,), None, PLAYS), EmittedEvent(kind, (4,), None, ELSEWHERE),
        EmittedEvent(kind, (5,), None, None),
    )  # fmt: skip
    assert frame == [1, 3]
    assert bulletin is not None
    assert numbers(bulletin.events) == [2, 4, 5]
    assert not bulletin.recap
    assert step(newsroom, 3) == ([], None), "it is told once"


def test_a_recap_has_what_lasts_and_the_newest_scores(newsroom: Newsroom) -> None:
    step(newsroom, 1)
    newsroom.report(2, [], [Score(7, "Ada", 5)])
    for tick in range(2, RECAP_TICKS):
        step(newsroom, tick, EmittedEvent(MEDAL, (tick,), None, None))
    _, recap = step(newsroom, RECAP_TICKS + 1, EmittedEvent(FLASH, (99,), None, None))
    assert recap is not None
    assert recap.recap
    assert sorted(numbers(recap.events)) == [*range(2, RECAP_TICKS), 99]
    assert recap.after == RECAP_TICKS - 1
    assert recap.scores == [(7, "Ada", 5)]
    later = RECAP_TICKS * (1 + limits.GRACE_TICKS // RECAP_TICKS)
    _, recap = step(newsroom, later)
    assert recap is not None
    assert numbers(recap.events) == [], "what is older than a player's grace is forgotten"


def test_a_new_owner_tells_what_the_former_one_may_not_have_told(newsroom: Newsroom) -> None:
    newsroom.recall(
        5, [EmittedEvent(MEDAL, (1,), None, None), EmittedEvent(FLASH, (9,), None, None)]
    )
    newsroom.recall(
        6, [EmittedEvent(MEDAL, (2,), HERE, None), EmittedEvent(MEDAL, (3,), None, PLAYS)]
    )
    newsroom.go_on(7)
    frame, bulletin = step(newsroom, 8)
    assert frame == [2, 3]
    assert bulletin is not None
    assert bulletin.recap
    assert [(e.tick, e.scope, e.repeated) for e in bulletin.events] == [
        (5, Scope.WORLD, True),
        (6, Scope.ENTITY, True),  # it may have been elsewhere: its client knows what it heard
    ]


def test_sessions_that_left_are_remembered_for_who_missed_it(newsroom: Newsroom) -> None:
    newsroom.handed(3, 11, 1)
    newsroom.handed(5, 12, 1)
    assert newsroom.take(lambda _: False).handed == [(11, 1), (12, 1)]
    assert newsroom.take(lambda _: False).handed == []
    assert newsroom.handed_since(0) == [(11, 1), (12, 1)]
    assert newsroom.handed_since(3) == [(12, 1)]


@pytest.mark.parametrize("every", [1, 2, 3, 7])
def test_a_shard_that_skips_ticks_is_heard_of_as_often(every: int) -> None:
    for shard in range(4):
        newsroom = Newsroom(
            SCHEMA, Space(Partition.of(GEOMETRY), shard, 0.0), shard, recap_ticks=RECAP_TICKS
        )
        ticks = range(1, 200, every)
        told = [tick for tick in ticks if step(newsroom, tick)[1] is not None]
        gaps = np.diff(told)
        assert told[0] == 1
        assert gaps.max() < RECAP_TICKS + every
        assert (gaps[1:] >= RECAP_TICKS).all(), "and not more often"


def test_what_happens_in_cells_that_were_cut_off_concerns_everybody() -> None:
    space = Space(Partition.of(GEOMETRY), 0, 0.0)
    newsroom = Newsroom(SCHEMA, space, 0, recap_ticks=RECAP_TICKS)
    assert step(newsroom, 1, EmittedEvent(MEDAL, (1,), HERE, None))[0] == [1]
    west, east = GEOMETRY.leaves
    cut = attrs.evolve(
        GEOMETRY, version=2, leaves=(west._replace(x0=4), west._replace(shard=2, x1=4), east)
    )
    space.move(Partition(cut, (0, 1, 2)))
    frame, bulletin = step(newsroom, 2, EmittedEvent(MEDAL, (2,), HERE, None))
    assert frame == []
    assert bulletin is not None
    assert numbers(bulletin.events) == [2], "who hears the cell's owner does not hear our frames"
    again = newsroom.repeated(0, 3)
    assert 1 in numbers(again), "who missed that frame has it told in no bulletin"
