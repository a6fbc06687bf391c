"""Planted bugs in what players are promised: sessions, inputs, news."""

import hashlib
from typing import Any

from protocol.frame import Scope
from protocol.unconfirmed import Unconfirmed
from server.gateway import sessions as gateway_sessions
from server.gateway.links import LinkState
from server.gateway.sessions import Sessions
from server.shard.desk import Desk
from server.shard.inputs import InputBuffer
from server.shard.mail import Input
from server.shard.newsroom import Newsroom
from server.shard.post import Post
from server.shard.sessions import SessionTable, Takeover
from tests.simulation.planting import nothing, plant

# --- sessions and inputs -------------------------------------------------------------------------


def _apply_again(self: SessionTable) -> None:
    for session in self._sessions.values():
        session.inputs = InputBuffer()
    self._waiting.clear()


plant(
    "inputs applied twice after a takeover",
    "a recovered shard does not know which inputs it had applied, nor do gateways",
    (SessionTable, "go_on", _apply_again),
    (gateway_sessions, "_prune", nothing),
)


plant(
    "undone inputs sent again",
    "what a crash undid after a client was told of it takes effect, and counts as lost as well",
    (LinkState, "told", property(lambda _: 0)),
)


def _input_anyway(self: Desk, sender: str, item: Input) -> None:
    _input(self, sender, item._replace(after=0))


_input = Desk._input
plant(
    "lost inputs passed over",
    "an input before which the bus has lost one counts for both",
    (Desk, "_input", _input_anyway),
)

plant(
    "lost inputs not sent again",
    "an input that the bus has lost is never repeated",
    (Sessions, "_send_overdue", nothing),
)


def _confirm_without_count(self: Unconfirmed, applied: int) -> bool:
    lost = self.lost
    is_news = _confirm(self, applied)
    self.lost = lost
    return is_news


_confirm = Unconfirmed.confirm
plant(
    "undone inputs not counted",
    "a client does not count what a crash has undone",
    (Unconfirmed, "confirm", _confirm_without_count),
)


def _resume_forever(
    self: SessionTable, session: int, sender: str, token: bytes, next_hash: bytes
) -> Any:
    found = self._sessions.get(session)
    shown = hashlib.sha256(token).digest()
    known = self.__dict__.setdefault("_all_hashes", {}).setdefault(session, set())
    if found is not None:
        known.update((found.token_hash, found.previous_hash))
        if shown in known and shown != found.token_hash:
            replaced = (found.gateway, found.generation) if found.linked else None
            if found.token_hash == next_hash and found.gateway == sender:
                return Takeover(found, None)
            found.token_hash, found.gateway = next_hash, sender
            self._unheard[sender] = None
            found.generation += 1
            found.lost_at = None
            self.touch(found)
            return Takeover(found, replaced)
    return _resume(self, session, sender, token, next_hash)


_resume = SessionTable.resume
plant(
    "resume token reused",
    "a token goes on being valid after its successor has arrived",
    (SessionTable, "resume", _resume_forever),
)


def _promise_at_once(self: Post, gateway: str, item: Any) -> None:
    self.send(gateway, item)


plant(
    "promise before durable",
    "players are told of a join, a resume or an end before the journal knows",
    (Post, "promise", _promise_at_once),
)


def _report_at_once(self: Newsroom, tick: int, events: Any, scores: Any) -> None:
    _report(self, tick, events, scores)
    self.durable(tick)


_report = Newsroom.report
plant(
    "durable event told early",
    "a durable event is told before the journal has it",
    (Newsroom, "report", _report_at_once),
)


def _concerning_nobody(self: Newsroom, entity: int, cells: Any, now: int) -> Any:
    told = _concerning(self, entity, cells, now)
    everybody = {event.values for event in self._past if event.scope is Scope.WORLD}
    return tuple(each for each in told if each[1] not in everybody)


_concerning = Newsroom.concerning
plant(
    "news for everybody not repeated",
    "who comes back is not told what happened to everybody meanwhile",
    (Newsroom, "concerning", _concerning_nobody),
)
