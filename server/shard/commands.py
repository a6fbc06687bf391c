"""Commands: what entities ask of entities, brought to whoever owns the one that is asked.

A command for an entity that is here waits for the next step; one for an entity elsewhere goes
through the outbox, after the entity itself if that left for there. A former owner passes it on, as
far as its memory reaches. What nobody can deliver is counted and dropped: the entity is gone.

Must not know: what commands do.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from server.shard import limits
from server.shard.forwarding import Forwarding
from server.shard.outbox import CommandParcel, Letter, Outbox
from sim.engine import CommandIn, Outgoing
from sim.world import World

__all__ = ["Commands"]


class Commands:
    """The commands of one shard. `seen_at` gives the shard of a ghost."""

    def __init__(
        self,
        world: World,
        outbox: Outbox,
        forwarding: Forwarding,
        seen_at: Callable[[int], int | None],
    ) -> None:
        self._world = world
        self._outbox = outbox
        self._forwarding = forwarding
        self._seen_at = seen_at
        self._waiting: list[CommandIn] = []
        self.undeliverable = 0

    def send(self, target: int, name: str, args: Mapping[str, Any], forwards: int = 0) -> None:
        """Bring a command on its way; `forwards` is how often it was passed on before."""
        if self._world.get(target) is not None:
            self._waiting.append(CommandIn(target, name, args))
            return
        to = self._elsewhere(target)
        if to is None or forwards >= limits.FORWARDS_MAX:
            self.undeliverable += 1
        else:
            self._outbox.send(Letter(to, target, name, dict(args), forwards))

    def knows(self, target: int) -> bool:
        """Whether a command for this entity can be brought to it, or passed on."""
        return self._world.get(target) is not None or self._elsewhere(target) is not None

    def _elsewhere(self, target: int) -> int | None:
        to = self._forwarding.where(target)
        return self._seen_at(target) if to is None else to

    def receive(self, parcel: CommandParcel, arriving: Mapping[int, Any]) -> None:
        """Take a command from another shard; `arriving` are entities that come in this tick."""
        if parcel.target in arriving:
            self._waiting.append(CommandIn(parcel.target, parcel.name, parcel.args))
        else:
            self.send(parcel.target, parcel.name, parcel.args, parcel.forwards + 1)

    def recall(self, made: Iterable[Outgoing]) -> None:
        """Wait with what the newest step asked of entities that are here; the rest was sent."""
        for target, name, args in made:
            if self._world.get(target) is not None:
                self._waiting.append(CommandIn(target, name, args))

    def to_data(self) -> list[Any]:
        """Plain data for a checkpoint."""
        return [[target, name, dict(args)] for target, name, args in self._waiting]

    def load(self, data: list[Any]) -> None:
        """Be as `to_data` described."""
        self._waiting = [CommandIn(*row) for row in data]

    def take(self) -> list[CommandIn]:
        """The commands for the step that begins."""
        waiting, self._waiting = self._waiting, []
        return waiting
