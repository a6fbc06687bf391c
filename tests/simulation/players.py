"""Players: real clients with small minds, over links that are delayed, bad, or cut.

A player swims about and shoots, comes back when its link is lost, over whichever gateway is there,
and begins anew when its session is gone. Every shot carries a number of its own.
"""

from collections.abc import Callable
from math import inf

import trio

from protocol.client import Client, Event
from protocol.errors import CloseCode, RemoteProtocolError
from protocol.link import PRESETS, Profile
from protocol.messages import Snapshot
from sim.predict import Predictor
from tests.simulation.gateways import GatewayLife, LivePair
from tests.simulation.inputs import Inputs
from tests.simulation.setting import Setting

__all__ = ["Player", "Players", "Thief"]

STEP_S = 0.05
PATIENCE_S = 3.0  # without a word of the server; then the link counts as lost
GONE = frozenset({CloseCode.AUTH, CloseCode.KICKED})
SHOTS_PER_PLAYER = 1_000_000

Gateways = Callable[[], list[GatewayLife]]
OnEvent = Callable[["Player", Event], None]
IsVoid = Callable[[bytes], bool]


class Player:
    """One player through all its sessions."""

    def __init__(self, index: int, setting: Setting, gateways: Gateways, on_event: OnEvent) -> None:
        self.index = index
        self.name = f"p{index}"
        self.rests = False
        self.stays_from = inf
        self.sessions = 0
        self.links = 0
        self.shots = 0
        self.heard_at = 0.0
        self.session_shots: list[int] = []
        self.inputs = Inputs()
        self.inputs_before: list[Inputs] = []  # of former sessions
        self.there_from = 0  # the first tick that happens while the session is there
        self.old_tokens: list[bytes] = []
        self.client = self._new_client()
        self.pair: LivePair | None = None
        self.gateway: GatewayLife | None = None
        self._setting = setting
        self._gateways = gateways
        self._on_event = on_event
        self._chance = setting.chance.of(f"player {index}")
        self._retry_at = self._chance.uniform(0.0, 1.0)
        self._act_at = 0.0
        self._epochs: dict[int, int] = {}
        self.began_anew = 0  # how often it forgot what it held of a shard
        self._leave_at = trio.current_time() + self._chance.uniform(4.0, 60.0)
        self._profile, self._delay_s = self._link()

    @property
    def playing(self) -> bool:
        """Whether the player is in the world and sees it."""
        return self.pair is not None and self.client.playing and self.client.ready

    def cut(self) -> None:
        """Lose the link."""
        if self.pair is not None:
            self.pair.cut()

    def step(self, now: float) -> None:
        """Read what has arrived, act, and say what there is to say."""
        if self.pair is None:
            if now >= self._retry_at:
                self._connect(now)
            return
        self._hear(self.pair, now)
        if self.pair.client.closed is not None:
            self._lost(self.pair.client.closed.code, self.pair.client.closed.reason, now)
            return
        if now - self.heard_at > PATIENCE_S:
            self.pair.cut()
            self._lost(1006, "silence", now)
            return
        if not self.rests and self.playing and now >= self._act_at:
            self._act(now)
        self.client.tick(now)
        for message in self.client.outgoing():
            self.pair.client.send(message)

    # --- the mind --------------------------------------------------------------------------------

    def _act(self, now: float) -> None:
        chance = self._chance
        self._act_at = now + chance.uniform(0.1, 0.7)
        if self.stays_from > now >= self._leave_at and self.pair is not None:
            self._leave_at = now + chance.uniform(10.0, 60.0)
            self._setting.trace.tell(f"{self.name} says goodbye")
            self.pair.client.send(self.client.leave())
            self.pair.client.close()
            self._forget(now)
            return
        if chance.random() < 0.35:
            self.shots += 1
            number = self.index * SHOTS_PER_PLAYER + self.shots
            self.session_shots.append(number)
            seq = self.client.send_input("Fire", {"number": number}, now)
            self.inputs.shots[seq] = number
            self.inputs.sent_at.append(now)
        else:
            dx, dy = chance.uniform(-1, 1), chance.uniform(-1, 1)
            self.client.send_input("Swim", {"dx": dx, "dy": dy}, now)
            self.inputs.sent_at.append(now)

    # --- the link --------------------------------------------------------------------------------

    def _link(self) -> tuple[Profile | None, float]:
        kind = self._chance.random()
        if kind < 0.2:
            return PRESETS[self._chance.choice(("poor", "mobile"))], 0.0
        return None, self._chance.choice((0.0, 0.01, 0.06))

    def _connect(self, now: float) -> None:
        self._retry_at = now + 0.3
        there = self._gateways()
        if not there:
            return
        gateway = self._chance.choice(there)
        seed = self._chance.getrandbits(31)
        pair = gateway.connect(self._profile, self._delay_s, seed)
        if pair is None:
            return
        first = self.client.welcome is None
        self.pair, self.gateway, self.heard_at = pair, gateway, now
        self._epochs.clear()
        self.links += 1
        pair.client.send(self.client.start() if first else self.client.reconnect())

    def _hear(self, pair: LivePair, now: float) -> None:
        for data in pair.client.receive():
            self.heard_at = now
            self._setting.trace.add(self.name, data)
            before = self.client.welcome
            try:
                message = self.client.receive(data, now)
            except RemoteProtocolError as error:
                self._setting.judge.blame(f"{self.name} was told nonsense: {error}")
                return
            if before is not self.client.welcome and before is not None:
                self.old_tokens.append(before.token)
            if before is None and self.client.welcome is not None:
                self.there_from = self._setting.schedule.tick_at(now) + 1
            if isinstance(message, Snapshot):
                self._check_epochs(message)
                if message.report is not None:
                    self.inputs.report(message.report[0])
            while self.client.events:
                self._on_event(self, self.client.events.popleft())

    def _check_epochs(self, snapshot: Snapshot) -> None:
        """Over one link nobody is shown a former owner's world after its successor's."""
        for group in snapshot.groups:
            newest = self._epochs.get(group.shard, 0)
            self._setting.judge.require(
                group.epoch >= newest,
                f"{self.name} is shown shard {group.shard} of epoch {group.epoch} after {newest}",
            )
            self.began_anew += 0 < newest < group.epoch
            self._epochs[group.shard] = group.epoch

    def _lost(self, code: int, reason: str, now: float) -> None:
        goodbye = self.client.goodbye
        if goodbye is not None:
            code, reason = int(goodbye.code), goodbye.reason
        self._setting.trace.tell(f"{self.name} lost its link: {code} {reason}")
        if code in GONE or self.client.welcome is None:
            self._forget(now)
        else:
            self.pair = None
            self._retry_at = now + self._chance.uniform(0.05, 0.5)

    def _forget(self, now: float) -> None:
        self.pair = None
        self.client = self._new_client()
        self._retry_at = now + self._chance.uniform(0.05, 0.5)

    def _new_client(self) -> Client:
        self.sessions += 1
        self.session_shots.clear()
        self.inputs_before.append(self.inputs)
        self.inputs = Inputs()
        if self.index == 0:  # one is as a person has it, with all that is shown
            return Client(self.name, predictor_factory=Predictor)
        return Client(self.name, playback=False)


