"""A crowd joins, reports, and leaves when it is told to."""

import json
import os
import signal
from pathlib import Path

import pytest
import trio

from client_demo import cli
from client_demo.bots import BotOptions, run_bots
from client_demo.connection import ConnectionEndedError
from protocol.errors import CloseCode
from protocol.messages import Bye, Hello


async def test_a_crowd_plays_reports_every_second_and_leaves(still_server):
    lines = []
    async with still_server() as server:
        options = BotOptions(url=server.url, count=5, seconds=1.2, seed=3, name="crab")
        final = await run_bots(options, lines.append)
        assert sorted(hello.name for hello in server.of(Hello)) == [f"crab{n}" for n in range(5)]
        with trio.fail_after(2):
            while len(server.of(Bye)) < 5:  # noqa: ASYNC110 - the last are still under way
                await trio.sleep(0.01)
    (line,) = lines
    assert (line["clients"], line["connected"]) == (5, 5)
    assert final["final"] is True
    assert (final["clients"], final["connected"], final["disconnects"]) == (5, 5, 0)
    assert final["replica_mismatches"] == 0
    assert final["snapshots"] > line["snapshots"] > 100
    assert final["bytes_per_client_s"] > 100


async def test_more_bots_join_when_they_are_asked_for(still_server):
    send, receive = trio.testing.memory_stream_one_way_pair()
    async with still_server() as server, trio.open_nursery() as nursery:

        async def ask() -> None:
            await send.send_all(b"2\nnonsense\n\n")
            await send.send_all(b"1")
            await send.send_all(b"\n")
            with trio.fail_after(5):
                while len(server.of(Hello)) < 5:  # noqa: ASYNC110
                    await trio.sleep(0.01)
            await trio.sleep(0.1)
            os.kill(os.getpid(), signal.SIGINT)

        nursery.start_soon(ask)
        with trio.fail_after(6):
            options = BotOptions(url=server.url, count=2, name="crab")
            final = await run_bots(options, lambda _: None, receive)
        assert sorted(hello.name for hello in server.of(Hello)) == [f"crab{n}" for n in range(5)]
    assert final["clients"] == 5


async def test_a_crowd_on_a_poor_link_says_so_in_its_numbers(still_server):
    lines = []
    async with still_server() as server:
        options = BotOptions(url=server.url, count=4, seconds=4.0, link="poor", link_seed=2)
        final = await run_bots(options, lines.append)
    for line in (lines[-1], final):
        assert line["link"] == "poor"
        assert line["link_stalls"] > 10, "a tenth of the packets is lost, and nothing stalled"
    assert lines[-1]["round_trip_ms"] >= 200, "pongs came back faster than the link"
    assert (final["clients"], final["connected"], final["disconnects"]) == (4, 4, 0)
    assert final["snapshots"] > 500, "a stream arrives whole, if late"
    assert final["replica_mismatches"] == 0


async def test_a_signal_ends_the_crowd_cleanly(still_server):
    async with still_server() as server:
        async with trio.open_nursery() as nursery:

            async def interrupt() -> None:
                with trio.fail_after(5):
                    while len(server.of(Hello)) < 3:  # noqa: ASYNC110
                        await trio.sleep(0.01)
                os.kill(os.getpid(), signal.SIGTERM)

            nursery.start_soon(interrupt)
            with trio.fail_after(5):
                final = await run_bots(BotOptions(url=server.url, count=3), lambda _: None)
        assert final["clients"] == 3
        assert final["disconnects"] == 0


async def test_bots_that_are_all_thrown_out_say_why(still_server):
    async with still_server() as server, trio.open_nursery() as nursery:

        async def throw_out() -> None:
            while len(server.links) < 2:  # noqa: ASYNC110
                await trio.sleep(0.01)
            await trio.sleep(0.1)
            for link in server.links:
                link.close(CloseCode.KICKED, "no crabs")

        nursery.start_soon(throw_out)
        with trio.fail_after(5), pytest.raises(ConnectionEndedError, match="no crabs"):
            await run_bots(BotOptions(url=server.url, count=2), lambda _: None)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: cli.bots(url=("http://example.org",)), "does not begin with ws://"),
        (lambda: cli.bots(count=0), "count: 0"),
        (lambda: cli.bots(joins_per_s=0), "joins-per-s"),
        (lambda: cli.bots(link="bad"), "'bad' is no link; there are clean, good, average, poor"),
        (lambda: cli.watch(url=("here",)), "'here' does"),
        (lambda: cli.watch(frames_per_s=0), "frames-per-s"),
        (cli.watch, "--once prints one picture"),
        (lambda: cli.play(url=("sea",)), "'sea' does not begin"),
        (lambda: cli.play(size="big"), "'big' is not like 1024x640"),
        (lambda: cli.play(size="10x10"), "size: 10x10 is not within"),
        (lambda: cli.play(screenshot=Path("sea.gif")), "does not end in .png"),
        (lambda: cli.play(seconds=0), "seconds: 0"),
    ],
)
def test_bad_options_are_one_clear_line(call, complaint, capsys):
    with pytest.raises(SystemExit) as caught:
        call()
    assert caught.value.code == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


def test_without_pygame_one_is_told_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(cli, "find_spec", lambda _: None)
    with pytest.raises(SystemExit) as caught:
        cli.play()
    assert caught.value.code == 1
    error = capsys.readouterr().err
    assert error == "shoal: the window needs the extra: pip install 'shoal[window]'\n"


def test_no_server_is_one_clear_line(monkeypatch, capsys):
    monkeypatch.setattr("client_demo.limits.BACKOFF_S_FIRST", 0.01)
    with pytest.raises(SystemExit):
        cli.bots(url=("ws://127.0.0.1:9",), count=1, json=True)
    captured = capsys.readouterr()
    assert "cannot reach 127.0.0.1:9" in captured.err
    assert captured.out == "" or all(json.loads(line) for line in captured.out.splitlines())


async def test_a_crowd_that_lost_one_still_reports(still_server):
    async with still_server() as server, trio.open_nursery() as nursery:
        finals = []

        async def play() -> None:
            options = BotOptions(url=server.url, count=3, seconds=2.0)
            finals.append(await run_bots(options, lambda _: None))

        nursery.start_soon(play)
        with trio.fail_after(10):
            while len(server.links) < 3:  # noqa: ASYNC110 - sockets have no event for it
                await trio.sleep(0.01)
        await trio.sleep(0.2)
        server.links[0].close(CloseCode.KICKED, "not you")
    assert finals[0]["final"]
    assert finals[0]["clients"] == 2
    assert finals[0]["ended"] == {"not you": 1}
