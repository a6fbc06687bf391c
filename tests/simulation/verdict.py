"""What must hold when all has been quiet for a while.

Every player plays and sees its own avatar; nothing that lives is lost between two shards; what was
asked of somebody is done; the live worlds are what the journals say; and when the shards stand
still, every replica is what they published, row by row.
"""

from collections.abc import Iterator

import numpy as np
import trio

from protocol.parts import PartTable
from protocol.replica import Replica
from server.shard.host import Shard
from tests.simulation.audit import Audit
from tests.simulation.nodes import NodeLife
from tests.simulation.place import Place
from tests.simulation.players import Player
from tests.simulation.setting import Setting
from tests.simulation.witness import Witness

__all__ = ["Verdict"]

STILL_S = 1.5  # until every client has what the last tick said
ANSWERED_S = 2.0  # that an input may take, whatever is lost on its way
TRANSIT_TICKS = 12
UNTOLD_TICKS = 3
UNTOLD_EVERYWHERE_TICKS = 15  # a bulletin that was lost is made up for by the next recap
RECORDS_KEPT = 700  # of about 1.4 in a tick; checkpoints come every 30, acknowledgements every 64
ARRIVALS_KEPT = 50
DISK_BYTES = 3_000_000


class Verdict:
    """Judges a cluster at its end."""

    def __init__(
        self,
        setting: Setting,
        audit: Audit,
        witness: Witness,
        nodes: list[Place],
        players: list[Player],
    ) -> None:
        self._setting = setting
        self._audit = audit
        self._witness = witness
        self._nodes = nodes
        self._players = players
        self._rests_at = 0.0

    def shards(self) -> dict[int, Shard]:
        """The shards that are stepped, by number; blames if two nodes step one."""
        found: dict[int, Shard] = {}
        for life in self._lives():
            for number, shard in life.shards.items():
                newer = number not in found or shard.config.epoch > found[number].config.epoch
                if newer:
                    found[number] = shard
        return found

    async def judge(self) -> None:
        """All of it; takes a moment of virtual time in which the shards stand still."""
        setting, judge = self._setting, self._setting.judge
        numbers = set(setting.atlas.shards)
        judge.require(set(self.shards()) == numbers, f"only {sorted(self.shards())} are stepped")
        self._players_play()
        for player in self._players:
            player.rests = True
        self._rests_at = trio.current_time()
        await trio.sleep(0.5)
        for life in self._lives():
            life.claims = False
            if life.node is not None:
                life.node.stop()
        await trio.sleep(STILL_S)
        if judge.violations:
            return
        self._audit.catch_up()
        shards = self.shards()
        self._worlds_agree(shards)
        self._nothing_piles_up(shards)
        self._nothing_is_lost()
        for player in self._players:
            self._replica_agrees(player, shards)
            self._prizes_were_told(player)
            self._medals_were_told(player)
            self._inputs_took_effect(player)

    def _lives(self) -> Iterator[NodeLife]:
        for place in self._nodes:
            if isinstance(place.life, NodeLife) and not place.life.is_dead:
                yield place.life

    # --- players ---------------------------------------------------------------------------------

    def _players_play(self) -> None:
        now, judge = trio.current_time(), self._setting.judge
        for player in self._players:
            judge.require(player.playing, f"{player.name} does not play")
            judge.require(
                now - player.heard_at < 1.0,
                f"{player.name} has heard nothing since {player.heard_at:.3f}",
            )

    def _prizes_were_told(self, player: Player) -> None:
        """What is durable and was for a player has reached it, whatever happened to its links."""
        welcome = player.client.welcome
        if welcome is None:
            return
        heard = self._witness.heard(welcome.session)
        # Those that rest step seldom, and nothing happens in them.
        newest = min(
            self._audit.shards[number].tick
            for number in self._setting.atlas.partition.geometry.shards
        )
        for number in player.session_shots:
            happened = self._audit.ledger.events.get(("Prize", number))
            if happened is None or happened[1] > newest - UNTOLD_TICKS:
                continue  # what happens in the last ticks is told in frames that never come
            self._setting.judge.require(
                ("Prize", number) in heard,
                f"{player.name} (session {welcome.session:#x}, entity {player.client.entity:#x}) "
                f"was never told of Prize {number}; that was in {happened} (shard, tick)",
            )

    def _medals_were_told(self, player: Player) -> None:
        """What is durable and for everybody has reached who was there when it happened."""
        welcome = player.client.welcome
        if welcome is None:
            return
        heard = self._witness.heard(welcome.session)
        newest = min(shard.tick for shard in self._audit.shards.values())
        last = newest - UNTOLD_EVERYWHERE_TICKS
        for (kind, number), happened in self._audit.ledger.events.items():
            if kind == "Medal" and player.there_from <= happened[1] <= last:
                self._setting.judge.require(
                    (kind, number) in heard,
                    f"{player.name} (session {welcome.session:#x}, there from tick "
                    f"{player.there_from}) was never told of Medal {number}; that was in "
                    f"{happened} (shard, tick)",
                )

    # --- inputs ----------------------------------------------------------------------------------

    def _inputs_took_effect(self, player: Player) -> None:
        """What was reported as applied was, once, or is counted as lost, and not both."""
        judge, ledger, inputs = self._setting.judge, self._audit.ledger, player.inputs
        for each in (*player.inputs_before, inputs):
            both = [each.shots[seq] for seq in each.undone & each.shots.keys()]
            both = [number for number in both if number in ledger.shots]
            judge.require(not both, f"{player.name} counts shots {both} as lost; they were applied")
        welcome = player.client.welcome
        if welcome is None:
            return
        neither = {
            seq: number
            for seq, number in inputs.standing().items()
            if not ledger.has_taken(welcome.session, seq, number)
        }
        judge.require(
            not neither,
            f"{player.name} (session {welcome.session:#x}) was told that shots {neither} (number "
            "by sequence) were applied; they were not, and are not counted as lost",
        )
        waiting = inputs.unanswered(self._rests_at - ANSWERED_S)
        judge.require(
            not waiting,
            f"{player.name} waits for {waiting} inputs to be reported; {inputs.applied} were",
        )
        counted = player.client.statistics().inputs_lost
        judge.require(
            counted == inputs.undone_times,
            f"{player.name} counts {counted} inputs as lost; {inputs.undone_times} were undone",
        )

    # --- the truth -------------------------------------------------------------------------------

    def _worlds_agree(self, shards: dict[int, Shard]) -> None:
        for number, shard in shards.items():
            truth = self._audit.shards[number]
            where = f"shard {number} at tick {shard.world.tick}"
            self._setting.judge.require(
                truth.tick == shard.world.tick, f"{where}: its journal ends at {truth.tick}"
            )
            if truth.tick == shard.world.tick:
                self._setting.judge.require(
                    truth.world.checksum() == shard.world.checksum(),
                    f"{where} is not what its journal says",
                )

    def _nothing_piles_up(self, shards: dict[int, Shard]) -> None:
        """What faults have filled is empty again, and what is kept is about what it ever is."""
        setting, judge = self._setting, self._setting.judge
        journal = setting.engine.journal
        assert journal is not None, "it is quiet"
        for number, shard in shards.items():
            kept = len(journal._stream(number).records)
            judge.require(kept < RECORDS_KEPT, f"shard {number}'s journal keeps {kept} records")
            waiting = sum(map(len, shard._arrivals._waiting.values()))
            judge.require(waiting < ARRIVALS_KEPT, f"{waiting} outs wait for shard {number}")
            held = len(shard._post._held) + len(shard._newsroom._held) + len(shard.guests)
            judge.require(not shard.lag_ticks, f"shard {number} waits for its journal")
            judge.require(held < 10, f"shard {number} holds back {held} promises, news and guests")
        size = setting.engine.disk.size()
        judge.require(size < DISK_BYTES, f"the disk holds {size} bytes")
        for gateway in {player.gateway for player in self._players}:
            core = None if gateway is None else gateway.core
            if core is None:
                continue
            owed = sum(len(state.outbox) + len(state.events) for state in core._roster.all())
            judge.require(owed < 20, f"{gateway.name} owes its links {owed} messages")
            asking = len(core._handshake) + len(core._reminders)
            judge.require(asking <= 1, f"{gateway.name} still asks {asking} questions")

    def _nothing_is_lost(self) -> None:
        ledger, judge = self._audit.ledger, self._setting.judge
        newest = max(shard.tick for shard in self._audit.shards.values())
        here = {
            entity: number
            for number, truth in self._audit.shards.items()
            for entity in truth.world.owned_ids()
        }
        for number, truth in self._audit.shards.items():
            for to, sent in truth.sent.items():
                for parcel in sent[self._audit.shards[to].taken[number] :]:
                    judge.require(
                        newest - parcel.tick < TRANSIT_TICKS,
                        f"out {parcel.number} of shard {number} for {to}, of tick {parcel.tick}, "
                        f"was not taken until tick {newest}",
                    )
        for entity, at in ledger.where.items():
            if isinstance(at, int):
                judge.require(here.get(entity) == at, f"entity {entity:#x} of {at} is lost")
        undone = ledger.undone(newest - TRANSIT_TICKS)
        judge.require(
            not undone,
            f"{len(undone)} commands were never done, as (giver, number), target, tick: "
            f"{undone[:5]}",
        )

    # --- replicas --------------------------------------------------------------------------------

    def _replica_agrees(self, player: Player, shards: dict[int, Shard]) -> None:
        judge, client = self._setting.judge, player.client
        replica = client.replica
        judge.require(player.playing and replica is not None, f"{player.name} plays no more")
        if not player.playing or replica is None:
            return
        judge.require(client.entity in replica, f"{player.name} does not see itself")
        judge.require(
            replica.mismatches == 0, f"a CRC of {player.name} was wrong {replica.mismatches} times"
        )
        core = None if player.gateway is None else player.gateway.core
        state = None
        if core is not None and client.welcome is not None:
            state = core._sessions.link_of(client.welcome.session)
        if state is None or state.sent is None:
            judge.blame(f"{player.name} plays, and its gateway knows nothing of it")
            return
        cells = sorted(state.sent.cell_set)
        for number, shard in shards.items():
            difference = _difference(shard.table, replica, number, cells)
            if difference:
                judge.blame(
                    f"{player.name} sees shard {number} otherwise than it is at tick "
                    f"{shard.table.tick}: {difference}"
                )


