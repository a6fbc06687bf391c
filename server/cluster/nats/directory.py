"""The directory on NATS: leases by compare-and-set on one message for each name.

`leases` tells how. Every process hears all words on leases of its world as they are stored, so that
it has seen a holder's silence already when it contends, and so that watchers wait for nothing.
Before anything is concluded from silence the newest word is fetched from the stream's leader: a
process that was stopped, or cut off, finds out that time went on without it.

After trouble with the engine (a lost link, an unanswered question) nobody concludes anything for
1.5 s: incumbents come back and renew, and their leases are still theirs if nobody took them.

Resource handling: `run` hears and ends leases until it is cancelled.
Error handling: `acquire` and `renew` wait for an engine that is away, for as long as it takes;
bound them by cancelling. EngineError when the engine refuses for good. Cancelling an `acquire` may
leave a lease that nobody has, until it runs out.

Must not know: what is leased.
"""

import math
from secrets import token_hex

import attrs
import structlog
import trio

from server.cluster.nats import limits
from server.cluster.nats.calls import Question
from server.cluster.nats.errors import EngineError
from server.cluster.nats.jetstream import Appended, JetStream, Outcome, Refused
from server.cluster.nats.leases import (
    LeaseTable,
    Word,
    held_headers,
    read_word,
    released_headers,
)
from server.cluster.nats.names import Names
from server.cluster.nats.pauses import growing_pauses
from server.cluster.nats.pull import Pull
from server.cluster.seams import DirectoryEvent, Entry, LeaseLost
from server.cluster.waiting import Waiting

__all__ = ["NatsDirectory", "NatsLease", "NatsWatch"]

_log = structlog.get_logger(__name__)


