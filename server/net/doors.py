"""Who may come in: how many connections there are, from where, and which have not shown their
request yet.

Must not know: sockets, WebSocket.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

__all__ = ["Doors", "origin_of"]


def origin_of(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 network that one IPv6 host owns."""
    parsed = ip_address(address.partition("%")[0])  # a link-local one names its interface
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64)) + "/64"
    return str(parsed)


class Doors:
    """Counts connections. Whoever is admitted must leave."""

    def __init__(self, *, connections_max: int, per_address_max: int, handshakes_max: int) -> None:
        self._connections_max = connections_max
        self._per_address_max = per_address_max
        self._handshakes_max = handshakes_max
        self._by_origin: Counter[str] = Counter()
        self._handshakes: OrderedDict[int, Callable[[], None]] = OrderedDict()
        self._connections = 0
        self._numbers = 0

    @property
    def connections(self) -> int:
        """How many are in, handshakes included."""
        return self._connections

    def admit(self, origin: str | None) -> bool:
        """Count one more connection; False if there is no room for it.

        `origin` None: it is not known yet, since a proxy speaks for it; `identify` it then.
        """
        if self._connections >= self._connections_max:
            return False
        if origin is not None and not self.identify(origin):
            return False
        self._connections += 1
        return True

    def identify(self, origin: str) -> bool:
        """A connection turns out to be of `origin`; False if there is no room for that."""
        if self._by_origin[origin] >= self._per_address_max:
            self._forget_if_gone(origin)
            return False
        self._by_origin[origin] += 1
        return True

    def leave(self, origin: str | None) -> None:
        """Count one connection less."""
        self._connections -= 1
        if origin is not None:
            self._by_origin[origin] -= 1
            self._forget_if_gone(origin)

    def begin_handshake(self, give_up: Callable[[], None]) -> int:
        """Note a handshake; the oldest is given up when there are too many. Returns its number."""
        if len(self._handshakes) >= self._handshakes_max:
            self._handshakes.popitem(last=False)[1]()
        self._numbers += 1
        self._handshakes[self._numbers] = give_up
        return self._numbers

    def end_handshake(self, number: int) -> None:
        """The handshake is over, one way or the other."""
        self._handshakes.pop(number, None)

    def _forget_if_gone(self, origin: str) -> None:
        if not self._by_origin[origin]:
            del self._by_origin[origin]  # addresses are many; only present ones cost memory
