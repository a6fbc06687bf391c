"""The JavaScript client plays what the Python client played, and gives the same at every call.

A session over a bad link is written down call by call: what was heard, said, asked and shown. The
JavaScript client gets the same calls with the same times. Both must say the same bytes and draw
everybody in the same place, the predicted avatar included.
"""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from protocol.client import Client
from protocol.messages import Message
from protocol.playback import Shown
from server.testing import Sim, SimClient
from sim.games.lanterns import Dash, Harpoon, Steer, ThrowFlare
from sim.games.lanterns import game as lanterns
from sim.predict import Predictor
from tests.web.conftest import Run
from tests.web.recording import plain

FRAMES = 3  # between two ticks: 60 a second
TOTALS = (
    "bytes_received",
    "snapshots",
    "crc_checks",
    "mismatches",
    "inputs",
    "inputs_lost",
    "events",
    "resumes",
    "corrections",
    "rubber_bands",
    "round_trip_s",
    "view_age_s",
    "stalls",
)


class Scribe(Client):
    """A client that writes down all that is asked of it, and what it gave."""

    def __init__(self, name: str) -> None:
        super().__init__(name, predictor_factory=Predictor)
        self.lines: list[dict[str, Any]] = [{"call": "new", "name": name}]
        self.put_elsewhere = 0  # corrections by the test itself
        self.slept_s = 0.0  # for so long the world stood still, as a player saw it

    def _note(self, call: str, gave: Any, **arguments: Any) -> None:
        self.lines.append({"call": call, **arguments, "gave": gave})

    def start(self) -> bytes:
        data = super().start()
        self._note("start", data.hex())
        return data

    def reconnect(self) -> bytes:
        data = super().reconnect()
        self._note("reconnect", data.hex())
        return data

    def receive(self, data: bytes, now: float) -> Message:
        now += self.slept_s
        message = super().receive(data, now)
        kind = type(message).__name__.lower().replace("geometrychange", "geometry")
        self._note("receive", kind, hex=bytes(data).hex(), now=now)
        return message

    def tick(self, now: float) -> None:
        now += self.slept_s
        super().tick(now)
        self._note("tick", None, now=now)

    def outgoing(self) -> list[bytes]:
        out = super().outgoing()
        self._note("outgoing", [data.hex() for data in out])
        return out

    def send_input(self, kind: str, values: Mapping[str, object], now: float) -> int:
        now += self.slept_s
        seq = super().send_input(kind, values, now)
        self._note("send_input", seq, kind=kind, values=values, now=now)
        return seq

    def origin(self, now: float) -> tuple[float, float] | None:
        now += self.slept_s
        place = super().origin(now)
        self._note("origin", place, now=now)
        return place

    def screen(self, now: float) -> dict[int, Shown]:
        now += self.slept_s
        shown = super().screen(now)
        rows = [
            [plain(one), at.kind, at.x, at.y, at.vx, at.vy, at.held, plain_fields(at.fields)]
            for one, at in sorted(shown.items())
        ]
        self._note("screen", rows, now=now)
        return shown

    def look(self) -> None:
        """Write the statistics down."""
        told = attrs.asdict(self.statistics())
        assert self.timeline is not None
        more = {
            "render_tick": self.timeline.shown,
            "private": plain_fields(self.private),
            "scores": [[plain(row[0]), row[1], row[2]] for row in self.scores],
        }
        self._note("statistics", {name: told[name] for name in TOTALS} | more)


def plain_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in fields.items()}


def play(node: Run, client: Scribe, path: Path) -> dict[str, int]:
    """How much the JavaScript client had to compare, without a difference."""
    path.write_text("\n".join(map(json.dumps, client.lines)) + "\n", encoding="utf-8")
    done = node("play.js", str(path))
    assert done.returncode == 0, f"the clients part\n{done.stderr[-6000:]}"
    totals: dict[str, int] = json.loads(done.stdout)
    assert totals["calls"] == len(client.lines) - 1
    return totals


def pass_tick(sim: Sim, player: SimClient) -> None:
    """A tick, and the frames until the next one."""
    sim.tick()
    for frame in range(1, FRAMES + 1):
        now = sim.now + frame / (FRAMES * lanterns.hz + 1)
        player.advance(now)
        player.client.screen(now)


