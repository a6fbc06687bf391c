"""What a shard sends to other shards, exactly once: entities that cross and commands for others.

Each becomes one `out` record in the shard's own journal, addressed to its destination. Outs of one
source for one destination carry consecutive numbers, which is how the receiver knows a repeated
one and notices a missing one; the name (tick, index) tells where in the source's history it arose,
so that recovery can derive the outs of a tick again and append those that are missing. A tick's
entities come before its commands, which may be meant for one of them.

Must not know: worlds (an entity is bytes), geometry, the journal.
"""

from collections import deque
from typing import Any

import attrs

from protocol import cbor
from protocol.errors import ProtocolError

__all__ = [
    "CommandParcel",
    "EntityParcel",
    "Letter",
    "Out",
    "Outbox",
    "Parcel",
    "ParcelError",
    "read_parcel",
]


class ParcelError(ValueError):
    """An out record is not of the form that `Outbox` writes: the journal is damaged."""


@attrs.frozen
class Out:
    """A record to append after the tick's own: for shard `to`, under the name `id`."""

    to: int
    id: str
    data: bytes


@attrs.frozen
class Parcel:
    """What every out has: its number for this destination, and the tick in which it arose."""

    number: int
    tick: int


@attrs.frozen
class EntityParcel(Parcel):
    """An entity cut out of the source after `tick`, with its session if it has one."""

    entity: int
    body: bytes
    session: list[Any] | None


@attrs.frozen
class CommandParcel(Parcel):
    """A command for an entity that the source does not own; `forwards` counts its hops."""

    target: int
    name: str
    args: Any
    forwards: int


@attrs.frozen
class Letter:
    """A command on its way: to which shard, for which entity, and how often it was passed on."""

    to: int
    target: int
    name: str
    args: Any
    forwards: int = 0


_ENTITY, _COMMAND = 0, 1


def read_parcel(data: bytes) -> EntityParcel | CommandParcel:
    """The parcel in an out record; `ParcelError` if it is none."""
    try:
        body = cbor.loads(data)
    except ProtocolError as error:
        raise ParcelError("an out record is not CBOR") from error
    match body:
        case [int(number), int(tick), 0, int(entity), bytes(cut), (list() | None) as session]:
            return EntityParcel(number, tick, entity, cut, session)
        case [int(number), int(tick), 1, int(target), str(name), args, int(forwards)]:
            return CommandParcel(number, tick, target, name, args, forwards)
    raise ParcelError("an out record is neither an entity nor a command")


class Outbox:
    """Numbers and names the outs of one shard, and remembers those that were not taken yet."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.acknowledged: dict[int, int] = {}
        self.sent_entities = 0
        self._tick = 0
        self._outs: list[Out] = []
        self._letters: list[Letter] = []
        # Entities in transit by destination, (number, entity). As long as a destination is away
        # its journal holds the entities, so their numbers may well be kept here.
        self._untaken: dict[int, deque[tuple[int, int]]] = {}

    def begin(self, tick: int) -> None:
        """Start the outs of `tick`."""
        self._tick = tick
        self._outs = []
        self._letters = []

    def send_entity(self, to: int, entity: int, body: bytes, session: list[Any] | None) -> None:
        """Hand an entity, as `World.depart` cut it out, and its session to shard `to`."""
        number = self._put(to, [_ENTITY, entity, body, session])
        self._untaken.setdefault(to, deque()).append((number, entity))
        self.sent_entities += 1

    def send(self, letter: Letter) -> None:
        """Pass a command on; it goes behind the entities of this tick."""
        self._letters.append(letter)

    @property
    def letters(self) -> tuple[Letter, ...]:
        """The commands since `begin`, in order."""
        return tuple(self._letters)

    def finish(self) -> tuple[Out, ...]:
        """The outs since `begin`, in order."""
        for letter in self._letters:
            row = [_COMMAND, letter.target, letter.name, letter.args, letter.forwards]
            self._put(letter.to, row)
        return tuple(self._outs)

    def taken(self, by: int, number: int) -> None:
        """Note that shard `by` has taken everything up to `number`."""
        self.acknowledged[by] = max(number, self.acknowledged.get(by, 0))
        waiting = self._untaken.get(by)
        while waiting and waiting[0][0] <= number:
            waiting.popleft()

    def in_transit(self) -> list[int]:
        """The entities that were cut out and that no destination is known to have taken."""
        return [entity for waiting in self._untaken.values() for _, entity in waiting]

    def to_data(self) -> list[Any]:
        """Plain data for a checkpoint, to be taken after a tick."""
        untaken = [[to, [list(each) for each in waiting]] for to, waiting in self._untaken.items()]
        numbers = [[to, number] for to, number in self.numbers.items()]
        taken = [[by, number] for by, number in self.acknowledged.items()]
        return [numbers, taken, untaken, self.sent_entities]

    def load(self, data: list[Any]) -> None:
        """Be as `to_data` described."""
        numbers, taken, untaken, self.sent_entities = data
        self.numbers, self.acknowledged = dict(numbers), dict(taken)
        self._untaken = {
            to: deque((number, entity) for number, entity in rows) for to, rows in untaken
        }

    def _put(self, to: int, body: list[Any]) -> int:
        number = self.numbers.get(to, 0) + 1
        self.numbers[to] = number
        name = f"{self._tick}.{len(self._outs)}"
        self._outs.append(Out(to, name, cbor.dumps([number, self._tick, *body])))
        return number
