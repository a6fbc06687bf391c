"""A shard as it is kept: everything that it needs to go on after one of its ticks, as bytes.

The world explains itself (`sim.checkpoint`); around it stands what the shard knows besides: its
sessions, how far it has taken other shards' outs and numbered its own, and what waits.

Must not know: the journal, how any of its parts work.
"""

from typing import Any, Final

import attrs

from protocol import cbor
from protocol.errors import ProtocolError

__all__ = ["Saved", "SavedError"]

_FORMAT: Final = 1


class SavedError(ValueError):
    """A shard's checkpoint is not of the form that this version writes."""


@attrs.frozen(kw_only=True)
class Saved:
    """One shard after `tick`; what is `Any` is the `to_data` of the part that it is named after.

    `game` is the code that ran. `progress` are (source, number, position); `census` the ids that
    were created and destroyed, None where nobody counts.
    """

    tick: int
    game: str
    tree_version: int
    world: bytes
    sessions: list[list[Any]]
    progress: list[list[int]]
    outbox: list[Any]
    forwarding: list[Any]
    commands: list[Any]
    events: list[Any]
    moved: list[Any]
    census: list[list[int]] | None

    def encode(self) -> bytes:
        """The whole as CBOR bytes."""
        return cbor.dumps([_FORMAT, *attrs.astuple(self, recurse=False)])

    @classmethod
    def decode(cls, data: bytes) -> "Saved":
        """What `encode` gave; `SavedError` if it is something else."""
        try:
            body: Any = cbor.loads(data)
            form, values = body[0], body[1:]
            if form == _FORMAT:
                names = [field.name for field in attrs.fields(cls)]
                return cls(**dict(zip(names, values, strict=True)))
        except (ProtocolError, TypeError, ValueError, LookupError) as error:
            raise SavedError("these bytes are not a shard's checkpoint") from error
        raise SavedError(f"a shard's checkpoint of format {form}, not {_FORMAT}")
