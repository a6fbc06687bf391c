"""What monitoring reads of a process: its numbers, in the text format of Prometheus.

A number is looked up when somebody reads, so nothing is counted for this alone.

Must not know: HTTP, whose numbers they are.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import attrs
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

__all__ = ["Number", "Numbers"]


@attrs.frozen
class Number:
    """One number of a process. `total`: it only rises, and its name ends with `_total`."""

    name: str
    says: str
    value: float
    total: bool = False


class Numbers(Collector):
    """The numbers that `read` gives, whenever they are asked for."""

    media_type: Final = CONTENT_TYPE_LATEST

    def __init__(self, read: Callable[[], Sequence[Number]]) -> None:
        self._read = read
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """All of them, as they are now."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """The same for Prometheus's own library."""
        for number in self._read():
            metric = Metric(number.name, number.says, "counter" if number.total else "gauge")
            metric.add_sample(number.name + "_total" * number.total, {}, number.value)
            yield metric
