"""Kill a real server at random moments while bots play, and prove that nothing is lost.

    python -m benchmarks.crash                      20 kills, 100 bots
    python -m benchmarks.crash --kills 3 --bots 30  a short one
    python -m benchmarks.crash --seed 7 --keep DIR  other moments; the store stays in DIR

The server is `shoal serve --store`, killed with SIGKILL, some of the times while it still recovers.
After each restart every bot must be back within 5 s: a pearl that it asked for since the kill was
laid, made durable and told. The records of the store, read from the first one on, are stepped by
worlds of their own and must lead to the same columns in every tick (`history`). Entities are
counted by id, durable events by serial number, and what clients were told must be what happened
(`verdict`). At the end Ctrl-C ends the server, and a last restart must have nothing to replay.

Progress goes to standard error; the last line is JSON. Exit code 1 if a promise is broken.
"""

import argparse
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks import machine
from benchmarks.crash.bots import BACK_PATIENCE_S
from benchmarks.crash.crowd import Crowd
from benchmarks.crash.game import game
from benchmarks.crash.history import Archive, History
from benchmarks.crash.served import Served
from benchmarks.crash.verdict import Verdict, Witness, judge, take
from benchmarks.interest.children import ChildFailedError
from benchmarks.ports import free_port
from protocol.geometry import Geometry
from protocol.schema import Schema

__all__ = ["Trial", "main"]

RECOVER_S_MAX: Final = 5.0  # the promise, on a machine that has the cores for it
_SHARDS: Final = (2, 2)
_WORLD_SEED: Final = 1
_PLAY_S: Final = (0.5, 6.0)  # between everybody's return and the next kill
_EARLY_S: Final = (0.1, 2.5)  # after a restart, for kills that do not wait for that
_EARLY_SHARE: Final = 0.25
_START_S: Final = 30.0
_FIRST_PLAY_S: Final = 4.0
_TELL_S: Final = 5.0  # after everybody has come back for the last time
_QUIET_S: Final = 6.0  # until all pearls have burst
_TELL_TICKS: Final = 60  # what is younger at the end may not have been told


@attrs.frozen(kw_only=True)
class Plan:
    """How often the server is killed, when, and who plays."""

    kills: int
    bots: int
    seed: int
    checkpoint_every_s: float
    sync: str
    recover_s_max: float


class BrokenError(Exception):
    """A promise was broken; the message says which."""


