"""What a gateway is told when it is made, and what it tells of itself."""

import attrs

from protocol.geometry import Geometry
from protocol.schema import Schema
from server.gateway.tokens import TokenMaker

__all__ = ["GatewayConfig", "GatewayStatistics"]


@attrs.frozen(kw_only=True)
class GatewayConfig:
    """What a gateway must know of its world.

    `name` is one token of a bus subject, and of this very run: shards take who writes under it for
    the one that holds the sessions' links. What a client would be sent beyond `client_bytes_per_s`
    in the long run is thinned.
    """

    name: str
    world: str
    schema: Schema
    geometry: Geometry
    clients_max: int = 4000
    client_bytes_per_s: float = 64 * 1024
    reveal: bool = False
    conditions: str = ""
    tokens: TokenMaker = attrs.field(factory=TokenMaker)


@attrs.frozen(kw_only=True)
class GatewayStatistics:
    """Totals since the gateway began, and how many are in it now.

    `ended` counts links that are no more, `late` snapshots that were not sent because the link was
    behind, `dropped` links that were closed for their behaviour or silence, `gaps` frames that were
    missed on the bus, `followed` the shards whose frames are taken.
    """

    clients: int
    links: int
    ended: int
    joins: int
    resumes: int
    dropped: int
    snapshots: int
    bytes: int
    late: int
    exceptions: int
    gaps: int
    detached: int
    followed: int
    inputs: int
