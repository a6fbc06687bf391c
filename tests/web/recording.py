"""What the Python client makes of a link, written down for the JavaScript replica to follow.

A recording is lines of JSON. Each has the `hex` of one message of a server, in their order, and
what the Python replica was after it: `seen` is None for messages that are no snapshot. A line with
`link` is the first of a new link, one with `fresh` comes to a new replica, and one with `refused`
must be refused.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from protocol.replica import Changes, KindColumns, Replica

_SAFE = 1 << 53


def plain(item: Any) -> Any:
    """An id or a number as JSON can have it: large ones are {"int": "..."}."""
    if type(item) is int and abs(item) >= _SAFE:
        return {"int": str(item)}
    return item


def _texts(column: np.ndarray[Any, Any]) -> list[Any]:
    return [bytes(value).rstrip(b"\0").decode("utf-8", "replace") for value in column]


def _column(column: np.ndarray[Any, Any]) -> list[Any]:
    values = _texts(column) if column.dtype.kind == "S" else column.tolist()
    return [plain(value) for value in values]


def _columns(columns: KindColumns) -> dict[str, Any]:
    fields = {name: _column(column) for name, column in columns.fields.items()}
    numbers = {
        name: _column(getattr(columns, name)) for name in ("ids", "cells", "x", "y", "vx", "vy")
    }
    return {**numbers, "fields": fields}


def _changes(changes: Changes) -> dict[str, Any]:
    def ids(several: Iterable[int]) -> list[Any]:
        return [plain(entity) for entity in sorted(several)]

    return {
        "entered": ids(changes.entered),
        "left": [[plain(entity), code] for entity, code in sorted(changes.left.items())],
        "dropped": ids(changes.dropped),
        "turned": ids(changes.turned),
        "set": ids(changes.set),
        "changed": ids(changes.changed),
        "crcChecks": changes.crc_checks,
        "mismatches": changes.mismatches,
        "resync": sorted(changes.resync),
    }


def seen(replica: Replica, changes: Changes) -> dict[str, Any]:
    """Everything that a replica says after a snapshot."""
    views = [replica[entity] for entity in sorted(replica.ids())]
    return {
        "tick": replica.tick,
        "tables": sorted([s, t.epoch, t.tick, t.step] for s, t in replica.tables.items()),
        "kinds": [_columns(replica.columns(kind)) for kind in range(len(replica.schema.kinds))],
        "views": [
            [plain(v.id), v.kind, v.shard, v.held, v.step, v.x, v.y, v.vx, v.vy] for v in views
        ],
        "changes": _changes(changes),
    }


class Recording:
    """Lines for `follow.js`."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def add(self, data: bytes, *, seen: dict[str, Any] | None = None, **more: Any) -> None:
        """One message, and what came of it."""
        self.lines.append({"hex": data.hex(), "seen": seen, **more})

    def write(self, path: Path) -> None:
        """All lines."""
        text = "\n".join(json.dumps(line, ensure_ascii=False) for line in self.lines)
        path.write_text(text + "\n", encoding="utf-8")
