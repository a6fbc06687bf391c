"""Recovery of one shard: its checkpoint taken over, and its records' steps taken again.

A record says everything that its tick consumed and decided, so the same step leads to the same
world, the same sessions and the same outs. What only mattered to links and neighbours (guests,
frames, mail) is not made again, unless somebody watches (`Showing`): receivers get keyframes from
whoever owns the shard now.

Records of other code cannot be replayed: what they made durable (who came, went and joined) is
taken over, by one step of the new rules for each, without the inputs; nothing is compared there.

Error handling: DivergenceError when a step leads elsewhere than it did.
Must not know: the journal, the bus.
"""

from typing import Any, Final

from server.shard.arrivals import Arrivals, Progress
from server.shard.census import Counting
from server.shard.commands import Commands
from server.shard.desk import Desk
from server.shard.handoff import Handoff
from server.shard.newsroom import Newsroom
from server.shard.outbox import Out, Outbox
from server.shard.record import TickRecord, differing_columns
from server.shard.saved import Saved
from server.shard.sessions import Session, SessionTable
from server.shard.showing import Showing
from sim.engine import TickInput, TickOutput
from sim.game import Game
from sim.replay import DivergenceError
from sim.world import World

__all__ = ["Recall"]

# So many ids are passed over when records of other code are taken: it may have given them away.
IDS_PASSED_OVER: Final = 1 << 24


class Recall:
    """Saves and recovers the parts of one shard."""

    def __init__(
        self,
        world: World,
        *,
        sessions: SessionTable,
        arrivals: Arrivals,
        handoff: Handoff,
        desk: Desk,
        commands: Commands,
        outbox: Outbox,
        newsroom: Newsroom,
        counting: Counting | None,
    ) -> None:
        self._world = world
        self._sessions = sessions
        self._arrivals = arrivals
        self._handoff = handoff
        self._desk = desk
        self._commands = commands
        self._outbox = outbox
        self._newsroom = newsroom
        self._counting = counting
        self.replayed = 0
        self.foreign = 0
        self.showing: Showing | None = None  # who lets others watch

    # --- the whole -------------------------------------------------------------------------------

    def save(self, game: Game, tree_version: int) -> Saved:
        """The shard as it is after its newest tick."""
        tick, counting = self._world.tick, self._counting
        return Saved(
            tick=tick,
            game=game.code,
            tree_version=tree_version,
            world=self._world.checkpoint(),
            sessions=[session.to_data(tick) for session in self._sessions],
            progress=[
                [source, at.number, at.position] for source, at in self._arrivals.progress.items()
            ],
            outbox=self._outbox.to_data(),
            forwarding=self._handoff.forwarding.to_data(),
            commands=self._commands.to_data(),
            events=self._newsroom.to_data(),
            moved=self._desk.to_data(),
            census=None if counting is None else counting.to_data(),
        )

    def load(self, saved: Saved) -> None:
        """Take over what a checkpoint says besides the world."""
        for data in saved.sessions:
            self._sessions.restore(Session.from_data(data, saved.tick))
        self._progress({source: Progress(*at) for source, *at in saved.progress})
        self._outbox.load(saved.outbox)
        self._handoff.forwarding.load(saved.forwarding)
        self._commands.load(saved.commands)
        self._newsroom.load(saved.events)
        self._desk.load(saved.moved)
        if self._counting is not None and saved.census is not None:
            self._counting.load(saved.census)

    # --- tick by tick ----------------------------------------------------------------------------

    def replay(self, record: TickRecord) -> tuple[Out, ...]:
        """Take a step again; the outs that it made."""
        world = self._world
        self._outbox.begin(record.tick)
        self._commands.take()  # the record has them
        given = TickInput.from_bytes(record.tick_input)
        if record.bounds is not None:
            world.bounds = record.bounds
        same = record.game == world.game.code
        output = world.advance(given) if same else self._graft(given)
        self._take_sessions(record)
        if record.progress:
            self._progress(record.progress)
            self._handoff.forwarding.came_among(set(world.owned_ids()))
        if self.showing is None:
            self._newsroom.recall(record.tick, output.events)
        else:
            self.showing.stepped(record.tick, output, record.departures)
        self._depart(record, same=same)
        for letter in record.letters:
            self._outbox.send(letter)
        self._commands.recall(output.commands)
        if self._counting is not None:
            self._counting.note(output.created, output.destroyed)
        if same and record.digests:
            differing = differing_columns(world.digests(), record.digests)
            if differing:
                raise DivergenceError(record.tick, record.step, differing)
        self.replayed += 1
        return self._outbox.finish()

    def go_on(self) -> None:
        """The next thing is a tick."""
        self._world.take_bound()
        self._sessions.go_on()
        self._newsroom.go_on(self._world.tick)
        self._arrivals.go_on()

    def _take_sessions(self, record: TickRecord) -> None:
        bound = self._world.take_bound()
        for data in record.sessions:
            self._sessions.restore(Session.from_data(data, record.tick))
        for number in record.ended:
            self._sessions.remove(number)
        for number, applied in record.applied:
            session = self._sessions.get(number)
            if session is not None:
                session.inputs.applied = applied
        for number, entity in bound.items():
            session = self._sessions.get(number)
            if session is not None:
                self._sessions.bind(session, entity)

    def _progress(self, progress: dict[int, Progress]) -> None:
        self._arrivals.progress.update(progress)

    def _depart(self, record: TickRecord, *, same: bool) -> None:
        departures = record.departures if same else self._found(record)
        self._handoff.repeat(departures)
        for _, to, held in departures:
            if held is not None:
                self._desk.moved(Session.from_data(held, record.tick), to, record.tick)

    # --- records of other code -------------------------------------------------------------------

    def _graft(self, given: TickInput) -> TickOutput:
        if not self.foreign:
            self._world.pass_over(IDS_PASSED_OVER)
        self.foreign += 1
        return self._world.advance(
            TickInput(
                given.tick,
                given.step,
                joins=given.joins,
                leaves=given.leaves,
                arrivals=given.arrivals,
            )
        )

    def _found(self, record: TickRecord) -> list[tuple[int, int, list[Any] | None]]:
        """The departures as far as those who departed are here, a player by its session."""
        found = []
        for entity, to, held in record.departures:
            mine = entity if held is None else self._world.sessions.get(held[0], 0)
            if self._world.get(mine) is not None:
                found.append((mine, to, held))
        return found
