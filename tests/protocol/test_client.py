"""The whole client without its socket, against a hand-made server, in virtual time."""

import attrs
import pytest

from protocol import cbor, limits, messages
from protocol.client import Client
from protocol.connection import Connection
from protocol.errors import CloseCode, LocalProtocolError, RemoteProtocolError
from protocol.messages import Role

DT = 1 / 20
SESSION, TOKEN = 77, b"first-token"


class Desk:
    """The server's end of one link after another: a shard of the small world, and what it heard."""

    def __init__(self, worlds, schema, geometry, client):
        self.worlds, self.geometry, self.client = worlds, geometry, client
        self.shard = worlds.Shard(0, 5, schema, geometry)
        self.connection = Connection(Role.SERVER)
        self.heard = []
        self.since = None
        self.now = 0.0
        self.me = self.shard.spawn(worlds.FISH, 0)

    def open(self, hello, **changes):
        """Take a hello over a new link and welcome whoever says it; gives the hello."""
        self.connection = Connection(Role.SERVER)
        self.since = None
        said = self.connection.receive(hello)
        welcome = messages.Welcome(
            session=SESSION,
            token=TOKEN,
            hz=20,
            tick=self.shard.tick,
            entity=self.me.id,
            schema=self.worlds.SCHEMA,
            geometry=self.geometry.to_data(),
        )
        self.say(attrs.evolve(welcome, **changes))
        return said

    def say(self, message):
        self.client.receive(self.connection.send(message), self.now)

    def snapshot(self, *, applied=0, margin=2, private=None, damage=None):
        """A tick passes, and the client is told of it."""
        self.now += DT
        self.shard.step += 1
        self.shard.tell()
        table = self.shard.table
        keys = table.parts_in(range(self.worlds.CELLS))
        updates = [cbor.loads(item) for item in table.encode(keys, self.since) if item is not None]
        if damage is not None:
            damage(updates)
        self.since = self.shard.tick
        group = messages.Group(0, 1, 0, self.shard.tick - self.shard.step, updates)
        said = messages.Snapshot(
            tick=self.shard.tick, report=(applied, margin), private=private, groups=(group,)
        )
        self.say(said)
        self.client.tick(self.now)
        self.listen()

    def listen(self):
        said = [self.connection.receive(data) for data in self.client.outgoing()]
        self.heard += said
        return said

    def of(self, kind):
        return [message for message in self.heard if isinstance(message, kind)]


@pytest.fixture
def client():
    return Client("ann")


@pytest.fixture
def desk(worlds, schema, geometry, client):
    made = Desk(worlds, schema, geometry, client)
    made.open(client.start())
    return made


def test_the_hello_says_who_comes_and_the_welcome_lets_in(worlds, schema, geometry):
    client = Client("ann", world="sea", token=b"ticket")
    desk = Desk(worlds, schema, geometry, client)
    hello = desk.open(client.start())
    assert (hello.name, hello.world, hello.token, hello.resume) == ("ann", "sea", b"ticket", None)
    assert (hello.version, hello.observe) == (limits.VERSION, False)
    assert client.playing
    assert not client.ready, "it claims to be ready before the first snapshot"
    desk.snapshot()
    assert client.ready
    assert client.entity == desk.me.id
    assert client.schema.game == "test"


def test_snapshots_reach_replica_and_screen(desk, client):
    for _ in range(8):
        desk.snapshot()
    assert client.replica.entity(desk.me.id).hp == desk.me.values[0]
    assert desk.me.id in client.screen(desk.now), "the player sees nothing"
    figures = client.statistics()
    assert figures.snapshots == 8
    assert figures.messages_received == 9
    assert figures.bytes_received > 500


def test_without_playback_there_are_no_tracks_and_no_screen(worlds, schema, geometry):
    client = Client("bot", playback=False)
    desk = Desk(worlds, schema, geometry, client)
    desk.open(client.start())
    for _ in range(5):
        desk.snapshot()
    assert client.playback is None
    assert client.screen(desk.now) == {}
    assert client.entity in client.replica


def test_acknowledgements_come_at_most_four_times_a_second_and_ride_on_inputs(desk, client):
    for _ in range(100):
        desk.snapshot()
    acks = desk.of(messages.Ack)
    assert 15 <= len(acks) <= 21, f"{len(acks)} acks in 5 s"
    assert acks[-1].tick > 90, "an old snapshot was acknowledged"
    desk.heard.clear()
    for _ in range(100):
        client.send_input("Steer", {"dx": 0.5, "note": ""}, desk.now)
        desk.snapshot()
    assert desk.of(messages.Ack) == [], "inputs acknowledge already"
    assert desk.of(messages.Input)[-1].ack == 199


