"""What bad clients send, and how to see that a good one does not mind."""

import random
from contextlib import suppress

import trio

from server.net import limits

GARBAGE = [
    b"\x00" * 100 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # somebody speaks TLS
    b"\r\n\r\n\r\n\r\n",
    b"\x82\x85\x00\x00\x00\x00hello",
]
STRANGE_HEADERS = [
    b"Sec-WebSocket-Protocol: shoal.v2\xff\r\n",
    b"Sec-WebSocket-Protocol: shoal.v2\r\nSec-WebSocket-Extensions: \xe9\r\n",
    b"Sec-WebSocket-Protocol: shoal.v2\r\nConnection: \xff\xfe\r\n",
    b"Sec-WebSocket-Protocol: shoal.v2\r\nOrigin: http://[\xff\r\n",
    b"Sec-WebSocket-Protocol: shoal.v2\r\nContent-Length: 9\r\n",
    b"Sec-WebSocket-Protocol: shoal.v2\r\nTransfer-Encoding: chunked\r\n",
    b"Sec-WebSocket-Protocol: shoal.v2\r\nCookie: " + b"x" * limits.HEAD_BYTES + b"\r\n",
]


async def assert_still_serves(server):
    """A good client gets in and is heard."""
    count = len(server.links)
    async with server.client() as client:
        await client.send_message(b"hello")
        await server.wait_links(count + 1)
        assert await server.wait_drained(server.links[count], 1) == [b"hello"]


async def send_until_broken(client, data):
    with suppress(trio.BrokenResourceError):
        await client.send(data)


def hostile(client, seed: int) -> bytes:
    chance = random.Random(seed)
    kinds = [
        chance.choice(GARBAGE),
        client.request(chance.choice(STRANGE_HEADERS)),
        client.request()[: chance.randrange(200)],
        client.request() + chance.randbytes(chance.randrange(500)),
        client.request() + client.frame(9) * 400,
        client.request() + client.frame(2, b"", final=False) * 70,
        client.request() + client.frame(8) + client.frame(9) * 5,
    ]
    return kinds[seed % len(kinds)]
