"""Every setting of the server, declared once: the flags, the environment (`SHOAL_*`), the TOML file
and the help text all derive from this class.

Invariants: frozen; checked as a whole when it is made, so that a server never starts half right.
This module knows nothing of what reads the settings.
"""

from ipaddress import ip_address, ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

import attrs
from cyclopts import Parameter


class SettingsError(ValueError):
    """A setting has a value that no server could run with; the message names it."""


def _help(text: str) -> Parameter:
    return Parameter(help=text)


@Parameter(name="*")  # the fields become the command's own flags, without a prefix
@attrs.frozen(kw_only=True)
class Settings:
    """How one Shoal process listens, cuts its world and treats its clients."""

    host: Annotated[str, _help("Address to listen on; 0.0.0.0 for every IPv4 address.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, _help("TCP port to listen on; 0 picks a free one.")] = 8642
    world: Annotated[str, _help("Name of the world; clients that name another are refused.")] = (
        "main"
    )
    shards: Annotated[str, _help("How the world is cut, columns x rows.")] = "2x2"
    splits: Annotated[
        bool, _help("Cut shards that cost too much in two, and merge them when they do no more.")
    ] = True
    shard_budget: Annotated[
        float, _help("The share of a core that a shard may take before it is cut in two.")
    ] = 0.5
    shard_cells_min: Annotated[
        int, _help("How many cells wide and high a shard that was cut is at least.")
    ] = 1
    seed: Annotated[int, _help("Seed of the world's chance.")] = 1
    store: Annotated[
        str,
        _help("Folder that keeps the world; a restart goes on from there. None: nothing is kept."),
    ] = ""
    store_sync: Annotated[
        Literal["disk", "os"],
        _help("What counts as kept: on the disk, or taken by the operating system (faster)."),
    ] = "disk"
    checkpoint_every_s: Annotated[
        float, _help("How often the whole state is kept; a restart replays what came after it.")
    ] = 10.0
    reveal: Annotated[
        bool, _help("Let observers see the whole world (maps, spectators). Not for fair play.")
    ] = False
    origins: Annotated[
        tuple[str, ...],
        _help("Web origins that may connect; none given: only pages from this very server."),
    ] = ()
    page: Annotated[
        bool | None,
        _help("Show browsers a page, on the same port; by default only shoal demo does."),
    ] = None
    clients_max: Annotated[int, _help("Clients that one process takes.")] = 4000
    client_bytes_per_s: Annotated[
        int, _help("Bytes a client is sent a second in the long run; a crowd beyond it is thinned.")
    ] = 65536
    clients_per_address_max: Annotated[int, _help("Clients that one address may hold.")] = 1000
    trusted_proxies: Annotated[
        tuple[str, ...],
        _help(
            "Addresses or networks of proxies that may say for whom they speak, by the PROXY"
            " protocol or X-Forwarded-For."
        ),
    ] = ()
    resume_grace_s: Annotated[
        float, _help("How long a player's session waits for a lost link to come back.")
    ] = 30.0
    drain_s: Annotated[float, _help("How long a shutdown may take before it is forced.")] = 5.0
    drain_wait_s: Annotated[
        float,
        _help("How long a shutdown lets clients in before it begins: load balancers need a moment"),
    ] = 0.0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _help("Least important log line shown.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "console", "json"],
        _help("Log lines for people or for machines; auto asks the terminal."),
    ] = "auto"

    def __attrs_post_init__(self) -> None:
        _check_address(self.host)
        _check_range("port", self.port, 0, 65535)
        _check_range("shard-budget", self.shard_budget, 0.01, 10)
        _check_range("shard-cells-min", self.shard_cells_min, 1, 4096)
        _check_range("seed", self.seed, 0, 2**63 - 1)
        _check_range("clients-max", self.clients_max, 1, 100_000)
        _check_range("clients-per-address-max", self.clients_per_address_max, 1, 100_000)
        _check_range("client-bytes-per-s", self.client_bytes_per_s, 1000, 10**9)
        _check_range("checkpoint-every-s", self.checkpoint_every_s, 0.5, 3600)
        _check_range("resume-grace-s", self.resume_grace_s, 0, 3600)
        _check_range("drain-s", self.drain_s, 0, 3600)
        _check_range("drain-wait-s", self.drain_wait_s, 0, 600)
        if not self.world or not self.world.isidentifier():
            raise SettingsError(f"world: {self.world!r} is not a name (letters, digits, _)")
        for origin in self.origins:
            _check_origin(origin)
        for proxy in self.trusted_proxies:
            _check_network(proxy)
        _ = self.shard_grid

    @property
    def shard_grid(self) -> tuple[int, int]:
        """`shards` as (columns, rows).

        Raises SettingsError when it is not two whole numbers of 1 to 64 with an x between.
        """
        columns, _, rows = self.shards.lower().partition("x")
        if not (columns.isdecimal() and rows.isdecimal()):
            raise SettingsError(f"shards: {self.shards!r} is not COLUMNSxROWS, for instance 2x2")
        grid = int(columns), int(rows)
        if not all(1 <= side <= 64 for side in grid):
            raise SettingsError(f"shards: {self.shards!r} has a side outside 1 to 64")
        return grid


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise SettingsError(f"{name}: {value} is not within {low} to {high}")


def _check_address(host: str) -> None:
    if host == "localhost":
        return
    try:
        ip_address(host)
    except ValueError:
        raise SettingsError(f"host: {host!r} is neither an IP address nor localhost") from None


def _check_network(network: str) -> None:
    try:
        ip_network(network)
    except ValueError:
        raise SettingsError(
            f"trusted-proxies: {network!r} is no address or network, for instance 10.0.0.0/8"
        ) from None


def _check_origin(origin: str) -> None:
    parts = urlsplit(origin)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path:
        raise SettingsError(f"origins: {origin!r} is not like https://play.example.org")
