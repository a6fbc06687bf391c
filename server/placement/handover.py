"""A shard's way from one node to another without a pause: what both say to each other meanwhile.

The next owner follows the shard's journal while the former one still steps it, and says when it has
caught up. Then the former owner finishes a tick, takes no more mail, says so, and lets the lease
go; the next one passes over the mail that the former one has taken, reads the last records, and
steps in the next tick or the one after. Mail that comes in between waits at the next owner.

So that the next owner has little to catch up with, the former one keeps a checkpoint first, and
says so.

All of it may get lost. Then the former owner gives the shard up by itself, with a checkpoint, and
the next one tries for the lease every so often, as it does with one whose owner died.

Must not know: who decides.
"""

import math
from typing import Final

import trio

from server.cluster.seams import Bus, Directory
from server.placement.words import Handover, Stage, WordError, handover_subject
from server.shard.recovery import Standby
from server.shard.service import shard_lease_prefix

__all__ = ["Handovers"]

READY_S: Final = 3.0  # for the next owner to have caught up; then it has to do with a checkpoint
SAVED_S: Final = 0.5  # for the former owner's checkpoint; then it has to do with an older one
FRESH_S: Final = 1.0  # what is ready says so again before that
WORDS_BUFFERED: Final = 1024


class Handovers:
    """What one node says and hears of shards that change hands."""

    def __init__(self, name: str, world: str, bus: Bus, directory: Directory) -> None:
        self._name = name
        self._subject = handover_subject(world)
        self._bus = bus
        self._prefix = shard_lease_prefix(world)
        self._words = bus.subscribe(self._subject, buffer=WORDS_BUFFERED)
        self._leases = directory.watch(self._prefix)
        self._heard: dict[int, tuple[float, Handover]] = {}
        self._changed = trio.Event()
        self._let_go: dict[int, trio.Event] = {}
        self._standbys: dict[int, Standby] = {}
        self._saved: dict[int, float] = {}  # when that was heard

    async def run(self) -> None:
        """Hear until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._hear_words)
                nursery.start_soon(self._hear_leases)
        finally:
            self._words.close()
            self._leases.close()

    async def _hear_words(self) -> None:
        async for message in self._words:
            try:
                word = Handover.decode(message.data)
            except WordError:
                continue
            if word.node == self._name:
                continue
            if word.stage is Stage.GOING:
                standby = self._standbys.get(word.shard)
                if standby is not None:
                    standby.skip_mail()
                continue
            if word.stage is Stage.SAVED:
                self._saved[word.shard] = trio.current_time()
            else:
                self._heard[word.shard] = trio.current_time(), word
            changed, self._changed = self._changed, trio.Event()
            changed.set()

    async def _hear_leases(self) -> None:
        async for event in self._leases:
            number = event.entry.name.removeprefix(self._prefix)
            if event.kind == "gone" and number.isdecimal():
                let_go = self._let_go.pop(int(number), None)
                if let_go is not None:
                    let_go.set()

    # --- the next owner --------------------------------------------------------------------------

    def await_lease(self, shard: int) -> trio.Event:
        """What is set when the shard's lease is given back, or has run out."""
        return self._let_go.setdefault(shard, trio.Event())

    async def wait_saved(self, shard: int) -> None:
        """Wait for the shard's owner to have kept a checkpoint, but not for long."""
        with trio.move_on_after(SAVED_S):
            while trio.current_time() - self._saved.get(shard, -math.inf) > READY_S:
                await self._changed.wait()

    def tell_ready(self, shard: int, standby: Standby | None) -> None:
        """We wait for a shard, perhaps with one that has followed it."""
        if standby is None:
            self._tell(shard, Stage.BEHIND)
        else:
            self._standbys[shard] = standby
            self._tell(shard, Stage.READY)

    def took(self, shard: int) -> None:
        """We wait for a shard no more."""
        self._standbys.pop(shard, None)

    # --- the former owner ------------------------------------------------------------------------

    async def is_awaited(self, shard: int, node: str) -> bool:
        """Wait until the next owner is ready; whether it has followed the shard exactly."""
        with trio.move_on_after(READY_S):
            while True:
                at, word = self._heard.get(shard, (-math.inf, None))
                fresh = trio.current_time() - at <= FRESH_S
                if word is not None and word.node == node and fresh:
                    return word.stage is Stage.READY
                await self._changed.wait()
        return False

    def tell_saved(self, shard: int) -> None:
        """There is a checkpoint of a shard that is hardly any older than it."""
        self._tell(shard, Stage.SAVED)

    def tell_going(self, shard: int) -> None:
        """We take no more mail of a shard."""
        self._tell(shard, Stage.GOING)

    def _tell(self, shard: int, stage: Stage) -> None:
        word = Handover(node=self._name, shard=shard, stage=stage)
        self._bus.publish(self._subject, word.encode())
