"""Whatever one connection does, it alone ends, soon, and with the reason.

Real sockets: what is tested is how the kernel, trio-websocket and the links behave together.
"""

import random
from contextlib import suppress

import pytest
import trio

from protocol.errors import CloseCode
from server.net import limits
from server.net.frames import frame
from server.net.link import Sent
from tests.server.net.hostility import (
    GARBAGE,
    STRANGE_HEADERS,
    assert_still_serves,
    hostile,
    send_until_broken,
)


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_instead_of_a_request_ends_that_connection_alone(serve, garbage):
    async with serve() as server:
        async with server.raw() as client:
            await client.send(garbage)
            await client.stream.send_eof()
            answer = await client.read_head()
            assert not answer.startswith(b"HTTP/1.1 101"), "garbage is not let in"
            await server.wait_connections(0)
        await assert_still_serves(server)


@pytest.mark.parametrize("headers", STRANGE_HEADERS)
async def test_strange_header_bytes_end_that_connection_alone(serve, headers):
    async with serve() as server:
        async with server.raw() as client:
            await client.send(client.request(headers))
            with trio.move_on_after(0.2):
                await client.read_head()
        await server.wait_connections(0)
        await assert_still_serves(server)


async def test_a_host_that_is_no_name_ends_that_connection_alone(serve):
    async with serve() as server:
        async with server.raw() as client:
            await client.send(client.request(host=b"\xff\xfe"))
            await client.read_head()
            await server.wait_connections(0)
        await assert_still_serves(server)


@pytest.mark.parametrize("length", [0, 1, 20, 10_000])
async def test_a_reset_in_mid_handshake_ends_that_connection_alone(serve, length):
    async with serve() as server:
        for _ in range(5):
            async with server.raw() as client:
                await client.send(client.request()[:length])
                client.reset()
        await server.wait_connections(0)
        await assert_still_serves(server)


async def test_a_slow_handshake_is_freed(serve, monkeypatch):
    assert limits.HANDSHAKE_S == 5
    monkeypatch.setattr(limits, "HANDSHAKE_S", 0.2)
    async with serve() as server:
        async with server.raw() as silent, server.raw() as slow:
            started = trio.current_time()
            await slow.send(slow.request()[:30])
            await server.wait_connections(2)
            await server.wait_connections(0)
            assert trio.current_time() - started < 1, "freed at the deadline"
            assert await silent.read_head() == b""
        assert server.links == []


async def test_a_request_that_drips_is_freed_too(serve, monkeypatch):
    monkeypatch.setattr(limits, "HANDSHAKE_S", 0.2)
    async with serve() as server, server.raw() as client:
        with suppress(trio.BrokenResourceError):
            for byte in client.request():
                await client.send(bytes((byte,)))
                await trio.sleep(0.02)
        assert await client.read_head() == b"", "time is up, whatever has come"
        await server.wait_connections(0)


async def test_when_too_many_shake_hands_the_oldest_must_go(serve, monkeypatch):
    monkeypatch.setattr(limits, "HANDSHAKES_MAX", 3)
    async with serve() as server, trio.open_nursery() as nursery:

        async def idle() -> None:
            async with server.raw() as client:
                await client.read_head()

        for _ in range(10):
            nursery.start_soon(idle)
        await server.wait_connections(3)
        await assert_still_serves(server)
        nursery.cancel_scope.cancel()


async def test_a_request_without_the_subprotocol_is_told_so(serve):
    async with serve() as server, server.raw() as client:
        await client.send(client.request(b"Sec-WebSocket-Protocol: chat\r\n"))
        assert (await client.read_head()).startswith(b"HTTP/1.1 400")
        await server.wait_connections(0)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (b"http://127.0.0.1", b"101"),  # the very host that the request names
        (b"https://play.example.org", b"101"),
        (b"http://play.example.org", b"403"),
        (b"http://evil.example", b"403"),
        (b"null", b"403"),
        (b"", b"403"),
    ],
)
async def test_only_welcome_pages_may_connect(serve, origin, status):
    async with serve(origins=("https://play.example.org",)) as server, server.raw() as client:
        extra = b"Sec-WebSocket-Protocol: shoal.v2\r\nOrigin: " + origin + b"\r\n"
        await client.send(client.request(extra))
        assert (await client.read_head()).startswith(b"HTTP/1.1 " + status)


async def test_frames_that_come_with_the_request_are_not_lost(serve):
    async with serve() as server, server.raw() as client:
        await client.send(client.request() + client.frame(2, b"early") + client.frame(2, b"bird"))
        (link,) = await server.wait_links(1)
        assert await server.wait_drained(link, 2) == [b"early", b"bird"]


async def test_a_ping_after_close_does_no_harm(serve):
    async with serve() as server:
        async with server.opened() as (client, link):
            link.close(CloseCode.RESTART, "restart")
            await client.send(client.frame(9, b"are you there?") * 3)
            assert await client.read_close_code() == CloseCode.RESTART
        async with server.opened() as (client, link):
            await client.send(client.frame(8, b"\x03\xe8") + client.frame(9, b"still there?"))
            assert await server.wait_link_closed(link) == 1000
        await server.wait_connections(0)
        await assert_still_serves(server)


async def test_an_oversized_message_closes_with_1009(serve):
    async with serve() as server, server.opened() as (client, link):
        await client.send(client.frame(2, bytes(limits.MESSAGE_BYTES + 1)))
        assert await client.read_close_code() == CloseCode.TOO_BIG
        assert link.drain() == []


async def test_a_message_in_too_many_fragments_closes_with_1008(serve):
    async with serve() as server, server.opened() as (client, link):
        await client.send(client.frame(2, final=False))
        await client.send(client.frame(0, final=False) * limits.FRAGMENTS)
        assert await client.read_close_code() == CloseCode.POLICY
        assert link.drain() == []


