"""How a shard's records lie in its stream: as messages, whose sequences are the positions.

A record is one message, or several when it is longer than PART_BYTES; its position is that of the
last. A claim is a message of its own. Each says the epoch of its writer, so the newest message
tells who owns the stream.

What fences an owner: every message expects the stream to end right before it. In a batch the
messages follow each other without waiting for answers, and there that is not enough: were the
first refused because a new owner's claim took its place, the second would find the stream as long
as it expects. So each further message also expects that the last one is its forerunner, by id.

Must not know: how messages are sent.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, unquote

import attrs

from server.cluster.nats.calls import Question
from server.cluster.nats.jetstream import Stored
from server.cluster.nats.limits import ID_BYTES_MAX, PART_BYTES
from server.cluster.nats.names import Names
from server.cluster.seams import Draft, Record

__all__ = ["Part", "RecordReader", "claim_message", "cut", "is_part", "message", "writer_epoch"]

EPOCH: Final = "Shoal-Epoch"
NAME: Final = "Shoal-Id"  # not in a claim
PART: Final = "Shoal-Part"  # "2/3" for the second of three; none if it is whole
CLAIMANT: Final = "Shoal-Claimant"


@attrs.frozen
class Part:
    """A piece of a record: `number` of `count`, from 1."""

    name: str  # the record's id, as it stands in a header
    to: int | None
    data: bytes
    number: int
    count: int

    @property
    def label(self) -> str:
        """Which piece of which record; empty for no piece."""
        return f"{self.number}/{self.count}" if self.count > 1 else ""


def cut(drafts: Sequence[Draft]) -> list[Part]:
    """The pieces of all records, in order. ValueError for an id that is too long."""
    parts = []
    for draft in drafts:
        name = quote(draft.id, safe="")
        if not 0 < len(name) <= ID_BYTES_MAX:
            raise ValueError(f"the id of a record has {len(name)} bytes")
        count = max(1, -(-len(draft.data) // PART_BYTES))
        for number in range(1, count + 1):
            piece = draft.data[(number - 1) * PART_BYTES : number * PART_BYTES]
            parts.append(Part(name, draft.to, piece, number, count))
    return parts


def message(
    names: Names, shard: int, epoch: int, part: Part, *, expect: int, behind: Part | None
) -> Question:
    """A piece as it is stored behind position `expect`, in a batch right `behind` another."""
    headers = {
        "Nats-Expected-Stream": names.journal(shard),
        "Nats-Expected-Last-Sequence": str(expect),
        "Nats-Msg-Id": _message_id(part, expect + 1),
        EPOCH: str(epoch),
        NAME: part.name,
    }
    if part.label:
        headers[PART] = part.label
    if behind is not None:
        headers["Nats-Expected-Last-Msg-Id"] = _message_id(behind, expect)
    return Question(names.records(shard, part.to), part.data, headers)


def _message_id(part: Part, position: int) -> str:
    """The engine knows a repeated message by this for a while; nothing relies on it.

    With the position in it, it is repeated only where the record is.
    """
    return f"{position}.{part.name}"


def claim_message(names: Names, shard: int, epoch: int, claimant: str, *, expect: int) -> Question:
    """A claim as it is stored behind position `expect`."""
    headers = {
        "Nats-Expected-Stream": names.journal(shard),
        "Nats-Expected-Last-Sequence": str(expect),
        EPOCH: str(epoch),
        CLAIMANT: claimant,
    }
    return Question(names.claims(shard), b"", headers)


def writer_epoch(stored: Stored) -> int:
    """The epoch of whoever wrote this message, 0 if it does not say."""
    text = stored.headers.get(EPOCH, "")
    return int(text) if text.isdecimal() else 0


def claimant(stored: Stored) -> str:
    """Who made this claim; empty if it is none."""
    return stored.headers.get(CLAIMANT, "")


def is_part(stored: Stored, part: Part) -> bool:
    """Whether this message is that piece."""
    headers = stored.headers
    return headers.get(NAME) == part.name and headers.get(PART, "") == part.label


class RecordReader:
    """Puts a stream's messages together to records, or those of one subject in it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._name = ""

    def read(self, stored: Stored) -> Record | None:
        """The record that ends with this message, if one does."""
        name = stored.headers.get(NAME)
        if name is None:  # a claim: what its forerunner did not finish is none
            self._pieces.clear()
            return None
        number, _, count = stored.headers.get(PART, "1/1").partition("/")
        if number == "1":
            self._pieces.clear()
            self._name = name
        elif name != self._name or int(number) != len(self._pieces) + 1:
            self._pieces.clear()  # its beginning was trimmed
            return None
        self._pieces.append(stored.data)
        if number != count:
            return None
        data = b"".join(self._pieces)
        self._pieces.clear()
        return Record(stored.sequence, unquote(name), _destination(stored.subject), data)


def _destination(subject: str) -> int | None:
    last = subject.rpartition(".")[2]
    return int(last) if last.isdecimal() else None
