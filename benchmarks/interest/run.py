"""One run: a server alone on one core, its bots on another, a window without other load, the truth.

Must not know: how runs are compared.
"""

import time
from collections.abc import Callable
from typing import Any, Final

import attrs

from benchmarks.interest import peers, rules
from benchmarks.interest.children import Child, core_busy_s, python
from benchmarks.interest.validate import Stalled, converge, validate
from server.gateway import limits
from server.settings import Settings

__all__ = ["InvalidRunError", "Job", "run"]

SERVER_CORE: Final = 0
BOTS_CORE: Final = 1
_FOREIGN_MAX: Final = 0.04  # of the server's core, in use by others: more, and the window is noisy
_QUIET: Final = 0.10  # of a core's time, before a run begins
_QUIET_PATIENCE_S: Final = 60.0

Log = Callable[[str], None]


class InvalidRunError(Exception):
    """What clients held was not what the server had: the figures mean nothing."""


@attrs.frozen(kw_only=True)
class Job:
    """What to measure. `peer` is shoal, colyseus or floor; `mode` concerns Shoal alone."""

    peer: str
    clients: int
    roamers: int
    mode: str = "courses"
    input_hz: float = rules.PLAYER_TURNS_HZ
    seconds: float = 15.0
    warm_s: float = 4.0
    windows: int = 4
    floor_bytes: int = 600
    check: bool = True
    crowd: bool = False
    client_bytes_per_s: int = Settings().client_bytes_per_s

    @property
    def side(self) -> float:
        """Of the world, in units."""
        if self.crowd:
            return rules.CROWD_CELLS * rules.CELL
        return rules.world_side(self.clients + self.roamers)

    @property
    def entities(self) -> int:
        """Players and roamers."""
        return self.clients + self.roamers

    def command(self) -> list[str]:
        """What starts the server."""
        if self.peer == "shoal":
            argv = python(
                "benchmarks.interest.server",
                roamers=self.roamers,
                side=self.side,
                mode=self.mode,
                client_bytes_per_s=self.client_bytes_per_s,
            )
            return [*argv, "--crowd"] if self.crowd else argv
        if self.peer == "floor":
            return peers.command("floor", {"port": 0, "bytes": self.floor_bytes})
        return peers.command(
            self.peer, {"port": 0, "roamers": self.roamers, "side": self.side, "seed": 1}
        )


def run(job: Job, log: Log = lambda _: None) -> dict[str, Any]:
    """Measure. Raises ChildFailedError, and InvalidRunError when the truth check fails."""
    quiet = wait_quiet()
    log(f"{job.peer}: {job.clients} clients, {job.roamers} roamers")
    with Child.running(job.command(), SERVER_CORE) as server:
        port = server.wait_ready()["port"]
        argv = python(
            "benchmarks.interest.bots",
            dialect=job.peer,
            port=port,
            clients=job.clients,
            input_hz=job.input_hz,
        )
        with Child.running(argv, BOTS_CORE) as bots:
            bots.wait_ready(120 + job.clients / 50)
            time.sleep(job.warm_s)
            result = _best_window(job, server, bots)
            result["quiet_before"] = quiet
            if job.crowd:
                result |= _crowd_figures(job, result, server)
            elif job.check:
                result["validation"] = _check(job, server)
    return result


