"""A stream over a bad link: bytes come whole, in order, and when the link says."""

import pytest
import trio
import trio.testing

from client_demo.conditioned import ConditionedStream
from protocol.link import PRESETS, ConditionedLink, Profile


@pytest.fixture
async def ends(nursery):
    """Makes a conditioned end, and the peer's end, of a stream in memory."""

    def make(profile, seed=1):
        near, far = trio.testing.memory_stream_pair()
        conditioned = ConditionedStream(near, ConditionedLink(profile, seed))
        nursery.start_soon(conditioned.run)
        return conditioned, far

    return make


async def test_bytes_are_late_in_both_directions_by_what_the_link_takes(ends, autojump_clock):
    near, far = ends(Profile(delay_s=0.2))
    began = trio.current_time()
    await near.send_all(b"up")
    await far.send_all(b"down")
    assert await near.receive_some() == b"down"
    assert trio.current_time() - began == pytest.approx(0.2)
    assert await far.receive_some() == b"up"
    assert trio.current_time() - began == pytest.approx(0.2), "sending does not wait for arriving"


async def test_what_is_sent_while_something_is_late_is_not_late_by_that_again(ends, autojump_clock):
    near, far = ends(Profile(delay_s=1.0))
    began, heard = trio.current_time(), []
    async with trio.open_nursery() as nursery:

        async def listen():
            for _ in range(5):
                await near.receive_some()
                heard.append(trio.current_time() - began)

        nursery.start_soon(listen)
        for _ in range(5):
            await far.send_all(b"x")
            await trio.sleep(0.1)
    assert heard == pytest.approx([1.0, 1.1, 1.2, 1.3, 1.4])


async def test_everything_arrives_whole_and_in_order_over_the_worst_link(ends, autojump_clock):
    near, far = ends(PRESETS["mobile"], seed=5)
    told = bytes(range(256)) * 20
    async with trio.open_nursery() as nursery:

        async def talk():
            for at in range(0, len(told), 40):
                await far.send_all(told[at : at + 40])
                await near.send_all(told[at : at + 40])
                await trio.sleep(0.05)

        nursery.start_soon(talk)
        for stream, most in ((near, 7), (far, None)):
            heard = b""
            while len(heard) < len(told):
                heard += await stream.receive_some(most)
            assert heard == told


async def test_a_full_queue_holds_the_server_back(ends, autojump_clock):
    near, _far = ends(Profile(bytes_per_s=1000, queue_bytes=500))
    began = trio.current_time()
    for _ in range(10):
        await near.send_all(bytes(200))
    assert trio.current_time() - began == pytest.approx(1.3), "2000 bytes, less queue and the last"


async def test_the_end_comes_behind_what_was_sent_before_it(ends, autojump_clock):
    near, far = ends(Profile(delay_s=0.5))
    await far.send_all(b"last words")
    await far.aclose()
    assert await near.receive_some() == b"last words"
    assert await near.receive_some() == b""
    assert await near.receive_some() == b"", "the end stays the end"


async def test_a_broken_stream_breaks_behind_what_arrived(ends, autojump_clock):
    near, far = ends(Profile(delay_s=0.5))
    await far.aclose()
    await near.send_all(b"anybody?")
    await trio.sleep(0.6)
    with pytest.raises(trio.BrokenResourceError):
        await near.send_all(b"nobody")
