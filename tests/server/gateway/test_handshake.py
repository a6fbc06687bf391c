"""From hello to welcome, and every way in which somebody is refused."""

from protocol import messages
from protocol.errors import CloseCode
from protocol.messages import Hello
from server.gateway import limits
from server.gateway.tokens import Token
from server.net.memory import MemoryPair
from server.shard import mail


def seconds(world, count: float) -> None:
    world.tick(round(count * 20))


def test_a_player_is_welcomed_with_an_avatar_and_a_token(world) -> None:
    client = world.join("ann", 100, 100)
    welcome = client.welcome
    assert welcome.entity in world.dots, "the avatar is there"
    assert welcome.schema["game"] == "dots", "a generic client needs nothing else"
    token = Token.parse(welcome.token)
    assert token.session == welcome.session
    join = next(i for shard in world.shards.values() for i in shard.items)
    assert join.token_hash == token.hash, "the shard got the hash"
    assert token.secret not in join.token_hash, "and never the secret"


def test_the_welcome_comes_before_any_snapshot(world) -> None:
    client = world.connect(Hello(name="ann"))
    world.tick(2)
    assert client.welcome is not None, "the first message was the welcome: states allow no other"
    assert client.snapshots, "and snapshots follow"


def test_a_join_is_repeated_until_it_is_answered(world) -> None:
    for shard in world.shards.values():
        shard.answers = False
    client = world.connect(Hello(name="ann"))
    seconds(world, 1)
    joins = [i for s in world.shards.values() for i in s.items if isinstance(i, mail.Join)]
    assert len(joins) >= 3, "the bus may lose a question"
    assert len({join.session for join in joins}) == 1, "it is always the same question"
    for shard in world.shards.values():
        shard.answers = True
    seconds(world, 0.5)
    assert client.welcome is not None, "the answer came in the end"


def test_a_join_that_nobody_answers_is_turned_away(world) -> None:
    for shard in world.shards.values():
        shard.answers = False
    client = world.connect(Hello(name="ann"))
    seconds(world, limits.JOIN_S + 1)
    assert client.closed == CloseCode.FULL
    leaves = [i for s in world.shards.values() for i in s.items if isinstance(i, mail.Leave)]
    assert not leaves, "no frame lists the session, so nobody is bothered"


def test_a_shard_may_refuse_a_join(world) -> None:
    for shard in world.shards.values():
        shard.answers = False
    client = world.connect(Hello(name="ann"))
    world.tick()
    join = next(i for s in world.shards.values() for i in s.items if isinstance(i, mail.Join))
    world.answer(mail.Refused(join.session, CloseCode.FULL, "no room in this sea"))
    world.tick()
    assert client.goodbye == messages.Goodbye(CloseCode.FULL, "no room in this sea")
    assert client.closed == CloseCode.FULL


def test_a_link_that_says_nothing_is_closed(world) -> None:
    client = world.connect()
    seconds(world, limits.HELLO_S - 0.5)
    assert client.closed is None
    client.pair.client.receive()
    seconds(world, 1)
    assert client.closed == CloseCode.HELLO_TIMEOUT


def test_another_version_is_told_so(world) -> None:
    client = world.connect()
    client.pair.client.send(messages.encode(Hello(version=1, name="ann")))
    world.tick()
    assert client.closed == CloseCode.VERSION


def test_another_world_is_refused(world) -> None:
    client = world.connect(Hello(world="elsewhere", name="ann"))
    same = world.connect(Hello(world="w", name="bob"))
    world.tick(2)
    assert client.closed == CloseCode.POLICY
    assert same.welcome is not None, "whoever names this world is let in"


def test_a_full_world_says_so(make_world) -> None:
    world = make_world()
    for n in range(100):
        world.connect(Hello(name=f"p{n}"))
    world.tick(2)
    late = world.connect(Hello(name="late"))
    world.tick(2)
    assert late.closed == CloseCode.FULL
    assert world.gateway.statistics().clients == 100