class NatsDirectory:
    """A `seams.Directory` on JetStream; its clock is trio's."""

    def __init__(self, jetstream: JetStream, names: Names) -> None:
        self._jetstream = jetstream
        self._names = names
        self._table = LeaseTable(self._tell)
        self._watches: list[NatsWatch] = []
        self._stirred = trio.Event()

    @property
    def trouble_s(self) -> float:
        """When the engine last did not answer, by trio's clock."""
        return self._jetstream.calls.trouble_s

    async def prepare(self, replicas: int) -> None:
        """Have the stream of leases. JetStreamError if it cannot be made."""
        await self._jetstream.make_stream(
            self._names.leases,
            [self._names.lease_prefix + ">"],
            max_msgs_per_subject=1,
            max_age=int(limits.LEASE_KEPT_S * 10**9),
            num_replicas=replicas,
            discard="old",
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hear of leases; started when all that was said before has been heard."""
        state = await self._jetstream.state(self._names.leases)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_silent)
            await self._hear_all(state.last if state and state.messages else 0, task_status)

    # --- leases ----------------------------------------------------------------------------------

    async def acquire(self, name: str, meta: bytes, ttl_s: float) -> "NatsLease | None":
        """A lease of `name`, or None while it is held, or may be.

        ValueError for a lease without end, or with more meta than META_BYTES_MAX. The lease's epoch
        is a sequence in the stream of leases.
        """
        if not 0 < ttl_s <= limits.LEASE_TTL_MAX_S:
            raise ValueError(f"a lease of {ttl_s} s: it lives up to {limits.LEASE_TTL_MAX_S:g} s")
        self._names.lease(name)  # a ValueError now and not later
        holder = token_hex(8)
        sent_s = -math.inf
        for pause_s in growing_pauses(limits.AGAIN_FIRST_S, limits.AGAIN_MAX_S):
            word = await self.look(name)
            if word is not None and word.entry is not None:
                if word.holder == holder:  # an attempt of which we did not hear
                    return NatsLease(self, word, word.entry, sent_s + ttl_s)
                if not self._is_over(name, word):
                    return None
            sent_s = trio.current_time()
            outcome = await self.replace(
                name, word.sequence if word else 0, held_headers(holder, ttl_s, None), meta
            )
            if isinstance(outcome, Appended):
                entry = Entry(name, outcome.sequence, meta)
                granted = Word(outcome.sequence, holder, ttl_s, entry)
                self.hear(name, granted)
                return NatsLease(self, granted, entry, sent_s + ttl_s)
            await trio.sleep(pause_s)
        raise AssertionError("pauses are endless")

    def _is_over(self, name: str, word: Word) -> bool:
        now_s = trio.current_time()
        calm = now_s - self.trouble_s >= limits.CALM_S
        return calm and now_s >= self._table.ends_s(name, word)

    async def look(self, name: str) -> Word | None:
        """The newest word on a lease, from the engine."""
        stored = await self._jetstream.newest(
            self._names.leases, self._names.lease(name), timeout_s=limits.LEASE_ANSWER_S
        )
        if stored is None:
            return None
        word = read_word(name, stored)
        self.hear(name, word)
        return word

    def hear(self, name: str, word: Word) -> None:
        """Take in a word on a lease."""
        self._table.hear(name, word, trio.current_time())

    async def replace(
        self, name: str, sequence: int, headers: dict[str, str], meta: bytes
    ) -> Outcome:
        """Say the next word on a lease if the one at `sequence` (0 for none) is still the newest.

        EngineError if the engine refuses for another reason, for good.
        """
        if len(meta) > limits.META_BYTES_MAX:
            raise ValueError(f"the meta of the lease {name} has {len(meta)} bytes")
        headers = {
            **headers,
            "Nats-Expected-Stream": self._names.leases,
            "Nats-Expected-Last-Subject-Sequence": str(sequence),
        }
        question = Question(self._names.lease(name), meta, headers)
        (outcome,) = await self._jetstream.append([question], timeout_s=limits.LEASE_ANSWER_S)
        if isinstance(outcome, Refused) and not (outcome.expectation or outcome.temporary):
            raise EngineError(f"the engine does not store the lease {name}: {outcome.text}")
        return outcome

    # --- watching --------------------------------------------------------------------------------

    def watch(self, prefix: str) -> "NatsWatch":
        """Watch all names that start with `prefix`.

        This process's own changes are told at once, those of others as they are heard.
        """
        watch = NatsWatch(self, prefix, self._table.held(prefix))
        self._watches.append(watch)
        return watch

    def forget(self, watch: "NatsWatch") -> None:
        """Report nothing more to `watch`; called when it is closed."""
        if watch in self._watches:
            self._watches.remove(watch)

    def _tell(self, event: DirectoryEvent) -> None:
        self._stirred.set()
        for watch in self._watches:
            watch.deliver(event)

    # --- hearing ---------------------------------------------------------------------------------

    async def _hear_all(self, until: int, task_status: trio.TaskStatus[None]) -> None:
        pull = Pull(self._jetstream, self._names.leases, after=0)
        started = until == 0
        if started:
            task_status.started()
        while True:
            for stored in await pull.next():
                name = stored.subject[len(self._names.lease_prefix) :]
                try:
                    self.hear(name, read_word(name, stored))
                except ValueError as error:
                    _log.warning("strange word on a lease", name=name, reason=str(error))
            if not started and pull.after >= until:
                started = True
                task_status.started()

    async def _end_silent(self) -> None:
        """Tell watchers of leases that were not renewed, when they end."""
        while True:
            self._stirred = trio.Event()
            first_s = min(self._table.due().values(), default=math.inf)
            wake_s = max(first_s, self.trouble_s + limits.CALM_S)
            if wake_s > trio.current_time():
                with trio.move_on_at(wake_s):
                    await self._stirred.wait()
                continue
            now_s = trio.current_time()
            for name in [name for name, ends_s in self._table.due().items() if ends_s <= now_s]:
                word = await self.look(name)
                if word is None:
                    self._table.expire(name, None)
                elif self._is_over(name, word):
                    self._table.expire(name, word.sequence)


class NatsLease:
    """A `seams.Lease` of a `NatsDirectory`."""

    def __init__(self, directory: NatsDirectory, word: Word, entry: Entry, deadline: float) -> None:
        self._directory = directory
        self._word = word
        self._entry = entry
        self._deadline = deadline
        self._over = False

    @property
    def name(self) -> str:
        """The name that is held."""
        return self._entry.name

    @property
    def epoch(self) -> int:
        """The lease's token."""
        return self._entry.epoch

    @property
    def deadline(self) -> float:
        """When the right ends unless renewed, by trio's clock.

        It passes while the engine is away. Then the lease may still be reclaimed by `renew`; what
        keeps a holder harmless meanwhile is the journal, not this.
        """
        return self._deadline

    async def renew(self, meta: bytes | None = None) -> None:
        """Move the deadline; waits for the engine. `LeaseLost` if the lease is over.

        After its deadline a lease is over, unless there was trouble with the engine since it was
        last renewed and nobody has taken it.
        """
        ttl_s = self._word.ttl_s
        troubled = self._directory.trouble_s >= self._deadline - ttl_s
        if trio.current_time() >= self._deadline and not troubled:
            self._over = True
        if self._over:
            raise LeaseLost(f"{self.name} is no longer held with epoch {self.epoch}")
        entry = self._entry if meta is None else attrs.evolve(self._entry, meta=meta)
        headers = held_headers(self._word.holder, ttl_s, self.epoch)
        for pause_s in growing_pauses(limits.AGAIN_FIRST_S, limits.AGAIN_MAX_S):
            sent_s = trio.current_time()
            outcome = await self._directory.replace(
                self.name, self._word.sequence, headers, entry.meta
            )
            if isinstance(outcome, Appended):
                self._word = attrs.evolve(self._word, sequence=outcome.sequence, entry=entry)
                self._entry = entry
                self._deadline = sent_s + ttl_s
                self._directory.hear(self.name, self._word)
                return
            if isinstance(outcome, Refused) and outcome.expectation:
                await self._find_own_word()
            await trio.sleep(pause_s)

    async def _find_own_word(self) -> None:
        """The newest word is not the one we know: ours, of which we did not hear, or another's."""
        word = await self._directory.look(self.name)
        if word is None or word.entry is None or word.holder != self._word.holder:
            self._over = True
            raise LeaseLost(f"{self.name} was taken from the holder of epoch {self.epoch}")
        self._word = word

    async def release(self) -> None:
        """Give the name back. If the engine does not answer, it runs out by itself."""
        if self._over:
            await trio.lowlevel.checkpoint()
            return
        self._over = True
        headers = released_headers(self._word.holder)
        with trio.move_on_after(limits.RELEASE_S):
            for pause_s in growing_pauses(limits.AGAIN_FIRST_S, limits.AGAIN_MAX_S):
                outcome = await self._directory.replace(
                    self.name, self._word.sequence, headers, b""
                )
                if isinstance(outcome, Appended):
                    released = Word(outcome.sequence, self._word.holder, 0.0, None)
                    self._directory.hear(self.name, released)
                    return
                if isinstance(outcome, Refused) and outcome.expectation:
                    try:
                        await self._find_own_word()
                    except LeaseLost:
                        return
                await trio.sleep(pause_s)


class NatsWatch:
    """A `seams.Watch` of a `NatsDirectory`."""

    def __init__(self, directory: NatsDirectory, prefix: str, held: list[Entry]) -> None:
        self._directory = directory
        self._prefix = prefix
        # Unbounded, but only by changes of ownership, which come a few in a second at the most.
        self._waiting: Waiting[DirectoryEvent] = Waiting()
        for entry in held:
            self._waiting.put(DirectoryEvent("put", entry))

    def deliver(self, event: DirectoryEvent) -> None:
        """Put `event` behind those that wait, if it is about this watch's names."""
        if event.entry.name.startswith(self._prefix):
            self._waiting.put(event)

    def take_nowait(self) -> list[DirectoryEvent]:
        """The events since the last time, oldest first."""
        return self._waiting.take_nowait()

    def __aiter__(self) -> "NatsWatch":
        """The watch iterates itself."""
        return self

    async def __anext__(self) -> DirectoryEvent:
        """Wait for the next event; ends when the watch is closed."""
        return await self._waiting.next()

    def close(self) -> None:
        """Report nothing more."""
        self._waiting.close()
        self._directory.forget(self)
