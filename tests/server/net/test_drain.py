"""One task reads for everybody: fairly, soon, and for nobody who has left."""

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from protocol.errors import CloseCode
from server.net import drain as drain_module
from server.net import limits, listen
from server.net.drain import Drain, PortableSelector
from server.net.frames import frame
from server.net.inbound import Inbound
from server.net.outbound import Outbound
from server.net.stream import LinkStream
from server.net.transport import SocketTransport

SELECTORS = [pytest.param(PortableSelector, id="portable")]
if hasattr(select, "epoll"):
    SELECTORS.append(pytest.param(select.epoll, id="epoll"))


class Pair:
    """Two ends of a connection; what the drain reads at the one is counted."""

    def __init__(self, drain: Drain, bytes_a_time: int) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.calls = 0
        self.read = b""
        self._drain = drain
        self._bytes = bytes_a_time
        self.on_read: Callable[[], None] = lambda: None
        drain.enter(self.near.fileno(), self._on_readable)

    def _on_readable(self, now: float) -> None:
        assert 0 <= trio.current_time() - now < 1, "it is told the time"
        self.calls += 1
        self.read += self.near.recv(self._bytes)
        self.on_read()

    def leave(self) -> None:
        if self.near.fileno() >= 0:
            self._drain.leave(self.near.fileno())
            self.near.close()
            self.far.close()


@pytest.fixture(params=SELECTORS)
def drain(request) -> Iterator[Drain]:
    drain = Drain(request.param())
    yield drain
    drain.close()


@pytest.fixture
def pair(drain) -> Iterator[Callable[..., Pair]]:
    """Makes pairs, which leave at the end if they have not left before."""
    made: list[Pair] = []

    def make(bytes_a_time: int = 100) -> Pair:
        made.append(Pair(drain, bytes_a_time))
        return made[-1]

    yield make
    for each in made:
        each.leave()


async def until(happened: Callable[[], bool]) -> None:
    with trio.fail_after(5):
        while not happened():  # noqa: ASYNC110 - real sockets have no event for it
            await trio.sleep(0.001)


async def test_those_who_are_always_ready_take_turns_and_let_others_run(
    drain, nursery, monkeypatch, pair
):
    monkeypatch.setattr(limits, "DRAIN_SOCKETS", 8)
    pairs = [pair(bytes_a_time=1) for _ in range(50)]
    for each in pairs:
        each.far.send(bytes(1000))
    nursery.start_soon(drain.run)
    calls = [0]
    while min(calls) < 5:
        before = sum(calls)
        await trio.lowlevel.checkpoint()
        calls = [each.calls for each in pairs]
        assert sum(calls) - before <= 2 * 8, "few are read before others run"
        assert max(calls) - min(calls) <= 1, "nobody is read twice while another waits"


async def test_what_comes_in_the_pause_is_read_together(drain, nursery, monkeypatch, pair):
    monkeypatch.setattr(limits, "DRAIN_S", 0.1)
    pairs = [pair() for _ in range(10)]
    nursery.start_soon(drain.run)
    pairs[0].far.send(b"first")
    await until(lambda: bool(pairs[0].read))
    began = trio.current_time()
    for each in pairs[1:]:
        each.far.send(b"more")
        each.far.send(b" and more")
    await until(lambda: all(each.read for each in pairs))
    assert trio.current_time() - began > 0.05, "they waited"
    assert [each.calls for each in pairs] == [1] * 10


async def test_what_comes_after_a_silence_is_read_at_once(drain, nursery, monkeypatch, pair):
    monkeypatch.setattr(limits, "DRAIN_S", 60)
    one = pair()
    nursery.start_soon(drain.run)
    await trio.testing.wait_all_tasks_blocked()
    one.far.send(b"hello")
    await until(lambda: one.read == b"hello")


async def test_whoever_leaves_in_the_very_turn_is_not_called_any_more(drain, nursery, pair):
    first, second = pair(), pair()

    def end_both() -> None:
        first.leave()
        second.leave()

    first.on_read = second.on_read = end_both
    first.far.send(b"x")
    second.far.send(b"x")
    nursery.start_soon(drain.run)
    await until(lambda: len(drain) == 0)
    await trio.testing.wait_all_tasks_blocked()
    assert first.calls + second.calls == 1


