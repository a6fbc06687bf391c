"""Whether a real client holds exactly what the server has: the truth check of every run.

A few clients (the one that `shoal bots` uses, without its playback) join the crowd under test, and
again and again the server says who is in their interest after a tick. The client's replica of that
very tick must have the same entities with the same numbers.

Must not know: how the server is measured.
"""

from collections import OrderedDict
from functools import partial
from typing import Any, Final

import attrs
import numpy as np
import trio

from benchmarks.interest import rules
from benchmarks.interest.children import Child
from client_demo.connection import Connection
from protocol.client import Client

__all__ = ["Verdict", "validate"]

_CLIENTS: Final = 3
_CHECKS: Final = 8  # of each client
_KEPT_TICKS: Final = 100
_PATIENCE_S: Final = 20.0

Rows = tuple[list[int], ...]


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
        self._held: OrderedDict[int, dict[int, tuple[int, ...]]] = OrderedDict()

    @property
    def client(self) -> Client:
        """The client itself."""
        return self.connection.client

    def watch(self) -> None:
        """Remember each tick's state from now on."""
        self.client.on_changes = lambda _: self._remember()

    async def at(self, tick: int) -> dict[int, tuple[int, ...]]:
        """The state at `tick`, which must come soon."""
        with trio.fail_after(_PATIENCE_S):
            while tick not in self._held:  # noqa: ASYNC110 - a remote process decides
                await trio.sleep(0.01)
        return self._held[tick]

    def turn(self, heading: float) -> None:
        """Send an input."""
        self.client.send_input("Turn", {"heading": heading}, trio.current_time())

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
    """Join a few clients and compare them with the truth. Raises on a server that is no more."""
    return trio.run(_validate, server)


async def _validate(server: Child) -> Verdict:
    verdicts: list[Verdict] = []
    async with trio.open_nursery() as nursery:
        eyes = [Eye(server.ready["port"], (1 << 20) + number) for number in range(_CLIENTS)]
        for eye in eyes:
            nursery.start_soon(eye.connection.run)
            with trio.fail_after(_PATIENCE_S):
                await eye.connection.wait_welcomed()
            eye.watch()
        await trio.sleep(1.0)
        for check in range(_CHECKS):
            for eye in eyes:
                eye.turn(float((check * 97 + 13) % rules.HEADINGS))
                verdicts.append(await _compare(server, eye))
            await trio.sleep(0.15)
        crcs = [eye.client.statistics() for eye in eyes]
        nursery.cancel_scope.cancel()
    totals = np.array([attrs.astuple(verdict)[:4] for verdict in verdicts]).sum(axis=0).tolist()
    return Verdict(
        *totals,
        crc_checks=sum(each.crc_checks for each in crcs),
        crc_mismatches=sum(each.mismatches for each in crcs),
        visible=round(float(np.mean([verdict.visible for verdict in verdicts])), 1),
    )


async def _compare(server: Child, eye: Eye) -> Verdict:
    assert eye.client.welcome is not None
    session = eye.client.welcome.session
    answer = await trio.to_thread.run_sync(server.ask, f"truth {session}")
    held = await eye.at(answer["tick"])
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
