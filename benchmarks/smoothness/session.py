"""A session that is recorded: a sea with a crowd in it, and one player over a bad link.

The server ticks at its rate in virtual time. The player's messages arrive when the link says, and
its frames are drawn 60 times a second; it plays as bots do, with its own avatar predicted.

Must not know: how pictures are judged, peers.
"""

import copy
import math
import random
from collections.abc import Mapping
from typing import Any, Final

import attrs

from benchmarks.smoothness.pictures import FRAME_S, Arrival, Floats, frame_time, frame_times
from benchmarks.smoothness.truth import Truth
from client_demo.brains import brain_for
from client_demo.eyes import perceive
from client_demo.senses import Brain
from protocol.client import Client
from protocol.link import Profile
from server.testing import Sim, SimClient
from sim.games.lanterns import game
from sim.predict import Predictor

__all__ = ["Recording", "record"]

_CROWD: Final = 16
_THINKS_HZ: Final = 4.0
_GLOW: Final = 400.0  # so much light sees furthest, and is given as often as is needed
_GLOW_TICKS: Final = 40
_SEEN: Final = 0.01  # units; an answer of less is none
_ANSWERS_S: Final = 0.25
_WARM_UP_S: Final = 10.0
_KEPT_S: Final = 1.5  # the server goes on so long after the last frame, for the truth of them


@attrs.frozen(kw_only=True)
class Recording:
    """What arrived when, what was true, and how the own avatar answered.

    `frames`: their moments; those before `judged_from` are for the clocks to find their pace. What
    follows is of the time since then. `photons`: from an input to the first frame that differs for
    it, in frames.
    """

    arrivals: list[Arrival]
    frames: Floats
    judged_from: float
    truth: Truth
    own: int
    hz: int
    photons: list[float]
    inputs: int
    corrections: int
    rubber_bands: int


class _Recorder(Client):
    """A client that keeps what it is told."""

    arrivals: list[Arrival]

    def receive(self, data: bytes, now: float) -> Any:
        """Take one message, and keep it."""
        self.arrivals.append(Arrival(now, bytes(data)))
        return super().receive(data, now)


class _Watched(Predictor):
    """A predictor that notices when an input shows: beside a twin that never hears of it."""

    def __init__(self, schema: Mapping[str, Any], kind_index: int) -> None:
        super().__init__(schema, kind_index)
        self.now = 0.0
        self.photons: list[tuple[float, float]] = []  # when, and after how many frames
        self._twin: tuple[float, Predictor] | None = None

    def apply(self, seq: int, tick: int, name: str, values: Mapping[str, float]) -> None:
        """An input is sent; what it asks for is so already, or it is not."""
        twin = copy.deepcopy(self) if self._twin is None and self.ready else None
        super().apply(seq, tick, name, values)
        if twin is not None and _differ(self.ahead(tick), twin.ahead(tick)):
            self._twin = self.now, twin

    def ahead(self, tick: int) -> tuple[float, float] | None:
        """Where the avatar will be at the end of a tick."""
        ahead = copy.deepcopy(self)
        ahead.advance(tick)
        return ahead.place(tick)

    def position(self, tick: float, elapsed_s: float) -> tuple[float, float, float, float] | None:
        """Where to draw the avatar, which may be where the twin is not."""
        spot = super().position(tick, elapsed_s)
        if self._twin is not None and spot is not None:
            sent, twin = self._twin
            twin.advance(math.floor(tick) + 1)
            other = Predictor.position(twin, tick, elapsed_s)
            late = self.now - sent > _ANSWERS_S  # whatever it is that shows
            if late or (other is not None and _differ(spot[:2], other[:2])):
                self.photons.append((sent, (self.now - sent) / FRAME_S))
                self._twin = None
        return spot


def _differ(one: tuple[float, float] | None, other: tuple[float, float] | None) -> bool:
    """Whether two places are seen to be two."""
    return one is not None and other is not None and math.dist(one, other) > _SEEN


