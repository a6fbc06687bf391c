"""The PROXY protocol, versions 1 and 2: what a proxy says before the first byte of its client.

Only read from proxies that we trust. One that says nothing of the kind is let be: the first bytes
tell, since neither beginning can begin an HTTP request. Written after HAProxy's proxy-protocol.txt.

Invariants: what is held is bounded (`limits.PROXY_BYTES` and a chunk); whatever bytes come, `feed`
says that it is done, asks for more or raises BadPreambleError.

Must not know: sockets, whom to trust.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from server.net import limits

__all__ = ["BadPreambleError", "Preamble"]

_V1: Final = b"PROXY "
_V1_BYTES: Final = 107  # of the longest line, its end included
_V2: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_HEAD: Final = 16  # bytes before the addresses
_LOCAL, _PROXY = 0x20, 0x21
_IPV4, _IPV6 = 0x1, 0x2


class BadPreambleError(Exception):
    """It begins like the PROXY protocol and is none."""


class Preamble:
    """Feed it until it is done; then `rest` is what the client said, `source` its address.

    `source` is None when there is no preamble, or one that names nobody, as health checks send.
    """

    def __init__(self) -> None:
        self.source: str | None = None
        self.rest = b""

    def feed(self, data: bytes) -> bool:
        """Whether it is done. Raises BadPreambleError."""
        self.rest += data
        if self.rest.startswith(_V2):
            return self._read_v2()
        if self.rest.startswith(_V1):
            return self._read_v1()
        return not (_V2.startswith(self.rest) or _V1.startswith(self.rest))

    def _read_v1(self) -> bool:
        line, end, rest = self.rest.partition(b"\r\n")
        if len(line) + 2 > _V1_BYTES:
            raise BadPreambleError("the line is too long")
        if not end:
            return False
        self.rest = rest
        family, *words = line[len(_V1) :].split(b" ")
        if family != b"UNKNOWN":
            if family not in {b"TCP4", b"TCP6"} or len(words) != 4:
                raise BadPreambleError("not a line of the PROXY protocol")
            try:
                self.source = str(ip_address(words[0].decode("ascii")))
            except ValueError:
                raise BadPreambleError("not an address") from None
        return True

    def _read_v2(self) -> bool:
        if len(self.rest) < _V2_HEAD:
            return False
        command, family = self.rest[12], self.rest[13] >> 4
        length = int.from_bytes(self.rest[14:16], "big")
        if command not in {_LOCAL, _PROXY} or length > limits.PROXY_BYTES:
            raise BadPreambleError("not a header of the PROXY protocol that is understood")
        if len(self.rest) < _V2_HEAD + length:
            return False
        body, self.rest = self.rest[_V2_HEAD : _V2_HEAD + length], self.rest[_V2_HEAD + length :]
        if command == _PROXY:
            self.source = _address(family, body)
        return True


def _address(family: int, body: bytes) -> str | None:
    """The source of a version 2 header; None of a family that is not ours, as the paper asks."""
    if family == _IPV4 and len(body) >= 12:
        return str(IPv4Address(body[:4]))
    if family == _IPV6 and len(body) >= 36:
        return str(IPv6Address(body[:16]))
    if family in {_IPV4, _IPV6}:
        raise BadPreambleError("the addresses are cut off")
    return None
