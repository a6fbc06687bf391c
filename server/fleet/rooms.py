"""Rooms: a network namespace for each member of a fleet, from which it can be cut off the engine.

A member in a room is a machine of its own as far as its network goes. Cutting it off drops what
passes between it and the engine, without a word to either, as a broken switch would; its clients
still reach it.

Resource handling: rooms are there as long as the block runs, and what runs in them must have ended.
Error handling: NoRoomsError where this machine lets us make none; the message says what it lacks.

Must not know: what runs in a room.
"""

import os
import shutil
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import attrs
import trio

__all__ = ["NoRoomsError", "Room", "Rooms", "open_rooms"]

ROOMS_MAX: Final = 200  # addresses in the subnet
_RULES: Final = """
table inet shoal {{
  chain out {{ type filter hook output priority 0; tcp dport {port} drop; }}
  chain in {{ type filter hook input priority 0; tcp sport {port} drop; }}
}}
"""


class NoRoomsError(Exception):
    """There are no rooms on this machine; the message says why."""


@attrs.frozen
class Room:
    """One namespace and its address."""

    name: str
    address: str

    @property
    def door(self) -> Sequence[str]:
        """What stands before a command that is to run in it."""
        return ["ip", "netns", "exec", self.name]

    async def cut(self, port: int) -> None:
        """Drop everything between it and whoever listens on `port` elsewhere."""
        rules = _RULES.format(port=port)
        await _run([*self.door, "nft", "-f", "-"], rules.encode())

    async def mend(self) -> None:
        """Let everything pass again."""
        await _run([*self.door, "nft", "delete", "table", "inet", "shoal"])


@attrs.frozen
class Rooms:
    """The rooms of one fleet by member, and the address at which all of them reach this machine."""

    address: str
    by_member: dict[str, Room]


@asynccontextmanager
async def open_rooms(members: Sequence[str]) -> AsyncIterator[Rooms]:
    """A room for each of `members`. Raises NoRoomsError."""
    if len(members) > ROOMS_MAX:
        raise NoRoomsError(f"there are rooms for {ROOMS_MAX} members")
    _look_for_tools()
    number = os.getpid()
    bridge, net = f"shoal{number % 10**6}", f"10.77.{number % 256}"
    names = {member: f"{bridge}-{place}" for place, member in enumerate(members, 2)}
    rooms = {
        member: Room(name, f"{net}.{place}")
        for place, (member, name) in enumerate(names.items(), 2)
    }
    try:
        await _make(bridge, f"{net}.1", rooms.values())
        yield Rooms(f"{net}.1", rooms)
    finally:
        with trio.CancelScope(shield=True):
            for room in rooms.values():
                await _run(["ip", "netns", "del", room.name], check=False)
            await _run(["ip", "link", "del", bridge], check=False)


async def _make(bridge: str, address: str, rooms: Iterable[Room]) -> None:
    await _run(["ip", "link", "add", bridge, "type", "bridge"])
    await _run(["ip", "address", "add", f"{address}/24", "dev", bridge])
    await _run(["ip", "link", "set", bridge, "up"])
    for place, room in enumerate(rooms):
        inside, outside = ["ip", "-n", room.name], f"{bridge}v{place}"
        await _run(["ip", "netns", "add", room.name])
        veth = ["type", "veth", "peer", "name", "eth0", "netns", room.name]
        await _run(["ip", "link", "add", outside, *veth])
        await _run(["ip", "link", "set", outside, "master", bridge, "up"])
        await _run([*inside, "address", "add", f"{room.address}/24", "dev", "eth0"])
        await _run([*inside, "link", "set", "eth0", "up"])
        await _run([*inside, "link", "set", "lo", "up"])
        await _run([*room.door, "nft", "list", "tables"])


def _look_for_tools() -> None:
    if os.geteuid() != 0:
        raise NoRoomsError("only root may make network namespaces")
    for tool, package in (("ip", "iproute2"), ("nft", "nftables")):
        if shutil.which(tool) is None:
            raise NoRoomsError(f"there is no {tool} (apt install {package})")


async def _run(command: Sequence[str], data: bytes = b"", *, check: bool = True) -> None:
    done = await trio.run_process(
        command, stdin=data, capture_stdout=True, capture_stderr=True, check=False
    )
    if check and done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise NoRoomsError(f"{' '.join(command)}: {said}")
