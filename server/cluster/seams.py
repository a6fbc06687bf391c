"""The three things a cluster needs, as protocols: Bus, Directory, Journal.

The in-memory, the embedded and the NATS implementations offer the same three and pass the same
conformance tests (`tests/server/cluster`). Everything above knows only these.

Invariants that every implementation keeps:
- Bus: bytes only; at most once; what one publisher publishes arrives in its order; a full buffer
  drops its oldest message and counts it, the publisher never waits.
- Directory: a name has at most one lease at a time, and epochs of a name strictly increase.
- Journal: one writer per shard. Positions of a shard strictly increase. After a claim with a
  higher epoch, every append of the former owner is refused with `Fenced`, whatever it believes.

Must not know: shards' records, frames, games.
"""

from collections.abc import AsyncIterator, Sequence
from enum import Enum
from typing import Final, Literal, Protocol

import attrs

__all__ = [
    "Bus",
    "BusState",
    "Checkpoint",
    "Directory",
    "DirectoryEvent",
    "Draft",
    "Entry",
    "Fenced",
    "Journal",
    "JournalError",
    "JournalUnavailable",
    "Lease",
    "LeaseLost",
    "Message",
    "Record",
    "Subscription",
    "SubscriptionStatistics",
    "Watch",
    "check_drafts",
    "subject_matches",
]


# --- bus -----------------------------------------------------------------------------------------


class BusState(Enum):
    """Whether messages flow. While down, publishing is silently lost: at most once."""

    UP = "up"
    DOWN = "down"


@attrs.frozen
class Message:
    """What a subscription delivers."""

    subject: str
    data: bytes


@attrs.frozen
class SubscriptionStatistics:
    """Messages delivered to, dropped by and waiting in one subscription."""

    delivered: int
    dropped: int
    waiting: int


class Subscription(Protocol):
    """Messages that match one pattern, buffered until taken; iterate, or take at a tick."""

    def take_nowait(self) -> list[Message]:
        """Everything that waits, oldest first; empty if nothing does."""

    def __aiter__(self) -> AsyncIterator[Message]:
        """Messages as they come; ends when the subscription is closed."""

    def close(self) -> None:
        """Receive nothing more; what waits can still be taken. Idempotent."""

    def statistics(self) -> SubscriptionStatistics:
        """Counters since the subscription began."""


class Bus(Protocol):
    """Publish and subscribe: at most once, ordered per publisher, bytes only."""

    @property
    def state(self) -> BusState:
        """Whether the bus is up."""

    def publish(self, subject: str, data: bytes) -> None:
        """Send `data` to every subscription whose pattern matches `subject`; never waits.

        `ValueError` if `subject` is no subject or holds a wildcard, `TypeError` unless bytes.
        """

    def subscribe(
        self, pattern: str, *, buffer: int, overflow: Literal["drop_oldest"] = "drop_oldest"
    ) -> Subscription:
        """Start receiving what matches `pattern`, keeping at most `buffer` messages.

        A pattern is a subject in which a token may be `*` (any one token) and the last one may be
        `>` (one or more tokens).
        """


WILDCARDS: Final = frozenset("*>")


def subject_tokens(subject: str, *, pattern: bool) -> list[str]:
    """The dot-separated tokens of a subject or pattern; `ValueError` if it is not one."""
    tokens = subject.split(".")
    for word in tokens:
        if not word or any(character.isspace() for character in word):
            raise ValueError(f"{subject!r} has an empty token or white space")
        wild = word in WILDCARDS
        if wild != bool(WILDCARDS & set(word)) or (wild and not pattern):
            raise ValueError(f"{subject!r} has a wildcard where none may stand")
    if ">" in tokens[:-1]:
        raise ValueError(f"{subject!r} goes on after '>'")
    return tokens


def subject_matches(pattern: Sequence[str], subject: Sequence[str]) -> bool:
    """Whether the tokens of `subject` match those of `pattern`."""
    if pattern[-1] == ">":
        rest = len(pattern) - 1
        return len(subject) > rest and subject_matches([*pattern[:rest], "*"], subject[: rest + 1])
    return len(pattern) == len(subject) and all(
        wanted in ("*", token) for wanted, token in zip(pattern, subject, strict=True)
    )


# --- directory -----------------------------------------------------------------------------------


class LeaseLost(Exception):  # noqa: N818 - reads as the fact that it is
    """The lease ended or belongs to a newer epoch; its holder must stop at once."""


