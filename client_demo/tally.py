"""What a crowd of clients has seen so far, as numbers for people and for `shoal demo`.

Must not know: bots, the wire.
"""

from collections import Counter
from collections.abc import Iterable
from statistics import median
from typing import Any

from client_demo.connection import Connection

__all__ = ["Tally"]


class Tally:
    """Adds up clients, those that have gone included.

    `link`: the name of the conditioned link that all play over, if any; then the numbers name it,
    with its stalls and the round trip of the client in the middle.
    """

    def __init__(self, link: str | None = None) -> None:
        self._link = link
        self._present: set[Connection] = set()
        self._gone: dict[str, int] = {}
        self._ends: Counter[str] = Counter()
        self._gone_away_s_max = 0.0
        self._last: tuple[float, int] | None = None
        self._client_seconds = 0.0
        self._bytes_settled = 0
        self._settled: dict[str, int] | None = None
        self._link_settled: dict[str, Any] = {}

    def add(self, connection: Connection) -> None:
        """A client has come."""
        self._present.add(connection)

    def remove(self, connection: Connection) -> None:
        """A client has gone; what it saw stays counted."""
        self._present.discard(connection)
        self._gone_away_s_max = self._away_s_max([connection])
        for name, value in _numbers(connection).items():
            self._gone[name] = self._gone.get(name, 0) + value

    def note_end(self, reason: str) -> None:
        """A client cannot stay; the numbers say why."""
        self._ends[reason] += 1

    def second(self, now: float) -> dict[str, Any]:
        """The report of the second that ends at `now` (seconds)."""
        totals, connected = self._totals(), self._connected()
        rate = 0.0
        if self._last is not None and connected:
            then, bytes_then = self._last
            span = now - then
            rate = (totals["bytes_received"] - bytes_then) / max(span, 1e-6) / connected
            self._client_seconds += span * connected
            self._bytes_settled += totals["bytes_received"] - bytes_then
        self._last = now, totals["bytes_received"]
        return {
            "clients": len(self._present),
            "connected": connected,
            "bytes_per_client_s": round(rate),
            **_shown(totals),
            "away_s_max": self._away_s_max(self._present),
            **self._link_numbers(totals),
        }

    def settle(self, now: float) -> None:
        """Take the final numbers now, before everybody leaves."""
        self.second(now)
        self._settled = {"clients": len(self._present), "connected": self._connected()}
        self._gone_away_s_max = self._away_s_max(self._present)
        self._link_settled = self._link_numbers(self._totals())

    def final(self) -> dict[str, Any]:
        """The last report: totals, and bytes per client and second over the whole time."""
        settled = self._settled or {"clients": 0, "connected": 0}
        totals = self._totals()
        return {
            "final": True,
            **settled,
            "bytes_per_client_s": round(self._bytes_settled / max(self._client_seconds, 1e-6)),
            **_shown(totals),
            "away_s_max": self._away_s_max(()),
            **(self._link_settled or self._link_numbers(totals)),
            **({"ended": dict(self._ends)} if self._ends else {}),
        }

    def _link_numbers(self, totals: dict[str, int]) -> dict[str, Any]:
        if self._link is None:
            return {}
        trips = [connection.client.statistics().round_trip_s for connection in self._present]
        known = [trip for trip in trips if trip > 0]
        return {
            "link": self._link,
            "link_stalls": totals["stalls"],
            "round_trip_ms": round(1000 * median(known)) if known else None,
        }

    def _away_s_max(self, connections: Iterable[Connection]) -> float:
        """The longest that any of `connections`, or one that is counted already, had no link."""
        times = (connection.statistics().away_s_max for connection in connections)
        return round(max([self._gone_away_s_max, *times]), 3)

    def _connected(self) -> int:
        return sum(connection.open for connection in self._present)

    def _totals(self) -> dict[str, int]:
        totals = dict(self._gone)
        for connection in self._present:
            for name, value in _numbers(connection).items():
                totals[name] = totals.get(name, 0) + value
        return totals or dict.fromkeys(_NAMES, 0)


_NAMES = (
    "snapshots",
    "replica_checks",
    "replica_mismatches",
    "disconnects",
    "resumes",
    "rejoins",
    "bytes_received",
    "inputs",
    "stalls",
)


def _numbers(connection: Connection) -> dict[str, int]:
    link = connection.statistics()
    return {
        "snapshots": link.snapshots,
        "replica_checks": link.crc_checks,
        "replica_mismatches": link.mismatches,
        "disconnects": link.disconnects,
        "resumes": link.resumes,
        "rejoins": link.rejoins,
        "bytes_received": link.bytes_received,
        "inputs": link.inputs,
        "stalls": link.stalls,
    }


def _shown(totals: dict[str, int]) -> dict[str, int]:
    hidden = ("bytes_received", "stalls")
    return {name: value for name, value in totals.items() if name not in hidden}
