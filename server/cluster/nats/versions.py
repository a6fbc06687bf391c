"""Which servers are good enough to keep a promise.

A cluster older than 2.10.23 may let two writers pass one compare-and-set, so leases and journals
would not be safe on it. A single server of any 2.9 and newer is fine.

Must not know: how a server is reached.
"""

import re
from typing import Final

import attrs

from server.cluster.nats.errors import EngineError
from server.cluster.nats.limits import HEAD_BYTES, PART_BYTES

__all__ = ["ServerInfo", "check_server"]

CLUSTER_OLDEST: Final = (2, 10, 23)
SINGLE_OLDEST: Final = (2, 9, 0)


@attrs.frozen
class ServerInfo:
    """What a server tells about itself. `cluster` is the name of its cluster, "" for none."""

    url: str
    version: str
    cluster: str
    jetstream: bool
    payload_bytes_max: int


def check_server(server: ServerInfo) -> None:
    """EngineError unless leases and journals are safe on this server."""
    version = _numbers(server.version)
    if version < SINGLE_OLDEST:
        raise EngineError(
            f"the nats-server at {server.url} is {server.version}; "
            f"Shoal needs {_text(SINGLE_OLDEST)} or newer"
        )
    if server.cluster and version < CLUSTER_OLDEST:
        raise EngineError(
            f"the nats-server at {server.url} is {server.version} in the cluster "
            f"{server.cluster!r}. Before {_text(CLUSTER_OLDEST)} a cluster may grant one lease "
            "twice: upgrade it, or run a single nats-server without a cluster"
        )
    if not server.jetstream:
        raise EngineError(
            f"the nats-server at {server.url} runs without JetStream: start it with -js"
        )
    if server.payload_bytes_max < PART_BYTES + HEAD_BYTES:
        raise EngineError(
            f"max_payload of the nats-server at {server.url} is {server.payload_bytes_max}; "
            f"Shoal needs {PART_BYTES + HEAD_BYTES}"
        )


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    if found is None:
        raise EngineError(f"a nats-server calls its version {version!r}, which says nothing")
    return tuple(int(number) for number in found.groups())


def _text(version: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in version)
