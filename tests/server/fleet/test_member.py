"""Members of a fleet are kept running."""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from server.fleet.environment import environment_of
from server.fleet.errors import MemberError, NoEngineError
from server.fleet.member import Member, State
from server.fleet.programs import Heard, NatsServer, Role

PATIENCE_S = 30.0


class Script:
    """A program that says "ready" when it is."""

    def __init__(self, text: str) -> None:
        self.command: Sequence[str] = [sys.executable, "-u", "-c", text]

    def hear(self, line: str) -> Heard:
        return Heard(ready=True, url="x://1") if line == "ready" else Heard(words=line)


def member(text: str) -> Member:
    return Member("ann", "node", Script(text), environment_of())


READY = "import sys, time; sys.stderr.write('ready\\n'); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}"


async def test_who_dies_is_started_again_after_a_pause_that_grows() -> None:
    ann = member(READY)
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ann.run)
            await ann.wait_running()
            pauses = []
            for starts in (1, 2):
                ann.signal(signal.SIGKILL)
                while ann.state is not State.DOWN:  # noqa: ASYNC110 - a few polls
                    await trio.sleep(0.005)
                assert ann.again_at is not None
                pauses.append(ann.again_at - ann.since)
                await ann.wait_running()
                assert ann.restarts == starts
            assert pauses[1] == pytest.approx(2 * pauses[0], rel=0.1)
            assert "ended with code -9" in ann.words[-1][1]
            await ann.stop(5)
    assert ann.state is State.ENDED
    assert ann.pid is None


async def test_who_never_was_ready_says_why_and_is_not_started_again() -> None:
    bad = member("import sys; sys.exit('the port is taken')")
    with pytest.raises(MemberError, match="ann: the port is taken"):
        await bad.run()


async def test_who_is_deaf_to_being_asked_is_killed() -> None:
    ann = member(STUBBORN)
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ann.run)
            await ann.wait_running()
            await ann.stop(0.2)
    assert ann.state is State.ENDED


async def test_who_is_paused_can_be_stopped() -> None:
    ann = member(READY)
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ann.run)
            await ann.wait_running()
            ann.signal(signal.SIGSTOP)
            assert ann.state is State.PAUSED
            await ann.stop(10)
    assert ann.state is State.ENDED


async def test_cancelled_nothing_is_left() -> None:
    ann = member(STUBBORN)
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ann.run)
            await ann.wait_running()
            nursery.cancel_scope.cancel()
    assert ann.pid is None


def test_a_role_is_ready_when_it_names_itself_and_tells_what_is_serious() -> None:
    role = Role("gateway", "g:game")
    assert role.hear('{"event": "engine link", "level": "info"}') == Heard()
    ready = role.hear('{"event": "gateway", "name": "g-1", "url": "ws://h:1", "level": "info"}')
    assert ready == Heard(ready=True, url="ws://h:1", label="g-1")
    warning = '{"event": "shard retired", "shard": 3, "level": "warning", "timestamp": "t"}'
    assert role.hear(warning).words == "shard retired, shard 3"
    assert role.hear("shoal: port 1 cannot be had").words == "port 1 cannot be had"


def test_without_nats_server_its_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(NoEngineError, match="apt install nats-server"):
        NatsServer(Path("/nowhere"))