class Trial:
    """One run."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._chance = random.Random(plan.seed)  # noqa: S311 - to be repeated
        self._port = free_port()
        self._served = Served(
            game="benchmarks.crash.game:game",
            store=folder / "store",
            log=folder / "server.log",
            options={
                "port": self._port,
                "shards": "x".join(map(str, _SHARDS)),
                "seed": _WORLD_SEED,
                "checkpoint-every-s": plan.checkpoint_every_s,
                "store-sync": plan.sync,
                "resume-grace-s": 600,
            },
        )
        schema = Schema.from_data(game.describe())
        self._geometry = Geometry.grid(*schema.size, schema.cell, schema.interest, _SHARDS)
        self._history = History(game, self._geometry, _WORLD_SEED)
        self._witnesses: dict[int, Witness] = {}
        self._archive = Archive(folder / "store", folder / "archive")
        self._ends: list[int] = []  # of the log at each kill that was not judged yet
        self._recovered_s: list[float] = []  # until the last one was back
        self._back_s: list[float] = []  # until each one was
        self._early = 0
        self._serving_s: list[float] = []
        self._newest_seen: list[int] = []
        self._motion_lost: list[int] = []
        self._replayed: list[int] = []
        self._reports: list[str] = []
        self._killed_at = self._killed_clock = self._serving_clock = 0.0

    def run(self) -> dict[str, Any]:
        """Kill and judge; the figures. Raises BrokenError, ChildFailedError."""
        plan = self._plan
        self._served.start()
        try:
            if not self._served.wait_listening(self._port, _START_S):
                self._listen()
                raise BrokenError("\n".join(["the server does not start", *self._reports]))
            with Crowd.running(port=self._port, count=plan.bots, seed=plan.seed) as bots:
                ready = bots.wait_ready()
                self._check_back(ready)
                _log(f"{plan.bots} bots play; {plan.kills} kills to come")
                time.sleep(_FIRST_PLAY_S)
                for number in range(1, plan.kills + 1):
                    self._kill(bots, number)
                verdict = self._end(bots)
        finally:
            self._served.end()
        return self._figures(verdict)

    # --- one kill --------------------------------------------------------------------------------

    def _kill(self, bots: Crowd, number: int) -> None:
        early = 1 < number < self._plan.kills and self._chance.random() < _EARLY_SHARE
        if early:
            self._early += 1
            time.sleep(self._chance.uniform(*_EARLY_S))
        elif number > 1:
            self._come_back(bots, f"kill {number - 1} of {self._plan.kills}")
            time.sleep(self._chance.uniform(*_PLAY_S))
        self._killed_at, self._killed_clock = time.monotonic(), time.time()
        self._served.kill()
        self._ends.append(self._archive.look())
        self._served.start()
        self._newest_seen.append(bots.ask("killed")["newest_tick"])

    def _come_back(self, bots: Crowd, what: str) -> None:
        """Wait until everybody is back, then judge."""
        answer = bots.ask("back", BACK_PATIENCE_S + 10)
        self._check_back(answer)
        took_s = max(answer["at"]) - self._killed_at
        self._recovered_s.append(took_s)
        self._back_s += [at - self._killed_at for at in answer["at"]]
        self._listen()
        self._serving_s.append(self._serving_clock - self._killed_clock)
        self._read_on()
        take(self._witnesses, bots.ask("told"))
        verdict = judge(self._history, self._witnesses, shards=len(self._geometry.shards))
        _log(
            f"{what}: back after {took_s:.2f} s, {sum(self._history.alive.values())} entities, "
            f"{self._history.crossings} crossings, {self._history.happened.total()} durable events"
            + ("" if not verdict.wrong else "".join(f"\n  WRONG {each}" for each in verdict.wrong))
        )

    def _check_back(self, answer: dict[str, Any]) -> None:
        if answer["missing"]:
            self._listen()
            code = self._served.exit_code
            ended = "" if code is None else f"; the server ended with {code}"
            reasons = set(answer["ended"].values())
            who = f"{len(answer['missing'])} bots are not back; {reasons or 'they still try'}"
            who += f", such as {answer['missing'][:3]}"
            raise BrokenError("\n".join([who + ended, *self._reports[-5:]]))

    def _read_on(self) -> None:
        """Read on in the records, kill by kill: what a player saw beyond them was lost."""
        for ends, newest in zip(self._ends, self._newest_seen, strict=True):
            self._history.read(self._archive.folder, ends)
            self._motion_lost.append(newest - min(self._history.ticks.values()))
        self._ends.clear()
        self._newest_seen.clear()
        self._archive.look()

    def _listen(self) -> None:
        """Note what the server said of its recovery."""
        for line in self._served.said():
            if line.get("event") == "shard recovered":
                self._replayed.append(line["replayed"])
            elif line.get("event") == "serving":
                self._serving_clock = datetime.fromisoformat(line["timestamp"]).timestamp()
            elif line.get("level") != "info" and "was not closed" not in line.get("report", ""):
                self._reports.append(json.dumps(line))

    # --- the end ---------------------------------------------------------------------------------

    def _end(self, bots: Crowd) -> Verdict:
        self._come_back(bots, f"kill {self._plan.kills} of {self._plan.kills}")
        bots.tell("rest")
        time.sleep(_QUIET_S)
        self._listen()
        self._replayed_by_kills = list(self._replayed)
        self._replayed.clear()
        self._interrupt()
        self._archive.look()
        self._served.start()
        bots.ask("open", BACK_PATIENCE_S + 10)
        time.sleep(_TELL_S)
        self._listen()
        take(self._witnesses, bots.ask("told"))
        self._interrupt()
        self._archive.look()
        self._history.read(self._archive.folder)
        upto = min(self._history.ticks.values()) - _TELL_TICKS
        verdict = judge(
            self._history, self._witnesses, shards=len(self._geometry.shards), upto=upto
        )
        verdict.check(
            holds=self._replayed == [0] * len(self._geometry.shards),
            what=f"after Ctrl-C a restart replayed {self._replayed} ticks",
        )
        most = self._plan.recover_s_max
        late = [took for took in self._recovered_s if took > most]
        verdict.check(holds=not late, what=f"{len(late)} times not all were back within {most:g} s")
        verdict.wrong += self._reports
        return verdict

    def _interrupt(self) -> None:
        code = self._served.interrupt()
        if code:
            raise BrokenError(f"after Ctrl-C the exit code is {code}")

    def _figures(self, verdict: Verdict) -> dict[str, Any]:
        history, witnesses = self._history, self._witnesses.values()
        replayed = self._replayed_by_kills
        return {
            "kills": self._plan.kills,
            "kills_during_recovery": self._early,
            "bots": self._plan.bots,
            "seed": self._plan.seed,
            "entities_lost": verdict.entities_lost,
            "entities_duplicated": verdict.entities_duplicated,
            "durable_events_lost": verdict.durable_events_lost,
            "durable_events_repeated": verdict.durable_events_repeated,
            "inputs_applied_twice": verdict.inputs_applied_twice,
            "recover_s_max": round(max(self._recovered_s), 2),
            "recover_s_p50": round(statistics.median(self._recovered_s), 2),
            "back_s_p50": round(statistics.median(self._back_s), 2),
            "serving_s_max": round(max(self._serving_s), 2),
            "serving_s_p50": round(statistics.median(self._serving_s), 2),
            "motion_lost_ticks_max": max(self._motion_lost),
            "replayed_ticks_max": max(replayed, default=0),
            "entities_created": history.created.total(),
            "entities_alive": history.alive.total(),
            "crossings": history.crossings,
            "durable_events": history.happened.total(),
            "events_told": sum(witness.told.total() for witness in witnesses),
            "ticks": max(history.ticks.values()),
            "records": history.records,
            "journal_mb": round(history.bytes / 1e6, 1),
            "replica_checks": sum(witness.crc_checks for witness in witnesses),
            "resumes": sum(witness.resumes for witness in witnesses),
            "wrong": verdict.wrong[:20],
            "machine": machine.describe(),
        }


def main() -> None:
    """Run what the command line asks for."""
    options = _parse()
    plan = Plan(
        kills=options.kills,
        bots=options.bots,
        seed=options.seed,
        checkpoint_every_s=options.checkpoint_every_s,
        sync=options.store_sync,
        recover_s_max=options.recover_s_max,
    )
    folder = Path(options.keep or tempfile.mkdtemp(prefix="shoal-crash-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        sys.exit(f"{folder} is not empty")
    try:
        figures = Trial(plan, folder).run()
    except (BrokenError, ChildFailedError) as error:
        sys.exit(f"{error}\nthe store and the server's log are in {folder}")
    except KeyboardInterrupt:
        sys.exit("\ninterrupted")
    if figures["wrong"]:
        for sentence in figures["wrong"]:
            _log(f"WRONG {sentence}")
        _log(f"the store and the server's log are in {folder}")
    elif not options.keep:
        shutil.rmtree(folder)
    print(json.dumps(figures), flush=True)
    sys.exit(1 if figures["wrong"] else 0)


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.crash",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--bots", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--checkpoint-every-s", type=float, default=5.0)
    parser.add_argument("--store-sync", choices=("disk", "os"), default="disk")
    parser.add_argument("--recover-s-max", type=float, default=RECOVER_S_MAX)
    parser.add_argument("--keep", metavar="DIR", help="leave the store and the log there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
