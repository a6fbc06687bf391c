"""The course of one run, and what is measured in it.

Must not know: how programs are started.
"""

import json
import signal
from pathlib import Path
from typing import Any, Final

import attrs
import trio

from benchmarks.balancer.programs import Deployment, DeploymentError, Program, ready

__all__ = ["Course", "run", "shortcomings"]

RESUMED_S_MAX: Final = 5.0
UNREADY_S_MAX: Final = 1.0
END_S_MAX: Final = 5.0  # for a process to end when its gateway has
STEADY_S: Final = 3.0  # between two events, so that each is measured alone
PATIENCE_S: Final = 60.0
SETTLE_S: Final = 60.0  # for the bots to join

Report = dict[str, Any]


@attrs.frozen(kw_only=True)
class Course:
    """What happens: so many bots come in through `proxy`; gateways drain in `drain_s`."""

    proxy: str = "haproxy"
    bots: int = 200
    drain_s: float = 10.0
    drain_wait_s: float = 3.0


class Bots:
    """Hears the bots' reports, one a second."""

    def __init__(self, program: Program, count: int) -> None:
        self.newest: Report = {}
        self.connected_min = count
        self._program = program
        self._count = count
        self._news = trio.Event()

    async def listen(self) -> None:
        """Hear until they end."""
        assert self._program.process.stdout is not None
        rest = b""
        async for data in self._program.process.stdout:
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self.newest = json.loads(line)
                self.connected_min = min(self.connected_min, self.newest["connected"])
                self._news.set()
                self._news = trio.Event()

    async def wait_all(self, patience_s: float = PATIENCE_S) -> Report:
        """A report from now on in which all play, and whoever lost a link has resumed."""
        with trio.move_on_after(patience_s):
            while True:
                await self._news.wait()
                report = self.newest
                if report["connected"] == self._count and (
                    report["resumes"] + report["rejoins"] == report["disconnects"]
                ):
                    return report
        raise DeploymentError(
            f"not all bots play: {self.newest}; bots said: {self._program.last_words}"
        )

    async def leave(self) -> Report:
        """Have them leave; their last report."""
        self._program.signal(signal.SIGINT)
        await self._program.wait_ended(PATIENCE_S)
        while not self.newest.get("final"):
            await self._news.wait()
        return self.newest


async def run(course: Course, folder: Path) -> Report:
    """Go through the course. Raises DeploymentError when something does not do what it must."""
    async with Deployment.running(folder) as deployment, trio.open_nursery() as nursery:
        await deployment.start_engine()
        await deployment.start_node()
        drain = {"drain_s": course.drain_s, "drain_wait_s": course.drain_wait_s}
        gateways = [await deployment.start_gateway(number, **drain) for number in (0, 1)]
        await deployment.start_proxy(course.proxy)
        program = await deployment.start_bots(course.bots)
        bots = Bots(program, course.bots)
        nursery.start_soon(bots.listen)
        await bots.wait_all(SETTLE_S)
        await trio.sleep(STEADY_S)

        before = await bots.wait_all()
        bots.connected_min = course.bots
        drained = await _drain(gateways[0], deployment.gateway_ports[0], course)
        after = await bots.wait_all()
        drained |= {
            "drained": after["disconnects"] - before["disconnects"],
            "drain_connected_min": bots.connected_min,
        }

        await deployment.start_gateway(0, **drain)
        await trio.sleep(STEADY_S)
        before = await bots.wait_all()
        began = trio.current_time()
        gateways[1].signal(signal.SIGKILL)
        await gateways[1].wait_ended(PATIENCE_S)
        await trio.sleep(1.0)  # a report that has heard of it
        after = await bots.wait_all()
        kill_s = trio.current_time() - began
        killed = after["disconnects"] - before["disconnects"]

        await trio.sleep(STEADY_S)
        final = await bots.leave()
        nursery.cancel_scope.cancel()
    return {
        "proxy": course.proxy,
        "bots": course.bots,
        "gateways": 2,
        **drained,
        "killed": killed,
        "kill_all_playing_s": round(kill_s, 1),
        "bots_playing": final["connected"],
        "disconnects": final["disconnects"],
        "resumes": final["resumes"],
        "rejoins": final["rejoins"],
        "away_s_max": final["away_s_max"],
        "replica_checks": final["replica_checks"],
        "replica_mismatches": final["replica_mismatches"],
    }


async def _drain(gateway: Program, port: int, course: Course) -> Report:
    """Have a gateway send everybody elsewhere and end."""
    began = trio.current_time()
    gateway.signal(signal.SIGTERM)
    while await ready(port):  # noqa: ASYNC110 - it is another process
        await trio.sleep(0.01)
    unready_s = trio.current_time() - began
    patience_s = course.drain_wait_s + course.drain_s + PATIENCE_S
    code = await gateway.wait_ended(patience_s)
    if code != 0:
        raise DeploymentError(f"the gateway ended with {code}: {gateway.last_words}")
    return {
        "drain_unready_s": round(unready_s, 2),
        "drain_took_s": round(trio.current_time() - began, 1),
    }


def shortcomings(report: Report, course: Course) -> list[str]:
    """What is not as it should be."""
    took_s_max = course.drain_wait_s + course.drain_s + END_S_MAX
    checks = {
        "somebody plays no more": report["bots_playing"] == course.bots,
        "a session was lost": report["rejoins"] == 0,
        "a link was lost and not resumed": report["resumes"] == report["disconnects"],
        f"somebody was away for over {RESUMED_S_MAX:g} s": report["away_s_max"] <= RESUMED_S_MAX,
        "nobody was on the gateway that drained": report["drained"] > 0,
        "nobody was on the gateway that was killed": report["killed"] > 0,
        "a replica was wrong": report["replica_mismatches"] == 0 < report["replica_checks"],
        "readiness lagged": report["drain_unready_s"] <= UNREADY_S_MAX,
        "the drain took too long": report["drain_took_s"] <= took_s_max,
    }
    return [what for what, well in checks.items() if not well]
