"""Events reach exactly those whom they concern, once, and the lasting ones even a late link."""

from protocol import cbor, messages
from protocol.messages import Hello
from protocol.news import Bulletin, FrameEvent, Scope
from protocol.schema import Schema
from server.gateway import limits
from server.gateway.news import News
from server.shard import mail
from tests.server.gateway.conftest import DESCRIPTION, PRIZE, SPARK


def make_late(world, client) -> int:
    """Let `client` fall behind; the tick of its last snapshot."""
    client.acknowledges = False
    world.tick(40)
    return client.snapshots[-1].tick


def test_an_event_of_a_cell_reaches_those_who_watch_the_cell(world) -> None:
    ann, bob = world.join("ann", 100, 100), world.join("bob", 130, 100)
    far = world.join("far", 800, 400)
    world.shards[0].spark(110, 110)
    world.tick()
    assert ann.events == [(SPARK, 7)]
    assert bob.events == [(SPARK, 7)]
    assert far.events == [], "it happened elsewhere"
    world.tick(5)
    assert ann.events == [(SPARK, 7)], "it is told once"


def test_an_addressed_event_reaches_the_owner_alone_wherever_it_comes_from(world) -> None:
    ann, bob = world.join("ann", 100, 100), world.join("bob", 100, 101)
    world.shards[1].tell(ann.entity)
    world.tick()
    assert ann.events == [(PRIZE, 9)]
    assert bob.events == [], "it is not his business"


def test_an_event_for_everybody_reaches_everybody(world) -> None:
    ann, far = world.join("ann", 100, 100), world.join("far", 800, 400)
    observer = world.connect(Hello(observe=True))
    world.tick(2)
    world.shards[1].shout()
    world.tick()
    assert [client.events for client in (ann, far, observer)] == [[(SPARK, 1)]] * 3


def test_who_is_welcome_and_not_placed_yet_is_told_what_happens_to_everybody() -> None:
    news = News()
    fact, cell = cbor.dumps([PRIZE, 1]), cbor.dumps([PRIZE, 2])
    events = [FrameEvent(PRIZE, fact, Scope.WORLD, 0, 9), FrameEvent(PRIZE, cell, Scope.CELL, 3, 9)]
    news.add(Bulletin(0, 1, 9, events=events), Schema.from_data(DESCRIPTION), 0.0)
    assert [waiting.item for waiting in news.concerning(None, 5)] == [fact]


def test_events_keep_their_order(world) -> None:
    ann = world.join("ann", 100, 100)
    for number in range(5):
        world.shards[0].tell(ann.entity, SPARK, number)
    world.tick()
    assert [event[1] for event in ann.events] == [0, 1, 2, 3, 4]


def test_a_late_link_gets_lasting_events_later_and_passing_ones_never(world) -> None:
    ann = world.join("ann", 100, 100)
    last = make_late(world, ann)
    world.shards[0].spark(100, 100)
    world.shards[0].spark(100, 100, PRIZE)
    world.shards[0].tell(ann.entity, SPARK)
    world.tick(round(limits.EVENT_S * 20) + 5)
    assert ann.events == [], "a late link is sent nothing"
    ann.say(messages.Ack(last))
    world.tick()
    assert ann.events == [(PRIZE, 7), (SPARK, 9)], "the passing one has expired"
    world.tick(5)
    assert len(ann.events) == 2, "once is enough"


def test_a_burst_of_lasting_events_reaches_everybody_and_closes_no_link(world) -> None:
    """Also who is not on time; such a one was told 256 of them and was closed for the others."""
    ann, bob = world.join("ann", 100, 100), world.join("bob", 100, 101)
    make_late(world, bob)
    for number in range(1000):
        world.shards[0].proclaim(number)
    world.shards[0].tell(ann.entity, PRIZE, 1000)  # which makes hers an exception
    world.tick()
    bob.acknowledges = True
    bob.say(messages.Ack(bob.snapshots[-1].tick))
    world.tick(5)
    for client in (ann, bob):
        assert client.closed is None
        assert [event[1] for event in client.events][:1000] == list(range(1000))
    assert (len(ann.events), len(bob.events)) == (1001, 1000)


def test_who_could_not_be_told_all_asks_the_shards_when_it_has_caught_up(world) -> None:
    ann = world.join("ann", 100, 100)
    make_late(world, ann)
    for shard in world.shards.values():
        shard.remembers = True
    happened = [(shard, number) for number in range(1000) for shard in world.shards]
    for shard, number in happened:
        world.shards[shard].proclaim(2 * number + shard)
        if number % 10 == 9 and shard == 1:
            world.tick()
    asked = sum(isinstance(item, mail.Remind) for item in world.shards[0].items)
    assert (ann.events, asked, ann.closed) == ([], 0, None), "while it is late nothing helps"
    ann.acknowledges = True
    ann.say(messages.Ack(ann.snapshots[-1].tick))
    world.tick(1)
    assert 0 < len(ann.events) < 1000, "a bounded number at a time"
    world.tick(60)
    assert ann.closed is None
    assert {event[1] for event in ann.events} == set(range(2000))
    count = len(world.shards[0].items)
    world.tick(20)
    assert not any(isinstance(item, mail.Remind) for item in world.shards[0].items[count:])


def test_scores_of_all_shards_are_merged_and_told_each_second(world) -> None:
    ann = world.join("ann", 100, 100)
    observer = world.connect(Hello(observe=True))
    world.tick(25)
    world.shards[0].scores = [(1, "a", 50), (2, "b", 10)]
    world.shards[1].scores = [(3, "c", 30), (2, "b", 12)]
    world.tick(25)
    for client in (ann, observer):
        assert client.scores[-1].rows == ((1, "a", 50), (3, "c", 30), (2, "b", 12))
    told = len(ann.scores)
    world.tick(60)
    assert told + 2 <= len(ann.scores) <= told + 4, "once a second"
