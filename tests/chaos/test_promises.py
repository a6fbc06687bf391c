"""A run that broke a promise does not pass, and one in which nothing happened neither."""

from typing import Any

import pytest

from tests.chaos.promises import HAPPENED, NEVER, broken

GOOD: dict[str, Any] = {
    **dict.fromkeys(NEVER, 0),
    **dict.fromkeys(HAPPENED, 9),
    "bots_playing": 40,
    "takeover_s_max": 3.5,
}


def test_a_good_run_breaks_nothing() -> None:
    assert not list(broken(GOOD, bots=40, takeover_s=5))


@pytest.mark.parametrize(
    "change",
    [
        *({name: 1} for name in NEVER),
        *({name: 0} for name in HAPPENED),
        {"bots_playing": 39},
        {"takeover_s_max": 5.1},
    ],
)
def test_whatever_is_broken_is_named(change: dict[str, int]) -> None:
    (complaint,) = broken({**GOOD, **change}, bots=40, takeover_s=5)
    (name,) = change
    assert name in complaint or "takeover" in complaint or "bots play" in complaint