class Thief:
    """Somebody who has found old tokens and tries them: none may open a session any more."""

    def __init__(self, setting: Setting, gateways: Gateways, is_void: IsVoid) -> None:
        self.tries = 0
        self._setting = setting
        self._gateways = gateways
        self._is_void = is_void
        self._chance = setting.chance.of("thief")
        self._client: Client | None = None
        self._pair: LivePair | None = None
        self._next_at = self._chance.uniform(2.0, 4.0)

    def step(self, now: float, players: list[Player]) -> None:
        """See what became of the last try; try another token now and then."""
        if self._client is not None and self._pair is not None:
            self._hear(self._client, self._pair, now)
        elif now >= self._next_at:
            self._next_at = now + self._chance.uniform(0.5, 1.5)
            tokens = [token for player in players for token in player.old_tokens]
            void = [token for token in tokens if self._is_void(token)]
            there = self._gateways()
            if void and there:
                self._try(self._chance.choice(void), self._chance.choice(there))

    def _try(self, token: bytes, gateway: GatewayLife) -> None:
        pair = gateway.connect(None, 0.0, 0)
        if pair is not None:
            self.tries += 1
            self._client, self._pair = Client("thief", resume=token, playback=False), pair
            pair.client.send(self._client.start())

    def _hear(self, client: Client, pair: LivePair, now: float) -> None:
        for data in pair.client.receive():
            client.receive(data, now)
        if client.welcome is not None:
            self._setting.judge.blame(
                f"an old token of session {client.welcome.session:#x} opened it once more"
            )
        if pair.client.closed is not None:
            self._client = self._pair = None


class Players:
    """All players, moved by one task."""

    def __init__(
        self,
        count: int,
        setting: Setting,
        gateways: Gateways,
        *,
        on_event: OnEvent,
        is_void: IsVoid,
        stay_from: float,
    ) -> None:
        self.all = [Player(index, setting, gateways, on_event) for index in range(count)]
        self.thief = Thief(setting, gateways, is_void)
        for player in self.all:
            player.stays_from = stay_from
        self._gateways = gateways

    async def run(self) -> None:
        """Step everybody, until cancelled."""
        steps = 0
        while True:
            steps += 1
            await trio.sleep_until(steps * STEP_S)
            now = trio.current_time()
            for player in self.all:
                player.step(now)
            self.thief.step(now, self.all)
            for gateway in self._gateways():
                gateway.look()
