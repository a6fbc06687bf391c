"""The command line, as a person meets it: help, errors that name what to mend, a clean Ctrl-C."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.cli import build_app, main

SHOAL = [sys.executable, "-c", "from server.cli import main; main()"]
START_S = 20
HERE = Path(__file__).parent  # where no shoal.toml of the developer's lies


def run(*arguments: str, timeout: float = 60, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [*SHOAL, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        **{"cwd": HERE, **more},
    )


@pytest.mark.parametrize(
    "command",
    ["serve", "record", "replay", "demo", "up", "node", "gateway", "bots", "watch", "play"],
)
def test_every_command_explains_itself(command: str) -> None:
    result = run(command, "--help")
    assert result.returncode == 0
    assert f"Usage: shoal {command}" in result.stdout


def test_every_setting_is_a_flag_a_variable_and_has_help() -> None:
    text = " ".join(run("serve", "--help").stdout.split())
    assert "--resume-grace-s" in text
    assert "SHOAL_RESUME_GRACE_S" in re.sub(r"[│\s]+", " ", text)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["serve", "--port", "99999"], "port: 99999 is not within 0 to 65535"),
        (["serve", "nowhere_at_all:game"], "there is no module 'nowhere_at_all'"),
        (["serve", "sim.games.lanterns"], "module:variable"),
        (["serve", "--shards", "99"], "COLUMNSxROWS"),
        (["serve", "--shards", "64x64"], "cannot be cut"),
        (["serve", "--pot", "3"], "Did you mean --port?"),
        (["serve", "--port", "abc"], "unable to convert"),
        (["--config", "not-there.toml", "serve"], "not-there.toml"),
        (["watch", "--url", "http://x"], "ws://"),
        (["bots", "--count", "0"], "count"),
        (["play", "--size", "big"], "not like 1024x640"),
        (["replay", "not-there.shoal"], "'not-there.shoal' cannot be read: No such file"),
        (["replay", "test_cli.py"], "test_cli.py: it is no recording of this version"),
        (["replay", "gateway"], "is no store: there is no world.json in it"),
        (["replay", "test_cli.py", "--speed", "3"], "speed: 3 is not one of 0.25, 0.5, 1, 2, 4, 8"),
        (["replay", "test_cli.py", "--json"], "json: only --verify"),
        (["replay", "test_cli.py", "--verify", "--seconds", "3"], "verify: it takes all of"),
        (["record", "test_cli.py", "--port", "0"], "'test_cli.py' is there already"),
        (["nonsense"], "nonsense"),
    ],
)
def test_a_mistake_gets_one_clear_answer(arguments: list[str], says: str) -> None:
    result = run(*arguments)
    assert result.returncode in {1, 2}
    assert says in " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.stderr).split())
    assert "Traceback" not in result.stderr


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("serve", "--port", str(port))
    assert result.returncode == 2
    assert str(port) in result.stderr
    assert "Traceback" not in result.stderr


def test_flags_win_over_variables_and_variables_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shoal.toml").write_text('[server]\nport = 1111\nseed = 5\nshards = "3x1"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOAL_SEED", "6")
    monkeypatch.setenv("SHOAL_PORT", "2222")
    _, bound, _ = build_app().parse_args(["serve", "--port", "3333"], exit_on_error=False)
    settings = bound.arguments["settings"]
    assert (settings.port, settings.seed, settings.shards) == (3333, 6, "3x1")


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [*SHOAL, "serve", "--port", "0", "--log-format", "json"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=HERE,
    ) as process:
        assert process.stderr is not None
        assert json.loads(process.stderr.readline())["event"] == "serving"
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(server: subprocess.Popen[str], number: int) -> None:
    server.send_signal(number)
    _, errors = server.communicate(timeout=START_S)
    events = [json.loads(line)["event"] for line in errors.splitlines()]
    assert server.returncode == 0
    assert events == ["draining", "ended"]


def test_a_measured_demo_loses_nobody() -> None:
    result = run("demo", "--seconds", "8", "--bots", "12", "--json", "--port", "0")
    assert result.returncode == 0, result.stderr
    (line,) = result.stdout.splitlines()
    numbers = json.loads(line)
    assert numbers["clients"] == 12
    assert numbers["crossings"] > 0
    assert numbers["entities_lost"] == numbers["entities_duplicated"] == 0
    assert numbers["replica_checks"] > 0
    assert numbers["replica_mismatches"] == 0
    assert numbers["disconnects"] == 0
    assert numbers["ticks"] > 80


def ask(url: str, *, wish: object = None, origin: str | None = None) -> tuple[int, bytes]:
    """Status and body of a page request, a POST with a `wish`."""
    request = urllib.request.Request(url)
    if wish is not None:
        request.data = json.dumps(wish).encode()
        request.add_header("Content-Type", "application/json")
        request.add_header("Origin", origin or url[: url.index("/", 7)])
    try:
        with urllib.request.urlopen(request, timeout=START_S) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_the_demo_shows_browsers_a_page_that_may_ask_for_bots() -> None:
    command = [*SHOAL, "demo", "--port", "0", "--bots", "2", "--bots-max", "9", "--no-open"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HERE
    ) as demo:
        try:
            assert demo.stdout is not None
            line = demo.stdout.readline()
            assert line.startswith("Play in a browser: http://127.0.0.1:")
            url = line.split()[-1]
            status, body = ask(url)
            assert (status, body[:15]) == (200, b"<!doctype html>")
            assert ask(f"{url}demo/bots") == (200, b'{"bots": 2, "bots_max": 9}')
            assert ask(f"{url}demo/bots", wish={"count": 5}, origin="http://x.example")[0] == 403
            assert ask(f"{url}demo/bots", wish={"count": 5})[0] == 202
            while "  bots 7  " not in line:  # the test's own timeout bounds it
                line = demo.stdout.readline()
                assert line, "it plays on"
            demo.send_signal(signal.SIGINT)
            out, errors = demo.communicate(timeout=START_S)
            assert "; 7 bots at" in out
            assert "Traceback" not in errors
        finally:
            demo.kill()


@pytest.mark.parametrize(("flags", "status"), [([], 404), (["--page"], 200)])
def test_a_server_shows_a_page_only_if_it_is_asked_to(flags: list[str], status: int) -> None:
    command = [*SHOAL, "serve", "--port", "0", "--log-format", "json", *flags]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=HERE) as server:
        try:
            assert server.stderr is not None
            said = json.loads(server.stderr.readline())
            url = said["url"].replace("ws:", "http:") + "/"
            assert said.get("page") == (url if flags else None)
            assert ask(url)[0] == status
            assert ask(f"{url}demo/bots", wish={"count": 5})[0] in {400, 404}, "only in the demo"
            if flags:
                assert ask(f"{url}demo/bots") == (200, b'{"bots": 0, "bots_max": 0}')
        finally:
            server.kill()


@pytest.mark.parametrize("command", ["node", "gateway"])
def test_without_the_engines_client_one_is_told_what_to_install(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.cli.find_spec", lambda _: None)
    with pytest.raises(SystemExit) as ended:
        main([command])
    assert ended.value.code == 2
    assert "pip install 'shoal[cluster]'" in capsys.readouterr().err
