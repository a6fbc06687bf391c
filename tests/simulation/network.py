"""The bus as a network: parties at the ends of links that drop, repeat, delay and cut.

Each party (a node, a gateway) has a bus of its own, `PartyBus`, which is a `seams.Bus`. What one
party publishes arrives at another in its order, as the seam promises, unless a fault says that it
is reordered. Messages to oneself go over the network as well.

Delays are whole milliseconds, so that many messages arrive at one moment and are cheap.
"""

import math
import random
from collections.abc import Callable, Iterable
from heapq import heappop, heappush

import attrs
import trio

from server.cluster.bus import MemorySubscription
from server.cluster.seams import BusState, Message, subject_matches, subject_tokens
from tests.simulation.trace import Trace

__all__ = ["Network", "Noise", "PartyBus", "Tap"]

Tap = Callable[[str, str, bytes], None]
GRID_S = 0.001


@attrs.frozen
class Noise:
    """How bad all links are: chances of a message, and milliseconds of delay."""

    drop: float = 0.0
    repeat: float = 0.0
    overtake: float = 0.0
    delay_ms: tuple[int, int] = (1, 2)


QUIET = Noise()


class Network:
    """All links between all parties. `taps` hear (party, subject, data) of everything published."""

    def __init__(self, chance: random.Random, trace: Trace) -> None:
        self.noise = QUIET
        self.up = True
        self.taps: list[Tap] = []
        self.published = self.dropped = self.repeated = self.overtaken = 0
        self._chance = chance
        self._trace = trace
        self._cut: dict[tuple[str, str], int] = {}
        self._stalled: dict[str, float] = {}
        self._arrives_last: dict[tuple[str, str], float] = {}
        self._subscriptions: list[tuple[str, MemorySubscription]] = []
        self._routes: dict[str, list[tuple[str, MemorySubscription]]] = {}
        self._under_way: list[tuple[float, int, MemorySubscription, Message]] = []
        self._numbers = 0
        self._sooner = trio.Event()

    async def run(self) -> None:
        """Deliver what arrives, until cancelled."""
        while True:
            now = trio.current_time()
            while self._under_way and self._under_way[0][0] <= now + 1e-9:
                _, _, subscription, message = heappop(self._under_way)
                subscription.deliver(message)
            self._sooner = trio.Event()
            due = self._under_way[0][0] if self._under_way else math.inf
            with trio.move_on_at(due):
                await self._sooner.wait()

    def party(self, name: str) -> "PartyBus":
        """The bus as `name` has it."""
        return PartyBus(self, name)

    # --- faults ----------------------------------------------------------------------------------

    def cut(self, links: Iterable[tuple[str, str]]) -> None:
        """Let nothing through from the first to the second of each pair; may be done twice."""
        for link in links:
            self._cut[link] = self._cut.get(link, 0) + 1

    def mend(self, links: Iterable[tuple[str, str]]) -> None:
        """Undo one `cut`."""
        for link in links:
            self._cut[link] -= 1
            if not self._cut[link]:
                del self._cut[link]

    def stall(self, place: str, until: float) -> None:
        """What a place sends arrives after `until`, all at once, as over a link that hung."""
        self._stalled[place] = until

    def passes(self, sender: str, receiver: str) -> bool:
        """Whether anything gets from one party to another."""
        return self.up and (_place(sender), _place(receiver)) not in self._cut

    def lose_all(self) -> None:
        """What is under way is lost: the engine died."""
        self._under_way.clear()

    def forget_party(self, name: str) -> None:
        """A party is dead: nothing reaches it."""
        self._subscriptions = [entry for entry in self._subscriptions if entry[0] != name]
        self._routes.clear()

    @property
    def under_way(self) -> int:
        """How many messages are on their way."""
        return len(self._under_way)

    # --- for parties -----------------------------------------------------------------------------

    def publish(self, sender: str, subject: str, data: bytes) -> None:
        """Send to every party that listens, as its link allows."""
        self.published += 1
        self._trace.add(sender, subject, data)
        for tap in self.taps:
            tap(sender, subject, data)
        route = self._routes.get(subject)
        if route is None:
            route = self._routes[subject] = self._route(subject)
        message = Message(subject, data)
        for receiver, subscription in route:
            if not self.passes(sender, receiver):
                self.dropped += 1
                continue
            self._send(sender, receiver, subscription, message)

    def subscribe(self, party: str, pattern: str, buffer: int) -> MemorySubscription:
        """Let `party` receive what matches `pattern`."""
        subscription = MemorySubscription(self, subject_tokens(pattern, pattern=True), buffer)
        self._subscriptions.append((party, subscription))
        self._routes.clear()
        return subscription

    def forget(self, subscription: MemorySubscription) -> None:
        """Deliver nothing more to it; called when it is closed."""
        self._subscriptions = [each for each in self._subscriptions if each[1] is not subscription]
        self._routes.clear()

    # --- inside ----------------------------------------------------------------------------------

    def _route(self, subject: str) -> list[tuple[str, MemorySubscription]]:
        tokens = subject_tokens(subject, pattern=False)
        return [each for each in self._subscriptions if subject_matches(each[1].pattern, tokens)]

    def _send(
        self, sender: str, receiver: str, subscription: MemorySubscription, message: Message
    ) -> None:
        noise, chance = self.noise, self._chance
        if noise is QUIET:
            self._put(sender, receiver, subscription, message, overtakes=False)
            return
        if chance.random() < noise.drop:
            self.dropped += 1
            return
        overtakes = chance.random() < noise.overtake
        self.overtaken += overtakes
        self._put(sender, receiver, subscription, message, overtakes=overtakes)
        if chance.random() < noise.repeat:
            self.repeated += 1
            self._put(sender, receiver, subscription, message, overtakes=True)

    def _put(
        self,
        sender: str,
        receiver: str,
        subscription: MemorySubscription,
        message: Message,
        *,
        overtakes: bool,
    ) -> None:
        least, most = self.noise.delay_ms
        now = round(trio.current_time() / GRID_S)
        arrives = (now + self._chance.randint(least, most)) * GRID_S
        arrives = max(arrives, self._stalled.get(_place(sender), 0.0))
        if not overtakes:
            link = sender, receiver
            arrives = self._arrives_last[link] = max(arrives, self._arrives_last.get(link, 0.0))
        self._numbers += 1
        first = not self._under_way or arrives < self._under_way[0][0]
        heappush(self._under_way, (arrives, self._numbers, subscription, message))
        if first:
            self._sooner.set()


class PartyBus:
    """A `seams.Bus` of one party. After `die` it does nothing."""

    def __init__(self, network: Network, name: str) -> None:
        self.name = name
        self._network = network
        self._alive = True

    @property
    def state(self) -> BusState:
        """Whether the bus is up."""
        return BusState.UP if self._network.up else BusState.DOWN

    def publish(self, subject: str, data: bytes) -> None:
        """Send `data` to every subscription that matches `subject`."""
        if type(data) is not bytes:
            raise TypeError("the bus carries bytes and nothing else")
        if self._alive:
            self._network.publish(self.name, subject, data)

    def subscribe(
        self,
        pattern: str,
        *,
        buffer: int,
        overflow: str = "drop_oldest",  # noqa: ARG002
    ) -> MemorySubscription:
        """Start receiving what matches `pattern`."""
        return self._network.subscribe(self.name if self._alive else "", pattern, buffer)

    def die(self) -> None:
        """The party crashed: it neither sends nor receives any more."""
        self._alive = False
        self._network.forget_party(self.name)


def _place(party: str) -> str:
    """Lives of one node have different names, and the same place: `n1-2` is at `n1`."""
    return party.split("-", maxsplit=1)[0]