def test_nothing_new_is_not_acknowledged_again(desk, client):
    desk.snapshot()
    for _ in range(100):
        desk.now += DT
        client.tick(desk.now)
    desk.listen()
    assert len(desk.of(messages.Ack)) == 1


def test_an_input_says_when_it_is_for_and_what_the_player_saw(desk, client):
    for _ in range(40):
        desk.snapshot()
    seq = client.send_input("Steer", {"dx": 0.25, "note": "hi"}, desk.now)
    (said,) = [m for m in desk.listen() if isinstance(m, messages.Input)]
    assert (said.seq, seq) == (1, 1)
    assert said.values == (125, "hi")
    assert 40 < said.tick <= 46, "it is not for the near future"
    assert 38 <= said.view / 256 < 40, "the player cannot have seen that"


def test_without_a_prediction_nobody_knows_where_an_input_will_find_the_avatar(desk, client):
    assert client.origin(desk.now) is None
    for _ in range(3):
        desk.snapshot()
    assert client.origin(desk.now) is None


def test_inputs_that_make_no_sense_are_our_own_fault(desk, client):
    with pytest.raises(LocalProtocolError, match="no world yet"):
        client.send_input("Steer", {"dx": 0, "note": ""}, 0.0)
    desk.snapshot()
    with pytest.raises(LocalProtocolError, match="has the fields"):
        client.send_input("Steer", {"dx": 0}, desk.now)
    with pytest.raises(LocalProtocolError):
        client.send_input("Steer", {"dx": "left", "note": ""}, desk.now)
    assert desk.listen() == [], "nonsense went out"


def test_a_resume_asks_with_the_newest_token_and_repeats_what_is_unconfirmed(desk, client):
    desk.snapshot()
    for number in range(5):
        client.send_input("Steer", {"dx": number / 10, "note": ""}, desk.now)
    desk.snapshot(applied=2)
    first = desk.of(messages.Input)
    client.send_input("Steer", {"dx": 0.9, "note": ""}, desk.now)  # lost with the link
    hello = client.reconnect()
    client.send_input("Steer", {"dx": 1.0, "note": ""}, desk.now)  # there is no link at all
    assert client.outgoing() == [], "something was said without a link"
    desk.heard.clear()
    said = desk.open(hello, token=b"second-token")
    assert said.resume == TOKEN
    desk.snapshot(applied=2)
    again = desk.of(messages.Input)
    assert [m.seq for m in again] == [3, 4, 5, 6, 7], "inputs are lost or doubled"
    assert [m.values for m in again[:3]] == [m.values for m in first[2:5]], "they changed"
    assert again[0].tick == first[2].tick, "their tick changed"
    desk.snapshot(applied=7)
    assert desk.open(client.reconnect()).resume == b"second-token", "an old token was used"
    assert client.statistics().resumes == 2


def test_a_resume_does_not_blink(desk, client):
    for _ in range(20):
        desk.snapshot()
        before = client.screen(desk.now)
    shown = client.timeline.shown
    hello = client.reconnect()
    assert client.screen(desk.now).keys() == before.keys(), "the picture went dark with the link"
    desk.open(hello)
    assert client.screen(desk.now).keys() == before.keys(), "the picture went dark at the welcome"
    client.send_input("Steer", {"dx": 0.0, "note": ""}, desk.now)
    desk.snapshot()
    assert client.screen(desk.now).keys() == before.keys(), "the picture went dark"
    assert client.timeline.shown >= shown, "time went back"


def test_how_late_repeated_inputs_come_does_not_delay_the_next(desk, client):
    desk.snapshot()
    client.send_input("Steer", {"dx": 0.0, "note": ""}, desk.now)
    hello = client.reconnect()
    desk.now += 3
    desk.open(hello)
    desk.listen()
    desk.snapshot(applied=1, margin=-58)
    desk.snapshot()
    client.send_input("Steer", {"dx": 1.0, "note": ""}, desk.now)
    (newest,) = [m for m in desk.listen() if isinstance(m, messages.Input)]
    assert newest.tick - client.server_tick(desk.now) < 15, "it would take effect in seconds"


