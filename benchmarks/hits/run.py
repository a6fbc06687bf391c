"""One run: a sea of two shards, bots around the border, and everybody's frames in virtual time.

The server ticks at its rate. Between two ticks each client listens every few milliseconds, and
draws 60 frames a second at moments of its own, so that what is shown lies anywhere between ticks.

Must not know: the command line.
"""

import copy
import random
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import attrs

from benchmarks.hits.bots import Arena, Bot
from benchmarks.hits.shots import Shot, figures
from server.testing import Sim
from sim import Game
from sim.games.lanterns import game as lanterns

__all__ = ["Job", "run", "without_rewind"]

_FRAME_S: Final = 1 / 60
_LISTENS: Final = 10  # a tick: every 5 ms
_WARM_UP_S: Final = 5.0  # clocks and inputs find their pace
_ANSWERS_S: Final = 2.0
_GLOW_EVERY_TICKS: Final = 40
_GLOW: Final = (350.0, 500.0)  # who has less light is given so much: all see as far as they can
_PATIENCE_S: Final = 3.0  # a shot; somebody is always near in a small arena


@attrs.frozen(kw_only=True)
class Job:
    """What to run. Times are milliseconds; jitter is one way, on top of half the round trip.

    `link`: a preset of `protocol.link` instead, whose round trip `rtt_ms` then is.
    """

    rtt_ms: float = 150.0
    jitter_ms: float = 0.0
    link: str | None = None
    shots: int = 500
    rewind: bool = True
    aims_as_drawn: bool = False
    bots: int = 12
    side: float = 300.0
    seed: int = 1


def without_rewind(game: Game) -> Game:
    """The same game, which remembers nothing: shots are judged in the present."""
    forgetful = copy.copy(game)
    forgetful.history_s = 0.0
    return forgetful


def run(job: Job) -> dict[str, Any]:
    """Play until all shots are fired and answered; what was asked for and the figures."""
    bench = _Bench(job)
    bench.play(seconds=_WARM_UP_S, shots=0)
    bench.play(seconds=job.shots * _PATIENCE_S, shots=job.shots)
    bench.play(seconds=_ANSWERS_S, shots=0)
    game = bench.sim.game
    return {
        **attrs.asdict(job),
        **figures(bench.shots, hz=game.hz, rewind_s=game.history_s),
        "crossings": bench.sim.census().crossings,
        "virtual_s": round(bench.sim.now, 1),
    }


class _Bench:
    """The sea, its bots, and their shots so far."""

    def __init__(self, job: Job) -> None:
        game = lanterns if job.rewind else without_rewind(lanterns)
        chance = random.Random(job.seed)  # noqa: S311 - the same seed must give the same run
        self.sim = Sim(game, shards=2, seed=job.seed)
        self.shots: list[Shot] = []
        self._unanswered: list[deque[Shot]] = [deque() for _ in range(job.bots)]
        self._frame_at = [chance.uniform(0, _FRAME_S) for _ in range(job.bots)]
        arena = Arena((game.size[0] / 2, game.size[1] / 2), job.side)
        self._bots = []
        for number in range(job.bots):
            x, y = arena.place(chance)
            player = self.sim.join(
                f"bot{number}",
                x=x,
                y=y,
                latency=0.0 if job.link else job.rtt_ms / 2000,
                jitter=0.0 if job.link else job.jitter_ms / 1000,
                link=job.link,
            )
            own = random.Random(job.seed * 1009 + number)  # noqa: S311 - as above
            self._bots.append(Bot(player, arena, own, aims_as_drawn=job.aims_as_drawn))

    def play(self, *, seconds: float, shots: int) -> None:
        """Let time pass until there are so many shots (0: nobody shoots), but no longer."""
        until = self.sim.now + seconds
        while self.sim.now < until and (not shots or len(self.shots) < shots):
            for now, number, draws in self._moments():
                bot = self._bots[number]
                bot.player.advance(now)
                if draws:
                    shot = bot.frame(now, shoots=len(self.shots) < shots)
                    if shot is not None:
                        self._note(number, shot)
            self.sim.tick()
            self._hear_answers()
            self._keep_glowing()

    def _moments(self) -> Iterator[tuple[float, int, bool]]:
        """When who listens, or also draws, before the next tick; in the order of time."""
        began, tick_s = self.sim.now, 1 / self.sim.game.hz
        moments = []
        for number in range(len(self._bots)):
            listens = (began + part * tick_s / _LISTENS for part in range(1, _LISTENS))
            moments += [(now, number, False) for now in listens]
            while self._frame_at[number] < began + tick_s:
                moments.append((max(self._frame_at[number], began), number, True))
                self._frame_at[number] += _FRAME_S
        yield from sorted(moments)

    def _note(self, number: int, shot: Shot) -> None:
        target = shot.seen.target or shot.meant
        shards = {self._shard(entity) for entity in (self._bots[number].player.id, target)}
        shot.across = len(shards - {None}) > 1
        self.shots.append(shot)
        self._unanswered[number].append(shot)

    def _shard(self, entity: int) -> int | None:
        """Who owns an entity; None if it has just gone."""
        try:
            return self.sim.find(entity)[0]
        except KeyError:
            return None

    def _hear_answers(self) -> None:
        """An event answers the newest shot that was meant for its tick or before."""
        for bot, waiting in zip(self._bots, self._unanswered, strict=True):
            heard = bot.player.client.events
            for event in heard:
                if event.name == "Harpooned" and event.shooter == bot.player.id:
                    while len(waiting) > 1 and waiting[1].tick <= event.tick:
                        waiting.popleft()
                    waiting.popleft().told = event
            heard.clear()

    def _keep_glowing(self) -> None:
        if self.sim.ticks % _GLOW_EVERY_TICKS == 0:
            for bot in self._bots:
                if bot.player.view[bot.player.id].fields["light"] < _GLOW[0]:
                    self.sim.command(bot.player.id, "gain", light=_GLOW[1])
