"""What `shoal up` shows: a table on a terminal, a line a second elsewhere.

Must not know: the bus, how anything is run.
"""

from collections.abc import Iterable, Iterator

import trio
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from server.fleet.fleet import Fleet
from server.fleet.member import Member, State
from server.fleet.sight import Sight

__all__ = ["Picture"]

WORDS_SHOWN = 6
_STYLES = {
    State.STARTING: "yellow",
    State.RUNNING: "green",
    State.PAUSED: "magenta",
    State.DOWN: "red",
    State.STOPPING: "yellow",
    State.ENDED: "dim",
}


class Picture:
    """Pictures of one fleet, each a while after the one before."""

    def __init__(self, fleet: Fleet, sight: Sight, world: str) -> None:
        self._fleet = fleet
        self._sight = sight
        self._world = world
        self._cpu: dict[int, tuple[float, float]] = {}
        self._shares: dict[int, float] = {}

    def table(self, note: str) -> RenderableType:
        """A table of all members, what they said last, and `note`."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        for title in ("", "pid", "state", "for"):
            table.add_column(title, no_wrap=True)
        table.add_column("cpu", justify="right")
        table.add_column("starts", justify="right")
        table.add_column("", no_wrap=True)
        for member in self._fleet:
            table.add_row(*self._row(member))
        head = Text(f"world {self._world} · tick {self._sight.tick} · {self._cuts()}", style="bold")
        said = [Text(words, style="red", overflow="ellipsis") for words in self._said()]
        return Group(head, table, *said, Text(note, style="dim"))

    def line(self) -> str:
        """The same in a line."""
        members = "  ".join(
            f"{member.name} {member.state.value}{self._brief(member)}" for member in self._fleet
        )
        return f"tick {self._sight.tick}  {members}"

    def _row(self, member: Member) -> Iterable[str | Text]:
        now = trio.current_time()
        state = Text(member.state.value, style=_STYLES[member.state])
        if member.again_at is not None:
            state.append(f", again in {max(0.0, member.again_at - now):.0f} s")
        yield member.name
        yield str(member.pid or "")
        yield state
        yield _duration(now - member.since)
        yield f"{100 * self._share(member, now):.0f} %" if member.pid else ""
        yield str(member.restarts + 1)
        yield self._does(member)

    def _does(self, member: Member) -> str:
        if member.role == "node":
            shards, load = self._sight.shards(member.name), self._sight.load(member.name)
            resting = sorted(shards - self._sight.leaves)
            rest = f", at rest {' '.join(map(str, resting))}" if resting else ""
            return f"{_shards(sorted(shards - set(resting)))}{rest}, busy {100 * load:.0f} %"
        if member.role == "gateway" and member.url:
            links = self._sight.links.get(member.label, 0)
            return f"{member.url}  {links} client{'' if links == 1 else 's'}"
        return member.url

    def _cuts(self) -> str:
        """How the world is cut, and when it will be cut again."""
        settings, leaves = self._fleet.settings, len(self._sight.leaves)
        when = f"cut above {100 * settings.shard_budget:.0f} %" if settings.splits else "never cut"
        return f"{leaves} shard{'' if leaves == 1 else 's'}, {when}"

    def _brief(self, member: Member) -> str:
        if member.role == "node":
            return f" ({len(self._sight.shards(member.name))} shards)"
        if member.role == "gateway":
            return f" ({self._sight.links.get(member.label, 0)} clients)"
        return ""

    def _said(self) -> Iterator[str]:
        words = [(at, each.name, said) for each in self._fleet for at, said in each.words]
        yield from (f"{name}: {text}" for _, name, text in sorted(words)[-WORDS_SHOWN:])

    def _share(self, member: Member, now: float) -> float:
        """Of a core, since the last picture a second ago or more."""
        pid = member.pid
        assert pid is not None, "only of those that run"
        then, used = self._cpu.get(pid, (0.0, 0.0))
        if now - then >= 1:
            self._cpu[pid] = now, member.cpu_s
            self._shares[pid] = (member.cpu_s - used) / (now - then) if then else 0.0
        return self._shares.get(pid, 0.0)


def _shards(shards: list[int]) -> str:
    if not shards:
        return "no shards"
    return f"shard{'' if len(shards) == 1 else 's'} {' '.join(map(str, shards))}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
