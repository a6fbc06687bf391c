"""Whoever writes, and whoever is cancelled: the peer sees whole frames, in order."""

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from server.net.drain import Drain, OnReadable
from server.net.frames import FrameReader, close_frame, frame
from server.net.link import Sent
from server.net.outbound import Outbound


class FakeTransport:
    """Takes as many bytes as it is granted."""

    def __init__(self) -> None:
        self.wire = b""
        self.granted = 0
        self.lost = False
        self._room = trio.Event()

    def grant(self, count: int) -> None:
        self.granted += count
        if self.granted:
            self._room.set()
            self._room = trio.Event()

    def send(self, data: bytes | memoryview) -> int:
        if self.lost:
            raise BrokenPipeError
        if not self.granted:
            raise BlockingIOError
        part = bytes(data[: self.granted])
        self.wire += part
        self.granted -= len(part)
        return len(part)

    async def wait_writable(self) -> None:
        if not self.granted:
            await self._room.wait()
        await trio.lowlevel.checkpoint()

    async def wait_readable(self) -> None:
        await trio.sleep_forever()

    def receive(self, bytes_max: int) -> bytes:
        raise NotImplementedError

    def enter(self, drain: Drain, on_readable: OnReadable) -> None:
        raise NotImplementedError

    def leave(self) -> None:
        pass

    def shut(self) -> None:
        pass

    def close(self) -> None:
        pass


def control(number: int, size: int) -> bytes:
    """A ping whose payload says which one it is."""
    return bytes((0x89, size + 2)) + number.to_bytes(2, "big") + bytes(size)


