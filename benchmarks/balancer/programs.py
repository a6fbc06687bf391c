"""The programs of a deployment, started for real: nats-server, a node, gateways, HAProxy or nginx.

Each is a process with a log of its own in one folder; all end with the block.

Must not know: what is measured.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from string import Template
from typing import Final

import attrs
import trio

from benchmarks.ports import free_port

__all__ = ["Deployment", "DeploymentError", "Program", "find"]

ROOT: Final = Path(__file__).resolve().parents[2]
HOST: Final = "127.0.0.1"
START_S: Final = 60.0  # on a busy machine; a program that is not there by then will not come
END_S: Final = 5.0
LOOK_S: Final = 0.05

_NGINX: Final = """\
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    include {folder}/shoal.conf;
}}
"""


class DeploymentError(Exception):
    """A program is missing, ended, or does not do what it should; the message says which."""


def find(name: str) -> str:
    """Where a program is. Raises DeploymentError."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if path is None:
        raise DeploymentError(f"there is no {name} on this machine")
    return path


@attrs.define(eq=False)
class Program:
    """A process that runs."""

    name: str
    process: trio.Process
    log: Path

    @property
    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def wait_ended(self, patience_s: float) -> int:
        """Its exit code. Raises DeploymentError when it does not end."""
        with trio.move_on_after(patience_s):
            return await self.process.wait()
        raise DeploymentError(f"{self.name} does not end: {self.last_words}")

    async def wait_until(self, there: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait for something that it does. Raises DeploymentError."""
        with trio.move_on_after(START_S):
            while not await there():
                if self.process.poll() is not None:
                    break
                await trio.sleep(LOOK_S)
            else:
                return
        raise DeploymentError(f"{self.name}: {what} never came to be: {self.last_words}")


class Deployment:
    """What runs, in `folder`. Ports are chosen when it is made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs: list[Program] = []
        self.engine_port = free_port()
        self.health_port = free_port()
        self.gateway_ports = (free_port(), free_port())
        self.proxy_port = free_port()
        self.certificate = folder / "certificate.pem"
        self.key = folder / "key.pem"

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path) -> AsyncIterator["Deployment"]:
        """An empty one; whatever is started in it ends with the block."""
        deployment = cls(folder)
        try:
            yield deployment
        finally:
            with trio.CancelScope(shield=True):
                for program in reversed(deployment.programs):
                    program.process.terminate()
                with trio.move_on_after(END_S):
                    for program in deployment.programs:
                        await program.process.wait()
                for program in deployment.programs:
                    program.process.kill()
                    await program.process.wait()

    async def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: dict[str, str] | None = None,
        piped: bool = False,
    ) -> Program:
        """Start a program; `piped` lets one hear its standard output."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as words:
            process = await trio.lowlevel.open_process(
                command,
                cwd=ROOT,
                stdout=subprocess.PIPE if piped else words,
                stderr=words,
                env={**os.environ, **(environment or {})},
            )
        program = Program(name, process, log)
        self.programs.append(program)
        return program

    # --- the world -------------------------------------------------------------------------------

    async def start_engine(self) -> None:
        """A nats-server with JetStream."""
        command = [find("nats-server"), "-a", HOST, "-p", str(self.engine_port)]
        program = await self.start("nats", [*command, "-js", "-sd", str(self.folder / "store")])
        await program.wait_until(lambda: _accepts(self.engine_port), "its port")

    async def start_node(self) -> Program:
        """A node that runs all shards; it is ready."""
        health = ["--health-port", str(self.health_port)]
        program = await self.start("node", [*self._shoal("node"), *health])
        await program.wait_until(lambda: ready(self.health_port), "readiness")
        return program

    async def start_gateway(self, number: int, *, drain_s: float, drain_wait_s: float) -> Program:
        """Gateway 0 or 1; it is ready."""
        port = self.gateway_ports[number]
        drain = ["--drain-s", str(drain_s), "--drain-wait-s", str(drain_wait_s)]
        options = ["--port", str(port), "--trusted-proxies", HOST, *drain]
        program = await self.start(f"gateway{number}", [*self._shoal("gateway"), *options])
        await program.wait_until(lambda: ready(port), "readiness")
        return program

    def _shoal(self, role: str) -> list[str]:
        engine = f"nats://{HOST}:{self.engine_port}"
        start = [sys.executable, "-c", "from server.cli import main; main()", role]
        return [*start, "--engine", engine, "--log-format", "json"]

    # --- what players meet -----------------------------------------------------------------------

    async def start_proxy(self, kind: str) -> Program:
        """HAProxy or nginx as `deploy/` has it, with a certificate of its own."""
        await self._make_certificate()
        gateways = {
            f"SHOAL_GATEWAY_{number}": f"{HOST}:{port}"
            for number, port in enumerate(self.gateway_ports, start=1)
        }
        start = {"haproxy": self._start_haproxy, "nginx": self._start_nginx}[kind]
        program = await start(gateways)
        await program.wait_until(lambda: _accepts(self.proxy_port), "its port")
        return program

    async def _start_haproxy(self, gateways: dict[str, str]) -> Program:
        both = self.folder / "both.pem"
        both.write_text(self.certificate.read_text() + self.key.read_text())
        environment = {
            "SHOAL_BIND": f"{HOST}:{self.proxy_port}",
            "SHOAL_CERTIFICATE": str(both),
            **gateways,
        }
        configuration = str(ROOT / "deploy/haproxy/haproxy.cfg")
        command = [find("haproxy"), "-db", "-f", configuration]
        return await self.start("haproxy", command, environment=environment)

    async def _start_nginx(self, gateways: dict[str, str]) -> Program:
        template = Template((ROOT / "deploy/nginx/shoal.conf.template").read_text())
        site = template.safe_substitute(  # like envsubst: what is none of these stays as it is
            SHOAL_LISTEN=f"{HOST}:{self.proxy_port}",
            SHOAL_CERTIFICATE=str(self.certificate),
            SHOAL_CERTIFICATE_KEY=str(self.key),
            **gateways,
        )
        (self.folder / "shoal.conf").write_text(site)
        main = self.folder / "nginx.conf"
        main.write_text(_NGINX.format(folder=self.folder))
        command = [find("nginx"), "-p", str(self.folder), "-c", str(main), "-g", "daemon off;"]
        return await self.start("nginx", command)

    async def _make_certificate(self) -> None:
        command = [find("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        command += ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=IP:{HOST}"]
        command += ["-keyout", str(self.key), "-out", str(self.certificate)]
        await trio.run_process(command, capture_stderr=True)

    async def start_bots(self, count: int) -> Program:
        """Bots that come in through the proxy and trust its certificate."""
        url = f"wss://{HOST}:{self.proxy_port}"
        command = [sys.executable, "-m", "client_demo", "bots", "--url", url, "--json"]
        return await self.start(
            "bots",
            [*command, "--count", str(count)],
            environment={"SSL_CERT_FILE": str(self.certificate)},
            piped=True,
        )


async def ready(port: int) -> bool:
    """Whether a process says of itself that it is ready."""
    return await _status(port, "/readyz") == 200


async def _status(port: int, path: str) -> int:
    """The HTTP status of a GET, 0 when nobody answers."""
    try:
        async with await trio.open_tcp_stream(HOST, port) as stream:
            await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            said = await stream.receive_some(64)
    except (OSError, trio.BrokenResourceError):
        return 0
    words = said.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


async def _accepts(port: int) -> bool:
    try:
        async with await trio.open_tcp_stream(HOST, port):
            return True
    except OSError:
        return False
