"""Behind a proxy each client is counted under its own address; only a trusted proxy is believed."""

from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.net import limits
from server.net.forwarded import TrustedProxies
from server.net.pages import Pages
from server.net.proxied import BadPreambleError, Preamble
from tests.server.net.hostility import assert_still_serves

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V1 = b"PROXY TCP4 192.0.2.7 203.0.113.1 51234 443\r\n"


def v2(source: str, command: int = 0x21, extra: bytes = b"") -> bytes:
    packed = ip_address(source).packed
    family = 0x11 if len(packed) == 4 else 0x21
    body = packed + packed + bytes(4) + extra
    return SIGNATURE + bytes((command, family)) + len(body).to_bytes(2, "big") + body


# --- the preamble --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "source"),
    [
        (V1, "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 1 2\r\n", "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
        (v2("192.0.2.7"), "192.0.2.7"),
        (v2("2001:db8::7"), "2001:db8::7"),
        (v2("192.0.2.7", extra=b"\x04\x00\x03abc"), "192.0.2.7"),
        (v2("192.0.2.7", command=0x20), None),
        (SIGNATURE + b"\x21\x00\x00\x00", None),
        (b"", None),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_preamble_names_the_client_and_leaves_its_words(said, source, size) -> None:
    data = said + b"GET / HTTP/1.1\r\n"
    preamble, fed, done = Preamble(), 0, False
    while not done:
        done = preamble.feed(data[fed : fed + size])
        fed += size
    assert preamble.source == source
    assert preamble.rest + data[fed:] == b"GET / HTTP/1.1\r\n"


@pytest.mark.parametrize(
    "said",
    [
        b"PROXY TCP4 192.0.2.7\r\n",
        b"PROXY TCP4 nobody 203.0.113.1 1 2\r\n",
        b"PROXY UDP4 192.0.2.7 203.0.113.1 1 2\r\n",
        b"PROXY " + b"x" * 200,
        SIGNATURE + b"\x31\x11\x00\x00",
        SIGNATURE + b"\x22\x11\x00\x00",
        SIGNATURE + b"\x21\x11\x00\x04abcd",
        SIGNATURE + b"\x21\x11\xff\xff",
    ],
)
def test_what_only_begins_like_a_preamble_is_refused(said) -> None:
    with pytest.raises(BadPreambleError):
        Preamble().feed(said)


beginnings = st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"])


@given(beginnings, st.lists(st.binary(max_size=600), max_size=20))
@example(SIGNATURE + b"\x21\x11", [b"\x08\x00", bytes(2047)])
@example(b"PROXY TCP4 ", [b"\xff 1 1 1\r\n"])
def test_no_bytes_crash_it_or_are_held_without_bound(beginning, chunks) -> None:
    preamble = Preamble()
    for chunk in [beginning, *chunks]:
        try:
            done = preamble.feed(chunk)
        except BadPreambleError:
            return
        if done:
            return
        assert len(preamble.rest) <= limits.PROXY_BYTES + 16


# --- whom to believe -----------------------------------------------------------------------------

TRUSTED = TrustedProxies(["10.0.0.0/8", "192.0.2.1", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("10.1.2.3", [b"203.0.113.5"], "203.0.113.5"),
        ("::ffff:10.1.2.3", [b"203.0.113.5"], "203.0.113.5"),
        ("fd00::1", [b"2001:db8::5"], "2001:db8::5"),
        ("203.0.113.9", [b"198.51.100.1"], "203.0.113.9"),
        ("10.1.2.3", [b"198.51.100.1, 203.0.113.5"], "203.0.113.5"),
        ("10.1.2.3", [b"198.51.100.1", b"203.0.113.5"], "203.0.113.5"),
        ("10.1.2.3", [b"198.51.100.1, 203.0.113.5, 192.0.2.1"], "203.0.113.5"),
        ("10.1.2.3", [b"203.0.113.5:4711"], "203.0.113.5"),
        ("10.1.2.3", [b"[2001:db8::5]:4711"], "2001:db8::5"),
        ("10.1.2.3", [b"10.9.9.9"], "10.9.9.9"),
        ("10.1.2.3", [b"203.0.113.5, unknown"], "10.1.2.3"),
        ("10.1.2.3", [b"\xff\xfe"], "10.1.2.3"),
        ("10.1.2.3", [b""], "10.1.2.3"),
        ("10.1.2.3", [], "10.1.2.3"),
    ],
)
def test_a_chain_is_followed_as_far_as_it_is_trusted(peer, forwarded_for, client) -> None:
    assert TRUSTED.client_of(peer, forwarded_for) == client


def test_nobody_is_trusted_by_default() -> None:
    assert not TrustedProxies().trusts("127.0.0.1")
    with pytest.raises(ValueError, match="proxy"):
        TrustedProxies(["proxy.example.org"])


@given(st.binary(max_size=80))
def test_whatever_a_proxy_says_there_is_an_address(value) -> None:
    ip_address(TRUSTED.client_of("10.0.0.1", [value]))


# --- over sockets --------------------------------------------------------------------------------

BEHIND = {"trusted_proxies": ("127.0.0.1",), "clients_per_address_max": 2}
PAGES = [None, Pages({})]


def upgrade(client, forwarded_for: bytes) -> bytes:
    """The request of a client, as a proxy passes it on."""
    header = b"X-Forwarded-For: %s\r\n" % forwarded_for if forwarded_for else b""
    return client.request(b"Sec-WebSocket-Protocol: shoal.v2\r\n" + header)


async def status(server, preamble: bytes = b"", forwarded_for: bytes = b"") -> bytes:
    """What becomes of one more client: the status, b"" when it was shown the door."""
    client = await server.stack.enter_async_context(server.raw())
    await client.send(preamble + upgrade(client, forwarded_for))
    return (await client.read_head())[9:12]


@pytest.mark.parametrize("pages", PAGES)
async def test_each_address_behind_the_proxy_has_the_room_of_one(serve, pages, stack) -> None:
    async with serve(pages=pages, **BEHIND) as server:
        server.stack = stack
        for address in (b"203.0.113.1", b"203.0.113.2"):
            assert await status(server, forwarded_for=address) == b"101"
            assert await status(server, forwarded_for=b"10.0.0.1, " + address) == b"101"
            assert await status(server, forwarded_for=address) == b"429", "it is told why"
        for source in ("203.0.113.3", "2001:db8::3"):
            assert await status(server, v2(source)) == b"101"
            assert await status(server, v2(source)) == b"101"
            assert await status(server, v2(source)) == b"", "nothing was asked yet"
        assert await status(server, V1) == b"101"
        links = await server.wait_links(9)
        peers = {link.peer for link in links}
        assert peers == {*(f"203.0.113.{n}" for n in (1, 2, 3)), "2001:db8::3", "192.0.2.7"}
        await stack.aclose()
        await server.wait_connections(0)
        assert await status(server, forwarded_for=b"203.0.113.1") == b"101", "there is room again"


@pytest.mark.parametrize("pages", PAGES)
async def test_a_proxy_that_names_nobody_counts_as_itself(serve, pages, stack) -> None:
    async with serve(pages=pages, **BEHIND) as server:
        server.stack = stack
        assert [await status(server) for _ in range(3)] == [b"101", b"101", b"429"]


@pytest.mark.parametrize("pages", PAGES)
async def test_a_stranger_is_not_believed(serve, pages, stack) -> None:
    behind = {"trusted_proxies": ("10.0.0.0/8",), "clients_per_address_max": 2}
    async with serve(pages=pages, **behind) as server:
        server.stack = stack
        assert await status(server, forwarded_for=b"203.0.113.1") == b"101"
        assert await status(server, V1) != b"101", "this is no HTTP request"
        (link,) = server.links
        assert link.peer == "127.0.0.1"


async def test_a_preamble_that_is_broken_or_never_ends_ends_that_connection_alone(
    serve, monkeypatch
) -> None:
    monkeypatch.setattr(limits, "HANDSHAKE_S", 0.3)
    async with serve(**BEHIND) as server:
        for said in (b"PROXY TCP4 nonsense\r\n", b"PROXY TCP4 1", SIGNATURE, V1, b"", b"\r"):
            async with server.raw() as client:
                await client.send(said)
                assert await client.read_head() == b""
                await server.wait_connections(0)
        async with server.raw() as client:
            await client.send(V1[:10])
            await client.stream.send_eof()
            assert await client.read_head() == b""
        await server.wait_connections(0)
        await assert_still_serves(server)


async def test_over_one_connection_a_proxy_may_ask_for_many(serve) -> None:
    async with serve(pages=Pages({}), **BEHIND) as server, server.raw() as client:
        for address in (b"203.0.113.1", b"203.0.113.2"):
            await client.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\n\r\n" % address)
            head = await client.read_head()
            assert head.startswith(b"HTTP/1.1 404")
            body = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            await client.stream.receive_some(body)
        await client.send(upgrade(client, b"203.0.113.3"))
        assert (await client.read_head()).startswith(b"HTTP/1.1 101")
        (link,) = await server.wait_links(1)
        assert link.peer == "203.0.113.3"