@pytest.mark.parametrize("opcode", [2, 9])
async def test_a_flood_closes_with_4429_before_it_costs_much(serve, opcode):
    async with serve() as server:
        async with server.opened() as (client, link):
            flood = client.frame(opcode, b"x") * 5000
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send_until_broken, client, flood)
                assert await client.read_close_code() in {CloseCode.RATE, None}
            assert await server.wait_link_closed(link) == CloseCode.RATE
            assert len(link.drain()) <= limits.FRAMES_BURST
        await server.wait_connections(0)


async def test_an_inbox_that_nobody_drains_closes_the_link(serve, monkeypatch):
    monkeypatch.setattr(limits, "INBOX_MESSAGES", 20)
    async with serve() as server, server.opened() as (client, link):
        await client.send(client.frame(2, b"x") * 21)
        assert await client.read_close_code() == CloseCode.POLICY
        assert len(link.drain()) == 20


async def test_broken_framing_ends_that_link_alone(serve):
    async with serve() as server:
        async with server.opened() as (client, link):
            await client.send(client.frame(3, b"no such opcode"))
            assert await server.wait_link_closed(link) == 1002
        await assert_still_serves(server)


async def test_one_address_may_hold_only_so_many(serve):
    async with serve(clients_per_address_max=2) as server:
        async with server.opened(), server.opened(), server.raw() as third:
            assert await third.read_head() == b"", "turned away without a word"
            assert server.listening.statistics().turned_away == 1
        await server.wait_connections(0)
        await assert_still_serves(server)


async def test_some_descriptors_are_always_kept_back(serve):
    reserve = limits.DESCRIPTORS_RESERVED
    async with serve(descriptors_max=reserve + 1) as server, server.opened(), server.raw() as more:
        assert await more.read_head() == b""


async def test_a_reader_that_has_stopped_costs_bounded_memory_and_is_dropped(serve, monkeypatch):
    monkeypatch.setattr(limits, "STUCK_S", 0.3)
    monkeypatch.setattr(limits, "SWEEP_S", 0.05)
    monkeypatch.setattr(limits, "CLOSE_S", 0.1)
    snapshot = frame(random.Random(1).randbytes(2000))
    async with serve() as server, server.opened() as (client, link):
        accepted = 0
        with trio.fail_after(5):
            while link.closed is None:
                accepted += link.try_send(snapshot) is not Sent.FULL
                held = link.statistics().remainder_bytes
                assert held <= len(snapshot), "one frame's rest at most is held"
                await trio.sleep(0.002)
        assert link.closed.code == 1006
        assert link.statistics().refused > 0
        assert server.listening.statistics().stuck == 1
        await server.wait_connections(0)
        assert accepted > 0
        assert client is not None, "it lives on, and reads nothing"


async def test_a_stopped_reader_cannot_delay_a_close(serve, monkeypatch):
    monkeypatch.setattr(limits, "CLOSE_S", 0.2)
    async with serve() as server, server.opened() as (_, link):
        for _ in range(1000):
            link.try_send(frame(bytes(60_000)))
        assert link.statistics().refused > 0, "its buffers are full"
        link.close(CloseCode.RESTART, "restart")
        await server.wait_connections(0)


async def test_stopping_lets_nobody_in_and_ends_with_the_last_link(serve):
    async with serve() as server:
        async with server.opened() as (client, link):
            server.listening.stop_accepting()
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(OSError, match="connect"):
                await trio.open_tcp_stream("127.0.0.1", server.port)
            assert link.try_send(frame(b"goodbye")) is Sent.ALL
            link.close(CloseCode.RESTART, "restart")
            frames = await client.read_to_end()
            assert [f.payload[:7] for f in frames] == [b"goodbye", b"\x03\xf4resta"]
        with trio.fail_after(2):
            await server.listening.wait_closed()


async def test_cancelling_says_that_the_server_leaves(serve):
    async with serve() as server, server.raw() as client:
        await client.send(client.request())
        await client.read_head()
        await server.wait_links(1)
        server.cancel()
        with trio.CancelScope(shield=True):
            assert await client.read_close_code() == CloseCode.LEAVING


async def test_hostile_neighbours_leave_a_good_clients_snapshots_alone(serve):
    """150 connections of every hostile kind while one client is served 20 times a second."""
    received = []

    async def read(client) -> None:
        while True:
            received.append(await client.get_message())

    async def attack(server, seed: int) -> None:
        async with server.raw() as client:
            await send_until_broken(client, hostile(client, seed))
            if seed % 2:
                client.reset()
            else:
                with trio.move_on_after(0.05), suppress(trio.BrokenResourceError):
                    while await client.stream.receive_some():
                        pass

    async with serve() as server, server.client() as good:
        (link,) = await server.wait_links(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, good)
            for tick in range(30):
                for seed in range(5):
                    nursery.start_soon(attack, server, tick * 5 + seed)
                assert link.try_send(frame(bytes((tick,)) * 500)) is Sent.ALL
                await trio.sleep(0.03)
            await trio.sleep(0.2)
            nursery.cancel_scope.cancel()
        assert received == [bytes((tick,)) * 500 for tick in range(30)]
        assert link.closed is None
        await server.wait_connections(1)


async def test_a_gateway_that_fails_on_one_link_fails_for_that_link_alone(serve):
    async with serve() as server:
        take = server.links.append

        def fail_once(link) -> None:
            server.take = take
            raise RuntimeError("a bug in the gateway")

        server.take = fail_once
        async with server.raw() as client:
            await client.send(client.request())
            assert (await client.read_head()).startswith(b"HTTP/1.1 101")
            assert await client.read_close_code() == CloseCode.CRASH
        await assert_still_serves(server)
