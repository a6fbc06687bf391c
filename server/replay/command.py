"""`shoal replay`: what a person sees of it.

On a terminal a process of its own draws the live map and passes the keys on; without one, a line a
second says where the recording is. The client package is started, never imported.
"""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import structlog
import trio

from server.cluster.bus import MemoryBus
from server.games import DEFAULT_GAME, load_game
from server.net.pages import Pages, PagesError
from server.observe.logs import configure_logs
from server.page import load_pages
from server.recording.pieces import RecordingError
from server.recording.recording import Recording
from server.recording.replayer import DivergedError, Replayer
from server.recording.stored import recording_of_store
from server.replay.deck import REPLAY_ACTION, SPEEDS, Deck
from server.replay.service import Player, run_player, wind
from server.replay.verify import Progress, verify
from server.settings import Settings, SettingsError
from sim.game import Game

__all__ = ["Plan", "open_recording", "record_store", "run_replay", "run_verify"]

_log = structlog.get_logger(__name__)

LINE_EVERY_S: Final = 0.2  # how often the map is told where the recording is
LEAVE_S: Final = 3.0  # for the map to give the terminal back


@attrs.frozen(kw_only=True)
class Plan:
    """How to play a recording: from which tick (0: its first), how fast, and when to end."""

    speed: float
    from_tick: int
    seconds: float | None
    exits: bool


def open_recording(source: Path, game_name: str | None) -> tuple[Recording, Game]:
    """The recording in a file, or that of the store in a folder, and its game.

    `game_name` names the game instead of the recording. Raises RecordingError, JournalError and
    GameNotFoundError.
    """
    if source.is_dir():
        name = game_name or DEFAULT_GAME
        game = load_game(name)
        return trio.run(recording_of_store, source, name, game), game
    recording = Recording.open(source)
    named = game_name or recording.about.module
    if not named:
        raise RecordingError(
            f"{recording.name} does not say where its game {recording.about.game!r} is: "
            f"name it, as in shoal replay {source} module:game"
        )
    return recording, load_game(named)


def record_store(target: Path, source: Path, game_name: str) -> None:
    """Write what the store in a folder still holds into a file. Raises as `open_recording`."""
    configure_logs("warning", "auto")
    recording, _ = open_recording(source, game_name)
    try:
        with target.open("xb") as file:
            recording.copy(file)
    except FileExistsError:
        raise RecordingError(f"{str(target)!r} is there already; nothing is overwritten") from None
    except OSError as error:
        raise RecordingError(f"{str(target)!r} cannot be written: {error.strerror}") from error
    print(f"{target}: ticks {recording.first} to {recording.last}")


def run_verify(source: Path, game_name: str | None, *, json_line: bool) -> None:
    """Verify a recording and say so in a line; the process ends with 1 if it diverges."""
    configure_logs("warning", "auto")
    recording, game = open_recording(source, game_name)
    if recording.shortfall:
        print(f"shoal: {recording.shortfall}", file=sys.stderr)
    verdict = verify(game, recording)
    print(json.dumps(verdict.to_data()) if json_line else verdict.sentence())
    if verdict.diverged is not None:
        sys.exit(1)


def run_replay(source: Path, game_name: str | None, settings: Settings, plan: Plan) -> None:
    """Let a recording be watched until Ctrl-C; the process ends with 1 if it diverges."""
    show_map = sys.stdout.isatty()
    configure_logs("error" if show_map else settings.log_level, settings.log_format)
    if plan.speed not in SPEEDS:
        speeds = ", ".join(f"{speed:g}" for speed in SPEEDS)
        raise SettingsError(f"speed: {plan.speed:g} is not one of {speeds}")
    recording, game = open_recording(source, game_name)
    if recording.shortfall:
        print(f"shoal: {recording.shortfall}", file=sys.stderr)
    try:
        trio.run(partial(_replay, recording, game, settings, plan, show_map=show_map))
    except* DivergedError as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        print(f"shoal: {error}", file=sys.stderr)
        sys.exit(1)


async def _replay(
    recording: Recording, game: Game, settings: Settings, plan: Plan, *, show_map: bool
) -> None:
    bus = MemoryBus()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_end_on_signal, signals, nursery.cancel_scope)
            replayer = Replayer(game, recording, bus)
            if plan.from_tick > recording.last:
                raise SettingsError(f"from-tick: {recording.name} ends at tick {recording.last}")
            await wind(replayer, plan.from_tick, Progress(plan.from_tick))
            deck = Deck(
                recording.first, recording.last, recording.about.hz, replayer.tick, plan.speed
            )
            run = partial(
                run_player,
                game,
                replayer,
                deck,
                settings,
                bus=bus,
                recording=recording,
                pages=_pages(settings, deck),
            )
            player = await nursery.start(run)
            with trio.move_on_after(plan.seconds or float("inf")):
                await _show(player, plan, show_map=show_map)
            await player.shut_down()
            nursery.cancel_scope.cancel()


async def _end_on_signal(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel()
        return


def _pages(settings: Settings, deck: Deck) -> Pages | None:
    if settings.page is False:
        return None
    try:
        return load_pages(settings, {REPLAY_ACTION: deck.action})
    except PagesError as error:
        if settings.page:
            raise
        _log.warning("no page is shown", reason=str(error))
        return None


async def _show(player: Player, plan: Plan, *, show_map: bool) -> None:
    """Show it until it is to end."""
    if player.page_url is not None:
        print(f"Watch it in a browser: {player.page_url}", flush=True)
    if not show_map:
        print(f"Watch it live: shoal watch --url {player.url}", flush=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_show_map if show_map else _show_lines, player, nursery.cancel_scope)
        if plan.exits:
            await player.wait_ended()
            nursery.cancel_scope.cancel()


async def _show_lines(player: Player, _: trio.CancelScope) -> None:
    said = ""
    while True:
        line = player.deck.line()
        if line != said:
            said = line
            print(line, flush=True)
        await trio.sleep(1)


async def _show_map(player: Player, everything: trio.CancelScope) -> None:
    """The map's process has the terminal; over a pair of sockets it gives keys and takes lines."""
    ours, theirs = socket.socketpair()
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
    command = [sys.executable, "-m", "client_demo", "watch", "--url", player.url]
    command += ["--deck", str(theirs.fileno())]
    command += ["--page", player.page_url] if player.page_url else []
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()])  # noqa: ASYNC220, S603 - ours
    theirs.close()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_tell_lines, stream, player.deck)
            async for keys in stream:
                for key in keys.decode("ascii", "replace"):
                    player.deck.press(key)
            nursery.cancel_scope.cancel()
        everything.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await stream.aclose()  # which ends the map, and that gives the terminal back
            with trio.move_on_after(LEAVE_S):
                await trio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
            process.kill()


async def _tell_lines(stream: trio.SocketStream, deck: Deck) -> None:
    said = ""
    try:
        while True:
            line = deck.line()
            if line != said:
                said = line
                await stream.send_all(line.encode() + b"\n")
            await trio.sleep(LINE_EVERY_S)
    except trio.BrokenResourceError:
        pass  # the map has ended, which is noticed elsewhere
