"""What every bus promises."""

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from server.cluster.seams import Bus, subject_matches, subject_tokens

MakeBus = Callable[[], Bus]
Flush = Callable[[], Awaitable[None]]


async def test_messages_of_one_publisher_arrive_in_order(make_bus: MakeBus, flush: Flush) -> None:
    bus = make_bus()
    inbox = bus.subscribe("w.inbox.1", buffer=100)
    for number in range(50):
        bus.publish("w.inbox.1", bytes([number]))
    await flush()
    data = [message.data for message in inbox.take_nowait()]
    assert data == [bytes([number]) for number in range(50)], "order must be that of publishing"
    assert inbox.take_nowait() == [], "a message is delivered once"


async def test_a_pattern_selects_by_token(make_bus: MakeBus, flush: Flush) -> None:
    bus = make_bus()
    one = bus.subscribe("w.frame.*", buffer=10)
    rest = bus.subscribe("w.>", buffer=10)
    for subject in ("w.frame.0", "w.frame.1.part", "w.inbox.0", "v.frame.0"):
        bus.publish(subject, b"x")
    await flush()
    assert [message.subject for message in one.take_nowait()] == ["w.frame.0"]
    assert [message.subject for message in rest.take_nowait()] == [
        "w.frame.0",
        "w.frame.1.part",
        "w.inbox.0",
    ]


async def test_a_full_buffer_drops_its_oldest_and_counts(make_bus: MakeBus, flush: Flush) -> None:
    bus = make_bus()
    slow = bus.subscribe("a", buffer=3)
    quick = bus.subscribe("a", buffer=30)
    for number in range(5):
        bus.publish("a", bytes([number]))
    await flush()
    assert slow.statistics().dropped == 2, "what did not fit is counted"
    assert [message.data for message in slow.take_nowait()] == [b"\2", b"\3", b"\4"]
    assert len(quick.take_nowait()) == 5, "one slow reader must not cost another its messages"


async def test_a_reader_waits_and_ends_with_its_subscription(
    make_bus: MakeBus, flush: Flush, autojump_clock: trio.testing.MockClock
) -> None:
    bus = make_bus()
    subscription = bus.subscribe("a", buffer=3)
    seen: list[bytes] = []

    async def read() -> None:
        seen.extend([message.data async for message in subscription])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.sleep(0.1)
        for number in (b"1", b"2"):
            bus.publish("a", number)
            await flush()
            await trio.testing.wait_all_tasks_blocked()
        subscription.close()
        bus.publish("a", b"3")
        await flush()
    assert seen == [b"1", b"2"], "a closed subscription receives nothing more"


@pytest.mark.parametrize("subject", ["", "a..b", "a.*", "a.>", "a b", "a.b*"])
async def test_nonsense_subjects_are_refused(make_bus: MakeBus, subject: str) -> None:
    with pytest.raises(ValueError, match=r"has an? "):
        make_bus().publish(subject, b"")


async def test_only_bytes_travel(make_bus: MakeBus) -> None:
    bus = make_bus()
    with pytest.raises(TypeError, match="bytes"):
        bus.publish("a", "text")  # type: ignore[arg-type]  # the very mistake to refuse
    with pytest.raises(ValueError, match="room"):
        bus.subscribe("a", buffer=0)


tokens = st.lists(st.sampled_from("abc"), min_size=1, max_size=4)


@given(tokens, st.data())
def test_a_subject_matches_what_wildcards_make_of_it(words: list[str], data: st.DataObject) -> None:
    hidden = [data.draw(st.sampled_from([word, "*"])) for word in words]
    cut = data.draw(st.integers(0, len(words) - 1))
    assert subject_matches(subject_tokens(".".join(hidden), pattern=True), words)
    assert subject_matches([*hidden[:cut], ">"], words)
    assert not subject_matches([*hidden, "*"], words), "a star stands for exactly one token"
    assert not subject_matches([*hidden, ">"], words), "the last wildcard needs one token"