def record(profile: Profile, *, seconds: float, seed: int = 1) -> Recording:
    """Play for `seconds` after a warm-up, over a link of that profile."""
    session = _Session(profile, seed)
    session.play(_WARM_UP_S)
    return session.record(seconds)


class _Session:
    """The sea, its crowd, and the player."""

    def __init__(self, profile: Profile, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - the same seed must give the same run
        self._sim = Sim(game, shards=2, seed=seed)
        self._truth = Truth(game.jump)
        self._avatars: list[_Watched] = []
        client = _Recorder("ann", predictor_factory=self._watched)
        client.arrivals = []
        self._client = client
        crowd = [Client(f"bot{number}", playback=False) for number in range(_CROWD)]
        self._player = self._sim.connect(client, link=profile)
        self._players = [self._player, *map(self._sim.connect, crowd)]
        self._brains = [brain_for(self._sim.schema, self._chance) for _ in self._players]
        self._frame = 0

    def play(self, seconds: float) -> None:
        """Let time pass, up to a tick."""
        for _ in range(round(seconds * game.hz)):
            self._pass_until((self._sim.ticks + 1) / game.hz)
            self._sim.tick()
            self._truth.note(self._sim.ticks, self._sim.worlds(), len(self._sim.schema.kinds))
            self._keep_glowing()
            for player, brain in zip(self._players[1:], self._brains[1:], strict=True):
                if self._chance.random() < _THINKS_HZ / game.hz:
                    self._think(player, brain)

    def record(self, seconds: float) -> Recording:
        """Play, and give what was recorded since the session began."""
        client, began = self._client, self._sim.now
        before = self._answers()
        self.play(seconds)
        after, ended = self._answers(), self._sim.now
        self.play(_KEPT_S)
        return Recording(
            arrivals=client.arrivals,
            frames=frame_times(ended),
            judged_from=began,
            truth=self._truth,
            own=client.entity,
            hz=int(game.hz),
            photons=[
                photon
                for avatar in self._avatars
                for sent, photon in avatar.photons
                if began <= sent < ended
            ],
            **{name: after[name] - before[name] for name in after},
        )

    def _answers(self) -> dict[str, int]:
        return {
            "inputs": self._client.statistics().inputs,
            "corrections": sum(avatar.corrections for avatar in self._avatars),
            "rubber_bands": sum(avatar.rubber_bands for avatar in self._avatars),
        }

    def _pass_until(self, ends: float) -> None:
        """What arrives and what is drawn before the next tick, in the order of time."""
        while True:
            arrives = self._player.next_arrival
            frame_at = frame_time(self._frame)
            if arrives is not None and arrives <= min(frame_at, ends):
                self._player.hear(arrives)
            elif frame_at < ends:
                self._frame += 1
                self._draw(frame_at)
            else:
                return

    def _draw(self, now: float) -> None:
        """A frame of the player's: listen, speak, decide now and then, look."""
        self._player.advance(now)
        for avatar in self._avatars[-1:]:
            avatar.now = now
        if self._frame % round(1 / FRAME_S / _THINKS_HZ) == 0:
            self._think(self._player, self._brains[0])
            self._player.advance(now)
        self._player.screen()

    def _think(self, player: SimClient, brain: Brain) -> None:
        if not player.client.ready:
            return
        senses = perceive(player.client, self._sim.now)
        if senses is not None:
            for act in brain.think(senses):
                player.send(act.input, **dict(act.values))

    def _keep_glowing(self) -> None:
        own = self._player.id
        if self._sim.ticks % _GLOW_TICKS == 0 and own in self._player.view:
            self._sim.command(own, "gain", light=_GLOW / 4)

    def _watched(self, schema: Mapping[str, Any], kind_index: int, /) -> _Watched:
        self._avatars.append(_Watched(schema, kind_index))
        return self._avatars[-1]