def session(
    seed: int,
    link: str,
    act: Callable[[SimClient, random.Random, int], None],
    ticks: int,
    dilations: Mapping[int, int] | None = None,
    slept_s: float = 0.0,
) -> Scribe:
    """A session of one player among others, over a border and back.

    The link is lost in the middle, unless it is a clean one, and the world stands still meanwhile
    for `slept_s`. From the ticks of `dilations` on the shards step at so many permille of full
    speed.
    """
    sim = Sim(lanterns, shards=(2, 2), seed=seed)
    chance = random.Random(seed)
    client = Scribe("ann")
    player = sim.connect(client, link=link)
    while player.id == 0 or not client.ready:
        pass_tick(sim, player)
    border = sim.geometry.rect(0)[2]
    sim.command(player.id, "shoal.place", x=border - 50.0, y=250.0)
    for _ in range(10):
        pass_tick(sim, player)
    client.put_elsewhere = client.statistics().corrections
    others = [sim.join(f"bot {n}", x=border - 60 + 20 * n, y=200.0 + 20 * n) for n in range(4)]
    homes = set()
    for tick in range(ticks):
        if tick in (dilations or {}):
            sim.dilate((dilations or {})[tick])
        act(player, chance, tick)
        for other in others:
            if chance.random() < 0.2:
                other.send(Steer(dx=chance.uniform(-1, 1), dy=chance.uniform(-1, 1)))
        if tick == ticks // 2 and link != "clean":
            player.cut()
            pass_tick(sim, player)
            act(player, chance, 0)
            client.slept_s = slept_s
            act(player, chance, 0)
            for _ in range(7):
                pass_tick(sim, player)
            player.resume()
        pass_tick(sim, player)
        homes.add(sim.find(player.id)[0])
        if tick % 20 == 0:
            client.look()
    client.look()
    assert len(homes) > 1, "a border was crossed"
    return client


def swim_and_shoot(player: SimClient, chance: random.Random, tick: int) -> None:
    east = 1 if tick // 60 % 2 == 0 else -1
    if tick % 7 == 0:
        player.send(Steer(dx=east * chance.random(), dy=chance.uniform(-1, 1)))
    if tick % 31 == 0:
        player.send(Dash())
    if tick % 23 == 0:
        player.client.origin(player._now)
        player.send(Harpoon(dx=east, dy=0.1))
    if tick % 101 == 0:
        player.send(ThrowFlare(dx=east, dy=0))


@pytest.mark.parametrize(
    ("seed", "link"), [(1, "clean"), (2, "average"), (3, "poor"), (4, "mobile")]
)
def test_both_clients_say_and_show_the_same_over_every_link(
    node: Run, tmp_path: Path, seed: int, link: str
) -> None:
    client = session(seed, link, swim_and_shoot, ticks=200)
    totals = play(node, client, tmp_path / "script.jsonl")
    assert totals["frames"] > 600
    assert totals["bodies"] / totals["frames"] > 12, "there was somebody to see"
    assert totals["sent"] > 50
    statistics = client.statistics()
    assert statistics.resumes == (link != "clean")
    corrections = statistics.corrections - client.put_elsewhere
    assert link != "clean" or corrections == 0, "there is nothing to correct on a clean link"
    assert statistics.inputs > 40
    assert link != "mobile" or statistics.stalls > 0, "it was a bad link"


def test_both_clients_say_and_show_the_same_after_the_world_stood_still(
    node: Run, tmp_path: Path
) -> None:
    client = session(7, "average", swim_and_shoot, ticks=160, slept_s=6.0)
    totals = play(node, client, tmp_path / "script.jsonl")
    assert totals["frames"] > 500
    assert client.statistics().resumes == 1


@pytest.mark.parametrize(("seed", "link"), [(5, "clean"), (6, "average")])
def test_both_clients_say_and_show_the_same_in_dilated_time(
    node: Run, tmp_path: Path, seed: int, link: str
) -> None:
    slower = {20: 500, 80: 760, 140: 100, 150: 1000}
    client = session(seed, link, swim_and_shoot, ticks=200, dilations=slower)
    totals = play(node, client, tmp_path / "script.jsonl")
    assert totals["frames"] > 600
    assert client.statistics().corrections > client.put_elsewhere, "no change of pace was felt"
