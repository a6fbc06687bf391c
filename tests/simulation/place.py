"""A place where something lives, dies and lives again: a node or a gateway under its supervisor.

Each life is a process of its own, with a name of its own and its own handles on the rest of the
world. A crash runs no cleanup that anybody could notice: first the handles go dead, then the tasks.
"""

import traceback
from collections.abc import Callable

import trio

from tests.simulation.determinism import Process
from tests.simulation.setting import Setting

__all__ = ["Life", "Place"]


class Life:
    """One process from its start to its end. Subclasses say what runs in it and what dies."""

    def __init__(self, setting: Setting, name: str) -> None:
        self.setting = setting
        self.name = name
        self.process = Process(name)
        self.is_dead = False
        self.ended = trio.Event()
        self._scope = trio.CancelScope()

    async def main(self) -> None:
        """What runs in the process."""
        raise NotImplementedError

    def die(self) -> None:
        """Make every handle on the world go dead."""
        raise NotImplementedError

    async def run(self) -> None:
        """Live until a crash, or until `main` ends. An error of `main` is somebody's fault."""
        try:
            with self._scope:
                await self.process.run(self.main)
        except Exception:  # noqa: BLE001 - whatever ends a process is to be reported
            text = traceback.format_exc(limit=-12)
            self.setting.judge.blame(f"{self.name} ended with an error\n{text}")
        finally:
            self.is_dead = True
            self.die()
            self.ended.set()

    def crash(self) -> None:
        """End at once, as if the power had gone."""
        self.is_dead = True
        self.die()
        if self.process.stopped:
            self.process.go_on()
        self._scope.cancel()


class Place:
    """Where lives follow one another."""

    def __init__(self, name: str, setting: Setting, begin: Callable[[str], Life]) -> None:
        self.name = name
        self.life: Life | None = None
        self.lives = 0
        self._setting = setting
        self._begin = begin
        self._nursery: trio.Nursery | None = None

    def start(self, nursery: trio.Nursery) -> Life:
        """Begin a life."""
        self._nursery = nursery
        self.life = self._begin(f"{self.name}-{self.lives}")
        self.lives += 1
        nursery.start_soon(self.life.run)
        return self.life

    async def crash(self, down_s: float) -> None:
        """Let the present life end, and another one begin after a while."""
        assert self._nursery is not None
        life = self.life
        if life is None or life.is_dead:
            return
        self._setting.trace.fault(f"{life.name} crashes, for {down_s:.2f} s")
        life.crash()
        await trio.sleep(down_s)
        self.start(self._nursery)
        assert self.life is not None
        self._setting.trace.tell(f"{self.life.name} starts")

    async def pause(self, for_s: float) -> None:
        """Stop the present life for a while."""
        life = self.life
        if life is None or life.is_dead or life.process.stopped:
            return
        self._setting.trace.fault(f"{life.name} stands still, for {for_s:.2f} s")
        life.process.stop()
        try:
            await trio.sleep(for_s)
        finally:  # also when the run ends: a process that stands still cannot end
            if life.process.stopped:
                life.process.go_on()
                self._setting.trace.tell(f"{life.name} goes on")
