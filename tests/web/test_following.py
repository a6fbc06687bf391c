"""The JavaScript replica follows live worlds beside the Python client, and sees the same always.

Both are given the same messages of real servers: the columns of every kind, every entity's view and
what each snapshot changed must be equal after every tick. Damaged messages must be refused by both,
or have the same effect on both.
"""

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

from protocol import messages
from protocol.client import Client
from protocol.errors import RemoteProtocolError
from protocol.messages import Message, Role
from protocol.replica import Changes, Replica
from server.testing import Sim
from sim.games.lanterns import Harpoon, Steer, ThrowFlare
from sim.games.lanterns import game as lanterns
from sim.predict import Predictor
from tests.protocol import worlds
from tests.protocol.test_independent_reader import Link, hand_over, welcome
from tests.web.conftest import Run
from tests.web.recording import Recording, seen

SCHEMA = worlds.make_schema()
GEOMETRY = worlds.make_geometry()
EVERYWHERE = set(range(worlds.CELLS))
VECTORS = Path(__file__).parent.parent / "vectors" / "messages.json"
PLAIN_DATA = {"Welcome", "GeometryChange"}  # of which each language has its own idea
FAR_STEP = 1 << 32  # beyond it a course's product leaves what a double holds, and no game has it


class Overheard(Client):
    """A client that writes down what it is told, and what it sees then."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.recording = Recording()
        self._changes = Changes()
        self._is_new_link = True
        self.on_changes = self._note
        self.kinds_heard: set[str] = set()

    def _note(self, changes: Changes) -> None:
        self._changes = changes

    def reconnect(self) -> bytes:
        self._is_new_link = True
        return super().reconnect()

    def receive(self, data: bytes, now: float) -> Message:
        message = super().receive(data, now)
        self.kinds_heard.add(type(message).__name__)
        after = None
        if isinstance(message, messages.Snapshot):
            assert self.replica is not None
            after = seen(self.replica, self._changes)
        self.recording.add(data, seen=after, link=self._is_new_link)
        self._is_new_link = False
        return message


def follow(node: Run, recording: Recording, path: Path) -> dict[str, int]:
    """How much the JavaScript replica had to compare, without a difference."""
    recording.write(path)
    done = node("follow.js", str(path))
    assert done.returncode == 0, f"the replicas part\n{done.stderr[-6000:]}"
    totals: dict[str, int] = json.loads(done.stdout)
    assert totals["messages"] == len(recording.lines)
    return totals


@pytest.mark.slow
def test_it_follows_a_diver_through_a_living_sea_and_over_a_border(
    node: Run, tmp_path: Path
) -> None:
    sim = Sim(lanterns, shards=(2, 2), seed=3)
    ann = Overheard("ann", predictor_factory=Predictor)
    player = sim.connect(ann)
    border = sim.geometry.rect(0)[2]
    others = [sim.join(f"bot {n}", x=border - 60 + 20 * n, y=200 + 10 * n) for n in range(4)]
    assert player.id != 0, "ann is in the world by now"
    sim.command(player.id, "shoal.place", x=border - 80, y=240.0)
    sim.tick(5)
    shards = set()
    for tick in range(240):
        east = 1 if tick // 60 % 2 == 0 else -1
        player.send(Steer(dx=east, dy=0.4 * (tick // 40 % 3 - 1)))
        if tick % 9 == 0:
            player.send(Harpoon(dx=east, dy=0))
        for n, other in enumerate(others):
            other.send(Steer(dx=-east if n % 2 else east, dy=(n - 2) / 2))
            if tick % 20 == n:
                other.send(ThrowFlare(dx=1, dy=0))
        if tick == 150:
            player.cut()
            sim.tick(10)
            player.resume()
        sim.tick()
        shards.add(sim.find(player.id)[0])
    assert len(shards) > 1, "a border was crossed"
    assert ann.kinds_heard >= {"Welcome", "Snapshot", "Events", "Scores"}
    totals = follow(node, ann.recording, tmp_path / "lanterns.jsonl")
    assert totals["snapshots"] > 230
    assert totals["entities"] / totals["snapshots"] > 20, "there was somebody to see"
    assert totals["crcChecks"] > 25
    assert totals["resyncs"] == 0


@pytest.mark.parametrize("seed", [1, 20, 300])
def test_it_follows_random_histories_of_two_shards(node: Run, tmp_path: Path, seed: int) -> None:
    shards = [worlds.Shard(number, seed + number, SCHEMA, GEOMETRY) for number in (0, 1)]
    replica, link, recording = Replica(SCHEMA, GEOMETRY), Link(), Recording()
    recording.add(welcome(SCHEMA, GEOMETRY), link=True)
    chance = shards[0]
    wanted = EVERYWHERE
    lost = 0
    for tick in range(1, 300):
        for shard in shards:
            if restarts := chance.below(100) == 0:
                shard.restart()
            if restarts or chance.below(10):  # a slow shard skips ticks
                shard.step += 1
                shard.live()
                hand_over(shard, shards[1 - shard.table.shard])
                shard.tell(tick - shard.tick)
        if chance.below(8) == 0:
            wanted = set(GEOMETRY.interest_cells(chance.below(8), chance.below(2)))
        data = link.compose(shards, tick, wanted)
        if chance.below(25) == 0:
            lost += 1
            continue  # a link that loses snapshots, which no WebSocket does: the footing goes
        message = messages.decode(data, Role.SERVER)
        assert isinstance(message, messages.Snapshot)
        changes = replica.apply(message)
        recording.add(data, seen=seen(replica, changes))
    totals = follow(node, recording, tmp_path / "history.jsonl")
    assert totals["snapshots"] == 299 - lost
    assert totals["crcChecks"] > 50
    assert totals["resyncs"] > 0, "parts that lost their footing are named"


def told(replica: Replica, data: bytes) -> dict[str, Any] | None:
    """What a replica makes of a message that may be damaged; None if it is refused."""
    try:
        message = messages.decode(data, Role.SERVER)
        if isinstance(message, messages.Events):
            for kind, *items in message.events:
                if kind < len(SCHEMA.events):
                    SCHEMA.events[kind].decode(items)
        if not isinstance(message, messages.Snapshot):
            return {}
        return seen(replica, replica.apply(message))
    except RemoteProtocolError:
        return None


def damaged(chance: random.Random, data: bytes) -> bytes:
    """`data` with something wrong in it, mostly."""
    changed = bytearray(data)
    how = chance.randrange(7)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(changed))
        if how < 3:
            changed[at] ^= 1 << chance.randrange(8)
        elif how < 5:
            changed[at] = chance.randrange(256)
        elif how == 5 and len(changed) > 4:
            del changed[at : at + chance.randrange(1, 4)]
        else:
            changed[at:at] = chance.randbytes(chance.randrange(1, 4))
    return bytes(changed)


class Twins:
    """Replicas to which the same damage is done."""

    def __init__(self, chance: random.Random) -> None:
        self.recording = Recording()
        self.recording.add(welcome(SCHEMA, GEOMETRY), link=True)
        self._chance = chance

    def damage(self, first: bytes, data: bytes, *, times: int) -> None:
        """After `first`, `data` comes damaged: to a new replica each time."""
        replica = Replica(SCHEMA, GEOMETRY)
        whole = told(replica, first)
        for _ in range(times):
            self.recording.add(first, seen=whole, fresh=True)
            worse = damaged(self._chance, data)
            after = told(copy.deepcopy(replica), worse)
            if after is None:
                self.recording.add(worse, refused=True)
            elif any(step > FAR_STEP for *_, step in after.get("tables", ())):
                self.recording.add(worse)
            else:
                self.recording.add(worse, seen=after or None)


def test_damaged_messages_are_refused_by_both_or_do_the_same_to_both(
    node: Run, tmp_path: Path
) -> None:
    twins = Twins(random.Random(7))
    shard, link = worlds.Shard(0, 11, SCHEMA, GEOMETRY), Link()
    first = b""
    for tick in range(1, 60):
        shard.step += 1
        shard.live()
        shard.tell()
        data = link.compose([shard], tick, EVERYWHERE)
        if tick > 20:
            twins.damage(first, data, times=25)
        first = Link().compose([shard], tick, EVERYWHERE)
        if tick % 10 == 0:
            twins.damage(first, first, times=25)
    for vector in json.loads(VECTORS.read_text(encoding="utf-8")):
        if vector["sender"] == "server" and vector["message"] not in PLAIN_DATA:
            twins.damage(first, bytes.fromhex(vector["hex"]), times=60)
    totals = follow(node, twins.recording, tmp_path / "damage.jsonl")
    damages = totals["messages"] / 2
    assert 0.3 < totals["refused"] / damages < 0.9, "some damage is harmless"
    assert totals["resyncs"] > 10, "some costs the footing"
