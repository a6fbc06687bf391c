"""The peer: `@geckos.io/snapshot-interpolation`, which draws the same arrivals in Node.js.

It is given whole positions, as they were sent, of everybody whom the player was told of, so it
needs no protocol of ours. Its package is pinned in `peer/package.json`.

Must not know: how pictures are judged.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.smoothness.pictures import Arrival, Floats, Pictures
from protocol import messages
from protocol.client import Client

__all__ = ["NAME", "PeerMissing", "geckos", "install", "missing"]

NAME: Final = "@geckos.io/snapshot-interpolation"
_HOME: Final = Path(__file__).parent / "peer"
_RUN_S: Final = 1200.0
_INSTALL_S: Final = 300.0


class PeerMissing(Exception):  # noqa: N818 - it is a reason to do without, not a fault
    """The peer cannot be run here; the message says why."""


def missing() -> str | None:
    """Why the peer cannot be run; None if it can."""
    if shutil.which("node") is None:
        return "Node.js (`node`), in which the peer is written, is not on the path"
    wanted = _read(_HOME / "package.json")["dependencies"][NAME]
    installed = _HOME / "node_modules" / NAME / "package.json"
    if not installed.exists() or _read(installed)["version"] != wanted:
        return f"{NAME} {wanted} is not installed in benchmarks/smoothness/peer"
    return None


def install(log: Callable[[str], None]) -> None:
    """Have the peer's package where it looks for it. Raises PeerMissing."""
    if missing() is None:
        return
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise PeerMissing(missing() if npm else f"npm, which would install {NAME}, is not there")
    log(f"installing {NAME}")
    argv = [npm, "ci", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            argv, cwd=_HOME, capture_output=True, text=True, check=False, timeout=_INSTALL_S
        )
    except subprocess.TimeoutExpired:
        raise PeerMissing(f"npm did not end within {_INSTALL_S:g} s") from None
    if done.returncode != 0:
        raise PeerMissing(f"npm failed (exit code {done.returncode}):\n{done.stderr.strip()}")


def geckos(
    arrivals: Sequence[Arrival],
    frames: Floats,
    own: int,
    *,
    hz: int,
    buffers_ms: Sequence[float | None],
) -> Iterator[Pictures]:
    """What the peer draws of all but `own`, with each of the buffers; None is its own choice.

    Raises PeerMissing.
    """
    reason, node = missing(), shutil.which("node")
    if reason is not None or node is None:
        raise PeerMissing(reason)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        told = {
            "fps": hz,
            "frames": frames.tolist(),
            "snapshots": list(_positions(arrivals, own)),
            "buffers": list(buffers_ms),
        }
        (home / "input.json").write_text(json.dumps(told))
        argv = [node, str(_HOME / "geckos.mjs"), str(home / "input.json"), str(home / "out")]
        subprocess.run(argv, check=True, timeout=_RUN_S)
        for index in range(len(buffers_ms)):
            yield read(np.fromfile(home / f"out{index}.bin"))


def read(doubles: Floats) -> Pictures:
    """Pictures as `geckos.mjs` writes them."""
    heads, bodies, at = [], [], 0
    while at < len(doubles):
        heads.append(doubles[at : at + 4])
        count = int(doubles[at + 4])
        at += 5
        bodies.append(doubles[at : at + 3 * count].reshape(count, 3))
        at += 3 * count
    head = np.array(heads).reshape(-1, 4)
    body = np.concatenate(bodies) if bodies else np.empty((0, 3))
    return Pictures(
        now=head[:, 0],
        clock=head[:, 1],
        picture=head[:, 2],
        starving=head[:, 3] > 0,
        frame=np.repeat(np.arange(len(bodies)), [len(rows) for rows in bodies]),
        entity=body[:, 0].astype(np.int64),
        place=body[:, 1:],
    )


def _positions(arrivals: Sequence[Arrival], own: int) -> Iterator[dict[str, Any]]:
    """Every snapshot as whole positions."""
    client = Client(playback=False)
    client.start()
    for arrival in arrivals:
        message = client.receive(arrival.data, arrival.at)
        client.outgoing()
        if isinstance(message, messages.Snapshot):
            replica = client.replica
            assert replica is not None, "a snapshot follows the welcome"
            views = [view for one in replica.ids() if one != own and (view := replica.entity(one))]
            yield {
                "at": arrival.at,
                "tick": message.tick,
                "ids": [view.id for view in views],
                "xs": [view.x for view in views],
                "ys": [view.y for view in views],
            }


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document
