"""Getting to the engine, and being told clearly why that is not possible."""

import asyncio
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from tests.server.cluster.nats_server import NatsServer

pytest.importorskip("trio_asyncio", reason="needs the extra 'cluster'")

from server.cluster.nats.engine import open_engine
from server.cluster.nats.errors import EngineError
from server.cluster.nats.settings import EngineSettings
from tests.server.cluster.nats import accounts


@contextmanager
def running(folder: Path, *options: str) -> Iterator[NatsServer]:
    server = NatsServer(folder, options)
    server.start()
    try:
        yield server
    finally:
        server.kill()


async def speak(settings: EngineSettings) -> None:
    """Open the engine and use each of its three things."""
    async with open_engine(settings, "w") as engine:
        here = engine.bus.subscribe("a", buffer=1)
        engine.bus.publish("a", b"x")
        await engine.flush()
        assert len(here.take_nowait()) == 1
        lease = await engine.directory.acquire("a", b"", 2.5)
        assert lease is not None
        await engine.journal.claim(1, lease.epoch)


async def test_nobody_there_is_told_after_the_wait() -> None:
    settings = EngineSettings(urls=("nats://127.0.0.1:9",), wait_s=0.2)
    with pytest.raises(EngineError, match=r"no engine at nats://127\.0\.0\.1:9"):
        await speak(settings)


async def test_a_start_waits_for_an_engine_that_comes(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.kill()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak, EngineSettings(urls=(server.url,), wait_s=60))
            await trio.sleep(0.3)
            await trio.to_thread.run_sync(server.start)


async def test_the_first_server_that_answers_is_taken(nats_server: NatsServer) -> None:
    await speak(EngineSettings(urls=("nats://127.0.0.1:9", nats_server.url), wait_s=0))


async def test_users_and_tokens(tmp_path: Path) -> None:
    (tmp_path / "user").mkdir()
    (tmp_path / "token").mkdir()
    with running(tmp_path / "user", "--user", "shoal", "--pass", "s3cret") as server:
        await speak(EngineSettings(urls=(server.url,), user="shoal", password="s3cret"))
        wrong = EngineSettings(urls=(server.url,), user="shoal", password="x", wait_s=600)
        with pytest.raises(EngineError, match=r"(?i)authorization"), trio.fail_after(30):
            await speak(wrong)
    with running(tmp_path / "token", "--auth", "t0ken") as server:
        await speak(EngineSettings(urls=(server.url,), token="t0ken"))
        with pytest.raises(EngineError, match=r"(?i)authorization"), trio.fail_after(30):
            await speak(EngineSettings(urls=(server.url,), wait_s=600))


async def test_both_ends_know_each_other_by_certificates(tmp_path: Path) -> None:
    ca, cert, key = make_certificates(tmp_path)
    options = ("--tlsverify", "--tlscert", cert, "--tlskey", key, "--tlscacert", ca)
    with running(tmp_path, *(str(each) for each in options)) as server:
        await speak(EngineSettings(urls=(server.url,), tls_ca=ca, tls_cert=cert, tls_key=key))
        with pytest.raises(EngineError, match="no engine at"), trio.fail_after(30):
            await speak(EngineSettings(urls=(server.url,), tls_ca=ca, wait_s=0))
        secure = server.url.replace("nats://", "tls://")
        with pytest.raises(EngineError, match=r"(?i)certificate"), trio.fail_after(30):
            await speak(EngineSettings(urls=(secure,), tls_cert=cert, tls_key=key, wait_s=600))


