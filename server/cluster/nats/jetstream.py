"""What Shoal asks of JetStream, as questions to its API: streams, messages, compare-and-set.

Messages are read by STREAM.MSG.GET, which the stream's leader answers. Direct gets, which any
replica answers, may be behind and are not used.

Error handling: whatever asks for something repeats the question until it is answered, since the
engine comes back; callers bound that by cancelling. Appends are not repeated here, because their
caller knows what was meant: their outcome is told as it is.

Must not know: leases, records, shards.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import trio

from server.cluster.nats import limits
from server.cluster.nats.calls import Calls, Question
from server.cluster.nats.errors import JetStreamError
from server.cluster.nats.outbox import Arrival
from server.cluster.nats.pauses import growing_pauses

__all__ = ["Appended", "JetStream", "Outcome", "Refused", "Stored", "StreamState"]

NO_MESSAGE: Final = 10037
NO_STREAM: Final = 10059
STREAM_DIFFERS: Final = 10058  # a stream of that name is there with another configuration
# Storage is full; JetStream is off for this account, or for this server after its disk failed.
# These call themselves temporary, too, but somebody has to do something about them.
STAYS: Final = frozenset({10023, 10039, 10076})
# Of HTTP's kind: a duplicate still on its way, too many requests, no leader. Later it will do.
TEMPORARY: Final = frozenset({409, 429, 503})
# "Wrong last sequence", by the number in it or without, and "wrong last message id".
NOT_EXPECTED: Final = frozenset({10071, 10164, 10070})


@attrs.frozen
class Stored:
    """A message in a stream."""

    sequence: int
    subject: str
    headers: Mapping[str, str]
    data: bytes


@attrs.frozen
class StreamState:
    """Which messages a stream holds; `last` stays when they are purged."""

    messages: int
    first: int
    last: int


@attrs.frozen
class Appended:
    """It is stored at this place. `repeated`: it was already."""

    sequence: int
    repeated: bool


@attrs.frozen
class Refused:
    """It is not stored. `expectation`: because something else is there than was expected."""

    expectation: bool
    temporary: bool
    text: str


Outcome = Appended | Refused | None  # None: nobody knows


class JetStream:
    """JetStream's API over a link."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    async def api(
        self, name: str, request: Mapping[str, Any] | None = None, *, timeout_s: float | None = None
    ) -> dict[str, Any]:
        """What the API answers to `name`. JetStreamError if that is an error which stays."""
        question = Question(f"$JS.API.{name}", b"" if request is None else _dumps(request))
        pauses = growing_pauses(limits.AGAIN_FIRST_S, limits.AGAIN_MAX_S)
        while True:
            arrival = await self.calls.ask(question, timeout_s or limits.ANSWER_S)
            if arrival is not None:
                answer: dict[str, Any] = json.loads(arrival.data)
                error = answer.get("error")
                if error is None:
                    return answer
                known = _error(error)
                if not _is_temporary(known):
                    raise known
                self.calls.note_trouble()  # there is no leader, for instance
            await trio.sleep(next(pauses))

    # --- streams ---------------------------------------------------------------------------------

    async def make_stream(self, name: str, subjects: Sequence[str], **config: Any) -> None:
        """Have a stream of that name. One that is there already stays as its operator has it."""
        request = {
            "name": name,
            "subjects": list(subjects),
            "storage": "file",
            "retention": "limits",
            "discard": "new",  # what was promised to be kept does not make room for more
            **config,
        }
        try:
            await self.api(f"STREAM.CREATE.{name}", request)
        except JetStreamError as error:
            if error.number != STREAM_DIFFERS:
                raise

    async def state(self, stream: str) -> StreamState | None:
        """What a stream holds, None if there is none."""
        try:
            answer = await self.api(f"STREAM.INFO.{stream}")
        except JetStreamError as error:
            if error.number == NO_STREAM:
                return None
            raise
        state = answer["state"]
        return StreamState(state["messages"], state["first_seq"], state["last_seq"])

    async def purge(self, stream: str, *, below: int, subject: str | None = None) -> None:
        """Forget the messages before sequence `below`, or those of one subject."""
        if below <= 1:  # there are none, and the server would take this for "all"
            await trio.lowlevel.checkpoint()
            return
        request: dict[str, Any] = {"seq": below}
        if subject is not None:
            request["filter"] = subject
        await self.api(f"STREAM.PURGE.{stream}", request)

    # --- messages --------------------------------------------------------------------------------

    async def at(self, stream: str, sequence: int) -> Stored | None:
        """The message at a place, if any."""
        return await self._get(stream, {"seq": sequence}, None)

    async def at_all(self, stream: str, sequences: Sequence[int]) -> list[Stored | None]:
        """The messages at some places, all asked for at once."""
        found: list[Stored | None] = [None] * len(sequences)

        async def get(index: int, sequence: int) -> None:
            found[index] = await self.at(stream, sequence)

        async with trio.open_nursery() as nursery:
            for index, sequence in enumerate(sequences):
                nursery.start_soon(get, index, sequence)
        return found

    async def newest(
        self, stream: str, subject: str, *, timeout_s: float | None = None
    ) -> Stored | None:
        """The newest message of one subject, if any."""
        return await self._get(stream, {"last_by_subj": subject}, timeout_s)

    async def _get(
        self, stream: str, request: Mapping[str, Any], timeout_s: float | None
    ) -> Stored | None:
        try:
            answer = await self.api(f"STREAM.MSG.GET.{stream}", request, timeout_s=timeout_s)
        except JetStreamError as error:
            if error.number in {NO_MESSAGE, NO_STREAM}:
                return None
            raise
        message = answer["message"]
        return Stored(
            message["seq"],
            message["subject"],
            _headers(base64.b64decode(message.get("hdrs", ""))),
            base64.b64decode(message.get("data", "")),
        )

    async def append(
        self, messages: Sequence[Question], *, timeout_s: float = limits.ANSWER_S
    ) -> list[Outcome]:
        """Store messages, all at once and in order; what became of each.

        What they expect of the stream stands in their headers.
        """
        return [_outcome(each) for each in await self.calls.ask_all(messages, timeout_s)]


def _outcome(arrival: Arrival | None) -> Outcome:
    if arrival is None:
        return None
    answer = json.loads(arrival.data)
    error = answer.get("error")
    if error is None:
        return Appended(answer["seq"], repeated=bool(answer.get("duplicate")))
    known = _error(error)
    return Refused(known.number in NOT_EXPECTED, _is_temporary(known), str(known))


def _is_temporary(error: JetStreamError) -> bool:
    return error.code in TEMPORARY and error.number not in STAYS


def _error(error: Mapping[str, Any]) -> JetStreamError:
    return JetStreamError(
        int(error.get("code", 0)), int(error.get("err_code", 0)), str(error.get("description", ""))
    )


def _headers(raw: bytes) -> dict[str, str]:
    lines = raw.decode(errors="replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _dumps(request: Mapping[str, Any]) -> bytes:
    return json.dumps(request, separators=(",", ":")).encode()
