"""Connections that came for the page: how many at once, and how much they may ask.

They are counted apart from those that play or may, so that no reader of the page ever takes a
player's place; and when there are too many, the one that has been quiet longest must go.

Must not know: sockets, HTTP. Time is an argument.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable

import attrs

from server.net import limits
from server.net.budget import Budget

__all__ = ["Visitors"]


@attrs.frozen
class _Visit:
    origin: str
    give_up: Callable[[], None]


class Visitors:
    """Counts visits. Whoever enters must leave."""

    def __init__(self) -> None:
        self.total = 0
        self._visits: OrderedDict[int, _Visit] = OrderedDict()  # the quietest first
        self._by_origin: Counter[str] = Counter()
        self._closed = False
        self._all = Budget(limits.REQUESTS_PER_S, limits.REQUESTS_BURST)
        self._budgets: OrderedDict[str, Budget] = OrderedDict()

    def __len__(self) -> int:
        """How many there are now."""
        return len(self._visits)

    def enter(self, origin: str, give_up: Callable[[], None]) -> int:
        """Note a visit, which `give_up` ends, and make room for it. Returns its number."""
        self.total += 1
        number = self.total
        if self._by_origin[origin] >= limits.VISITS_PER_ADDRESS_MAX:
            self._dismiss(next(n for n, one in self._visits.items() if one.origin == origin))
        elif len(self._visits) >= limits.VISITS_MAX:
            self._dismiss(next(iter(self._visits)))
        self._visits[number] = _Visit(origin, give_up)
        self._by_origin[origin] += 1
        if self._closed:
            self._dismiss(number)
        return number

    def leave(self, number: int) -> None:
        """A visit is over, if it has not been given up."""
        visit = self._visits.pop(number, None)
        if visit is None:
            return
        self._by_origin[visit.origin] -= 1
        if not self._by_origin[visit.origin]:
            del self._by_origin[visit.origin]

    def may_ask(self, number: int, origin: str, now: float, *, probes: bool = False) -> bool:
        """Note one more request of a visit; False if there are too many of late.

        One that `probes` counts for its address alone: whoever reads pages, however much, must not
        make a load balancer believe that we are gone.
        """
        if number in self._visits:
            self._visits.move_to_end(number)
        # An address that overdoes it must not spend what is everybody's.
        return self._budget(origin).afford(1, now) and (probes or self._all.afford(1, now))

    def close(self) -> None:
        """Give up every visit, now and in future."""
        self._closed = True
        for number in list(self._visits):
            self._dismiss(number)

    def _dismiss(self, number: int) -> None:
        visit = self._visits[number]
        self.leave(number)
        visit.give_up()

    def _budget(self, origin: str) -> Budget:
        budget = self._budgets.pop(origin, None)
        if budget is None:
            budget = Budget(limits.ADDRESS_REQUESTS_PER_S, limits.ADDRESS_REQUESTS_BURST)
            if len(self._budgets) >= limits.ADDRESSES_KEPT:
                self._budgets.popitem(last=False)
        self._budgets[origin] = budget  # the latest last
        return budget
