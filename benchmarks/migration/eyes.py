"""Real clients that note what they are told and what they show, frame by frame.

Must not know: who moves what.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import attrs
import numpy as np
import trio

from benchmarks.interest import rules
from benchmarks.smoothness.figures import longest_freeze
from client_demo.connection import Connection
from protocol.client import Client
from protocol.clock import EXTRAPOLATE_S
from protocol.messages import Message, Snapshot

__all__ = ["Eye", "Told"]

FRAME_S: Final = 1 / 60
TURN_EVERY_S: Final = 0.5


@attrs.frozen
class Told:
    """A snapshot that told of the shard: when it came, the shard's tick, and bytes."""

    at: float
    tick: int
    size: int


class _NotingClient(Client):
    """A client that gives every message it takes to `note`."""

    note: Callable[[Message, int, float], None]

    def receive(self, data: bytes, now: float) -> Message:
        """Take a message, and have it noted."""
        message = super().receive(data, now)
        self.note(message, len(data), now)
        return message


class Eye:
    """One real client. With `watches` it also shows the world, 60 times a second."""

    def __init__(self, port: int, number: int, *, watches: bool) -> None:
        self.told: list[Told] = []
        self.asked = 0
        self._frames: list[tuple[float, float, float, int]] = []
        self._watches = watches
        self._number = number
        self._silent = False
        self._connection = Connection(
            f"ws://127.0.0.1:{port}", partial(self._make, name=str(number), watches=watches)
        )

    @property
    def client(self) -> Client:
        """The client itself."""
        return self._connection.client

    def _make(self, *, name: str, watches: bool) -> Client:
        client = _NotingClient(name, playback=watches)
        client.note = self._note
        return client

    async def run(self) -> None:
        """Play until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._connection.run)
            await self._connection.wait_welcomed()
            while not self.client.ready:  # noqa: ASYNC110 - a remote process decides
                await trio.sleep(0.01)
            nursery.start_soon(self._turn)
            if self._watches:
                nursery.start_soon(self._show)

    # --- what is noted ---------------------------------------------------------------------------

    def _note(self, message: Message, size: int, now: float) -> None:
        if not isinstance(message, Snapshot) or not message.groups:
            return
        group = message.groups[-1]  # a late one has those of several ticks
        self.told.append(Told(now, message.tick - group.age, size))

    async def _turn(self) -> None:
        while not self._silent:
            self.asked += 1
            heading = float((self._number * 31 + self.asked * 57) % rules.HEADINGS)
            self.client.send_input("Turn", {"heading": heading}, trio.current_time())
            await trio.sleep(TURN_EVERY_S)

    def be_silent(self) -> None:
        """Ask for nothing more."""
        self._silent = True

    async def _show(self) -> None:
        while True:
            now = trio.current_time()
            shown = len(self.client.screen(now))
            timeline = self.client.timeline
            assert timeline is not None, "it is ready"
            reach = EXTRAPOLATE_S / timeline.interval
            drawn = min(timeline.shown, timeline.newest + reach)
            self._frames.append((now, drawn, timeline.newest - timeline.shown, shown))
            await trio.sleep(FRAME_S)

    # --- what came of it -------------------------------------------------------------------------

    @property
    def inputs_lost(self) -> int:
        """Turns that were asked for and not counted by the world."""
        return self.asked - int(self.client.private.get("turns", 0))

    def shown(self) -> dict[str, Any]:
        """What the player saw: freezes, and for how much of the time nothing new was there."""
        frames = np.array(self._frames)
        now, drawn, ahead, bodies = frames.T
        arrivals = [told.at for told in self.told]
        frozen_s, _ = longest_freeze(now, drawn, arrivals, hz=rules.HZ)
        return {
            "longest_freeze_ms": round(frozen_s * 1000, 1),
            "past_newest": round(float(np.mean(ahead < 0)), 4),
            "past_newest_ms_max": round(float(max(0.0, -ahead.min())) * 1000 / rules.HZ, 1),
            "view_age_ms": round(self.client.statistics().view_age_s * 1000, 1),
            "bodies_p50": int(np.median(bodies)),
            "bodies_least": int(bodies.min()),
        }