def test_a_draining_gateway_admits_nobody_and_says_goodbye_to_all(world) -> None:
    client = world.join("ann", 100, 100)
    world.gateway.drain()
    late = world.connect(Hello(name="late"))
    world.tick()
    assert late.closed == CloseCode.RESTART, "it shall come back later"
    world.gateway.goodbye(CloseCode.RESTART, "back soon", retry_s=2.0)
    world.tick()
    assert client.goodbye == messages.Goodbye(CloseCode.RESTART, "back soon", 2.0)
    assert client.closed == CloseCode.RESTART
    assert len(world.gateway) == 0


def test_nonsense_closes_the_link_that_sent_it_and_no_other(world) -> None:
    good = world.join("good", 100, 100)
    for garbage in (
        b"",
        b"\xff",
        b"\x00" * 100,
        b"\x81\x00",
        b"\x9f",
        messages.encode(messages.Bye()),
    ):
        bad = world.connect()
        bad.pair.client.send(garbage)
        world.tick()
        assert bad.closed == CloseCode.BAD_MESSAGE, f"{garbage!r} is no hello"
    assert good.closed is None
    assert good.snapshots[-1].tick == world.tick_number, "the others noticed nothing"


def test_an_observer_needs_a_world_that_reveals_itself(make_world) -> None:
    world = make_world(reveal=False)
    spy = world.connect(Hello(observe=True))
    world.tick()
    assert spy.closed == CloseCode.AUTH


def test_an_observer_sees_everything_and_plays_nobody(make_world) -> None:
    world = make_world(reveal=True)
    for x in range(50, 1000, 100):
        world.add_dot(x, x / 2)
    observer = world.connect(Hello(observe=True))
    world.tick(2)
    assert observer.welcome.observer
    assert observer.welcome.token == b"", "there is nothing to resume"
    world.dots[1].hp = 5
    world.tick()
    everything = {entity: (dot.x, dot.y, dot.hp) for entity, dot in world.dots.items()}
    assert observer.seen() == everything
    observer.aim(3)
    world.tick()
    assert observer.closed == CloseCode.POLICY, "an observer has no avatar"


def test_a_link_that_is_lost_during_its_join_leaves_no_player_behind(world) -> None:
    client = world.connect(Hello(name="ann"))
    world.gateway.poll(world.now)  # the question is out and answered
    client.pair.cut()
    world.tick(2)
    facts = [i for s in world.shards.values() for i in s.items if isinstance(i, mail.Detach)]
    assert facts or not world.gateway.statistics().clients, "the owner hears of it"
    assert world.gateway.statistics().detached == 1


def test_an_answer_that_comes_too_late_welcomes_nobody(world) -> None:
    for shard in world.shards.values():
        shard.answers = False
    client = world.connect(Hello(name="ann"))
    world.tick()
    join = next(i for s in world.shards.values() for i in s.items if isinstance(i, mail.Join))
    client.say(messages.Bye())
    for data in client.pair.link.drain():
        world.gateway._intake.receive(world.gateway._roster.all()[0], data, world.now)
    world.enter(join)
    assert world.gateway.statistics().clients == 0, "the link is closed"
    world.tick(8)
    leaves = [i for s in world.shards.values() for i in s.items if isinstance(i, mail.Leave)]
    assert leaves == [mail.Leave(join.session, 1)], "the session is told to go"


def test_a_name_cannot_write_on_other_peoples_terminals(world) -> None:
    world.join("\x1b[2Jann\n", 100, 100)
    (join,) = [i for s in world.shards.values() for i in s.items if isinstance(i, mail.Join)]
    assert join.name == "[2Jann"


def test_a_closed_link_is_polled_no_more(world) -> None:
    pair = MemoryPair()
    world.gateway.connect(pair.link, world.now)
    pair.client.send(b"\xff")
    pair.client.send(messages.encode(Hello(name="too late")))
    world.tick()
    assert len(world.gateway) == 0
    assert not any(shard.items for shard in world.shards.values() if shard.rows)