async def test_a_credentials_file_opens_an_account(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    configuration, credentials = accounts.write(tmp_path)
    _, stranger = accounts.write(tmp_path / "other")
    with running(tmp_path, "-c", str(configuration)) as server:
        await speak(EngineSettings(urls=(server.url,), credentials=credentials))
        wrong = EngineSettings(urls=(server.url,), credentials=stranger, wait_s=600)
        with pytest.raises(EngineError, match=r"(?i)authorization"), trio.fail_after(30):
            await speak(wrong)


async def test_what_is_too_long_or_too_much_is_dropped_and_counted(
    nats_server: NatsServer,
) -> None:
    async with open_engine(EngineSettings(urls=(nats_server.url,)), "much") as engine:
        here = engine.bus.subscribe("a", buffer=1000)
        engine.bus.publish("a", bytes(2 * 1024 * 1024))
        await engine.flush()
        assert engine.statistics().dropped == 1, "it is longer than the server takes"
        for _ in range(100):  # without a moment for the socket
            engine.bus.publish("a", bytes(100_000))
        await engine.flush()
        dropped = engine.statistics().dropped - 1
        assert 0 < dropped < 100
        assert len(here.take_nowait()) == 100 - dropped
        assert engine.statistics().connections == 1


def test_asyncio_outside_of_trio_is_what_it_was() -> None:
    loop = asyncio.new_event_loop()
    assert type(loop).__module__.startswith("asyncio."), "others' asyncio code must still run"
    loop.close()


def make_certificates(folder: Path) -> tuple[Path, Path, Path]:
    """An authority of our own, and a certificate of 127.0.0.1 by it: (authority, its, its key)."""
    ca, ca_key, request = folder / "ca.pem", folder / "ca.key", folder / "request"
    cert, key, extra = folder / "cert.pem", folder / "cert.key", folder / "extra"
    extra.write_text("subjectAltName=IP:127.0.0.1\n")
    new = ("req", "-newkey", "rsa:2048", "-nodes")
    openssl(*new, "-x509", "-days", "2", "-subj", "/CN=ca", "-keyout", ca_key, "-out", ca)
    openssl(*new, "-subj", "/CN=shoal", "-keyout", key, "-out", request)
    sign = ("x509", "-req", "-days", "2", "-CAcreateserial", "-extfile", extra)
    openssl(*sign, "-in", request, "-CA", ca, "-CAkey", ca_key, "-out", cert)
    return ca, cert, key


def openssl(*words: str | Path) -> None:
    command: Sequence[str] = ["openssl", *(str(word) for word in words)]
    subprocess.run(command, check=True, capture_output=True)


async def test_an_old_cluster_is_refused_by_name(tmp_path: Path) -> None:
    cluster = ("--cluster_name", "sea", "--cluster", "nats://127.0.0.1:-1", "--server_name", "one")
    with running(tmp_path, *cluster, "--routes", "nats://127.0.0.1:9") as server:
        if server.version >= (2, 10, 23):
            pytest.skip(f"this nats-server is new enough for a cluster: {server.version}")
        with pytest.raises(EngineError, match=r"cluster 'sea'.*upgrade"), trio.fail_after(30):
            await speak(EngineSettings(urls=(server.url,), wait_s=600))


async def test_more_replicas_than_servers_are_refused(nats_server: NatsServer) -> None:
    with pytest.raises(EngineError, match="with 3 replicas"), trio.fail_after(30):
        async with open_engine(EngineSettings(urls=(nats_server.url,), replicas=3), "replicas"):
            pass


async def test_worlds_do_not_hear_each_other(nats_server: NatsServer) -> None:
    settings = EngineSettings(urls=(nats_server.url,))
    async with open_engine(settings, "one") as one, open_engine(settings, "two") as two:
        heard = two.bus.subscribe(">", buffer=10)
        one.bus.publish("a", b"x")
        await one.flush()
        await two.flush()
        assert heard.take_nowait() == []
        assert await one.directory.acquire("a", b"", 2.5) is not None
        assert await two.directory.acquire("a", b"", 2.5) is not None
        assert await one.journal.claim(1, epoch=7) == await two.journal.claim(1, epoch=3)
    with pytest.raises(ValueError, match="no world"):
        async with open_engine(settings, "one.two"):
            pass
