"""A client joins, stays, and comes back whenever that makes sense.

Real sockets on the loopback: what is tested is the transport. Pauses are cut to milliseconds.
"""

from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from client_demo import limits
from client_demo.connection import Connection, ConnectionEndedError, LinkOptions
from client_demo.wire import CountedStream
from protocol.client import Client
from protocol.errors import CloseCode
from protocol.messages import Bye, Hello, Ping, Scores
from server.net.link import Sent


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(limits, "BACKOFF_S_FIRST", 0.01)


@asynccontextmanager
async def joined(server, options: LinkOptions | None = None):
    connection = Connection(server.url, lambda: Client("ann"), options)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.run)
        with trio.fail_after(5):
            await connection.wait_welcomed()
        yield connection
        await connection.leave()


async def until(happened, complaint: str) -> None:
    with trio.move_on_after(5):
        while not happened():  # noqa: ASYNC110 - sockets have no event for it
            await trio.sleep(0.005)
    assert happened(), complaint


async def test_a_client_says_hello_and_hears_snapshots(still_server):
    async with still_server() as server, joined(server) as connection:
        assert connection.open
        await until(lambda: connection.client.statistics().snapshots > 3, "no snapshots came")
        (hello,) = server.of(Hello)
        assert (hello.name, hello.resume) == ("ann", None)
        assert connection.statistics().bytes_received > 0


async def test_a_lost_link_is_resumed_with_the_newest_token(still_server):
    async with still_server() as server, joined(server) as connection:
        client = connection.client
        for round_number in (1, 2):
            token = client.welcome.token
            connection.drop()
            expected = round_number
            await until(lambda n=expected: connection.statistics().resumes == n, "never resumed")
            assert server.of(Hello)[-1].resume == token
            assert client.welcome.token != token, "the token was rotated"
        assert connection.client is client, "the same client goes on"
        assert connection.statistics().disconnects == 2


async def test_a_server_that_restarts_is_come_back_to(still_server):
    async with still_server() as server, joined(server) as connection:
        server.links[0].close(CloseCode.RESTART, "restart")
        await until(lambda: connection.statistics().resumes == 1, "never resumed")
        assert connection.open


async def test_a_session_that_is_gone_is_begun_anew(still_server):
    async with still_server() as server, joined(server) as connection:
        client = connection.client
        await until(lambda: connection.statistics().snapshots > 5, "no snapshots came")
        server.sessions_lost = True
        connection.drop()
        await until(lambda: len(server.of(Hello)) == 3 and connection.open, "never rejoined")
        assert [hello.resume is None for hello in server.of(Hello)] == [True, False, True]
        assert connection.client is not client
        assert connection.statistics().rejoins == 1
        assert connection.statistics().snapshots > 5, "what was seen before still counts"


@pytest.mark.parametrize("code", [CloseCode.KICKED, CloseCode.TAKEN_OVER, CloseCode.VERSION])
async def test_who_is_not_wanted_does_not_come_back(still_server, code):
    async with still_server() as server:
        connection = Connection(server.url, lambda: Client("ann"))
        async with trio.open_nursery() as nursery:

            async def play() -> None:
                with pytest.raises(ConnectionEndedError, match="not you") as caught:
                    await connection.run()
                assert caught.value.code == code

            nursery.start_soon(play)
            await connection.wait_welcomed()
            server.links[0].close(code, "not you")
        assert len(server.links) == 1


async def test_where_no_server_is_the_client_says_so():
    connection = Connection("ws://127.0.0.1:9", lambda: Client("ann"))
    with pytest.raises(ConnectionEndedError, match=r"cannot reach 127\.0\.0\.1:9"):
        await connection.run()
    assert not connection.open


async def test_a_server_that_dies_in_the_handshake_is_not_waited_for(nursery):
    hung_up = 0

    async def hang_up(stream: trio.SocketStream) -> None:
        nonlocal hung_up
        await stream.receive_some()
        hung_up += 1
        await trio.aclose_forcefully(stream)

    listeners = await nursery.start(trio.serve_tcp, hang_up, 0)
    port = listeners[0].socket.getsockname()[1]
    connection = Connection(f"ws://127.0.0.1:{port}", lambda: Client("ann"))
    with trio.fail_after(limits.CONNECT_S), pytest.raises(ConnectionEndedError):
        await connection.run()
    assert hung_up == limits.FIRST_ATTEMPTS_MAX, "a death that is seen is no reason to wait"