async def test_the_next_owner_of_a_descriptor_is_not_mistaken_for_the_last(drain, nursery, pair):
    nursery.start_soon(drain.run)
    old = pair()
    number = old.near.fileno()
    old.far.send(b"unread")
    old.leave()
    new = pair()
    assert new.near.fileno() == number, "the lowest free number is given out"
    new.far.send(b"new")
    await until(lambda: new.read == b"new")
    assert old.calls == 0


async def test_a_drain_that_is_cancelled_leaves_everybody_where_they_are(drain, pair):
    one = pair()
    for await_ in ("the selector", "the pause"):
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(drain.run)
                if await_ == "the pause":
                    one.far.send(b"x")
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        assert len(drain) == 1


# --- a connection's stream -----------------------------------------------------------------------

MASKED = b"\x80" + bytes(4)  # the rest of an empty frame from a client
PING = b"\x89" + MASKED


def client_frame(opcode: int, payload: bytes = b"") -> bytes:
    return bytes((0x80 | opcode, 0x80 | len(payload))) + bytes(4) + payload


class Scene:
    """A stream after its handshake, whose messages and end are noted."""

    def __init__(self, drain: Drain) -> None:
        near, self.far = socket.socketpair()
        self.messages: list[bytes] = []
        self.take = self.messages.append
        self.ended = 0
        self.transport = SocketTransport(OverLocal(near))
        self.stream = LinkStream(self.transport, Outbound(self.transport), drain, self._end)
        self.stream.open(Inbound(lambda message: self.take(message)))  # noqa: PLW0108 - it changes

    def _end(self) -> None:
        self.ended += 1

    def close(self) -> None:
        self.transport.close()
        self.far.close()


class OverLocal(socket.socket):
    """A socket of a pair, which knows no TCP."""

    def __init__(self, pair_end: socket.socket) -> None:
        super().__init__(fileno=pair_end.detach())

    def setsockopt(self, *_: object) -> None:
        pass


async def test_while_the_library_is_busy_nothing_more_is_read(drain, nursery):
    """What is held for it is bounded by what is read at once."""
    nursery.start_soon(drain.run)
    scene = Scene(drain)
    scene.far.send(PING)
    await trio.sleep(0.02)
    scene.far.send(client_frame(2, b"behind"))
    await until(lambda: len(drain) == 0)
    assert scene.messages == []
    assert await scene.stream.receive_some(4096) == PING
    assert len(drain) == 1, "read on"
    await until(lambda: scene.messages == [b"behind"])
    scene.close()
    assert len(drain) == 0


async def test_the_library_sees_everything_before_the_end(drain, nursery):
    nursery.start_soon(drain.run)
    scene = Scene(drain)
    scene.far.send(client_frame(2, b"message") + client_frame(8, b"\x03\xe8"))
    scene.far.shutdown(socket.SHUT_WR)
    assert await scene.stream.receive_some(4096) == client_frame(8, b"\x03\xe8")
    assert scene.ended == 0
    assert await scene.stream.receive_some(4096) == b""
    assert (scene.ended, scene.messages, len(drain)) == (1, [b"message"], 0)
    assert await scene.stream.receive_some(4096) == b"", "and again"
    scene.close()


async def test_what_fails_with_one_message_is_raised_to_its_connection_alone(drain, nursery):
    nursery.start_soon(drain.run)
    scene, other = Scene(drain), Scene(drain)

    def fail(_: bytes) -> None:
        raise RuntimeError("a bug beyond the links")

    scene.take = fail
    scene.far.send(client_frame(2, b"x"))
    with pytest.raises(RuntimeError, match="a bug"):
        await scene.stream.receive_some(4096)
    assert len(drain) == 1, "it is read no more"
    other.far.send(client_frame(2, b"y"))
    await until(lambda: other.messages == [b"y"])
    scene.close()
    other.close()


async def test_a_transport_that_is_closed_meanwhile_is_not_entered_again(drain, nursery):
    nursery.start_soon(drain.run)
    scene = Scene(drain)
    scene.far.send(PING)
    await trio.sleep(0.02)
    scene.far.send(PING)
    await until(lambda: len(drain) == 0)
    scene.transport.close()
    assert await scene.stream.receive_some(4096) == PING
    assert len(drain) == 0
    scene.close()


