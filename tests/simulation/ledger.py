"""What there must be exactly one of: entities, commands, shots, durable events.

An entity is in one shard or between two; whoever takes it must have been sent it. A command and a
shot have numbers of their own and are done once; a command to somebody who lives is done at last.
"""

from collections.abc import Iterable

import attrs

from tests.simulation.judge import Judge

__all__ = ["Ledger", "Transit"]


@attrs.frozen
class Transit:
    """An entity between two shards: the out that it travels in."""

    source: int
    to: int
    number: int


@attrs.frozen
class Progress:
    """Inputs of a session up to `applied` took effect; `shot` is the newest that a tick had, or 0.

    What comes late is merged into the newest of its kind.
    """

    applied: int
    shot: int


Command = tuple[int, int]  # who gives, and the how manyth


class Ledger:
    """Kept by the records of all shards, in the order in which they became durable."""

    def __init__(self, judge: Judge) -> None:
        self.where: dict[int, int | Transit] = {}
        self.dead: set[int] = set()
        self.crossings = 0
        self.given: dict[Command, tuple[int, int]] = {}  # to whom, and at which tick
        self.done: set[Command] = set()
        self.shots: set[int] = set()
        self.progress: dict[int, list[Progress]] = {}  # by session
        self.events: dict[tuple[str, int], tuple[int, int]] = {}  # shard and tick of each
        self._judge = judge

    # --- entities --------------------------------------------------------------------------------

    def made(self, shard: int, entities: Iterable[int]) -> None:
        """Entities began in a shard."""
        for entity in entities:
            known = entity in self.where or entity in self.dead
            self._judge.require(not known, f"shard {shard} makes entity {entity:#x} a second time")
            self.where[entity] = shard

    def ended(self, shard: int, entities: Iterable[int]) -> None:
        """Entities ended in a shard."""
        for entity in entities:
            at = self.where.pop(entity, None)
            self._judge.require(
                at == shard, f"shard {shard} ends entity {entity:#x}, which is at {at}"
            )
            self.dead.add(entity)

    def left(self, entity: int, transit: Transit) -> None:
        """A shard has sent an entity."""
        at = self.where.get(entity)
        self._judge.require(
            at == transit.source, f"{transit} of entity {entity:#x}, which is at {at}"
        )
        self.where[entity] = transit
        self.crossings += 1

    def came(self, entity: int, transit: Transit) -> None:
        """A shard has taken an entity out of an out."""
        at = self.where.get(entity)
        self._judge.require(
            at == transit, f"shard {transit.to} takes {transit} of {entity:#x}, which is at {at}"
        )
        self.where[entity] = transit.to

    # --- what is done once -----------------------------------------------------------------------

    def give(self, command: Command, target: int, tick: int) -> None:
        """A rule has asked something of somebody."""
        self._judge.require(command not in self.given, f"command {command} was given twice")
        self.given[command] = target, tick

    def do(self, shard: int, command: Command) -> None:
        """A shard does what was asked."""
        self._judge.require(command in self.given, f"shard {shard} does {command}, never given")
        self._judge.require(command not in self.done, f"command {command} is done twice")
        self.done.add(command)

    def shoot(self, shard: int, number: int) -> None:
        """A shard applies the input that has this number."""
        known = number in self.shots
        self._judge.require(not known, f"shot {number} is applied twice, at last by shard {shard}")
        self.shots.add(number)

    def advance(self, session: int, applied: int, shots: Iterable[int]) -> None:
        """A tick has taken a session's inputs up to a sequence number, these shots among them."""
        known = self.progress.setdefault(session, [])
        before = known[-1].applied if known else 0
        self._judge.require(
            applied > before,
            f"session {session:#x} has inputs applied up to {applied} after {before}",
        )
        known.append(Progress(applied, max(shots, default=0)))

    def has_taken(self, session: int, seq: int, number: int) -> bool:
        """Whether the shot with this number took effect, or was merged into a newer one."""
        if number in self.shots:
            return True
        taken = next((each for each in self.progress[session] if each.applied >= seq), None)
        return taken is not None and taken.shot > number

    def happen(self, shard: int, tick: int, kind: str, number: int) -> None:
        """A durable event happened."""
        known = (kind, number) in self.events
        self._judge.require(not known, f"{kind} {number} happened twice")
        self.events[kind, number] = shard, tick

    # --- at the end ------------------------------------------------------------------------------

    def undone(self, until: int) -> list[tuple[Command, int, int]]:
        """Commands that were given until a tick and not done: to whom, and when."""
        return [
            (command, target, tick)
            for command, (target, tick) in self.given.items()
            if command not in self.done and tick <= until
        ]
