"""The history of a world, told by its records alone: an account that no checkpoint can colour.

The segments of a store are read from the very first record on, however often the server was killed
in between, and each shard's world is stepped by them on and on, never taken over from a checkpoint.
What each step consumed, created, destroyed and told is noted by name. So whatever recovery makes of
a crash has to lead to the same columns in every later tick, or it stands here.

Knows `sim`, the form of records and of log frames; knows nothing of recovery or of the journal.
"""

from collections import Counter, defaultdict, deque
from pathlib import Path
from typing import Any, Final

import attrs

from protocol.geometry import Geometry
from protocol.schema import Schema
from server.shard.outbox import EntityParcel, read_parcel
from server.shard.record import TickRecord, differing_columns
from server.store import frames
from server.store.frames import Frame, What
from sim.engine import TickInput, TickOutput
from sim.errors import EngineError
from sim.game import Game
from sim.world import World

__all__ = ["Archive", "Happened", "History"]

_PREFIX: Final = "journal-"
_SUFFIX: Final = ".log"

# A durable event: kind, shard, tick, values.
Happened = tuple[str, int, int, tuple[int, ...]]


@attrs.define
class _Shard:
    """One shard as far as its records lead."""

    number: int
    world: World
    position: int = 0
    epoch: int = 0
    owned: set[int] = attrs.field(factory=set)
    taken: dict[int, int] = attrs.field(factory=dict)  # the last out's number, by source
    # Outs to each shard that have not been consumed there, oldest first.
    outs: dict[int, deque[Any]] = attrs.field(factory=lambda: defaultdict(deque))
    numbers: dict[int, int] = attrs.field(factory=dict)  # of the newest out, by destination


