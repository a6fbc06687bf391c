"""A private nats-server for tests: on a free loopback port, with a store of its own.

`find` says where the program is, or why there is none. The port stays the same over restarts.
"""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

START_S = 20.0
CLUSTER_OLDEST = (2, 10, 23)


def find() -> str:
    """The nats-server of this machine; the test is skipped without one, except in CI."""
    missing = []
    program = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
    if program is None:
        missing.append("nats-server (a package of Debian's)")
    if find_spec("nats") is None or find_spec("trio_asyncio") is None:
        missing.append("the extra 'cluster'")
    if not missing:
        assert program is not None
        return program
    reason = f"this machine lacks {' and '.join(missing)}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, which .ci/run must install")
    pytest.skip(reason)


class NatsServer:
    """One server, which can be killed, paused and started again."""

    replicas = 1

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self._program = find()
        self._folder = folder
        self._options = list(options)
        self._port = -1
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    @property
    def urls(self) -> tuple[str, ...]:
        return (self.url,)

    @property
    def version(self) -> tuple[int, ...]:
        text = subprocess.run(
            [self._program, "--version"], capture_output=True, text=True, check=True
        ).stdout
        return tuple(
            int(number) for number in text.strip().rpartition("v")[2].split("-")[0].split(".")
        )

    def start(self) -> None:
        """Run it and wait until it listens."""
        command = [self._program, "-a", "127.0.0.1", "-p", str(self._port)]
        command += ["-js", "-sd", str(self._folder / "store"), *self._options]
        command += ["--ports_file_dir", str(self._folder)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        ports = self._folder / f"nats-server_{self._process.pid}.ports"
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            if self._port < 0 and ports.exists() and (text := ports.read_text()):
                self._port = int(json.loads(text)["nats"][0].rpartition(":")[2])
            if self._port > 0 and self._listens():
                return
            time.sleep(0.02)
        raise AssertionError(f"no nats-server: {(self._folder / 'log').read_text()[-2000:]}")

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1) as link:
                return link.recv(4).startswith(b"INFO")
        except OSError:
            return False

    def kill(self) -> None:
        """End it without a chance to say goodbye."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Stop it where it is."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class NatsCluster:
    """Three servers that keep everything three times. Skipped where nats-server is too old."""

    replicas = 3

    def __init__(self, folder: Path) -> None:
        routes = [f"nats://127.0.0.1:{free_port()}" for _ in range(3)]
        self.servers: list[NatsServer] = []
        for number, route in enumerate(routes):
            (folder / f"{number}").mkdir()
            options = ["--cluster_name", "sea", "--cluster", route, "--routes", ",".join(routes)]
            options += ["--server_name", f"n{number}"]
            self.servers.append(NatsServer(folder / f"{number}", options))
        version = self.servers[0].version
        if version < CLUSTER_OLDEST:
            pytest.skip(f"nats-server {version} is too old for a cluster")

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(server.url for server in self.servers)

    def start(self) -> None:
        for server in self.servers:
            server.start()

    def kill(self) -> None:
        for server in self.servers:
            server.kill()

    def kill_one(self, chance: random.Random) -> NatsServer:
        """Kill one server, as often the leader of a stream as not; it can be started again."""
        victim = chance.choice(self.servers)
        victim.kill()
        return victim


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
