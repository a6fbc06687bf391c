"""The numbers of a gateway and of a node that operators watch, and scale by.

Must not know: how they are told.
"""

from collections.abc import Callable, Sequence

from server.gateway.config import GatewayStatistics
from server.observe.metrics import Number, Numbers
from server.shard.service import Node

__all__ = ["gateway_numbers", "node_numbers", "numbers_of"]


def numbers_of(read: Callable[[], Sequence[Number]]) -> Callable[[], tuple[str, bytes]]:
    """What `Health.measure` wants, of numbers as they are when it is asked."""
    numbers = Numbers(read)
    return lambda: (numbers.media_type, numbers.text())


def gateway_numbers(statistics: GatewayStatistics, clients_max: int) -> Sequence[Number]:
    """Of one gateway, which admits `clients_max` clients."""
    s = statistics
    return [
        Number("shoal_gateway_clients", "Clients that play or watch.", s.clients),
        Number("shoal_gateway_clients_max", "How many it admits.", clients_max),
        Number("shoal_gateway_links", "Open links, those that are not welcomed yet too.", s.links),
        Number("shoal_gateway_shards", "Shards whose frames it takes.", s.followed),
        Number("shoal_gateway_joins", "Sessions that began here.", s.joins, total=True),
        Number("shoal_gateway_resumes", "Sessions that came back here.", s.resumes, total=True),
        Number("shoal_gateway_ended", "Links that are no more.", s.ended, total=True),
        Number(
            "shoal_gateway_dropped",
            "Links that were closed for behaviour or silence.",
            s.dropped,
            total=True,
        ),
        Number("shoal_gateway_inputs", "Inputs of clients.", s.inputs, total=True),
        Number("shoal_gateway_snapshots", "Snapshots sent.", s.snapshots, total=True),
        Number("shoal_gateway_snapshot_bytes", "Their bytes.", s.bytes, total=True),
        Number(
            "shoal_gateway_late",
            "Snapshots left out because a link was behind.",
            s.late,
            total=True,
        ),
        Number("shoal_gateway_frame_gaps", "Frames missed on the bus.", s.gaps, total=True),
    ]


def node_numbers(node: Node) -> Sequence[Number]:
    """Of one node, its shards taken together."""
    s = node.statistics()
    shards = [shard.statistics() for shard in node.shards.values()]
    return [
        Number("shoal_node_load", "Share of the time that stepping takes.", s.load),
        Number("shoal_node_speed", "Announced share of full speed.", s.dilation / 1000),
        Number("shoal_node_tick", "The newest tick.", s.tick),
        Number(
            "shoal_node_missed_ticks", "Slots in which nothing was stepped.", s.missed, total=True
        ),
        Number("shoal_node_shards", "Shards stepped here.", len(shards)),
        Number("shoal_node_entities", "Entities in them.", sum(each.entities for each in shards)),
        Number("shoal_node_sessions", "Sessions in them.", sum(each.sessions for each in shards)),
        Number(
            "shoal_node_journal_lag_ticks",
            "Ticks of the shard that is furthest behind which are not durable yet.",
            max((each.journal_lag_ticks for each in shards), default=0),
        ),
    ]
