"""A recording plays at the pace that is asked for, lets people look on, and ends cleanly."""

from functools import partial

import pytest
import trio
from trio_websocket import ConnectionClosed, open_websocket_url

from protocol.connection import Connection
from protocol.errors import CloseCode
from protocol.messages import Goodbye, Hello, Role, Snapshot, Welcome
from server.cluster.bus import MemoryBus
from server.recording.replayer import Replayer
from server.replay.deck import Deck
from server.replay.service import FIRST_AFTER_S, Player, run_player, wind
from server.settings import Settings


@pytest.fixture
async def player(game, recording, nursery) -> Player:
    bus = MemoryBus()
    replayer = Replayer(game, recording, bus)
    await wind(replayer, 20, lambda _: None)
    deck = Deck(recording.first, recording.last, 20, replayer.tick)
    run = partial(run_player, game, replayer, deck, Settings(port=0), bus=bus, recording=recording)
    return await nursery.start(run)


async def test_it_plays_at_the_pace_that_is_asked_for(player, autojump_clock) -> None:
    deck = player.deck
    await trio.sleep(FIRST_AFTER_S + 2.01)
    assert deck.tick == 20 + 40
    for speed, ticks in ((2, 80), (0.5, 20), (0.25, 10)):
        deck.speed, before = speed, deck.tick
        await trio.sleep(2)
        assert abs(deck.tick - before - ticks) <= 1
    deck.press(" ")
    await trio.sleep(1)
    before = deck.tick
    deck.press(".")
    await trio.sleep(0.5)
    assert deck.tick == before + 1


async def test_it_stays_at_its_end_for_those_who_watch(player, autojump_clock) -> None:
    player.deck.speed = 8
    await player.wait_ended()
    assert player.deck.tick == player.deck.last
    await trio.sleep(5)
    assert player.deck.ended
    await player.shut_down()


async def say_hello(player: Player, *, observe: bool) -> list[object]:
    """Connect, and give what was told until there is something to see, or the end."""
    told: list[object] = []
    link = Connection(Role.CLIENT)
    async with open_websocket_url(player.url, subprotocols=["shoal.v2"]) as websocket:
        await websocket.send_message(link.send(Hello(name="ann", observe=observe)))
        try:
            while not any(isinstance(each, Snapshot | Goodbye) for each in told):
                told.append(link.receive(await websocket.get_message()))
        except ConnectionClosed:
            pass
    return told


async def test_observers_are_let_in_and_players_are_told_why_not(player, autojump_clock) -> None:
    with trio.fail_after(60):
        told = await say_hello(player, observe=True)
        welcome = told[0]
        assert isinstance(welcome, Welcome)
        assert welcome.observer
        assert isinstance(told[-1], Snapshot)
        (goodbye,) = await say_hello(player, observe=False)
    assert isinstance(goodbye, Goodbye)
    assert goodbye.code == CloseCode.POLICY
    assert "this is a recording" in goodbye.reason
