"""Reading a stream in order, from a place on, as fast as the reader takes it.

The engine keeps the reader's place (a consumer, in memory, without acknowledgements); the reader
asks for so many messages at a time, so the engine never sends more than that. An engine may let a
question run out without a word (2.9 does when the stream is trimmed meanwhile), and whatever comes
then waits for the next question; so that one is not put off for long. Each message says
which number it has among those sent; if one is missing, or nothing comes that should, the place is
made anew behind the last message that was taken. So a reader gets each message once and in order,
through reconnects and whatever happens to the engine's servers.

Must not know: what messages mean.
"""

import json
from collections import deque
from typing import Any, Final

import structlog
import trio

from server.cluster.nats import limits
from server.cluster.nats.calls import Mailbox, Question, status
from server.cluster.nats.errors import JetStreamError
from server.cluster.nats.jetstream import NO_STREAM, JetStream, Stored
from server.cluster.nats.outbox import Arrival

__all__ = ["Pull"]

_log = structlog.get_logger(__name__)

_NANO: Final = 10**9
_ASK_AGAIN: Final = frozenset({404, 408, 409})  # the question ended without (all of) its messages
# What 409 says when the place itself is gone, and not only the question at its end.
_PLACE_GONE: Final = ("consumer deleted", "leadership change", "server shutdown")


class Pull:
    """The messages of a stream, or of one subject in it, behind sequence `after`."""

    def __init__(
        self, jetstream: JetStream, stream: str, *, after: int, subject: str | None = None
    ) -> None:
        self._jetstream = jetstream
        self._stream = stream
        self._subject = subject
        self._after = after
        self._consumer: str | None = None
        self._box: Mailbox | None = None
        self._asked = 0  # messages that the standing question may still bring
        self._next = 1  # the number of the next message among those sent to this place
        self._until_s = 0.0
        self._repeated = False  # whether the question before the standing one was not answered
        self._taken: deque[Stored] = deque()

    @property
    def after(self) -> int:
        """The sequence of the last message that was taken."""
        return self._after

    async def next(self) -> list[Stored]:
        """All messages that are here, at least one; waits until there is one, however long."""
        while not self._taken:
            if self._consumer is None:
                await self._begin()
            elif self._asked == 0:
                self._ask()
            else:
                await self._hear()
        taken = list(self._taken)
        self._taken.clear()
        return taken

    async def _begin(self) -> None:
        """Have a place in the stream, once there is a stream."""
        config: dict[str, Any] = {
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._after + 1,
            "ack_policy": "none",
            "replay_policy": "instant",
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": int(limits.CONSUMER_KEPT_S * _NANO),
        }
        if self._subject is not None:
            config["filter_subject"] = self._subject
        request = {"stream_name": self._stream, "config": config}
        try:
            answer = await self._jetstream.api(f"CONSUMER.CREATE.{self._stream}", request)
        except JetStreamError as error:
            if error.number != NO_STREAM:
                _log.warning("cannot read", stream=self._stream, reason=str(error))
            await trio.sleep(limits.MISSING_STREAM_S)
            return
        self._consumer = answer["name"]
        self._box = self._jetstream.calls.open(apart=True)
        self._next = 1
        self._asked = 0
        self._repeated = False

    def _ask(self) -> None:
        assert self._box is not None
        stands_s = limits.PULL_GRACE_S / 2 if self._repeated else limits.PULL_S
        request = {
            "batch": limits.PULL_MESSAGES,
            "max_bytes": limits.PULL_BYTES,
            "expires": int(stands_s * _NANO),
        }
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}"
        self._jetstream.calls.send(Question(subject, json.dumps(request).encode()), self._box)
        self._asked = limits.PULL_MESSAGES
        late_s = limits.PULL_GRACE_S / 2 if self._repeated else limits.PULL_LATE_S
        self._until_s = trio.current_time() + stands_s + late_s

    async def _hear(self) -> None:
        assert self._box is not None
        with trio.move_on_at(self._until_s):
            await self._box.wait()
        arrivals = self._box.take_nowait()  # none: nothing in time, or the link broke
        if arrivals:
            self._repeated = False
        elif self._repeated or self._box.broken:
            self._consumer = None
            self._jetstream.calls.note_trouble()
        else:
            self._repeated, self._asked = True, 0
        for _, arrival in arrivals:
            self._take(arrival)
            if self._consumer is None:
                break

    def _take(self, arrival: Arrival) -> None:
        number = status(arrival)
        if number in _ASK_AGAIN:
            self._asked = 0
            text = arrival.headers.get("Description", "").lower()
            if any(words in text for words in _PLACE_GONE):
                self._consumer = None
        elif number:
            self._consumer = None
        else:
            sequence, place = _places(arrival.reply)
            if place != self._next:
                self._consumer = None
                return
            self._next += 1
            self._asked -= 1
            if sequence > self._after:
                self._after = sequence
                self._taken.append(Stored(sequence, arrival.subject, arrival.headers, arrival.data))


def _places(reply: str) -> tuple[int, int]:
    """A message's sequence in the stream, and its number among those sent to this reader.

    The reply is $JS.ACK, stream, consumer, deliveries, sequence, number, time, pending; newer
    servers put a domain and an account before the stream, and more behind.
    """
    tokens = reply.split(".")
    first = 5 if len(tokens) == 9 else 7
    return int(tokens[first]), int(tokens[first + 1])
