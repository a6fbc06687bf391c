"""Recording and replaying, as a person does it: a world runs, is recorded, watched and verified."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.recording.recording import Recording
from server.testing import Sim
from sim.games.lanterns import game
from tests.server.test_cli import SHOAL, START_S, ask, run

POND = '''"""A pond with a frog in it."""

from typing import Annotated

import attrs

from sim import Game, World, quant

game = Game("pond", size=(512, 512), interest_radius=100)
Coord = Annotated[float, quant(0, 512, step=1 / 16)]


@game.entity
@attrs.define
class Frog:
    x: Coord
    y: Coord


@game.setup
def fill(world: World) -> None:
    x0, y0, _, _ = world.bounds
    world.spawn(Frog(x0 + 10, y0 + 10))


@game.system
def hop(world: World) -> None:
    frogs = world[Frog]
    frogs.x = frogs.x + HOP


@game.join
def join(world: World, name: str) -> Frog:
    return Frog(1, 1)
'''


@contextmanager
def running(*arguments: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    command = [*SHOAL, *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=cwd) as process:
        try:
            yield process
        finally:
            process.kill()


def until_tick(process: subprocess.Popen[str], seconds: float) -> None:
    """Let a server run for so long since it says that it serves, and end it well."""
    assert process.stderr is not None
    while json.loads(process.stderr.readline())["event"] != "serving":
        pass
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=START_S)
    assert process.returncode == 0, errors


def pond(folder: Path, hop: str = "0.25") -> None:
    (folder / "pond.py").write_text(POND.replace("HOP", hop))


def test_a_world_is_recorded_and_verified_and_its_store_too(tmp_path: Path) -> None:
    pond(tmp_path)
    flags = ["--port", "0", "--log-format", "json", "--shards", "2x1", "--store", "kept"]
    with running("record", "run.shoal", "pond:game", *flags, cwd=tmp_path) as server:
        until_tick(server, 2)
    result = run("replay", "run.shoal", "--verify", "--json", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    told = json.loads(result.stdout)
    assert (told["shards"], told["identical"], told["complete"]) == (2, True, True)
    assert 10 < told["ticks"] <= told["steps"]
    assert told["ticks_per_s"] > 0

    result = run("record", "later.shoal", "pond:game", "--from", "kept", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"later.shoal: ticks 1 to {told['ticks']}\n"
    for source in (["later.shoal"], ["kept", "pond:game"]):
        result = run("replay", *source, "--verify", cwd=tmp_path)
        assert (result.returncode, result.stderr) == (0, "")
        (line,) = result.stdout.splitlines()
        assert line.endswith("ticks/s: identical")
    result = run("replay", "kept", "--verify", cwd=tmp_path)
    assert result.returncode == 2
    assert "is of the game 'pond', and sim.games.lanterns:game is 'lanterns'" in result.stderr

    with running("record", "again.shoal", "pond:game", *flags, cwd=tmp_path) as server:
        until_tick(server, 1)
    result = run("replay", "again.shoal", "--verify", "--json", cwd=tmp_path)
    assert json.loads(result.stdout)["identical"], "it is recorded from where it was"
    recordings = [Recording.open(tmp_path / name) for name in ("run.shoal", "again.shoal")]
    assert recordings[0].last < recordings[1].first

    pond(tmp_path, hop="0.5")
    result = run("replay", "run.shoal", "--verify", cwd=tmp_path)
    assert result.returncode == 2
    assert "the code of 'pond' is not what was recorded" in result.stderr
    assert "Traceback" not in result.stderr
    (tmp_path / "pond.py").unlink()
    result = run("replay", "run.shoal", "--verify", cwd=tmp_path)
    assert result.returncode == 2
    assert "there is no module 'pond'" in result.stderr


def test_a_server_that_was_killed_leaves_a_recording(tmp_path: Path) -> None:
    pond(tmp_path)
    flags = ["--port", "0", "--log-format", "json", "--shards", "1x1"]
    path = tmp_path / "run.shoal"
    with running("record", "run.shoal", "pond:game", *flags, cwd=tmp_path) as server:
        assert server.stderr is not None
        server.stderr.readline()
        while not path.exists() or Recording.open(path).last < 10:
            assert server.poll() is None
        server.kill()
    with path.open("ab") as file:
        file.write(b"shr\x01")  # and it was just writing
    result = run("replay", "run.shoal", "--verify", "--json", cwd=tmp_path)
    assert result.returncode == 0
    assert "run.shoal is cut short at byte" in result.stderr
    told = json.loads(result.stdout)
    assert (told["identical"], told["complete"]) == (True, False)


@pytest.fixture(scope="module")
def sea(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds of Lanterns."""
    path = tmp_path_factory.mktemp("sea") / "sea.shoal"
    sim = Sim(game, shards=(2, 2), seed=3)
    ann = sim.join("ann")
    ann.send("Steer", dx=1, dy=0)
    sim.tick(100 - sim.ticks)
    sim.record("sim.games.lanterns:game").save(path)
    return path