def _difference(truth: PartTable, replica: Replica, shard: int, cells: list[int]) -> str:
    """In what a replica of a shard differs from what it published, in these cells; or nothing."""
    copy = replica.tables.get(shard)
    for index, kind in enumerate(truth.kinds):
        right = truth.columns(index, cells)
        if copy is None:
            if len(right[0]):
                return f"it has none of {len(right[0])} {kind.name}"
            continue
        seen = copy.columns(index)
        if copy.epoch > truth.epoch:  # an older one if nobody had to begin anew since
            return f"it has epoch {copy.epoch}, and the shard {truth.epoch}"
        if sorted(right[0].tolist()) != sorted(seen[0].tolist()):
            missing = set(right[0].tolist()) - set(seen[0].tolist())
            more = set(seen[0].tolist()) - set(right[0].tolist())
            return f"{kind.name}: {len(missing)} are missing, {len(more)} are not there"
        one, other = np.argsort(right[0]), np.argsort(seen[0])
        for name, column in right[2].items():
            if not np.array_equal(column[one], seen[2][name][other]):
                return f"{kind.name}.{name}"
        if right[3] is None or seen[3] is None:
            continue
        if not np.array_equal(right[3][:, one], seen[3][:, other]):
            return f"{kind.name}: courses"
    return ""
