"""Whether a real client holds exactly what the server has: the truth check of every run.

A few clients (the one that `shoal bots` uses, without its playback) join the crowd under test, and
again and again the server says who is in their interest after a tick. The client's replica of that
very tick must have the same entities with the same numbers.

Must not know: how the server is measured.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, TypeVar

import attrs
import numpy as np
import trio

from benchmarks.interest import rules
from benchmarks.interest.ages import Ages
from benchmarks.interest.children import Child, ChildFailedError
from client_demo.connection import Connection
from protocol.client import Client
from protocol.replica import Changes

__all__ = ["Converged", "Stalled", "Verdict", "converge", "validate"]

_CLIENTS: Final = 3
_CHECKS: Final = 8  # of each client
_KEPT_TICKS: Final = 100
_PATIENCE_S: Final = 20.0
_CONVERGE_S: Final = 5.0  # a crowd that stands still is seen where it stands by then
_WATCH_S: Final = 5.0  # a crowd that moves

T = TypeVar("T")

Rows = tuple[list[int], ...]


class Stalled(Exception):  # noqa: N818 - what happened, and no mistake of anybody
    """A client was not told of a tick in time, or never came to hold the truth."""


@attrs.frozen
class Verdict:
    """How many times a replica was compared, and in how many entities it was wrong."""

    checks: int
    missing: int
    surplus: int
    different: int
    crc_checks: int
    crc_mismatches: int
    visible: float

    @property
    def good(self) -> bool:
        """Whether something was compared, and all of it was right."""
        wrong = self.missing + self.surplus + self.different + self.crc_mismatches
        return self.checks > 0 and wrong == 0


class Eye:
    """One real client, and what its replica held at each of the last ticks."""

    def __init__(self, port: int, number: int) -> None:
        self.connection = Connection(
            f"ws://127.0.0.1:{port}", partial(Client, name=str(number), playback=False)
        )
        self.ages = Ages()
        self._held: OrderedDict[int, dict[int, tuple[int, ...]]] = OrderedDict()

    @property
    def client(self) -> Client:
        """The client itself."""
        return self.connection.client

    async def begin(self) -> None:
        """Wait for the first snapshot, and remember each tick's state from then on."""
        with trio.move_on_after(_PATIENCE_S):
            await self.connection.wait_welcomed()
            self.client.on_changes = lambda _: self._remember()
            while not self._held:  # noqa: ASYNC110 - a remote process decides
                await trio.sleep(0.01)
            return
        raise Stalled(f"a real client saw nothing within {_PATIENCE_S:g} s")

    def watch_ages(self) -> None:
        """See how old parts become, too, from now on."""
        self.ages = Ages()
        self.client.on_changes = self._remember_and_age

    async def at(self, tick: int) -> dict[int, tuple[int, ...]] | None:
        """The state at `tick`, which must come soon; None if this client was not told of it alone.

        A server at its limit tells a client of two ticks at once, and of the later one by name.
        """
        with trio.move_on_after(_PATIENCE_S):
            while tick not in self._held:
                if self._held and next(reversed(self._held)) > tick:
                    return None
                await trio.sleep(0.01)
            return self._held[tick]
        raise Stalled(f"a real client was not told of tick {tick} within {_PATIENCE_S:g} s")

    def turn(self, heading: float) -> None:
        """Send an input."""
        self.client.send_input("Turn", {"heading": heading}, trio.current_time())

    def _remember_and_age(self, changes: Changes) -> None:
        assert self.client.replica is not None
        self.ages.note(self.client.replica, changes)
        self._remember()

    def _remember(self) -> None:
        replica = self.client.replica
        assert replica is not None
        columns = replica.columns(0)
        form = replica.schema.kinds[0].course
        x, y = (
            (columns.x, columns.y)
            if form is not None
            else (columns.fields["x"], columns.fields["y"])
        )
        rows = zip(
            x.tolist(),
            y.tolist(),
            columns.fields["heading"].tolist(),
            columns.fields["hp"].tolist(),
            strict=True,
        )
        self._held[replica.tick] = dict(zip(columns.ids.tolist(), rows, strict=True))
        if len(self._held) > _KEPT_TICKS:
            self._held.popitem(last=False)


def validate(server: Child) -> Verdict:
    """Join a few clients and compare them with the truth. Raises Stalled, and ChildFailedError."""
    return _run(_validate, server)


def converge(server: Child, *, watch_s: float = _WATCH_S) -> "Converged":
    """Join a few clients to a crowd, have it stand still, and wait until each holds the truth.

    Before it stands still they watch it for `watch_s`. Raises Stalled, and ChildFailedError.
    """
    return _run(partial(_converge, watch_s=watch_s), server)


