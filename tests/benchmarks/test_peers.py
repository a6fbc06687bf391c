"""The benchmark's peers do what the benchmark takes them to do.

They run on Node.js with packages that `make` does not install: absent, these tests are skipped.
Where `CI` is set the packages are installed first.
"""

import os
import signal
import socket
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from benchmarks.interest import peers
from benchmarks.interest.children import Child, ChildFailedError

PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"
ANSWER = {
    "ticks", "hz", "tick_interval_ms_p50", "tick_interval_ms_p99", "tick_interval_ms_max",
    "clients", "entities", "visible", "inputs", "sim_ms", "send_ms",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def short_of_nothing() -> None:
    """Node.js and the packages."""
    if peers.find_node() is None:
        pytest.skip("the peers run on Node.js, which is not here")
    if os.environ.get("CI"):
        peers.install(print)
    if missing := peers.missing_packages():
        pytest.skip(f"not installed in benchmarks/peers: {', '.join(missing)}")


def running(name: str, **options: object) -> AbstractContextManager[Child]:
    """A peer that ends with the block."""
    return Child.running(peers.command(name, options), core=0)


def raw_client(port: int) -> socket.socket:
    """A WebSocket that is open, with nothing read beyond the answer to its request."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=5)
    sock.sendall(
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: c2hvYWwgb2Ygc21hbGwgZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read(sock, 1)
    assert b" 101 " in head
    return sock


def read(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        assert more, "the server hung up"
        data += more
    return data


def test_colyseus_plays_by_the_rules_and_its_clients_hold_the_truth() -> None:
    with running("colyseus", port=0, roamers=120, side=160.0, seed=1) as colyseus:
        ready = colyseus.wait_ready(20)
        colyseus.tell("start")
        verdict = peers.validate(ready["port"], core=1)
        told = colyseus.ask("stop")
    assert ready["ready"]
    assert ready["version"].startswith("colyseus 0.18.")
    assert verdict["checks"] > 0, "a verdict without checks says nothing"
    assert verdict["set_differs"] == 0, "entities are missing or surplus"
    assert verdict["value_differs"] == 0, "entities differ"
    assert 10 < verdict["visible"] < 70, "about 5 are in each of at most 9 cells"
    assert set(told) >= ANSWER
    assert told["inputs"] == verdict["checks"], "each check came with an input"
    assert told["entities"] - told["clients"] == 120
    assert 5 < told["hz"] < 25
    assert told["sim_ms"] > 0
    assert told["send_ms"] > 0


def test_the_floor_sends_and_counts() -> None:
    with running("floor", port=0, bytes=300) as floor:
        ready = floor.wait_ready(20)
        with raw_client(ready["port"]) as sock:
            floor.tell("start")
            for message in range(8):
                assert read(sock, 4) == b"\x82\x7e" + (300).to_bytes(2), "a message as long as said"
                assert len(read(sock, 300)) == 300
                if message == 3:  # the start has been heard by now
                    sock.sendall(b"\x82\x83\x00\x00\x00\x00\x0d\x00\x01")
            told = floor.ask("stop")
        floor.tell("start")
        empty = floor.ask("stop")
    assert ready["version"].startswith("ws ")
    assert set(told) >= ANSWER
    assert told["clients"] == 1
    assert told["inputs"] == 1
    assert told["ticks"] >= 5
    assert told["hz"] < 25
    assert empty["ticks"] <= 1, "what happened before the start belongs to no window"
    assert empty["hz"] == 0, "without an interval there is no rate"


def test_a_peer_ends_when_it_is_told_to() -> None:
    with subprocess.Popen(
        peers.command("floor", {"port": 0}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0


@pytest.mark.parametrize("options", [{"side": 3000}, {"side": "wide"}, {"port": 0}])
def test_options_that_make_no_sense_are_refused_with_words(options: dict[str, object]) -> None:
    words = r"exit code 1\)\n.*(smaller world|--side wants a number)"
    with running("colyseus", **options) as colyseus, pytest.raises(ChildFailedError, match=words):
        colyseus.wait_ready(20)


def test_a_verdict_on_nobody_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ChildFailedError, match="without a verdict"):
        peers.validate(port, core=1)
