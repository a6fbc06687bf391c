"""What a bot sees of its client: the replica around its own avatar, as `Senses`.

Must not know: brains, connections.
"""

from client_demo.senses import Seen, Senses
from protocol.client import Client
from protocol.replica import EntityView
from protocol.schema import Schema

__all__ = ["perceive"]


def perceive(client: Client, now: float) -> Senses | None:
    """The moment at `now`; None while the own avatar is not there (in transit, or not yet)."""
    schema, replica = client.schema, client.replica
    if schema is None or replica is None:
        return None
    own = replica.entity(client.entity)
    if own is None:
        return None
    views = (replica.entity(entity) for entity in replica.ids() if entity != client.entity)
    return Senses(
        now=now,
        size=schema.size,
        me=_seen(own, schema),
        others=[_seen(view, schema) for view in views if view is not None],
    )


def _seen(view: EntityView, schema: Schema) -> Seen:
    return Seen(
        view.id, schema.kinds[view.kind].name, view.x, view.y, view.vx, view.vy, view.fields
    )