def _run(check: Callable[[Child], Awaitable[T]], server: Child) -> T:
    try:
        return trio.run(check, server)
    except* (Stalled, ChildFailedError) as group:
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


async def _validate(server: Child) -> Verdict:
    verdicts: list[Verdict] = []
    async with trio.open_nursery() as nursery:
        eyes = [Eye(server.ready["port"], (1 << 20) + number) for number in range(_CLIENTS)]
        for eye in eyes:
            nursery.start_soon(eye.connection.run)
            await eye.begin()
        await trio.sleep(1.0)
        for check in range(_CHECKS):
            for eye in eyes:
                eye.turn(float((check * 97 + 13) % rules.HEADINGS))
                verdicts.append(await _compare(server, eye))
            await trio.sleep(0.15)
        crcs = [eye.client.statistics() for eye in eyes]
        nursery.cancel_scope.cancel()
    return Verdict(
        checks=sum(verdict.checks for verdict in verdicts),
        missing=sum(verdict.missing for verdict in verdicts),
        surplus=sum(verdict.surplus for verdict in verdicts),
        different=sum(verdict.different for verdict in verdicts),
        crc_checks=sum(each.crc_checks for each in crcs),
        crc_mismatches=sum(each.mismatches for each in crcs),
        visible=round(float(np.mean([verdict.visible for verdict in verdicts])), 1),
    )


@attrs.frozen
class Converged:
    """How long until all clients held the truth of a crowd that stands still.

    While it moved, the part that had to wait longest until a client was told of it again waited for
    `oldest_part_ticks`.
    """

    entities: int
    oldest_part_ticks: int
    seconds_to_converge: float
    crc_checks: int
    crc_mismatches: int


async def _converge(server: Child, *, watch_s: float) -> Converged:
    async with trio.open_nursery() as nursery:
        eyes = [Eye(server.ready["port"], (1 << 20) + number) for number in range(_CLIENTS)]
        for eye in eyes:
            nursery.start_soon(eye.connection.run)
            await eye.begin()
        await trio.sleep(1.0)  # all parts are here by then
        for eye in eyes:
            eye.watch_ages()
        await trio.sleep(watch_s)  # it moves, so that there is something to make good
        oldest = max(eye.ages.oldest_ticks for eye in eyes)
        server.tell("still")
        began = trio.current_time()
        seen = 0
        for eye in eyes:
            seen = await _see_all(server, eye, began + _CONVERGE_S)
        seconds = trio.current_time() - began
        crcs = [eye.client.statistics() for eye in eyes]
        nursery.cancel_scope.cancel()
    mismatches = sum(each.mismatches for each in crcs)
    if mismatches:
        raise Stalled(f"{mismatches} checksums of real clients differed")
    checks = sum(each.crc_checks for each in crcs)
    return Converged(seen, oldest, round(seconds, 2), checks, mismatches)


async def _see_all(server: Child, eye: Eye, deadline: float) -> int:
    """Wait until a client holds the truth; how many it sees then."""
    while True:
        verdict = await _compare(server, eye)
        wrong = verdict.missing + verdict.surplus + verdict.different
        if not wrong:
            return round(verdict.visible)
        if trio.current_time() > deadline:
            raise Stalled(f"{wrong} of {verdict.visible:.0f} entities are still seen wrong")
        await trio.sleep(0.05)


async def _compare(server: Child, eye: Eye) -> Verdict:
    assert eye.client.welcome is not None
    session = eye.client.welcome.session
    held = None
    with trio.move_on_after(_PATIENCE_S):
        while held is None:
            answer = await trio.to_thread.run_sync(server.ask, f"truth {session}")
            held = await eye.at(answer["tick"])
    if held is None:
        raise Stalled(f"no tick of {_PATIENCE_S:g} s was told to a real client by itself")
    truth = _rows(answer, eye.client)
    different = sum(held[entity] != row for entity, row in truth.items() if entity in held)
    return Verdict(
        checks=1,
        missing=len(truth.keys() - held.keys()),
        surplus=len(held.keys() - truth.keys()),
        different=different,
        crc_checks=0,
        crc_mismatches=0,
        visible=len(truth),
    )


def _rows(answer: dict[str, Any], client: Client) -> dict[int, tuple[int, ...]]:
    """The truth in the integers of the wire: of courses in their own steps."""
    assert client.schema is not None
    ids, x, y, heading, hp = answer["rows"]
    form = client.schema.kinds[0].course
    step = rules.QUANTUM if form is None else form.step
    places = (np.floor(np.array(axis) / step + 0.5).astype(np.int64).tolist() for axis in (x, y))
    return dict(zip(ids, zip(*places, heading, hp, strict=True), strict=True))
