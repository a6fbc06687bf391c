"""What a bot sees of its client: the replica around its own avatar, as `Senses`.

Must not know: brains, connections.
"""

from typing import Final

from client_demo.senses import Seen, Senses
from protocol.client import Client
from protocol.replica import EntityView
from protocol.schema import Schema

__all__ = ["perceive"]

_LATE_S_MAX: Final = 0.5


def perceive(client: Client, now: float) -> Senses | None:
    """The moment at `now`; None while the own avatar is not there (in transit, or not yet)."""
    schema, replica = client.schema, client.replica
    if schema is None or replica is None or client.timeline is None:
        return None
    own = replica.entity(client.entity)
    if own is None:
        return None
    # A screen shows the others a little late, and shots are judged by what was on it.
    late_ticks = replica.tick - client.timeline.render_tick(now)
    late_s = min(max(late_ticks / schema.hz, 0.0), _LATE_S_MAX)
    views = (replica.entity(entity) for entity in replica.ids() if entity != client.entity)
    return Senses(
        now=now,
        size=schema.size,
        me=_seen(own, schema, 0.0),
        others=[_seen(view, schema, late_s) for view in views if view is not None],
    )


def _seen(view: EntityView, schema: Schema, late_s: float) -> Seen:
    return Seen(
        view.id,
        schema.kinds[view.kind].name,
        view.x - view.vx * late_s,
        view.y - view.vy * late_s,
        view.vx,
        view.vy,
        view.fields,
    )
