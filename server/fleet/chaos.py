"""Chaos: members of a fleet are killed, paused and restarted at seeded moments, and then let be.

Every blow waits until everybody runs again, so that what follows from it can be told apart. The
last one comes early enough for the world to come to rest before the end.

Must not know: what a blow leads to.
"""

import random
import signal
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final

import attrs
import trio

from server.fleet.fleet import Fleet
from server.fleet.member import Member
from server.fleet.owners import Owners

__all__ = ["Blow", "Chaos", "blows"]

FIRST_S: Final = 8.0  # after the start: everybody plays by then
REST_S: Final = 16.0  # before the end: a takeover, and clients that come back, take less
BETWEEN_S: Final = (4.0, 6.0)
PAUSE_S: Final = (3.5, 5.0)  # longer than a lease, so that a paused owner wakes up as a former one
CUT_S: Final = (4.0, 7.0)  # the same, and longer than a link takes to notice
WHOLE_S: Final = 30.0  # for all to be well again; the next blow does not wait longer
LOOK_S: Final = 0.2


class Blow(Enum):
    """What happens to a member."""

    KILL_NODE = "a node is killed"
    KILL_GATEWAY = "a gateway is killed"
    PAUSE_NODE = "a node is paused for longer than its lease"
    END_NODE = "a node is asked to end, and hands over"
    RESTART_ENGINE = "the engine is killed and started again"
    CUT_NODE = "a node is cut off the engine for longer than its lease"
    CUT_GATEWAY = "a gateway is cut off the engine"


def blows(chance: random.Random) -> Iterator[Blow]:
    """Endlessly: each of them once in every round, in any order, and a node's death first."""
    while True:
        others = [blow for blow in Blow if blow is not Blow.KILL_NODE]
        chance.shuffle(others)
        yield Blow.KILL_NODE
        yield from others


@attrs.define
class Chaos:
    """Strikes one fleet and tells `owners`; `struck` counts blows."""

    fleet: Fleet
    owners: Owners
    chance: random.Random
    tell: Callable[[str], None]
    struck: dict[Blow, int] = attrs.field(factory=dict)

    @property
    def kills(self) -> int:
        """How often SIGKILL was sent to a node or a gateway."""
        return self.struck.get(Blow.KILL_NODE, 0) + self.struck.get(Blow.KILL_GATEWAY, 0)

    async def run(self, until: float) -> None:
        """Strike until the time `until` (trio's), less the time to rest."""
        await trio.sleep(FIRST_S)
        for blow in blows(self.chance):
            if trio.current_time() > until - REST_S:
                return
            if not self._can(blow):
                continue
            await self._strike(blow)
            self.struck[blow] = self.struck.get(blow, 0) + 1
            await trio.sleep(self.chance.uniform(*BETWEEN_S))
            with trio.move_on_after(WHOLE_S):
                await self._wait_whole()

    async def _wait_whole(self) -> None:
        """Wait until everybody runs, and every shard has an owner."""
        await self.fleet.wait_running()
        while self.owners.awaited():  # noqa: ASYNC110 - a few looks; frames are no events
            await trio.sleep(LOOK_S)

    async def _strike(self, blow: Blow) -> None:
        victim = self._victim(blow)
        self.tell(f"{blow.value}: {victim.name}")
        match blow:
            case Blow.KILL_NODE:
                self.owners.struck(victim.name, trio.current_time())
                victim.signal(signal.SIGKILL)
            case Blow.KILL_GATEWAY:
                victim.signal(signal.SIGKILL)
            case Blow.END_NODE:
                victim.signal(signal.SIGTERM)
            case Blow.PAUSE_NODE:
                self.owners.struck(victim.name, trio.current_time())
                victim.signal(signal.SIGSTOP)
                try:
                    await trio.sleep(self.chance.uniform(*PAUSE_S))
                finally:
                    victim.signal(signal.SIGCONT)
            case Blow.CUT_NODE:
                self.owners.struck(victim.name, trio.current_time())
                await self._cut(victim)
            case Blow.CUT_GATEWAY:
                await self._cut(victim)
            case Blow.RESTART_ENGINE:
                self.owners.engine_away(trio.current_time())
                victim.signal(signal.SIGKILL)
                await victim.wait_again()
                self.owners.engine_back(trio.current_time())

    def _can(self, blow: Blow) -> bool:
        if blow in {Blow.CUT_NODE, Blow.CUT_GATEWAY}:
            return self.fleet.plan.rooms is not None
        return blow is not Blow.RESTART_ENGINE or self.fleet.engine is not None

    async def _cut(self, victim: Member) -> None:
        rooms = self.fleet.plan.rooms
        assert rooms is not None, "there are rooms where members can be cut off"
        room, port = rooms.by_member[victim.name], self.fleet.engine_port
        await room.cut(port)
        try:
            await trio.sleep(self.chance.uniform(*CUT_S))
        finally:
            with trio.CancelScope(shield=True):
                await room.mend()

    def _victim(self, blow: Blow) -> Member:
        match blow:
            case Blow.KILL_GATEWAY | Blow.CUT_GATEWAY:
                return self.chance.choice(self.fleet.gateways)
            case Blow.RESTART_ENGINE:
                assert self.fleet.engine is not None, "it was looked for"
                return self.fleet.engine
        return self.chance.choice(self.fleet.nodes)
