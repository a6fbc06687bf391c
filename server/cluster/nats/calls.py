"""Questions over the link and their answers, many at a time, without crossing to asyncio for each.

A mailbox is a subject of this client's own, under one subscription for all; what comes to it waits
until it is taken. A question is a message whose reply goes to a mailbox.

Error handling: a question that is not answered in time, or whose link broke, has no answer (None):
then nobody knows whether it was heard. It also counts as trouble with the engine.

Must not know: what is asked.
"""

import math
from collections import deque
from collections.abc import Sequence
from functools import partial
from secrets import token_hex
from weakref import WeakValueDictionary, finalize, ref

import attrs
import trio

from server.cluster.nats.bridge import Bridge
from server.cluster.nats.outbox import Arrival
from server.cluster.seams import BusState

__all__ = ["Calls", "Mailbox", "Question", "status"]


@attrs.frozen
class Question:
    """A message that wants an answer."""

    subject: str
    data: bytes = b""
    headers: dict[str, str] | None = None


def status(arrival: Arrival) -> int:
    """The number by which the server says something about a question itself; 0 if it does not.

    503 means that nobody listens there.
    """
    text = arrival.headers.get("Status", "")
    return int(text) if text.isdecimal() and not arrival.data else 0


class Mailbox:
    """Answers that came and were not taken yet, with the place of each in its question's list.

    It is forgotten when nobody has it any more.
    """

    def __init__(self, subject: str) -> None:
        self.broken = False
        self._subject = subject
        self._waiting: deque[tuple[int, Arrival]] = deque()
        self._news = trio.Event()

    def reply(self, place: int) -> str:
        """Where the answer to a question at this place goes."""
        return f"{self._subject}-{place}"

    def deliver(self, place: int, arrival: Arrival) -> None:
        """Put an answer behind those that wait."""
        self._waiting.append((place, arrival))
        self._news.set()

    def break_off(self) -> None:
        """The link broke: no further answer will come."""
        self.broken = True
        self._news.set()

    def take_nowait(self) -> list[tuple[int, Arrival]]:
        """Everything that waits, oldest first."""
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    async def wait(self) -> None:
        """Wait until something can be taken or the link broke."""
        if self._waiting or self.broken:
            await trio.lowlevel.checkpoint()
            return
        self._news = trio.Event()
        await self._news.wait()


class Calls:
    """Asks over a bridge."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._inbox = f"_INBOX.{token_hex(8)}"
        self._opened = 0
        self._began = False
        self._boxes: WeakValueDictionary[str, Mailbox] = WeakValueDictionary()
        # When the engine last failed to answer, by trio's clock.
        self.trouble_s = -math.inf
        bridge.subscribe(f"{self._inbox}.*", self._arrived)
        bridge.listen(self._changed)

    @property
    def up(self) -> bool:
        """Whether there is a link at all."""
        return self._bridge.state is BusState.UP

    def open(self, *, apart: bool = False) -> Mailbox:
        """A mailbox for any number of answers.

        What is read from a stream comes under the subject that it was stored with: that needs a
        mailbox `apart`, with a subscription of its own, which ends when nobody has the box.
        """
        self._opened += 1
        number = f"{self._opened}{'r' if apart else ''}"
        box = Mailbox(f"{self._inbox}{'r' if apart else ''}.{number}")
        box.broken = not self.up
        self._boxes[number] = box
        if apart:
            subscription = self._bridge.subscribe(box.reply(0), partial(_deliver, ref(box)))
            finalize(box, self._bridge.unsubscribe, subscription).atexit = False
        return box

    def send(self, question: Question, box: Mailbox, place: int = 0) -> None:
        """Ask, and have the answers go to `box`."""
        self._bridge.publish(
            question.subject, question.data, reply=box.reply(place), headers=question.headers
        )

    async def ask(self, question: Question, timeout_s: float) -> Arrival | None:
        """One question and its answer, if any."""
        return (await self.ask_all([question], timeout_s))[0]

    async def ask_all(
        self, questions: Sequence[Question], timeout_s: float
    ) -> list[Arrival | None]:
        """Ask all at once, in order, and wait for all answers."""
        answers: list[Arrival | None] = [None] * len(questions)
        box = self.open()
        for place, question in enumerate(questions):
            self.send(question, box, place)
        missing = len(questions)
        with trio.move_on_after(timeout_s):
            while missing and not box.broken:
                await box.wait()
                for place, arrival in box.take_nowait():
                    if answers[place] is None:
                        answers[place] = arrival
                        missing -= 1
        answers = [None if each is None or status(each) == 503 else each for each in answers]
        if None in answers:
            self.note_trouble()
        return answers

    def note_trouble(self) -> None:
        """The engine did not do what it does when it is well."""
        self.trouble_s = trio.current_time()

    def _arrived(self, arrival: Arrival) -> None:
        number, _, place = arrival.subject.rpartition(".")[2].partition("-")
        box = self._boxes.get(number)
        if box is not None and place.isdecimal():
            box.deliver(int(place), arrival)

    def _changed(self, state: BusState) -> None:
        if state is BusState.UP and not self._began:
            self._began = True
            return
        self.note_trouble()
        if state is BusState.DOWN:
            for box in list(self._boxes.values()):
                box.break_off()


def _deliver(box: ref[Mailbox], arrival: Arrival) -> None:
    there = box()
    if there is not None:
        there.deliver(0, arrival)
