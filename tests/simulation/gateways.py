"""Gateways: the real service, with memory in place of sockets."""

from collections.abc import Callable
from functools import partial
from math import inf

import trio

from protocol.link import Profile
from server.gateway.config import GatewayConfig
from server.gateway.core import Gateway
from server.gateway.service import RunningGateway, run_gateway
from server.gateway.tokens import TokenMaker
from server.net.link import Link
from server.net.memory import MemoryPair
from tests.simulation.place import Life
from tests.simulation.setting import Setting

__all__ = ["GatewayLife", "LivePair"]


class LivePair(MemoryPair):
    """Both ends of a connection, in trio's time."""

    @property
    def now(self) -> float:
        """The present."""
        return trio.current_time()

    @now.setter
    def now(self, _: float) -> None:
        """The present is what it is."""


class GatewayLife(Life):
    """A gateway's process. `running` is None until it listens."""

    port = 0

    def __init__(self, setting: Setting, name: str) -> None:
        super().__init__(setting, name)
        self.running: RunningGateway | None = None
        self._bus = setting.network.party(name)
        self._pairs: list[LivePair] = []
        self._knock, self._open = trio.open_memory_channel[LivePair](inf)

    async def main(self) -> None:
        """Serve until the end."""
        setting = self.setting
        chance = setting.chance.of(f"tokens of {self.name}")
        config = GatewayConfig(
            name=self.name,
            world=setting.world,
            schema=setting.schema,
            geometry=setting.geometry,
            tokens=TokenMaker(chance.randbytes),
        )
        serve = partial(
            run_gateway, config, bus=self._bus, schedule=setting.schedule, listen=self._listen
        )
        async with trio.open_nursery() as nursery:
            self.running = await nursery.start(serve)
            if setting.is_cut:
                heard = setting.chance.of(f"cuts heard by {self.name}")
                nursery.start_soon(setting.atlas.follow, heard, self.running.cut_anew)

    def die(self) -> None:
        """Neither shards nor clients hear of it any more."""
        self._bus.die()
        for pair in self._pairs:
            pair.cut()
        self._pairs.clear()

    @property
    def core(self) -> Gateway | None:
        """The gateway inside, to look at."""
        return None if self.running is None else self.running._gateway

    def connect(self, profile: Profile | None, delay_s: float, seed: int) -> LivePair | None:
        """A new connection of a client; None while nobody listens."""
        if self.running is None or self.is_dead:
            return None
        pair = LivePair(profile=profile, delay_s=delay_s, jitter_s=delay_s, seed=seed)
        self._pairs = [known for known in self._pairs if known.link.closed is None]
        self._pairs.append(pair)
        self._knock.send_nowait(pair)
        return pair

    def look(self) -> None:
        """Let the links notice what has arrived by now."""
        for pair in self._pairs:
            pair.link.look()

    # --- the entrance, as the service knows it ---------------------------------------------------

    async def _listen(
        self, on_link: Callable[[Link], None], *, task_status: trio.TaskStatus["GatewayLife"]
    ) -> None:
        task_status.started(self)
        async for pair in self._open:
            on_link(pair.link)

    def stop_accepting(self) -> None:
        """Nothing: gateways here end by crashing."""

    async def wait_closed(self) -> None:
        """Nothing, as above."""
