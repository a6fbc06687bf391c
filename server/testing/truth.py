"""Where entities really are: the rows of the shards that own them.

Must not know: gateways, clients.
"""

from types import SimpleNamespace
from typing import Any

from protocol.schema import Kind, Schema
from server.shard.guests import GuestBatch, course_positions
from server.shard.host import Shard

__all__ = ["find", "holder"]


def find(schema: Schema, shards: dict[int, Shard], entity: int) -> tuple[int, Any] | None:
    """The owner of an entity and its row; None if there is no such entity.

    In the one tick in which it changes hands nobody owns it: then the shard is the one that it
    goes to, and the row is a copy of what is published of it.
    """
    for number, shard in shards.items():
        row = shard.world.get(entity)
        if row is not None:
            return number, row
    for shard in shards.values():
        for batch in shard.guests:
            found = (batch.rows.ids == entity).nonzero()[0]
            if len(found):
                place = int(found[0])
                copy = _copy(schema.kinds[batch.kind], batch, place, shard.world.step)
                return int(batch.to[place]), copy
    return None


def holder(shards: dict[int, Shard], entity: int) -> Shard | None:
    """The shard that can reach an entity: its owner, or who has just handed it over."""
    for shard in shards.values():
        if shard.world.get(entity) is not None:
            return shard
    for shard in shards.values():
        if any((batch.rows.ids == entity).any() for batch in shard.guests):
            return shard
    return None


def _copy(kind: Kind, batch: GuestBatch, place: int, step: int) -> Any:
    rows = batch.rows
    values: dict[str, Any] = {"id": int(rows.ids[place])}
    for field in kind.fields:
        value = rows.fields[field.name][place]
        values[field.name] = value.decode() if field.is_text else field.to_float(value).item()
    values["x"], values["y"] = float(rows.x[place]), float(rows.y[place])
    if kind.course is not None and rows.course is not None:
        x, y = course_positions(rows.course, kind.course, step)
        values["x"], values["y"] = float(x[place]), float(y[place])
        values["vx"], values["vy"] = (
            float(rows.course[axis][place]) * kind.course.speed_step for axis in (2, 3)
        )
    return SimpleNamespace(**values)