def test_what_diverges_ends_with_1_and_says_where(tmp_path: Path) -> None:
    path = tmp_path / "other.shoal"
    changed = Sim(game, shards=(2, 2), seed=3)
    changed.tick(100)
    changed.seed = 4  # it says so, and it is not true
    changed.record("sim.games.lanterns:game").save(path)
    result = run("replay", str(path), "--verify")
    assert result.returncode == 1
    assert "other.shoal: shard 0 differs from its recording at tick 64 (step 64)" in result.stdout
    assert "Fish" in result.stdout
    result = run("replay", str(path), "--port", "0", "--speed", "8", "--no-page")
    assert result.returncode == 1
    assert result.stderr.startswith("shoal: shard 0 differs from its recording at tick 64")


def test_a_recording_is_watched_paused_and_put_away(sea: Path) -> None:
    with running("replay", str(sea), "--port", "0", cwd=sea.parent) as replay:
        assert replay.stdout is not None
        page = replay.stdout.readline().split()[-1]
        url = replay.stdout.readline().split()[-1]
        assert page.startswith("http://127.0.0.1:")
        assert re.match(r"playing 1x · 0:0\d of 0:05 · tick \d+ of 100", replay.stdout.readline())
        assert ask(f"{page}actions") == (200, b'{"actions": ["/replay"]}')
        assert ask(f"{page}replay", wish={"paused": True}, origin="http://x.example")[0] == 403
        status, body = ask(f"{page}replay", wish={"paused": True})
        tick = json.loads(body)["tick"]
        assert status == 200
        assert json.loads(ask(f"{page}replay")[1])["tick"] == tick
        assert ask(f"{page}replay", wish={"speed": 7})[0] == 400
        picture = run("watch", "--url", url, "--once")
        assert picture.returncode == 0, picture.stderr
        assert "leviathan 1" in picture.stdout
        assert "0 mismatches" in picture.stdout
        replay.send_signal(signal.SIGINT)
        _, errors = replay.communicate(timeout=START_S)
        assert (replay.returncode, errors) == (0, "")


def test_it_begins_where_it_is_told_and_ends_by_itself(sea: Path) -> None:
    flags = ["--port", "0", "--no-page", "--from-tick", "80", "--speed", "4", "--exit"]
    result = run("replay", str(sea), *flags)
    assert (result.returncode, result.stderr) == (0, "")
    first, *lines = result.stdout.splitlines()
    assert first.startswith("Watch it live: shoal watch --url ws://127.0.0.1:")
    assert re.match(r"playing 4x · 0:04 of 0:05 · tick \d+ of 100", lines[0])
    assert lines[-1].startswith("ended 4x · 0:05 of 0:05 · tick 100 of 100")
    result = run("replay", str(sea), "--port", "0", "--from-tick", "101")
    assert result.returncode == 2
    assert "from-tick: sea.shoal ends at tick 100" in result.stderr
    result = run("replay", str(sea), "--port", "0", "--no-page", "--seconds", "0.5")
    assert result.returncode == 0


def test_on_a_terminal_there_is_a_map_with_keys(sea: Path) -> None:
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 160, 0, 0))
    command = [*SHOAL, "replay", str(sea), "--port", "0", "--speed", "0.25"]
    environment = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(
        command, stdin=inside, stdout=inside, stderr=inside, cwd=sea.parent, env=environment
    ) as replay:
        os.close(inside)
        shown = ""

        def until(text: str) -> None:
            nonlocal shown
            while text not in shown:  # the test's own timeout bounds it
                shown += os.read(terminal, 65536).decode("utf-8", "replace")

        try:
            until("playing 0.25x")
            until("lanterns")
            os.write(terminal, b" ")
            until("paus")  # only what differs is written
            os.write(terminal, b"8 ")
            until("ended 8x")
            os.write(terminal, b"q")
            until("\x1b[?1049l")  # the terminal is as it was
            assert replay.wait(START_S) == 0
        finally:
            replay.kill()
            os.close(terminal)
    assert "Traceback" not in shown
