"""Inputs apply at their tick, once and in order; what comes late collapses."""

from hypothesis import given
from hypothesis import strategies as st

from server.shard import limits
from server.shard.inputs import InputBuffer, PendingInput

STEER, FIRE = 0, 1
EDGES = frozenset({FIRE})


def entry(seq: int, tick: int, kind: int = STEER) -> PendingInput:
    return PendingInput(seq, tick, 0, kind, (seq,))


def filled(*entries: PendingInput, now: int = 1) -> InputBuffer:
    buffer = InputBuffer()
    for each in entries:
        assert buffer.offer(each, now=now)
    return buffer


def seqs(taken: list[PendingInput]) -> list[int]:
    return [each.seq for each in taken]


def test_an_input_waits_for_its_tick() -> None:
    buffer = filled(entry(1, 3), entry(2, 4))
    assert [seqs(buffer.take(now, EDGES)) for now in (1, 2, 3, 4, 5)] == [[], [], [1], [2], []]
    assert buffer.applied == 2


def test_of_late_intents_the_newest_applies() -> None:
    buffer = filled(entry(1, 1), entry(2, 2), entry(3, 3), entry(4, 9))
    assert seqs(buffer.take(5, EDGES)) == [3], "one intent moves a session in one tick"
    assert buffer.applied == 3, "what was collapsed counts as applied"
    assert buffer.collapsed == 2


def test_late_edges_merge_into_one_and_survive_newer_intents() -> None:
    buffer = filled(entry(1, 1, FIRE), entry(2, 1), entry(3, 2, FIRE), entry(4, 2))
    assert seqs(buffer.take(5, EDGES)) == [3, 4], "an edge is not lost behind an intent"


def test_edges_on_time_run_each_up_to_a_bound() -> None:
    buffer = filled(*[entry(seq, 5, FIRE) for seq in range(1, 10)])
    assert len(buffer.take(5, EDGES)) == limits.EDGES_PER_TICK


def test_known_sequence_numbers_are_dropped() -> None:
    buffer = filled(entry(1, 1), entry(2, 2))
    assert not buffer.offer(entry(2, 2), now=1), "a gateway may send again"
    buffer.take(2, EDGES)
    assert not buffer.offer(entry(1, 9), now=3), "also when it was applied long ago"


def test_the_margin_says_how_early_the_newest_input_came() -> None:
    buffer = filled(entry(1, 12), now=10)
    assert buffer.margin == 2
    buffer.offer(entry(2, 3), now=10)
    assert buffer.margin == -7
    buffer.offer(entry(3, 10**9), now=10)
    assert buffer.margin == limits.MARGIN_TICKS_MAX


def test_a_flood_stays_bounded_and_the_newest_survives() -> None:
    buffer = filled(*[entry(seq, 10**6) for seq in range(1, 500)])
    assert len(buffer) == limits.INPUTS_BUFFERED
    assert buffer.overflowed == 499 - limits.INPUTS_BUFFERED
    last = 1 + limits.INPUT_AHEAD_TICKS
    assert seqs(buffer.take(last, EDGES)) == [499], "no input waits longer than the bound"


arrivals = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 120), st.sampled_from([STEER, FIRE])),
    max_size=80,
)


@given(arrivals, st.integers(1, 7))
def test_each_input_applies_at_most_once_and_in_order(
    offers: list[tuple[int, int, int]], per_tick: int
) -> None:
    """Duplicates, reordering, early and late: and a handoff in the middle changes nothing."""
    buffer, twin = InputBuffer(), InputBuffer()
    applied: list[PendingInput] = []
    for now in range(1, 200):
        for seq, tick, kind in offers[(now - 1) * per_tick : now * per_tick]:
            accepted = buffer.offer(entry(seq, tick, kind), now=now)
            assert accepted == twin.offer(entry(seq, tick, kind), now=now)
        taken = buffer.take(now, EDGES)
        twin = InputBuffer.from_data(twin.to_data())
        assert twin.take(now, EDGES) == taken, "a buffer travels whole"
        intents = [each for each in taken if each.kind == STEER]
        assert len(intents) <= 1, "one intent per tick"
        assert all(each.due <= now for each in taken), "nothing applies before its tick"
        applied += taken
    numbers = seqs(applied)
    assert numbers == sorted(set(numbers)), "each sequence number once, in rising order"
    assert buffer.applied == buffer.seen, "in the end everything was applied or collapsed"
