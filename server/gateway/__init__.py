"""The gateway: holds client links, never simulates.

It slices the shards' frames into snapshots by interest, one shared body for all who see the same,
and carries inputs to the shard that owns each session. `core.Gateway` is synchronous and knows no
clock; `service.run_gateway` is its trio shell.
"""

from server.gateway.core import Gateway, GatewayConfig, GatewayStatistics
from server.gateway.tokens import TokenMaker

__all__ = ["Gateway", "GatewayConfig", "GatewayStatistics", "TokenMaker"]
