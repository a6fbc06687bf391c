"""What lasts is taken from bulletins once and in its order, whichever of them are lost."""

from hypothesis import given
from hypothesis import strategies as st

from protocol import cbor
from protocol.geometry import Geometry
from protocol.news import Bulletin, FrameEvent, Scope
from protocol.schema import Schema
from server.gateway.bulletins import Bulletins
from server.gateway.pulse import Pulse
from server.shard.newsroom import Newsroom
from server.shard.space import Partition, Space
from sim.engine import EmittedEvent
from tests.server.gateway.conftest import DESCRIPTION, PRIZE, SPARK

SCHEMA = Schema.from_data(DESCRIPTION)
GEOMETRY = Geometry.grid(1024, 512, 64, [64.0], shards=(2, 1))
SPACE = Space(Partition.of(GEOMETRY), 0, 0.0)
RECAP_TICKS = 5


class Shard:
    """A newsroom whose ticks become durable some time later."""

    def __init__(self) -> None:
        self.newsroom = Newsroom(SCHEMA, SPACE, 0, recap_ticks=RECAP_TICKS)
        self.tick = 0
        self.prizes: list[int] = []

    def step(self, events: int, *, durable: bool) -> Bulletin | None:
        self.tick += 1
        new = range(len(self.prizes), len(self.prizes) + events)
        self.prizes += new
        emitted = [EmittedEvent(PRIZE, (number % 256,), None, None) for number in new]
        self.newsroom.report(self.tick, [*emitted, EmittedEvent(SPARK, (1,), None, None)], None)
        if durable:
            self.newsroom.durable(self.tick)
        self.newsroom.take(lambda _: True)
        return self.newsroom.bulletin(1, self.tick)


def prizes_of(bulletin: Bulletin | None) -> list[int]:
    events = () if bulletin is None else bulletin.events
    return [cbor.loads(each.values)[1] for each in events if each.kind == PRIZE]


STEPS = st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.booleans()), max_size=60)


@given(STEPS)
def test_each_lasting_event_is_taken_once_and_in_order(
    steps: list[tuple[int, bool, bool]],
) -> None:
    shard = Shard()
    bulletins = Bulletins(SCHEMA, Pulse([0, 1]))
    first = shard.step(0, durable=True)
    assert first is not None
    assert first.recap, "a shard begins with all that it remembers"
    bulletins.take(first.encode(), 0.0)
    heard: list[int] = []
    for events, durable, lost in [*steps, *[(0, True, False)] * RECAP_TICKS]:
        bulletin = shard.step(events, durable=durable)
        if bulletin is not None and not lost:
            heard += prizes_of(bulletins.take(bulletin.encode(), 0.0))
            assert bulletins.take(bulletin.encode(), 0.0) is None, "it is told twice by the bus"
    assert heard == [number % 256 for number in shard.prizes]


def test_who_comes_later_is_told_nothing_of_before() -> None:
    shard = Shard()
    for _ in range(7):
        shard.step(1, durable=True)
    bulletins = Bulletins(SCHEMA, Pulse([0, 1]))
    while not (bulletin := shard.step(0, durable=True)) or not bulletin.recap:
        pass
    assert len(prizes_of(bulletin)) == 7
    assert prizes_of(bulletins.take(bulletin.encode(), 0.0)) == []


def test_what_is_of_another_world_or_damaged_is_dropped() -> None:
    bulletins = Bulletins(SCHEMA, Pulse([0, 1]))
    strange = FrameEvent(len(SCHEMA.events), b"\x80", Scope.WORLD)
    for data in (b"", Bulletin(7, 1, 1).encode(), Bulletin(0, 1, 1, events=[strange]).encode()):
        assert bulletins.take(data, 0.0) is None
    assert bulletins.damaged == 3


def test_a_former_owner_tells_nothing_any_more() -> None:
    bulletins = Bulletins(SCHEMA, Pulse([0, 1]))
    assert bulletins.take(Bulletin(0, 2, 10).encode(), 0.0) is not None
    assert bulletins.take(Bulletin(0, 1, 11).encode(), 0.0) is None
    assert bulletins.take(Bulletin(0, 2, 11).encode(), 0.0) is not None


def test_what_was_missed_until_it_was_forgotten_is_no_gap_for_ever() -> None:
    bulletins = Bulletins(SCHEMA, Pulse([0, 1]))
    medal = FrameEvent(PRIZE, cbor.dumps([PRIZE, 1]), Scope.WORLD, 0, 600)
    assert bulletins.take(Bulletin(0, 1, 1).encode(), 0.0) is not None
    assert bulletins.take(Bulletin(0, 1, 599, 50, recap=True).encode(), 0.0) is not None
    news = bulletins.take(Bulletin(0, 1, 601, 50, events=[medal]).encode(), 0.0)
    assert prizes_of(news) == [1]
