"""`shoal watch` shows a world that it only knows from the wire."""

import io
import socket

import pytest
import trio
from rich.console import Console

from client_demo import limits
from client_demo.connection import ConnectionEndedError
from client_demo.watch import Deck, WatchOptions, run_watch
from protocol.errors import CloseCode
from protocol.messages import Hello


def make_console() -> Console:
    return Console(file=io.StringIO(), width=100, height=30, force_terminal=True)


async def test_once_prints_one_picture(still_server, monkeypatch):
    monkeypatch.setattr(limits, "FIRST_PICTURE_S", 0.1)
    monkeypatch.setattr(limits, "SCORES_S", 0.1)
    console = make_console()
    async with still_server() as server:
        with trio.fail_after(5):
            options = WatchOptions(url=server.url, shown_url="http://x/", once=True)
            await run_watch(options, console)
        (hello,) = server.of(Hello)
        assert hello.observe, "a map wants to see everything"
    text = console.file.getvalue()
    assert "lanterns · http://x/" in text
    assert "4 shards" in text
    assert "\x1b[?1049h" not in text, "the terminal's screen is left alone"


async def test_the_live_map_is_painted_many_times_and_gives_the_terminal_back(still_server):
    console = make_console()
    async with still_server() as server:
        with trio.fail_after(5):
            options = WatchOptions(url=server.url, seconds=0.5, frames_per_s=20)
            await run_watch(options, console)
    written = console.file.getvalue()
    assert written.count("\x1b[?2026h") > 3, "the tick in the line at the bottom changes"
    assert written.endswith("\x1b[?1049l")


async def test_who_may_not_observe_is_told_so(still_server):
    async with still_server() as server, trio.open_nursery() as nursery:

        async def refuse() -> None:
            while not server.links:  # noqa: ASYNC110
                await trio.sleep(0.005)
            server.links[0].close(CloseCode.AUTH, "observers need a token")

        nursery.start_soon(refuse)
        with trio.fail_after(5), pytest.raises(ConnectionEndedError, match="need a token"):
            await run_watch(WatchOptions(url=server.url, seconds=3), make_console())


async def test_what_is_played_says_where_it_is_and_is_told_the_keys(still_server):
    console = make_console()
    ours, theirs = socket.socketpair()
    async with (
        still_server() as server,
        trio.SocketStream(trio.socket.from_stdlib_socket(ours)) as player,
    ):
        deck = Deck(theirs.detach())
        with trio.fail_after(5):
            await deck.press(" 4")
            assert await player.receive_some() == b" 4"
            async with trio.open_nursery() as nursery:
                nursery.start_soon(deck.hear, nursery.cancel_scope)
                await player.send_all("an older line\nplaying 4x · 0:01 of 0:05\nhal".encode())
                while not deck.line:  # noqa: ASYNC110
                    await trio.sleep(0.001)
                assert list(deck.facts())[:2] == ["playing 4x · 0:01 of 0:05", "space pauses"]
                await player.aclose()
        await deck.press("x")  # to nobody, which is no error
        ours, theirs = socket.socketpair()
        with trio.fail_after(5):
            options = WatchOptions(url=server.url, deck=theirs.detach())
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run_watch, options, console)
                ours.send(b"paused 1x\n")
                while "paused 1x" not in console.file.getvalue():  # noqa: ASYNC110
                    await trio.sleep(0.001)
                ours.close()  # and that ends the map
    assert console.file.getvalue().endswith("\x1b[?1049l")
