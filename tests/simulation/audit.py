"""The truth by the journals: every shard's world, stepped again from the very beginning.

Whatever crashed in between, the records are one story: ticks rise, steps have no gap, each record
leads to the world whose digests it carries, and the entities that it cut out are in the outs behind
it, in order, to the byte. What a shard says that it took must have been sent to it, once.
"""

import hashlib
from collections import defaultdict
from typing import Any

import attrs

from server.cluster.seams import Record
from server.shard.outbox import CommandParcel, EntityParcel, read_parcel
from server.shard.record import TickRecord, differing_columns
from sim import World
from sim.engine import TickInput
from tests.simulation.history import History
from tests.simulation.judge import Judge
from tests.simulation.ledger import Ledger, Transit

__all__ = ["Audit", "ShardAudit"]

Parcel = EntityParcel | CommandParcel


@attrs.define(eq=False)
class ShardAudit:
    """One shard by its records. `owed` are outs of the newest tick that are not there yet."""

    number: int
    world: World
    tick: int = 0
    steps: int = 0
    owed: list[tuple[int, int, bytes]] = attrs.field(factory=list)  # entity, to, body
    letters: int = 0  # commands of the newest tick that are not there yet
    sent: dict[int, list[Parcel]] = attrs.field(factory=lambda: defaultdict(list))
    taken: dict[int, int] = attrs.field(factory=lambda: defaultdict(int))
    sessions: dict[int, list[Any]] = attrs.field(factory=dict)