def wait_quiet(patience_s: float = _QUIET_PATIENCE_S) -> bool:
    """Wait until both cores are nearly idle; False if they do not become so."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        before = [core_busy_s(core) for core in (SERVER_CORE, BOTS_CORE)]
        time.sleep(1.0)
        after = [core_busy_s(core) for core in (SERVER_CORE, BOTS_CORE)]
        if all(late - early < _QUIET for early, late in zip(before, after, strict=True)):
            return True
    return False


def _best_window(job: Job, server: Child, bots: Child) -> dict[str, Any]:
    """The first window without foreign load, or the least loaded one."""
    best: dict[str, Any] = {}
    for _ in range(job.windows):
        window = _window(job, server, bots)
        if not best or window["foreign"] < best["foreign"]:
            best = window
        if best["foreign"] < _FOREIGN_MAX:
            break
    return best


def _window(job: Job, server: Child, bots: Child) -> dict[str, Any]:
    busy, began = core_busy_s(SERVER_CORE), time.monotonic()
    user, system = server.cpu_s()
    bots_cpu = sum(bots.cpu_s())
    server.tell("start")
    bots.tell("start")
    time.sleep(job.seconds)
    seconds = time.monotonic() - began
    user_after, system_after = server.cpu_s()
    busy = core_busy_s(SERVER_CORE) - busy
    bots_cpu = sum(bots.cpu_s()) - bots_cpu
    told, heard = server.ask("stop"), bots.ask("stop")
    cpu = user_after - user + system_after - system
    held = told["hz"] >= rules.HZ_MIN and told["tick_interval_ms_p99"] < rules.TICK_INTERVAL_MS_MAX
    told_at = heard["messages_per_client_s"]  # a server that skips snapshots does not hold
    return {
        "peer": job.peer,
        **({"mode": job.mode} if job.peer == "shoal" else {}),
        "clients": job.clients,
        "roamers": job.roamers,
        "input_hz": job.input_hz,
        "hz": told["hz"],
        "tick_interval_ms_p50": told["tick_interval_ms_p50"],
        "tick_interval_ms_p99": told["tick_interval_ms_p99"],
        "cpu_s_per_s": round(cpu / seconds, 3),
        "cpu_user": round((user_after - user) / seconds, 3),
        "cpu_system": round((system_after - system) / seconds, 3),
        "bytes_per_client_s": heard["bytes_per_client_s"],
        "messages_per_client_s": heard["messages_per_client_s"],
        "most_bytes_per_client_s": heard["most_bytes_per_client_s"],
        "rss_mb": round(server.rss_mb(), 1),
        "visible": told.get("visible"),
        "held": bool(held and heard["live"] == job.clients and told_at >= rules.HZ_MIN),
        "foreign": round(busy / seconds - cpu / seconds, 3),
        "bots_cpu": round(bots_cpu / seconds, 3),
        "live": heard["live"],
        "server": {key: value for key, value in told.items() if key not in _TOLD},
    }


def _converged(job: Job, server: Child) -> dict[str, Any]:
    try:
        return attrs.asdict(converge(server))
    except Stalled as error:
        raise InvalidRunError(f"a crowd of {job.clients}: {error}") from None


def _crowd_figures(job: Job, result: dict[str, Any], server: Child) -> dict[str, Any]:
    """Whether all kept to the budget, and how long until everybody is seen where they stand."""
    steady = job.client_bytes_per_s
    budget = steady * (1 + limits.BUDGET_BURST / rules.HZ / job.seconds)
    return {
        "budget_bytes_per_client_s": round(budget),
        "within_budget": result["most_bytes_per_client_s"] <= budget,
        **_converged(job, server),
    }


_TOLD: Final = frozenset(
    {"hz", "tick_interval_ms_p50", "tick_interval_ms_p99", "visible", "clients"}
)


def _check(job: Job, server: Child) -> dict[str, Any]:
    """Compare real clients with the truth, whatever the server. Raises InvalidRunError."""
    if job.peer == "floor":
        return {}
    if job.peer == "shoal":
        try:
            verdict = validate(server)
        except Stalled as error:
            raise InvalidRunError(f"{job.peer} with {job.clients} clients: {error}") from None
        found, good = attrs.asdict(verdict), verdict.good
    else:
        found = peers.validate(server.ready["port"], BOTS_CORE)
        wrong = found["set_differs"] + found["value_differs"]
        good = found["checks"] > 0 and wrong == 0
    if not good:
        raise InvalidRunError(f"{job.peer} with {job.clients} clients: {found}")
    return found
