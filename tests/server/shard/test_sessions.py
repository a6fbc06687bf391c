"""A session answers to the holder of its link, keeps its token rules, and waits out its grace."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import CloseCode
from server.shard import limits
from server.shard.inputs import PendingInput
from server.shard.mail import Refused
from server.shard.sessions import Session, SessionTable, Takeover


def digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def joined(table: SessionTable, session: int = 7, token: bytes = b"one") -> Session:
    answer = table.join(session, "g1", digest(token), "ann")
    assert isinstance(answer, Session)
    return answer


def resumed(table: SessionTable, sender: str, token: bytes, following: bytes) -> Takeover:
    answer = table.resume(7, sender, token, digest(following))
    assert isinstance(answer, Takeover), "the token is valid"
    return answer


def refused(table: SessionTable, token: bytes) -> bool:
    answer = table.resume(7, "g9", token, digest(b"thief"))
    return isinstance(answer, Refused) and answer.code == CloseCode.AUTH


def test_joining_again_gives_the_same_session() -> None:
    table = SessionTable()
    assert joined(table) is joined(table)
    assert len(table) == 1


def test_a_sessions_number_cannot_be_taken_over_by_joining() -> None:
    table = SessionTable()
    joined(table)
    assert isinstance(table.join(7, "g1", digest(b"other"), "eve"), Refused)
    assert isinstance(table.join(7, "g2", digest(b"one"), "eve"), Refused)


def test_only_the_holder_of_the_present_link_speaks_for_a_session() -> None:
    table = SessionTable()
    session = joined(table)
    assert table.held_by(7, "g1", 1) is session
    assert table.held_by(7, "g2", 1) is None, "another gateway does not hold it"
    resumed(table, "g2", b"one", b"two")
    assert table.held_by(7, "g1", 1) is None, "a link that was taken over is dead"
    assert table.held_by(7, "g2", 2) is session


def test_a_resume_takes_the_link_over_and_names_the_one_it_replaced() -> None:
    table = SessionTable()
    joined(table)
    assert resumed(table, "g2", b"one", b"two").replaced == ("g1", 1)


def test_nobody_answers_for_a_session_that_is_not_here() -> None:
    assert SessionTable().resume(7, "g1", b"one", digest(b"two")) is None


def test_the_old_token_is_valid_until_the_new_one_was_acknowledged() -> None:
    table = SessionTable()
    session = joined(table)
    resumed(table, "g2", b"one", b"two")
    resumed(table, "g3", b"one", b"three")  # the client never received the second token
    assert refused(table, b"two"), "a token that was replaced unseen is void"
    session.previous_hash = None  # the client acknowledged the third
    assert refused(table, b"one")
    resumed(table, "g4", b"three", b"four")


def test_a_repeated_resume_gets_the_same_answer() -> None:
    table = SessionTable()
    joined(table)
    assert resumed(table, "g2", b"one", b"two").session.generation == 2
    again = resumed(table, "g2", b"one", b"two")
    assert (again.session.generation, again.replaced) == (2, None)


def test_grace_begins_when_the_link_is_lost_and_ends_with_a_resume() -> None:
    table = SessionTable(grace_ticks=10)
    session = joined(table)
    table.heard("g1", 1)
    table.lose(session, 5)
    assert table.expire(14) == []
    resumed(table, "g1", b"one", b"two")
    assert table.expire(20) == [], "a resumed session has no grace to run out"
    table.lose(session, 20)
    assert table.expire(29) == []
    assert table.expire(30) == [session]
    assert len(table) == 0


def test_a_silent_gateway_counts_as_gone() -> None:
    table = SessionTable(grace_ticks=10)
    session = joined(table)
    table.heard("g1", 1)
    for now in range(2, 2 + limits.GATEWAY_SILENCE_TICKS):
        assert table.expire(now) == []
    assert session.linked
    now = 2 + limits.GATEWAY_SILENCE_TICKS
    table.expire(now)
    assert not session.linked, "its link is lost with it"
    assert table.expire(now + 10) == [session]


def test_a_gateway_that_is_heard_again_has_its_links() -> None:
    table = SessionTable(grace_ticks=10)
    session, lost = joined(table), joined(table, session=8)
    table.lose(lost, 1)
    now = 2 + limits.GATEWAY_SILENCE_TICKS
    table.heard("g1", 1)
    table.expire(5)
    table.expire(now)
    assert not session.linked
    table.take_touched()
    table.heard("g1", now + 5)
    assert session.linked, "it was cut off, and did not end"
    assert table.take_touched() == [session], "and that survives a crash"
    assert table.expire(now + 10) == []


def test_a_session_takes_with_it_that_its_gateway_is_silent() -> None:
    table = SessionTable(grace_ticks=10)
    session = joined(table)
    table.heard("g1", 1)
    now = 2 + limits.GATEWAY_SILENCE_TICKS
    table.expire(now)
    heir = SessionTable(grace_ticks=10)
    moved = Session.from_data(session.to_data(now), now)
    heir.insert(moved)
    heir.heard("g1", now + 3)
    assert moved.linked
    moved.lost_at = None
    heir.lose(moved, now + 4)
    heir.heard("g1", now + 5)
    assert not moved.linked, "a link that its gateway has lost does not come back so"


def test_a_session_that_comes_without_a_link_has_the_rest_of_its_grace() -> None:
    session = joined(SessionTable())
    table = SessionTable(grace_ticks=10)
    session.lost_at = 3  # of the ticks of this shard: it was lost at the one before
    table.insert(session)
    assert table.expire(12) == []
    assert table.expire(13) == [session]


def test_a_gateway_that_was_silent_is_given_time_for_a_session_that_comes_later() -> None:
    table = SessionTable()
    joined(table)
    table.expire(1)
    silent_at = 2 + limits.GATEWAY_SILENCE_TICKS
    table.expire(silent_at)
    newcomer = joined(SessionTable())
    newcomer.id = 8
    table.insert(newcomer)
    for now in range(silent_at + 1, silent_at + 2 + limits.GATEWAY_SILENCE_TICKS):
        table.expire(now)
        assert newcomer.linked, "it has to be heard from the session's first tick on"
    table.expire(silent_at + 2 + limits.GATEWAY_SILENCE_TICKS)
    assert not newcomer.linked


@given(
    st.lists(
        st.tuples(st.sampled_from(["lose", "resume", "leave"]), st.integers(0, 3)), max_size=60
    )
)
def test_exactly_those_without_a_link_for_the_whole_grace_expire(
    steps: list[tuple[str, int]],
) -> None:
    table = SessionTable(grace_ticks=5)
    there = {number: joined(table, number) for number in range(4)}
    for now, (step, number) in enumerate(steps):
        table.heard("g1", now)
        session = there.get(number)
        if session is not None and step == "lose" and session.linked:
            table.lose(session, now)
        elif session is not None and step == "resume":
            taken = table.resume(number, "g1", b"one", digest(b"one"))
            assert isinstance(taken, Takeover)
        elif session is not None and step == "leave":
            table.remove(there.pop(number).id)
        due = [s for s in there.values() if s.lost_at is not None and now - s.lost_at >= 5]
        expired = table.expire(now)
        assert sorted(s.id for s in expired) == sorted(s.id for s in due)
        for each in expired:
            del there[each.id]
    assert len(table) == len(there)


def test_a_full_shard_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SESSIONS_MAX", 1)
    table = SessionTable()
    joined(table)
    answer = table.join(8, "g1", digest(b"x"), "bob")
    assert isinstance(answer, Refused)
    assert answer.code == CloseCode.FULL


def test_a_session_travels_whole() -> None:
    session = joined(SessionTable())
    session.lost_at = 90
    session.centre = 12
    session.inputs.offer(PendingInput(3, 105, 8, 1, (4, "x")), now=100)
    twin = Session.from_data(session.to_data(100), 230)
    assert twin.lost_at == 220, "grace goes on in the ticks of the new owner"
    assert twin.inputs.to_data() == session.inputs.to_data()
    twin.lost_at, twin.inputs = session.lost_at, session.inputs
    assert twin == session


@given(st.lists(st.tuples(st.sampled_from(["resume", "old", "confirm"]), st.integers(1, 3))))
def test_a_token_serves_once_after_its_successor_is_known(moves: list[tuple[str, int]]) -> None:
    """A model of a client that may miss an answer: it holds one token, or two in doubt."""
    table = SessionTable()
    session = joined(table, token=b"0")
    held, void = b"0", []
    for count, (move, gateway) in enumerate(moves, 1):
        following = b"%d" % count
        if move == "resume":  # the client gets the answer and confirms
            resumed(table, f"g{gateway}", held, following)
            session.previous_hash = None
            void.append(held)
            held = following
        elif move == "old":  # the answer gets lost: the client still holds the old token
            resumed(table, f"g{gateway}", held, following)
        for token in void:
            assert refused(table, token), "a used token opens nothing"
