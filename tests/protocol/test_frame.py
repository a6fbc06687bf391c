"""Frames come through the bus whole, are cut by cell, and a damaged one is an error."""

from itertools import pairwise
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import cbor
from protocol.errors import RemoteProtocolError
from protocol.frame import Frame, FrameEvent, Scope, runs_of
from protocol.listing import SessionColumns, SessionRow

KINDS, CELLS = 3, 40
U32 = st.integers(0, 2**32 - 1)
TICKS = st.integers(0, 2**53 - 1)
IDS = st.integers(0, 2**64 - 1)
UPDATES = st.lists(
    st.tuples(st.integers(0, 3 * KINDS * CELLS - 1), st.binary(min_size=1, max_size=20)),
    max_size=30,
    unique_by=lambda update: update[0],
)
ROWS = st.lists(
    st.tuples(
        IDS, IDS, U32, U32, st.integers(-1, CELLS - 1), st.integers(0, 3), U32,
        st.integers(-32768, 32767),
    ),
    max_size=5,
    unique_by=lambda row: row[0],
)  # fmt: skip


def columns(rows: list[SessionRow]) -> SessionColumns:
    return SessionColumns.of(sorted(rows))


def make(updates: list[tuple[int, bytes]], **others: Any) -> Frame:
    lengths = [len(update) for _, update in updates]
    head = {"shard": 2, "epoch": 5, "tick": 100, "step": 90, "base": 99, "tree_version": 1}
    gone, older = others.pop("listed", None), others.pop("older", 0)
    epoch, base = others.get("epoch", 5), others.get("base", 99)
    if older and gone is None and base:
        others["base_epoch"] = max(0, epoch - older)
    if gone is not None:
        others |= {"complete": False, "gone": np.array(gone, np.uint64)}
        others["base"] = max(1, others.get("base", 99))
    return Frame(
        **{**head, "dilation": 1000, **others},
        keys=np.array([key for key, _ in updates], np.uint32),
        offsets=np.cumsum([0, *lengths]).astype(np.uint32),
        blob=b"".join(update for _, update in updates),
        kinds=KINDS,
        cells=CELLS,
    )


def values(frame: Frame) -> list[Any]:
    """Everything that a frame says, comparable."""
    skipped = {"_by_cell", "_ranges", "_bounds"}
    return [
        getattr(frame, field.name).tolist()
        if isinstance(getattr(frame, field.name), np.ndarray)
        else getattr(frame, field.name)
        for field in attrs.fields(Frame)
        if field.name not in skipped
    ]


LISTED = st.none() | st.lists(IDS, max_size=3)  # all sessions, or changes and who is gone
FRAMES = st.builds(
    make, UPDATES, shard=U32, epoch=TICKS, tick=TICKS, step=TICKS, base=TICKS,
    dilation=st.integers(0, 1000), sessions=st.builds(columns, ROWS), listed=LISTED,
    privates=st.lists(st.tuples(IDS, st.binary(max_size=20)), max_size=4),
    events=st.lists(
        st.builds(
            FrameEvent, st.integers(0, 63), st.binary(max_size=9), st.sampled_from(Scope), IDS
        ),
        max_size=4,
    ),
    handed=st.lists(st.tuples(IDS, U32), max_size=3), older=st.integers(0, 3),
)  # fmt: skip


@given(FRAMES)
def test_a_frame_comes_through_whole(frame: Frame) -> None:
    data = frame.encode()
    back = Frame.decode(data)
    assert values(back) == values(frame)
    assert back.encode() == data, "one frame has one form"


@given(UPDATES, st.lists(st.integers(0, CELLS - 1), max_size=10, unique=True))
def test_updates_are_cut_out_by_cell(updates: list[tuple[int, bytes]], cells: list[int]) -> None:
    frame = Frame.decode(make(updates).encode())
    expected = [update for cell in cells for key, update in updates if key // KINDS % CELLS == cell]
    assert [bytes(piece) for piece in frame.slices(cells)] == expected
    assert [bytes(piece) for piece in frame.slices(cells)] == expected, "also when asked again"
    count, pieces = frame.cut(cells)
    assert count == len(expected)
    assert b"".join(pieces) == b"".join(expected), "the same, by cells"


@given(st.sets(st.integers(0, 60)))
def test_runs_are_ranges_without_gaps(cells: set[int]) -> None:
    runs = runs_of(cells).tolist()
    assert [cell for first, end in runs for cell in range(first, end)] == sorted(cells)
    assert all(end < first for (_, end), (first, _) in pairwise(runs)), "as few as can be"


@given(st.binary(max_size=100))
def test_any_bytes_are_a_frame_or_an_error(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Frame.decode(data)


@given(FRAMES, st.data())
def test_a_damaged_frame_is_a_frame_or_an_error(frame: Frame, data: st.DataObject) -> None:
    damaged = bytearray(frame.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        back = Frame.decode(bytes(damaged))
    except RemoteProtocolError:
        return
    back.slices(range(CELLS))
    Frame.decode(back.encode())


def test_every_item_of_a_frame_is_checked() -> None:
    """Each item in turn is replaced by each odd thing: a frame or an error, nothing else."""
    frame = make(
        [(1, b"\x80"), (4, b"\x80")], sessions=columns([(7, 8, 1, 1, 3, 0, 2, -1)]),
        privates=[(7, b"\x80")], events=[FrameEvent(0, b"\x80", Scope.CELL, 3)],
        handed=[(7, 1)], listed=[3],
    )  # fmt: skip
    whole: Any = cbor.loads_arrays(frame.encode())
    odds = [
        None, True, -1, 3, 2**64 - 1, 1.5, "", b"", [], [0], [[]], {}, [0] * 10,
        np.array([1, 2], "<u4"), np.array([0, 1, 1], "<u4"), np.array([2, 1, 0], "<u4"),
    ]  # fmt: skip
    for path in _paths(whole):
        for odd in odds:
            try:
                back = Frame.decode(cbor.dumps(_replaced(whole, path, odd)))
            except RemoteProtocolError:
                continue
            back.slices(range(CELLS))
            Frame.decode(back.encode())


def _paths(item: Any) -> list[tuple[int, ...]]:
    if not isinstance(item, list):
        return []
    return [(place, *rest) for place, child in enumerate(item) for rest in ((), *_paths(child))]


def _replaced(item: Any, path: tuple[int, ...], odd: object) -> Any:
    if not path:
        return odd
    copy = item.copy()
    copy[path[0]] = _replaced(item[path[0]], path[1:], odd)
    return copy