class History:
    """What happened in a world, told by the segments of its store.

    `wrong` says in sentences what cannot be; `happened` counts durable events.
    """

    def __init__(self, game: Game, geometry: Geometry, seed: int) -> None:
        self._schema = Schema.from_data(game.describe())
        self.shards = {
            number: _Shard(
                number, World(game, seed, maker=number + 1, bounds=geometry.rect(number))
            )
            for number in geometry.shards
        }
        self._segment: int | None = None  # where the segment that is being read begins
        self._offset = 0
        self._check: int | None = None
        self._lost_track = False  # a world could not go on: nothing can be said of what follows
        self._travelling: Counter[int] = Counter()
        self._posted: Counter[int] = Counter()  # of those, for whom there is an out
        self.created: Counter[int] = Counter()
        self.destroyed: Counter[int] = Counter()
        self.happened: Counter[Happened] = Counter()
        self.crossings = 0
        self.records = 0
        self.bytes = 0
        self.unread = 0  # bytes at the end that are no whole record
        self.commands_given = 0
        self.commands_done = 0
        self.claims = 0
        self.wrong: list[str] = []

    # --- reading ---------------------------------------------------------------------------------

    def read(self, folder: Path, ends: int | None = None) -> None:
        """Go on with what has been appended since the last time, up to a place in the log."""
        segments = {_begins(path): path for path in folder.glob(f"{_PREFIX}*{_SUFFIX}")}
        for begins in sorted(segments):
            if ends is not None and begins >= ends:
                break
            if self._segment is not None and begins < self._segment:
                continue
            if begins != self._segment:
                expected = 0 if self._segment is None else self._segment + self._offset
                if begins != expected:
                    self.wrong.append(f"the log goes on at {begins}, and was read up to {expected}")
                self._segment, self._offset = begins, 0
            content = segments[begins].read_bytes()
            self._read_segment(content if ends is None else content[: ends - begins])

    def _read_segment(self, content: bytes) -> None:
        if len(content) < self._offset:
            self.wrong.append(f"{self._offset - len(content)} bytes that were read are gone")
        while found := frames.decode(content, self._offset, self._check):
            frame, ends, self._check = found
            self.bytes += ends - self._offset
            self._offset = ends
            self._take(frame)
        self.unread = len(content) - self._offset

    def _take(self, frame: Frame) -> None:
        if self._lost_track:
            return
        if frame.what not in (What.RECORD, What.CLAIM):
            return
        shard = self.shards[frame.shard]
        if frame.position != shard.position + 1:
            self.wrong.append(f"shard {shard.number} jumps to position {frame.position}")
        shard.position = frame.position
        if frame.what is What.CLAIM:
            self.claims += 1
            if frame.epoch <= shard.epoch:
                self.wrong.append(f"shard {shard.number} was claimed twice as {frame.epoch}")
            shard.epoch = frame.epoch
            return
        if frame.epoch != shard.epoch:
            self.wrong.append(f"shard {shard.number} was written by epoch {frame.epoch}")
        if frame.to is None:
            self._step(shard, TickRecord.decode(frame.data))
        else:
            self._post(shard, frame.to, frame.data)

    # --- one record ------------------------------------------------------------------------------

    def _step(self, shard: _Shard, record: TickRecord) -> None:
        world, tick = shard.world, record.tick
        if tick <= world.tick:
            self.wrong.append(f"shard {shard.number} stepped tick {tick} after {world.tick}")
        given = TickInput.from_bytes(record.tick_input)
        self._arrive(shard, record, given)
        departed = [entity for entity, _, _ in record.departures]
        try:
            output = world.advance(given)
            world.depart(departed)
        except (EngineError, KeyError) as error:
            self.wrong.append(f"tick {tick} of shard {shard.number} cannot be stepped: {error}")
            self._lost_track = True
            return
        world.take_bound()
        self._travelling.update(departed)
        self.crossings += len(departed)
        self._note(shard, tick, output)
        shard.owned = set(world.owned_ids())
        self.records += 1
        self.commands_given += len(output.commands)
        self.commands_done += len(given.commands)
        if not record.digests:
            self.wrong.append(f"tick {tick} of shard {shard.number} has no digests")
        elif differing := differing_columns(world.digests(), record.digests):
            columns = ", ".join(differing)
            self.wrong.append(f"tick {tick} of shard {shard.number} differs in {columns}")

    def _arrive(self, shard: _Shard, record: TickRecord, given: TickInput) -> None:
        """What the record says was taken, out by out, is what the step was given."""
        coming: list[tuple[bytes, int]] = []
        for source in sorted(record.progress):
            upto = record.progress[source].number
            for number in range(shard.taken.get(source, 0) + 1, upto + 1):
                waiting = self.shards[source].outs[shard.number]
                if not waiting or waiting[0].number != number:
                    self.wrong.append(f"shard {shard.number} took {number} of {source}: not there")
                    continue
                parcel = waiting.popleft()
                if isinstance(parcel, EntityParcel):
                    coming.append((parcel.body, record.tick - parcel.tick))
                    self._travelling[parcel.entity] -= 1
                    self._posted[parcel.entity] -= 1
            shard.taken[source] = upto
        if coming != list(given.arrivals):
            self.wrong.append(f"tick {record.tick} of shard {shard.number} took other arrivals")

    def _note(self, shard: _Shard, tick: int, output: TickOutput) -> None:
        self.created.update(output.created)
        self.destroyed.update(output.destroyed)
        for event in output.events:
            kind = self._schema.events[event.kind]
            values = tuple(int(value) for value in kind.decode(event.values))
            self.happened[kind.name, shard.number, tick, values] += 1

    def _post(self, shard: _Shard, to: int, data: bytes) -> None:
        parcel = read_parcel(data)
        expected = shard.numbers.get(to, 0) + 1
        if parcel.number != expected:
            self.wrong.append(f"shard {shard.number} numbers {parcel.number}, not {expected}")
        shard.numbers[to] = parcel.number
        shard.outs[to].append(parcel)
        if isinstance(parcel, EntityParcel):
            self._posted[parcel.entity] += 1

    # --- accounts --------------------------------------------------------------------------------

    @property
    def ticks(self) -> dict[int, int]:
        """The newest tick of each shard."""
        return {number: shard.world.tick for number, shard in self.shards.items()}

    @property
    def alive(self) -> Counter[int]:
        """How often each entity is there: owned by a shard, or on its way to one."""
        found = +self._travelling
        for shard in self.shards.values():
            found.update(shard.owned)
        return found

    @property
    def unposted(self) -> set[int]:
        """Those who were cut out, and for whom no out stands in the log."""
        return set(self._travelling - self._posted)

    def lost(self) -> set[int]:
        """Entities that were created, not destroyed, and are nowhere."""
        return self.created.keys() - self.destroyed.keys() - self.alive.keys()

    def doubled(self) -> set[int]:
        """Entities that are in two places, were destroyed and live, or were created twice."""
        alive = self.alive
        twice = {entity for entity, count in alive.items() if count > 1}
        twice |= {entity for entity, count in self.created.items() if count > 1}
        return twice | (alive.keys() & self.destroyed.keys()) | (alive.keys() - self.created.keys())


class Archive:
    """All segments that a store ever had, those too that it let go: by another name for each.

    A segment lives for many seconds, so it is enough to look now and then.
    """

    def __init__(self, store: Path, folder: Path) -> None:
        self._store = store
        self.folder = folder
        folder.mkdir()

    def look(self) -> int:
        """Keep what is new; the place in the log at which it ends now."""
        ends = 0
        for path in sorted(self._store.glob(f"{_PREFIX}*{_SUFFIX}")):
            kept = self.folder / path.name
            if not kept.exists():
                kept.hardlink_to(path)
            ends = _begins(path) + kept.stat().st_size
        return ends


def _begins(path: Path) -> int:
    return int(path.name[len(_PREFIX) : -len(_SUFFIX)], 16)
