"""A listing that is told of changes is the listing that is told of everything."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from protocol.listing import Listing, SessionColumns, SessionRow, difference

ROW = st.tuples(
    st.integers(1, 9), st.integers(0, 2), st.integers(0, 2), st.integers(1, 2),
    st.integers(-1, 1), st.integers(0, 1), st.integers(0, 2), st.integers(-1, 1),
)  # fmt: skip
ROWS = st.lists(ROW, max_size=8, unique_by=lambda row: row[0]).map(sorted)
MARGIN = 7


def told(rows: dict[int, SessionRow]) -> dict[int, SessionRow]:
    """What gateways act on: the margin is news only together with its input."""
    return {session: row[:MARGIN] for session, row in rows.items()}


@given(st.lists(ROWS, min_size=1, max_size=6))
def test_changes_lead_to_where_the_whole_is(moments: list[list[SessionRow]]) -> None:
    listing = Listing()
    before = SessionColumns.of(moments[0])
    listing.begin(before)
    for rows in moments[1:]:
        now = SessionColumns.of(rows)
        was = told(listing.rows)
        changed, gone = difference(before, now)
        news = listing.go_on(changed, gone)
        expected = {row[0]: row for row in rows}
        assert told(listing.rows) == told(expected)
        assert {row[0] for row in news} == {
            session for session, row in told(expected).items() if was.get(session) != row
        }, "nothing is told that was known"
        assert set(gone.tolist()) == set(was) - set(expected)
        before = now


@given(ROWS, ROWS)
def test_beginning_anew_gives_what_is_not_as_it_was(
    first: list[SessionRow], second: list[SessionRow]
) -> None:
    listing = Listing()
    assert listing.begin(SessionColumns.of(first)) == first
    assert listing.begin(SessionColumns.of(second)) == [row for row in second if row not in first]


@given(ROWS, ROWS)
def test_joined_rows_are_in_order(first: list[SessionRow], second: list[SessionRow]) -> None:
    here = {row[0] for row in first}
    others = [row for row in second if row[0] not in here]
    joined = SessionColumns.of(first).joined(SessionColumns.of(others))
    assert list(joined.rows()) == sorted([*first, *others])


def test_columns_that_did_not_change_cost_nothing() -> None:
    rows = [(n, n, 0, 1, 0, 0, 0, 0) for n in range(1, 5)]
    columns = SessionColumns.of(rows)
    changed, gone = difference(columns, columns)
    assert len(changed) == len(gone) == 0
    assert changed.session.dtype == gone.dtype == np.uint64