def test_inputs_for_a_future_that_the_world_slept_through_are_for_now(desk, client):
    for _ in range(20):
        desk.snapshot()
    hello = client.reconnect()
    for _ in range(4):  # the server restarts; its world stands still, the player plays on
        desk.now += 2
        client.screen(desk.now)
        client.send_input("Steer", {"dx": 0.5, "note": ""}, desk.now)
    desk.open(hello)
    client.send_input("Steer", {"dx": 0.7, "note": ""}, desk.now)  # before the first snapshot
    assert desk.of(messages.Input) == [], "it overtook what was sent before"
    desk.snapshot()
    client.send_input("Steer", {"dx": 0.9, "note": ""}, desk.now)
    desk.listen()
    said = desk.of(messages.Input)
    assert [m.seq for m in said] == [1, 2, 3, 4, 5, 6]
    aim = client.server_tick(desk.now) + 8
    assert all(m.tick <= aim for m in said), "they would take effect seconds later"
    assert said[-1].view / 256 <= client.server_tick(desk.now) + 5, "nobody saw the future"


def test_another_session_begins_anew(desk, client):
    desk.snapshot()
    client.send_input("Steer", {"dx": 0.0, "note": ""}, desk.now)
    desk.listen()
    desk.heard.clear()
    desk.open(client.reconnect(), session=78)
    desk.snapshot()
    assert desk.of(messages.Input) == [], "another session was told old inputs"
    assert client.send_input("Steer", {"dx": 0.0, "note": ""}, desk.now) == 1


def test_unconfirmed_inputs_are_bounded(desk, client):
    desk.snapshot()
    client.reconnect()
    for _ in range(limits.CLIENT_INPUTS + 10):
        client.send_input("Steer", {"dx": 0.0, "note": ""}, desk.now)
    desk.open(client.reconnect())
    desk.snapshot()
    kept = [m.seq for m in desk.of(messages.Input)]
    assert kept == list(range(11, limits.CLIENT_INPUTS + 11)), "not the newest were kept"


def test_a_wrong_checksum_asks_for_the_cell_anew_and_is_counted(desk, client):
    def damage(updates):
        for update in updates:
            contents, sections = desk.worlds.read_head(update)
            if contents & 1:
                update[sections] ^= 1  # the CRC is the first section

    for _ in range(2 * limits.CRC_TICKS):
        desk.snapshot()
    figures = client.statistics()
    assert figures.crc_checks >= 2, "nothing was compared"
    assert figures.mismatches == 0, "a sound replica was blamed"
    for _ in range(limits.CRC_TICKS + 1):
        desk.snapshot(damage=damage)
    for _ in range(25):
        desk.snapshot()
    assert client.statistics().mismatches == 1, "a mismatch was not counted"
    asked = desk.of(messages.Resync)
    assert asked, "nothing was asked for"
    assert asked[-1].cells == (desk.me.cell,), "another cell was asked for"


def test_pings_measure_the_round_trip_and_are_answered(desk, client):
    for _ in range(45):
        desk.snapshot()
    pings = desk.of(messages.Ping)
    assert len(pings) == 3, "one ping a second"
    stamp = pings[-1].stamp
    desk.now = stamp / 1000 + 0.12
    desk.say(messages.Pong(stamp))
    assert client.statistics().round_trip_s == pytest.approx(0.12, abs=0.002)
    desk.say(messages.Ping(5))
    assert messages.Pong(5) in desk.listen(), "a ping was not answered"


def test_events_scores_and_goodbye_arrive(desk, client):
    desk.say(messages.Events(3, 1, [[0, desk.me.id]]))
    desk.say(messages.Scores((messages.ScoreRow(desk.me.id, "ann", 5),)))
    (event,) = client.events
    assert (event.name, event.tick, event.shard, event.by) == ("Hit", 3, 1, desk.me.id)
    assert client.scores[0][2] == 5
    for _ in range(limits.CLIENT_EVENTS + 5):
        desk.say(messages.Events(4, 1, [[0, 1]]))
    assert len(client.events) == limits.CLIENT_EVENTS, "events that nobody reads pile up"
    desk.say(messages.Goodbye(CloseCode.RESTART, "back soon", 2.5))
    assert client.goodbye.retry_s == 2.5
    assert not client.playing


def test_the_private_section_is_read_in_its_units(desk, client):
    desk.snapshot(private=messages.Private(desk.me.id, 0, 1, (21,)))
    desk.snapshot()
    assert client.private == {"air": 10.5}, "what did not change was forgotten"


def test_what_is_no_message_is_the_servers_fault(desk, client):
    with pytest.raises(RemoteProtocolError):
        client.receive(b"\x9f\xff", desk.now)
    with pytest.raises(RemoteProtocolError):
        client.receive(b"nonsense", desk.now)
