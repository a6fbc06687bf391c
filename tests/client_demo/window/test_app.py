"""The window opens, keeps its connection and ends in every way that it should."""

import os
import signal
from importlib.util import find_spec

import pytest
import trio

if find_spec("pygame") is None and not os.environ.get("CI"):
    pytest.skip("pygame-ce is not installed: it is the extra 'window'", allow_module_level=True)

import pygame

from client_demo import cli
from client_demo.connection import Connection, ConnectionEndedError
from client_demo.window import app, stage
from client_demo.window.app import PlayOptions, WindowError, run_play
from protocol.errors import CloseCode
from protocol.messages import Bye, Hello
from sim.games.lanterns import game as lanterns
from tests.scenarios.sockets import running_world


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("client_demo.limits.BACKOFF_S_FIRST", 0.01)


@pytest.fixture
def connections(monkeypatch):
    """The connections that windows have made."""
    made = []

    def make(*arguments):
        made.append(Connection(*arguments))
        return made[-1]

    monkeypatch.setattr(app, "Connection", make)
    return made


def options(url: str, **more) -> PlayOptions:
    return PlayOptions(url=url, name="ann", size=(400, 300), **more)


async def until(happened, complaint: str) -> None:
    with trio.move_on_after(10):
        while not happened():  # noqa: ASYNC110 - windows have no event for it
            await trio.sleep(0.005)
    assert happened(), complaint


def quit_by_key() -> None:
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_q))


def close_the_window() -> None:
    pygame.event.post(pygame.event.Event(pygame.QUIT))


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("end", [quit_by_key, close_the_window, interrupt])
async def test_it_ends_cleanly_however_it_is_ended(still_server, connections, end):
    async with still_server() as server, trio.open_nursery() as nursery:

        async def ending() -> None:
            await until(lambda: connections and connections[0].open, "the window never played")
            end()

        nursery.start_soon(ending)
        with trio.fail_after(15):
            await run_play(options(server.url))
        await until(lambda: server.of(Bye), "the server was not told")
        assert [hello.name for hello in server.of(Hello)] == ["ann"]
        assert not pygame.display.get_init(), "the window is closed"


async def test_it_ends_by_itself_and_leaves_a_picture(still_server, tmp_path):
    picture = tmp_path / "sea.png"
    async with still_server() as server:
        with trio.fail_after(15):
            await run_play(options(server.url, seconds=0.5, screenshot=picture))
    image = pygame.image.load(picture)
    assert image.get_size() == (400, 300)
    assert (
        len({tuple(image.get_at((x, y))) for x in range(0, 400, 9) for y in range(0, 300, 9)}) > 20
    )


async def test_a_bad_link_is_simulated_and_told(still_server, connections, monkeypatch):
    told = set()
    draw = stage.draw_hud

    def note(surface, scene, hud):
        told.add(hud.link)
        draw(surface, scene, hud)

    monkeypatch.setattr(stage, "draw_hud", note)
    async with still_server() as server:
        await run_play(options(server.url, link="average", seconds=2.5))
    (connection,) = connections
    assert connection.client.statistics().round_trip_s >= 0.1
    assert told == {"average"}, "no player may take it for the real one"


async def test_a_picture_that_cannot_be_written_is_an_error_that_says_so(still_server, tmp_path):
    nowhere = tmp_path / "nowhere" / "sea.png"
    async with still_server() as server:
        with trio.fail_after(15), pytest.raises(WindowError, match="screenshot cannot be written"):
            await run_play(options(server.url, seconds=0.3, screenshot=nowhere))


async def test_a_lost_connection_is_shown_and_resumed_as_the_same_diver(connections):
    async with running_world(lanterns, shards="2x2") as driver, trio.open_nursery() as nursery:
        await nursery.start(_play, options(f"ws://127.0.0.1:{driver.process.gateway.port}"))
        await until(lambda: connections[0].open, "the window never played")
        client = connections[0].client
        await until(lambda: client.entity in client.screen(trio.current_time()), "nobody is there")
        diver = client.entity
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_s))
        await driver.wait_until(lambda: client.replica[diver].vy > 20)
        connections[0].drop()
        await until(lambda: not connections[0].open, "the link is lost")
        assert "reconnecting" in app.explain(connections[0], "ws://sea")
        pygame.event.post(pygame.event.Event(pygame.KEYUP, key=pygame.K_s))
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_w))
        await until(lambda: connections[0].statistics().resumes == 1, "it never came back")
        await driver.wait_until(lambda: client.ready and diver in client.replica)
        await driver.wait_until(lambda: client.replica[diver].vy < -20)
        assert (connections[0].client, client.entity) == (client, diver)
        assert app.explain(connections[0], "ws://sea") == ""
        quit_by_key()


async def _play(play: PlayOptions, task_status=trio.TASK_STATUS_IGNORED) -> None:
    task_status.started()
    with trio.fail_after(30):
        await run_play(play)


async def test_drawing_never_keeps_the_link_from_being_read(still_server, connections, monkeypatch):
    """Each frame takes longer than it may; the reader has its turns nevertheless."""

    class SlowStage(app.Stage):
        def frame(self, *arguments, **more):
            super().frame(*arguments, **more)
            pygame.time.wait(40)

    monkeypatch.setattr(app, "Stage", SlowStage)
    late = []

    async def compare(server) -> None:
        await until(lambda: connections and connections[0].client.ready, "the window never played")
        while True:
            await trio.sleep(0.1)
            late.append(server.tick - connections[0].client.replica.tick)

    async with still_server() as server, trio.open_nursery() as nursery:
        nursery.start_soon(compare, server)
        with trio.fail_after(15):
            await run_play(options(server.url, seconds=2))
        nursery.cancel_scope.cancel()
    assert len(late) > 3
    assert max(late) <= 3, f"snapshots wait to be read: {late}"


async def test_who_is_thrown_out_is_told_why(still_server, connections):
    async with still_server() as server, trio.open_nursery() as nursery:

        async def throw_out() -> None:
            await until(lambda: connections and connections[0].open, "the window never played")
            server.links[0].close(CloseCode.KICKED, "no divers")

        nursery.start_soon(throw_out)
        with trio.fail_after(15), pytest.raises(ConnectionEndedError, match="no divers"):
            await run_play(options(server.url))
    assert not pygame.display.get_init(), "the window is closed"


async def test_a_window_that_nobody_would_see_is_not_opened(monkeypatch):
    monkeypatch.setattr(pygame.display, "get_driver", lambda: "offscreen")
    monkeypatch.delenv("SDL_VIDEODRIVER")
    with pytest.raises(WindowError, match="no display"):
        await run_play(options("ws://127.0.0.1:9"))


async def test_the_other_pygame_is_told_apart(monkeypatch):
    monkeypatch.delattr(pygame, "IS_CE")
    with pytest.raises(WindowError, match="pygame-ce"):
        await run_play(options("ws://127.0.0.1:9"))


async def test_a_display_that_cannot_be_used_is_an_error_that_says_so(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "nosuch")
    with pytest.raises(WindowError, match="no window can be opened"):
        await run_play(options("ws://127.0.0.1:9"))


def test_no_server_is_one_clear_line(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.play(url=("ws://127.0.0.1:9",))
    assert caught.value.code == 1
    error = capsys.readouterr().err
    assert "cannot reach 127.0.0.1:9" in error
    assert error.count("\n") == 1
