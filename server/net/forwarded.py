"""Who a client is when a proxy stands before it: only proxies that we trust may say so.

What a proxy says is a chain of addresses, the nearest last: that of the PROXY protocol, then those
of X-Forwarded-For. It is followed backwards for as long as whoever speaks is trusted, so a client
that writes such a header itself is not believed: the proxy's own word stands behind it.

Must not know: sockets, HTTP's syntax, limits.
"""

from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

__all__ = ["TrustedProxies"]


class TrustedProxies:
    """Addresses and networks, as people write them: 10.0.0.7, 10.0.0.0/8, fd00::/8."""

    def __init__(self, networks: Collection[str] = ()) -> None:
        """Raise ValueError for what is none."""
        self._networks = [ip_network(network) for network in networks]

    def trusts(self, address: str) -> bool:
        """Whether whoever has this address may say for whom it speaks."""
        if not self._networks:
            return False
        parsed = _parse(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def client_of(self, peer: str, forwarded_for: Iterable[bytes]) -> str:
        """The nearest address that is no trusted proxy, or else the last that one named.

        `forwarded_for` are the values of X-Forwarded-For, in order. What cannot be read ends the
        chain there: its speaker is all that is known.
        """
        chain = [name for value in forwarded_for for name in value.split(b",")]
        while chain and self.trusts(peer):
            named = _parse(_without_port(chain.pop().strip().decode("latin-1")))
            if named is None:
                return peer
            peer = str(named)
        return peer


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """The address; one of IPv4 is that, however it is written."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _without_port(text: str) -> str:
    """The address of `192.0.2.1:80`, `[2001:db8::1]:80`, or of one without a port."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    host, colon, _ = text.partition(":")
    return host if colon and ":" not in text[len(host) + 1 :] else text
