"""What gateways tell on the bus of themselves, for whoever shows how a world does.

Must not know: who listens.
"""

from typing import Any, Final

import attrs
import trio

from protocol import cbor
from protocol.errors import ProtocolError
from server.cluster.seams import Bus
from server.gateway.service import RunningGateway

__all__ = ["GatewayTold", "links_subject", "tell_links"]

TELL_S: Final = 1.0


def links_subject(world: str, gateway: str) -> str:
    """Where a gateway tells how many links it holds; `"*"` for all gateways."""
    return f"{world}.links.{gateway}"


@attrs.frozen
class GatewayTold:
    """What one gateway says. `links` are open now."""

    gateway: str
    links: int

    def encode(self) -> bytes:
        """As CBOR bytes."""
        return cbor.dumps([self.gateway, self.links])

    @classmethod
    def decode(cls, data: bytes) -> "GatewayTold | None":
        """The reverse; None if it says nothing of the kind."""
        try:
            item: Any = cbor.loads(data)
        except ProtocolError:
            return None
        match item:
            case [str(gateway), int(links)]:
                return cls(gateway, links)
        return None


async def tell_links(bus: Bus, world: str, name: str, gateway: RunningGateway) -> None:
    """Tell once a second, until cancelled."""
    while True:
        told = GatewayTold(name, gateway.statistics().links)
        bus.publish(links_subject(world, name), told.encode())
        await trio.sleep(TELL_S)
