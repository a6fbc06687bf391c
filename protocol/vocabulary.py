"""The messages between a client and a gateway, as classes; `protocol.messages` makes them bytes.

Must not know: bytes, schemas (values are wire integers here), states, sockets.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

import attrs

from protocol import limits
from protocol.errors import CloseCode

__all__ = [
    "Ack", "Bye", "Events", "GeometryChange", "Goodbye", "Group", "Hello", "Input", "Message",
    "Ping", "Pong", "Private", "Resync", "Role", "ScoreRow", "Scores", "Snapshot", "Welcome",
]  # fmt: skip


class Role(Enum):
    """Which end of the wire one is."""

    CLIENT = "client"
    SERVER = "server"


# --- from clients --------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Hello:
    """The first message: who wants to play where. `resume` is a token of an earlier welcome."""

    version: int = limits.VERSION
    world: str | None = None
    name: str = ""
    token: bytes | None = None
    resume: bytes | None = None
    observe: bool = False


class Input(NamedTuple):
    """An intent for `tick`, numbered by `seq` (from 1, each new input one more).

    `view` is the tick that the player saw, times 256, with its fraction in the low byte; 0 if
    unknown. `ack` acknowledges snapshots up to that tick; 0 for none. `values` are wire integers
    and texts in the order of the kind's fields. A named tuple, for servers make thousands a second.
    """

    seq: int
    tick: int
    kind: int
    values: tuple[int | str, ...]
    view: int = 0
    ack: int = 0


@attrs.frozen
class Ack:
    """Snapshots up to `tick` have arrived."""

    tick: int


@attrs.frozen
class Ping:
    """Answer with a Pong of the same stamp. Both ends may ask."""

    stamp: int


@attrs.frozen
class Pong:
    """The answer to a Ping."""

    stamp: int


@attrs.frozen
class Resync:
    """The replica of these cells is wrong: send keyframes."""

    cells: tuple[int, ...]


@attrs.frozen
class Bye:
    """The player leaves for good: end the session without grace."""


# --- from servers --------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Welcome:
    """The answer to a hello. `token` resumes this session; observers have neither."""

    session: int
    token: bytes
    hz: int
    tick: int
    entity: int
    schema: Mapping[str, Any]
    geometry: Mapping[str, Any]
    observer: bool = False
    conditions: str = ""


@attrs.frozen
class Private:
    """What the owner of `entity` alone receives: its private columns at `step`, in their order."""

    entity: int
    kind: int
    step: int
    values: tuple[int, ...]


@attrs.frozen
class Group:
    """The updates of one shard; its tick is the snapshot's less `age`, its step that less `lag`."""

    shard: int
    epoch: int
    age: int
    lag: int
    updates: Sequence[Any]


@attrs.frozen(kw_only=True)
class Snapshot:
    """What one client receives for `tick`.

    `report` says of the client's inputs which is the newest that has taken effect, and how many
    ticks early the newest came (negative: late). It and `private` are None while unchanged. The
    parts in the `dropped` cells are forgotten before the groups are read.
    """

    tick: int
    report: tuple[int, int] | None = None
    private: Private | None = None
    dropped: tuple[int, ...] = ()
    groups: tuple[Group, ...] = ()


@attrs.frozen
class Events:
    """One-off facts of one shard's tick: each is (kind, values...)."""

    tick: int
    shard: int
    events: tuple[tuple[Any, ...], ...]


class ScoreRow(NamedTuple):
    """One line of the score board."""

    entity: int
    name: str
    score: int | float


@attrs.frozen
class Scores:
    """The score board, best first."""

    rows: tuple[ScoreRow | tuple[int, str, int], ...]


@attrs.frozen
class Goodbye:
    """The server ends the link; `retry_s` above 0 asks to come back after so many seconds."""

    code: CloseCode
    reason: str
    retry_s: float = 0.0


@attrs.frozen
class GeometryChange:
    """The world is cut anew."""

    geometry: Mapping[str, Any]


Message: TypeAlias = (
    Hello | Input | Ack | Ping | Pong | Resync | Bye
    | Welcome | Snapshot | Events | Scores | Goodbye | GeometryChange
)  # fmt: skip