@attrs.frozen
class Entry:
    """A name that is held now."""

    name: str
    epoch: int
    meta: bytes


@attrs.frozen
class DirectoryEvent:
    """A change that a watch reports: an entry was put (granted, or its meta changed) or is gone."""

    kind: Literal["put", "gone"]
    entry: Entry


class Lease(Protocol):
    """A time-bounded right to a name. Its epoch is its token."""

    @property
    def name(self) -> str:
        """The name that is held."""

    @property
    def epoch(self) -> int:
        """Strictly increasing over all leases of this name, and at least 1."""

    @property
    def deadline(self) -> float:
        """When the right ends unless renewed, in seconds of the directory's clock."""

    async def renew(self, meta: bytes | None = None) -> None:
        """Move the deadline to a full time to live from now; `LeaseLost` if it is over."""

    async def release(self) -> None:
        """Give the name back. Nothing happens if the lease is over already."""


class Watch(Protocol):
    """What happens to the names under a prefix: first what is, then what changes."""

    def take_nowait(self) -> list[DirectoryEvent]:
        """The events since the last time; at first a put for each name that is held."""

    def __aiter__(self) -> AsyncIterator[DirectoryEvent]:
        """Events as they come; ends when the watch is closed."""

    def close(self) -> None:
        """Report nothing more. Idempotent."""


class Directory(Protocol):
    """Leases on names, with epochs: ownership, membership and placement."""

    async def acquire(self, name: str, meta: bytes, ttl_s: float) -> Lease | None:
        """A lease of `name` for `ttl_s` seconds, or None while somebody else holds it."""

    def watch(self, prefix: str) -> Watch:
        """Watch all names that start with `prefix`."""


# --- journal -------------------------------------------------------------------------------------


class JournalError(Exception):
    """The journal could not do what was asked; nothing is known to have been written."""


class JournalUnavailable(JournalError):  # noqa: N818 - reads as the fact that it is
    """The journal takes nothing for now; the same append may be tried again later."""


class Fenced(JournalError):  # noqa: N818 - the word of the design, in code and documents
    """A newer epoch owns the shard, or somebody else appended: the caller must stop writing."""


@attrs.frozen
class Record:
    """One record of a shard's journal.

    `to` is None for a tick's record and the destination shard for an out; `id` is the writer's
    name for it, by which a repeated append is known.
    """

    position: int
    id: str
    to: int | None
    data: bytes


@attrs.frozen
class Draft:
    """A record to append: its writer's name for it, and to which shard it goes if it is an out."""

    id: str
    data: bytes
    to: int | None = None


def check_drafts(drafts: Sequence[Draft]) -> None:
    """`TypeError` unless all of them are bytes: what is appended must not change any more."""
    if any(type(draft.data) is not bytes for draft in drafts):
        raise TypeError("a record is bytes")


@attrs.frozen
class Checkpoint:
    """A shard's state after its record at `position`; `revision` counts the saves."""

    data: bytes
    position: int
    revision: int


class Journal(Protocol):
    """One fenced, ordered stream of records per shard, and its newest checkpoint."""

    async def claim(self, shard: int, epoch: int) -> int:
        """Become the writer; the position after which to append.

        `Fenced` if an equal or higher epoch has claimed the shard. The former owner's appends
        fail from now on. Claims take a position of their own, but are not read as records.
        """

    async def append(self, shard: int, drafts: Sequence[Draft], *, expect: int) -> int:
        """Append records after position `expect`, durably and in order; the last one's position.

        Records that stand there already, under the same ids, were appended before and are passed
        over: repeat it freely when an outcome is unknown. `Fenced` if anything else was appended
        since. Whatever else is raised, some of the first may have been appended.
        """

    async def read(self, shard: int, after: int) -> list[Record]:
        """All records of `shard` with a position above `after` that are not trimmed, in order."""

    def follow(self, source: int, to: int, after: int) -> AsyncIterator[Record]:
        """The outs of `source` for `to` above position `after`, those to come included; endless."""

    async def trim(self, shard: int, upto: int) -> None:
        """Forget the records of `shard` up to and including position `upto`."""

    async def save(self, shard: int, checkpoint: bytes, *, position: int, revision: int) -> int:
        """Store the shard's state after `position`, replacing checkpoint `revision` (0 for none).

        Returns the new revision; `Fenced` if the stored checkpoint is not `revision`.
        """

    async def load(self, shard: int) -> Checkpoint | None:
        """The newest checkpoint, if any."""