class Scene:
    """Plays a script against an Outbound and remembers what was promised."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.transport = FakeTransport()
        self.outbound = Outbound(self.transport, lambda: nursery.start_soon(self.outbound.flush))
        self.promised: list[bytes] = []  # payloads of pushes that were taken, in order
        self.controls: list[bytes] = []  # those that were sent to the end
        self.scopes: list[trio.CancelScope] = []
        self._nursery = nursery
        self._numbers = 0

    def push(self, sizes: list[int]) -> None:
        self._numbers += 1
        payloads = [bytes((self._numbers % 256,)) * size for size in sizes]
        taken = self.outbound.push(b"".join(map(frame, payloads)))
        if taken is not Sent.FULL:
            self.promised += payloads

    def control(self, size: int) -> None:
        self._numbers += 1
        scope = trio.CancelScope()
        self.scopes.append(scope)
        self._nursery.start_soon(self._send, control(self._numbers, size), scope)

    async def _send(self, data: bytes, scope: trio.CancelScope) -> None:
        with scope:
            await self.outbound.send_all(data)
            self.controls.append(data[2:])

    def cancel(self, which: int) -> None:
        if self.scopes:
            self.scopes.pop(which % len(self.scopes)).cancel()


actions = st.one_of(
    st.tuples(st.just("push"), st.lists(st.integers(0, 300), max_size=3)),
    st.tuples(st.just("control"), st.integers(0, 120)),
    st.tuples(st.just("cancel"), st.integers(0, 9)),
    st.tuples(st.just("grant"), st.integers(1, 400)),
    st.tuples(st.just("rest"), st.just(None)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(actions, max_size=40))
def test_the_stream_is_whole_frames_in_order_whoever_is_cancelled(script):
    async def play() -> None:
        async with trio.open_nursery() as nursery:
            scene = Scene(nursery)
            for name, argument in script:
                if name == "rest":
                    await trio.testing.wait_all_tasks_blocked()
                elif name == "grant":
                    scene.transport.grant(argument)
                else:
                    getattr(scene, name)(argument)
            scene.transport.grant(1 << 30)
            await trio.testing.wait_all_tasks_blocked()
            await scene.outbound.finish(close_frame(1001, "the end"))
        reader = FrameReader()
        frames = reader.feed(scene.transport.wire)
        assert not reader.partial, "no frame is torn"
        assert [f.payload for f in frames if f.opcode == 0x2] == scene.promised, (
            "all that was taken"
        )
        said = [f.payload for f in frames if f.opcode == 0x9]
        assert [one for one in said if one in scene.controls] == scene.controls, "in their order"
        assert frames[-1].opcode == 0x8, "Close is last"
        assert [f.opcode for f in frames].count(0x8) == 1, "and said once"

    trio.run(play)


async def test_a_push_takes_nothing_while_a_control_frame_is_under_way(nursery):
    scene = Scene(nursery)
    scene.transport.grant(3)
    scene.control(10)
    await trio.testing.wait_all_tasks_blocked()
    scene.transport.grant(1000)
    assert scene.outbound.push(frame(b"late")) is Sent.FULL, "the torn frame's owner goes first"
    await trio.testing.wait_all_tasks_blocked()
    assert scene.outbound.push(frame(b"late")) is Sent.ALL


async def test_a_remainder_leaves_by_itself_when_there_is_room(nursery):
    scene = Scene(nursery)
    scene.transport.grant(50)
    assert scene.outbound.push(frame(bytes(100))) is Sent.PARTIAL
    assert scene.outbound.remainder_bytes == 52
    assert scene.outbound.push(frame(b"next")) is Sent.FULL, "the rest precedes everything"
    scene.transport.grant(1000)
    await trio.testing.wait_all_tasks_blocked()
    assert scene.outbound.remainder_bytes == 0
    assert not scene.outbound.waiting


async def test_an_empty_push_only_flushes():
    transport = FakeTransport()
    outbound = Outbound(transport)
    transport.grant(10)
    outbound.push(frame(bytes(100)))
    assert outbound.push(b"") is Sent.FULL, "nothing has moved"
    transport.grant(1000)
    assert outbound.push(b"") is Sent.ALL
    assert transport.wire == frame(bytes(100))


@pytest.mark.parametrize("full", [BlockingIOError, InterruptedError, None])
async def test_a_full_transport_takes_nothing_and_breaks_nothing(full):
    class Full(FakeTransport):
        def send(self, _: bytes | memoryview) -> int:
            if full is not None:
                raise full
            return 0

    outbound = Outbound(Full())
    assert outbound.push(frame(b"x")) is Sent.FULL
    assert (outbound.refused, outbound.partial, outbound.bytes_waited) == (1, 0, 0)
    assert not outbound.waiting, "what was not begun is forgotten"
    outbound.end()
    assert outbound.push(b"") is Sent.FULL


async def test_nothing_follows_a_close_frame():
    transport = FakeTransport()
    transport.grant(1000)
    outbound = Outbound(transport)
    await outbound.send_all(close_frame(1000, ""))
    assert outbound.push(frame(b"more")) is Sent.FULL
    with pytest.raises(trio.ClosedResourceError):
        await outbound.send_all(control(1, 1))
    await outbound.finish(close_frame(1001, ""))
    assert transport.wire == close_frame(1000, "")


async def test_a_lost_peer_breaks_the_writers_and_keeps_nothing():
    transport = FakeTransport()
    transport.grant(10)
    outbound = Outbound(transport)
    outbound.push(frame(bytes(100)))
    transport.lost = True
    assert outbound.push(frame(b"more")) is Sent.FULL
    assert outbound.remainder_bytes == 0, "nobody will ever read it"
    with pytest.raises(trio.BrokenResourceError):
        await outbound.send_all(control(1, 1))


class Counting(FakeTransport):
    """Takes so many bytes of each send."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.taken = b""

    def send(self, data: bytes | memoryview) -> int:
        self.taken += bytes(data[: self.room])
        return min(self.room, len(data))


async def test_what_is_lent_is_the_transports_own_until_something_is_in_its_way():
    transport, told = Counting(1000), []
    outbound = Outbound(transport)
    send = outbound.lend(lambda: told.append("busy"))
    assert send is not None
    assert send(b"frame") == 5
    await outbound.send_all(b"a control frame")
    assert told == ["busy"], "whoever pushes past us is told at once, and once"
    await outbound.send_all(b"another")
    assert told == ["busy"]
    assert outbound.lend(lambda: told.append("end")) is not None, "it is free again"
    outbound.end()
    assert told == ["busy", "end"]
    assert outbound.lend(lambda: None) is None, "nothing follows the end"


async def test_the_rest_of_what_was_lent_precedes_everything_else():
    transport, told = Counting(3), []
    outbound = Outbound(transport)
    send = outbound.lend(lambda: told.append("told"))
    assert send is not None
    assert outbound.fell_short(b"abcdef", send(b"abcdef")) is Sent.PARTIAL
    assert not told, "who says it knows it"
    transport.room = 1000
    assert outbound.push(b"ghi") is Sent.ALL
    assert transport.taken == b"abcdefghi"
    assert outbound.fell_short(b"x", BlockingIOError()) is Sent.FULL
    assert outbound.push(b"x") is Sent.ALL, "a full transport is not a broken one"
    assert outbound.fell_short(b"x", ConnectionResetError()) is Sent.FULL
    assert outbound.push(b"x") is Sent.FULL, "the peer is lost"