# --- whole connections ---------------------------------------------------------------------------


@pytest.fixture
def drains(monkeypatch) -> list[Drain]:
    """Those of the servers that the test runs."""
    made: list[Drain] = []

    class Noted(Drain):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    monkeypatch.setattr(listen, "Drain", Noted)
    return made


def descriptors() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


async def test_an_end_and_a_reset_are_noticed_at_once(serve):
    async with serve() as server:
        for end in ("end", "reset"):
            async with server.opened() as (client, link):
                await client.send(client.frame(2, b"last words"))
                await server.wait_drained(link, 1)
                began = trio.current_time()
                if end == "end":
                    await client.stream.send_eof()
                else:
                    client.reset()
                assert await server.wait_link_closed(link) == 1006
                assert trio.current_time() - began < 0.5
        await server.wait_connections(0)


async def test_what_came_before_the_end_is_kept(serve):
    async with serve() as server, server.opened() as (client, link):
        await client.send(client.frame(2, b"last") + client.frame(2, b"words"))
        await client.stream.send_eof()
        await server.wait_link_closed(link)
        assert link.drain() == [b"last", b"words"]
        assert await client.read_close_code() is None, "there is nobody to say Close to"


async def test_a_flooding_neighbour_delays_nobody(serve):
    async with (
        serve() as server,
        server.opened() as (flooder, flooded),
        server.opened() as (client, link),
        trio.open_nursery() as nursery,
    ):

        async def flood() -> None:
            with suppress(trio.BrokenResourceError):
                while True:
                    await flooder.send(flooder.frame(2, bytes(4000)) * 50)

        nursery.start_soon(flood)
        for number in range(20):
            began = trio.current_time()
            await client.send(client.frame(2, bytes((number,))))
            assert await server.wait_drained(link, 1) == [bytes((number,))]
            assert trio.current_time() - began < 0.5
        assert await server.wait_link_closed(flooded) == CloseCode.RATE


async def test_a_thousand_links_that_ended_leave_nothing_behind(serve, drains):
    async with serve() as server:
        before = descriptors()

        async def come_and_go(how: int) -> None:
            for number in range(how, 1000, 8):
                async with server.raw() as client:
                    await client.send(client.request())
                    await client.read_head()
                    if number % 4 == 0:
                        client.reset()
                    elif number % 4 == 1:
                        await client.send(client.frame(8, b"\x03\xe8"))
                        assert await client.read_close_code() == 1000
                    elif number % 4 == 2:
                        await client.send(client.frame(1, b"text"))
                        assert await client.read_close_code() == CloseCode.BAD_MESSAGE

        async with trio.open_nursery() as nursery:
            for how in range(8):
                nursery.start_soon(come_and_go, how)
        await server.wait_connections(0)
        assert len(server.links) > 500
        assert all(link.closed is not None for link in server.links)
        (drain,) = drains
        assert len(drain) == 0
        assert descriptors() <= before


async def test_cancelling_at_any_stage_leaves_nothing_behind(serve, drains, monkeypatch):
    monkeypatch.setattr(limits, "CLOSE_S", 0.2)
    before = descriptors()
    async with serve() as server, server.raw() as silent, server.raw() as half:
        await half.send(half.request()[:50])
        async with server.opened(), server.opened() as (full, stuck), server.opened() as (_, gone):
            for _ in range(200):
                stuck.try_send(frame(bytes(60_000)))
            await full.send(full.frame(9, b"nobody reads the answer") * 20)
            gone.close(CloseCode.RESTART, "lingering")
            await trio.sleep(0.05)
            assert server.connections == 5
            server.cancel()
            with trio.CancelScope(shield=True):
                await silent.read_to_end()
                await server.wait_connections(0)
                assert len(drains[0]) == 0
    assert descriptors() <= before


async def test_a_system_without_epoll_serves_as_well(serve, monkeypatch):
    monkeypatch.setattr(drain_module, "_selector", PortableSelector)
    async with serve() as server, server.opened() as (client, link):
        await client.send(client.frame(2, b"hello"))
        assert await server.wait_drained(link, 1) == [b"hello"]
        await client.send(client.frame(8, b"\x03\xe8"))
        assert await server.wait_link_closed(link) == 1000
