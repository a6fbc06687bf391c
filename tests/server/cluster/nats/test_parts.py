"""The parts of the engine's client that need no engine: settings, versions, records, leases."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.cluster.nats.errors import EngineError
from server.cluster.nats.names import Names
from server.cluster.nats.settings import EngineSettings
from server.cluster.nats.versions import ServerInfo, check_server
from server.cluster.seams import DirectoryEvent, Draft, Record
from server.settings import SettingsError

pytest.importorskip("trio_asyncio", reason="needs the extra 'cluster'")

from server.cluster.nats.jetstream import Stored
from server.cluster.nats.leases import LeaseTable, held_headers, read_word, released_headers
from server.cluster.nats.limits import PART_BYTES
from server.cluster.nats.records import RecordReader, claim_message, cut, is_part, message

# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"urls": ()}, "no address"),
        ({"urls": ("http://x:1",)}, "not like nats"),
        ({"urls": ("nats://x:port",)}, "not like nats"),
        ({"urls": ("nats://me:pw@x:1",)}, "holds a secret"),
        ({"user": "me"}, "go together"),
        ({"user": "me", "password": "pw", "token": "t"}, "one of"),
        ({"credentials": Path("/nowhere")}, "no file"),
        ({"replicas": 2}, "1, 3 or 5"),
        ({"wait_s": -1.0}, "engine-wait-s"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        EngineSettings(**given)  # type: ignore[arg-type]  # of any kind, to be refused


def test_secrets_are_not_shown() -> None:
    shown = repr(EngineSettings(user="me", password="s3cret"))
    assert "s3cret" not in shown
    assert "t0ken" not in repr(EngineSettings(token="t0ken"))


# --- versions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "cluster", "good"),
    [
        ("2.9.10", "", True),
        ("2.8.4", "", False),
        ("2.9.10", "c", False),
        ("2.10.22", "c", False),
        ("2.10.23", "c", True),
        ("2.12.0-RC.1", "c", True),
        ("v3.0.0", "c", True),
        ("new", "", False),
    ],
)
def test_which_servers_will_do(version: str, cluster: str, *, good: bool) -> None:
    server = ServerInfo("nats://x", version, cluster, jetstream=True, payload_bytes_max=2**20)
    if good:
        check_server(server)
    else:
        with pytest.raises(EngineError):
            check_server(server)


def test_servers_without_storage_or_room_will_not_do() -> None:
    with pytest.raises(EngineError, match="-js"):
        check_server(ServerInfo("x", "2.12.0", "", jetstream=False, payload_bytes_max=2**20))
    with pytest.raises(EngineError, match="max_payload"):
        check_server(ServerInfo("x", "2.12.0", "", jetstream=True, payload_bytes_max=1000))


# --- records -------------------------------------------------------------------------------------

NAMES = Names("w")


def stored(drafts: Sequence[Draft], first: int) -> list[Stored]:
    """Drafts as a stream holds them."""
    questions = [
        message(NAMES, 1, 5, part, expect=first + number - 1, behind=None)
        for number, part in enumerate(cut(drafts))
    ]
    return [
        Stored(first + number, each.subject, each.headers or {}, each.data)
        for number, each in enumerate(questions)
    ]


drafts = st.lists(
    st.builds(
        Draft,
        st.text(min_size=1, max_size=20),
        st.integers(0, 3).flatmap(lambda n: st.just(b"x" * (n * PART_BYTES + n))),
        st.none() | st.integers(0, 9),
    ),
    max_size=4,
)


@given(drafts)
def test_records_are_put_together_as_they_were_cut(drafts: list[Draft]) -> None:
    reader = RecordReader()
    records = [record for each in stored(drafts, 2) if (record := reader.read(each)) is not None]
    assert [Draft(each.id, each.data, each.to) for each in records] == drafts


def test_what_a_fenced_owner_did_not_finish_is_no_record() -> None:
    long = Draft("7", b"x" * (2 * PART_BYTES + 1))
    begun = stored([long], 2)[:2]
    question = claim_message(NAMES, 1, 6, "me", expect=3)
    claim = Stored(4, question.subject, question.headers or {}, b"")
    again = stored([long], 5)
    reader = RecordReader()
    records = [reader.read(each) for each in [*begun, claim, *again]]
    assert [each for each in records if each] == [Record(7, "7", None, long.data)]
    followed = RecordReader()  # by subject: without the claim
    assert [each.id for each in map(followed.read, [*begun, *again]) if each] == ["7"]
    trimmed = RecordReader()
    assert [each for each in map(trimmed.read, again[1:]) if each] == []


def test_a_part_is_known_by_its_name_and_place() -> None:
    parts = cut([Draft("a\r\nb: c ", b"x" * (PART_BYTES + 1))])
    there = stored([Draft("a\r\nb: c ", b"x" * (PART_BYTES + 1))], 2)
    assert [[is_part(each, part) for part in parts] for each in there] == [
        [True, False],
        [False, True],
    ]
    assert all("\n" not in text for each in there for text in each.headers.values())
    with pytest.raises(ValueError, match="id"):
        cut([Draft("", b"")])


# --- leases --------------------------------------------------------------------------------------


def word(sequence: int, *, epoch: int | None = None, meta: bytes = b"") -> Stored:
    return Stored(sequence, "", held_headers("me", 2.5, epoch), meta)


def test_watchers_are_told_what_changes_and_nothing_else() -> None:
    told: list[tuple[str, int, bytes]] = []

    def tell(event: DirectoryEvent) -> None:
        told.append((event.kind, event.entry.epoch, event.entry.meta))

    table = LeaseTable(tell)
    words = [
        word(3),
        word(4, epoch=3),  # a renewal
        word(6, epoch=3, meta=b"new"),
        word(5, epoch=3),  # late
        word(8),  # taken over
        Stored(9, "", released_headers("me"), b""),
        word(8),  # late
    ]
    for number, each in enumerate(words):
        table.hear("a", read_word("a", each), float(number))
    assert told == [
        ("put", 3, b""),
        ("put", 3, b"new"),
        ("gone", 3, b"new"),
        ("put", 8, b""),
        ("gone", 8, b""),
    ]
    assert table.held("") == []


def test_silence_is_counted_from_the_last_word_that_was_heard() -> None:
    told: list[str] = []
    table = LeaseTable(lambda event: told.append(event.kind))
    first = read_word("a", word(3))
    table.hear("a", first, 10.0)
    assert table.due() == {"a": 12.5}
    table.hear("a", read_word("a", word(4, epoch=3)), 11.0)
    assert table.due() == {"a": 13.5}
    assert table.ends_s("a", first) == float("inf"), "a word that was replaced ends never"
    table.expire("a", 3)
    assert told == ["put"], "what was renewed does not expire"
    table.expire("a", 4)
    table.expire("a", 4)
    assert told == ["put", "gone"]
    table.hear("a", read_word("a", word(5, epoch=3)), 20.0)
    assert told == ["put", "gone", "put"], "an incumbent may come back"


def test_names_that_are_no_names_are_refused() -> None:
    for name in ("", "a b", "a.b", "a*", "ü"):
        with pytest.raises(ValueError, match="no world"):
            Names(name)
    with pytest.raises(ValueError, match="wildcard"):
        NAMES.lease("shard.*")
    with pytest.raises(ValueError, match="holder"):
        read_word("a", Stored(1, "", {}, b""))