async def test_a_server_that_dies_before_the_handshake_is_sent_is_not_waited_for(
    nursery, monkeypatch
):
    async def gone(self: trio.SocketStream, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        raise trio.BrokenResourceError("reset by peer")

    async def say_nothing(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    listeners = await nursery.start(trio.serve_tcp, say_nothing, 0)
    port = listeners[0].socket.getsockname()[1]
    monkeypatch.setattr(trio.SocketStream, "send_all", gone)
    connection = Connection(f"ws://127.0.0.1:{port}", lambda: Client("ann"))
    with trio.fail_after(limits.CONNECT_S), pytest.raises(ConnectionEndedError):
        await connection.run()


async def test_a_server_that_speaks_something_else_is_named(still_server, monkeypatch):
    monkeypatch.setattr("client_demo.connection.SUBPROTOCOL", "chat")
    async with still_server() as server:
        with pytest.raises(ConnectionEndedError, match=r"the server at .* refuses"):
            await Connection(server.url, lambda: Client("ann")).run()


async def test_leaving_says_goodbye_and_ends_the_run(still_server):
    async with still_server() as server:
        async with joined(server):
            pass
        await until(lambda: server.of(Bye), "no goodbye was heard")
        await until(lambda: server.links[0].closed is not None, "the link stayed open")
        assert server.links[0].closed.code == 1000
        assert len(server.links) == 1, "whoever leaves does not come back"


async def test_nothing_follows_the_goodbye(still_server, monkeypatch):
    async with still_server() as server, joined(server) as connection:
        held, leaving = trio.Event(), trio.Event()
        send = CountedStream.send_all

        async def send_all(stream, data):
            if not held.is_set():
                held.set()
                await leaving.wait()
            await send(stream, data)

        await trio.testing.wait_all_tasks_blocked()
        monkeypatch.setattr(CountedStream, "send_all", send_all)
        for stamp in (77, 78, 79):  # the first is being written when the player leaves
            connection.client._say(Ping(stamp))
        await held.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.leave)
            await trio.testing.wait_all_tasks_blocked()  # the goodbye waits behind it
            leaving.set()
        await until(lambda: server.links[0].closed is not None, "the link stayed open")
        await until(lambda: server.of(Bye), "no goodbye was heard")
        assert isinstance(server.said[-1], Bye)
        assert server.links[0].closed.code == 1000


async def test_a_paused_client_stops_reading_and_then_reads_everything(still_server):
    options = LinkOptions(receive_buffer_bytes=4096)
    async with still_server() as server, joined(server, options) as connection:
        link = server.links[0]
        connection.paused = True
        heard = connection.statistics()
        board = Scores(tuple((number, "somebody " * 7, 1) for number in range(60)))
        taken = sum(server.send(link, board) is not Sent.FULL for _ in range(200))
        assert taken < 100, "a small buffer holds little"
        paused = connection.statistics()
        assert paused.bytes_received - heard.bytes_received < 32_000, "nothing much is read"
        connection.paused = False
        await until(
            lambda: connection.statistics().messages_received >= heard.messages_received + taken,
            "what was sent meanwhile never arrived",
        )


async def test_leaving_interrupts_a_pause_before_coming_back(still_server, monkeypatch):
    monkeypatch.setattr(limits, "BACKOFF_S_FIRST", 60.0)
    monkeypatch.setattr(limits, "BACKOFF_S_MAX", 60.0)
    with trio.fail_after(5):
        async with still_server() as server, joined(server) as connection:
            connection.drop()
            await until(lambda: not connection.open, "the link is lost")


async def test_a_link_that_ends_before_the_welcome_is_made_again(still_server):
    async with still_server() as server:
        server.deaf = True
        async with trio.open_nursery() as nursery:
            connection = Connection(server.url, lambda: Client("ann"))
            nursery.start_soon(connection.run)
            await until(lambda: server.of(Hello), "no hello was heard")
            server.deaf = False
            server.links[0].close(CloseCode.RESTART, "later")
            with trio.fail_after(10):
                await connection.wait_welcomed()
            await connection.leave()
        assert len(server.of(Hello)) == 2


async def test_a_client_that_knows_two_gateways_goes_to_the_other_one(still_server):
    async with still_server() as one, still_server() as other:
        async with trio.open_nursery() as nursery:
            options = LinkOptions(more_urls=(other.url,))
            connection = Connection(one.url, lambda: Client("ann"), options)
            nursery.start_soon(connection.run)
            with trio.fail_after(10):
                await connection.wait_welcomed()
                token = connection.client.welcome.token
                one.links[0].close(CloseCode.RESTART, "elsewhere, please")
                await until(lambda: connection.open and other.links, "it did not go elsewhere")
            assert [hello.resume for hello in other.of(Hello)] == [token]
            await connection.leave()
        assert len(one.links) == len(other.links) == 1


async def test_who_was_too_slow_comes_back_once_in_a_row(still_server):
    async with still_server() as server:
        connection = Connection(server.url, lambda: Client("ann"))
        async with trio.open_nursery() as nursery:

            async def play() -> None:
                with pytest.raises(ConnectionEndedError, match="too slow") as caught:
                    await connection.run()
                assert caught.value.code == CloseCode.POLICY

            nursery.start_soon(play)
            with trio.fail_after(10):
                await connection.wait_welcomed()
            for links, code in enumerate(
                [CloseCode.POLICY, CloseCode.RESTART, CloseCode.POLICY], 1
            ):
                server.links[-1].close(code, "too slow")
                await until(lambda n=links: len(server.links) > n and connection.open, "not back")
            server.links[-1].close(CloseCode.POLICY, "too slow")
        assert connection.statistics().resumes == 3