class Audit:
    """All shards by their records."""

    def __init__(self, history: History, judge: Judge, make_world: Any, shards: Any) -> None:
        self.ledger = Ledger(judge)
        self.joined: set[int] = set()  # every session that a record told of
        self.ended: set[int] = set()
        self.departed: set[tuple[int, int, int]] = set()  # session, from, to
        self.tokens: set[tuple[int, bytes]] = set()  # session and hash, of all that were durable
        self.shards = {shard: ShardAudit(shard, make_world(shard)) for shard in shards}
        self._history = history
        self._judge = judge
        self._read = 0

    def catch_up(self) -> None:
        """Read what has become durable since the last time."""
        log = self._history.log
        while self._read < len(log) and not self._judge.violations:
            shard, record = log[self._read]
            self._read += 1
            if record.to is None:
                self._tick(self.shards[shard], TickRecord.decode(record.data))
            else:
                self._out(self.shards[shard], record)

    def is_void(self, token: bytes) -> bool:
        """Whether by the journals this resume token can open no session any more."""
        self.catch_up()
        session, shown = int.from_bytes(token[:8], "little"), hashlib.sha256(token).digest()
        held = [s.sessions[session] for s in self.shards.values() if session in s.sessions]
        return bool(held) and all(shown not in (data[3], data[5]) for data in held)

    # --- ticks -----------------------------------------------------------------------------------

    def _tick(self, shard: ShardAudit, record: TickRecord) -> None:
        require, name = self._judge.require, f"tick {record.tick} of shard {shard.number}"
        require(
            not shard.owed and not shard.letters,
            f"{name} follows, and {len(shard.owed)} entities and {shard.letters} commands that "
            f"tick {shard.tick} sent are in no out",
        )
        require(record.tick > shard.tick, f"{name} comes after tick {shard.tick}")
        require(record.step == shard.world.step + 1, f"{name} is step {record.step}")
        if self._judge.violations:
            return
        given = TickInput.from_bytes(record.tick_input)
        self._take(shard, record, given)
        self._inputs(shard, record, given)
        output = shard.world.advance(given)
        ledger = self.ledger
        ledger.made(shard.number, output.created)
        ledger.ended(shard.number, output.destroyed)
        for event in output.events:
            kind = shard.world.game.rules.events[event.kind]
            if kind.flag:
                ledger.happen(shard.number, record.tick, kind.name, int(event.values[1]))
        for target, _, args in output.commands:
            ledger.give((args["giver"], args["number"]), target, record.tick)
        self._sessions(shard, record)
        entities = [entity for entity, _, _ in record.departures]
        bodies = shard.world.depart(entities) if entities else []
        shard.owed = [
            (entity, to, body)
            for (entity, to, _), body in zip(record.departures, bodies, strict=True)
        ]
        shard.letters = len(record.letters)
        shard.tick = record.tick
        shard.steps += 1
        if record.digests:
            differing = differing_columns(shard.world.digests(), record.digests)
            require(not differing, f"{name} leads elsewhere than it did: {differing}")

    def _take(self, shard: ShardAudit, record: TickRecord, given: TickInput) -> None:
        """What the tick took from other shards' outs is what they sent."""
        coming: dict[int, EntityParcel] = {}
        for source in sorted(record.progress):
            sent = self.shards[source].sent[shard.number]
            first, last = shard.taken[source], record.progress[source].number
            if last > len(sent) or last < first:
                self._judge.blame(
                    f"tick {record.tick} of shard {shard.number} takes outs {first + 1} to {last} "
                    f"of shard {source}, which has sent {len(sent)} durably"
                )
                return
            for parcel in sent[first:last]:
                if isinstance(parcel, EntityParcel):
                    coming[parcel.entity] = parcel
                    transit = Transit(source, shard.number, parcel.number)
                    self.ledger.came(parcel.entity, transit)
                    if parcel.session is not None:
                        shard.sessions[parcel.session[0]] = parcel.session
            shard.taken[source] = last
        arrivals = [(parcel.body, record.tick - parcel.tick) for parcel in coming.values()]
        self._judge.require(
            [(body, age) for body, age in given.arrivals] == arrivals,
            f"tick {record.tick} of shard {shard.number} puts in others than were sent to it",
        )

    def _inputs(self, shard: ShardAudit, record: TickRecord, given: TickInput) -> None:
        fire = next(
            i for i, spec in enumerate(shard.world.game.rules.inputs) if spec.name == "Fire"
        )
        shots: dict[int, list[int]] = defaultdict(list)
        for session, kind, values, _ in given.inputs:
            if kind == fire:
                shots[session].append(int(values[0]))
                self.ledger.shoot(shard.number, int(values[0]))
        for session, applied in record.applied:
            self.ledger.advance(session, applied, shots[session])
        for target, name, args in given.commands:
            if name == "shine" and self.ledger.where.get(target) == shard.number:
                self.ledger.do(shard.number, (args["giver"], args["number"]))

    def _sessions(self, shard: ShardAudit, record: TickRecord) -> None:
        for data in record.sessions:
            shard.sessions[data[0]] = data
            self.joined.add(data[0])
            self.tokens.add((data[0], data[3]))
        for number in record.ended:
            shard.sessions.pop(number, None)
            self.ended.add(number)
        for _, to, held in record.departures:
            if held is not None:
                self.departed.add((held[0], shard.number, to))
                shard.sessions.pop(held[0], None)
                self.joined.add(held[0])
                self.tokens.add((held[0], held[3]))

    # --- outs ------------------------------------------------------------------------------------

    def _out(self, shard: ShardAudit, record: Record) -> None:
        require = self._judge.require
        assert record.to is not None
        parcel, name = read_parcel(record.data), f"out {record.id} of shard {shard.number}"
        sent = shard.sent[record.to]
        require(parcel.tick == shard.tick, f"{name} of tick {parcel.tick} follows {shard.tick}")
        require(
            parcel.number == len(sent) + 1,
            f"{name} is number {parcel.number} for shard {record.to} after {len(sent)}",
        )
        sent.append(parcel)
        if isinstance(parcel, CommandParcel):
            require(not shard.owed, f"{name} is a command and comes before entities")
            require(shard.letters > 0, f"{name} is a command that its tick did not send")
            shard.letters -= 1
            return
        expected = shard.owed.pop(0) if shard.owed else None
        require(
            expected == (parcel.entity, record.to, parcel.body),
            f"{name} is not what its tick cut out",
        )
        self.ledger.left(parcel.entity, Transit(shard.number, record.to, parcel.number))
