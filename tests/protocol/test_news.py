"""Bulletins come through the bus whole, and a damaged one is an error."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import cbor
from protocol.errors import RemoteProtocolError
from protocol.news import Bulletin, FrameEvent, Scope

U32 = st.integers(0, 2**32 - 1)
IDS = st.integers(0, 2**64 - 1)
TICKS = st.integers(0, 2**53 - 1)
EVENTS = st.builds(
    FrameEvent, st.integers(0, 63), st.binary(max_size=9), st.sampled_from(Scope), IDS, TICKS, U32,
    st.booleans(),
)  # fmt: skip
BULLETINS = st.builds(
    Bulletin, U32, TICKS, TICKS, TICKS, st.booleans(), st.lists(EVENTS, max_size=4),
    st.none() | st.lists(
        st.tuples(IDS, st.text(max_size=8), st.integers(-(2**53), 2**53)), max_size=3
    ),
)  # fmt: skip


@given(BULLETINS)
def test_a_bulletin_comes_through_whole(bulletin: Bulletin) -> None:
    data = bulletin.encode()
    assert Bulletin.decode(data) == bulletin
    assert Bulletin.decode(data).encode() == data, "one bulletin has one form"


@given(st.binary(max_size=60))
def test_any_bytes_are_an_error(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Bulletin.decode(data)


def test_every_item_of_a_bulletin_is_checked() -> None:
    whole = Bulletin(1, 2, 3, 4, False, [FrameEvent(0, b"\x80", Scope.CELL, 3)], [(1, "Ada", 5)])
    items: Any = cbor.loads(whole.encode())
    odds: list[Any] = [None, True, -1, 2**64, 1.5, "", b"", [], {}, [[]], [0] * 9]
    refused = 0
    for place in range(len(items)):
        for odd in odds:
            try:
                back = Bulletin.decode(cbor.dumps([*items[:place], odd, *items[place + 1 :]]))
            except RemoteProtocolError:
                refused += 1
            else:
                assert Bulletin.decode(back.encode()) == back
    assert refused > 30
