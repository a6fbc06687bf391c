"""What an operator meets: a real `shoal serve --store` with a bad disk, folder or setting."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

SHOAL = "from server.cli import main; main()"
PATIENCE_S = 60.0


class Shoal:
    """A server as a process of its own, and what it said."""

    def __init__(self, folder: Path, *flags: str, before: str = "", game: str = "") -> None:
        self.log = folder / "said.log"
        self._from = self.log.stat().st_size if self.log.exists() else 0
        command = [sys.executable, "-c", before + SHOAL, "serve"]
        command += [game or "examples.comets:game", "--port", "0", "--log-format", "json", *flags]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def said(self) -> list[dict[str, Any]]:
        with self.log.open("rb") as log:
            log.seek(self._from)
            lines = log.read().decode().splitlines()
        return [json.loads(line) if line.startswith("{") else {"line": line} for line in lines]

    def wait_for(self, event: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for line in self.said():
                if line.get("event") == event:
                    return line
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"it never said {event!r}: {self.said()}")

    def ended(self) -> int:
        return self.process.wait(PATIENCE_S)

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.ended()

    @property
    def complaint(self) -> str:
        """The one line that is said to a person who can mend it."""
        lines = [line["line"] for line in self.said() if "line" in line]
        assert len(lines) == 1, f"one line, and no traceback: {lines}"
        assert lines[0].startswith("shoal: ")
        return str(lines[0])


@pytest.fixture
def shoal(tmp_path: Path) -> Iterator[Any]:
    running: list[Shoal] = []

    def start(*flags: str, store: Path | None = None, **options: str) -> Shoal:
        flags = ("--store", str(store or tmp_path / "store"), *flags)
        running.append(Shoal(tmp_path, *flags, **options))
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system in memory of its own; the test is skipped where none can be had."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def recovered(server: Shoal) -> list[int]:
    """How many ticks each shard replayed."""
    return [line["replayed"] for line in server.said() if line.get("event") == "shard recovered"]


def test_ctrl_c_leaves_nothing_to_replay(shoal: Any) -> None:
    first = shoal()
    first.wait_for("serving")
    assert first.interrupt() == 0
    second = shoal()
    second.wait_for("serving")
    assert recovered(second) == [0] * 4
    assert not [line for line in second.said() if line["level"] != "info"]
    assert second.interrupt() == 0


def test_a_killed_one_goes_on_and_says_so(shoal: Any) -> None:
    first = shoal()
    first.wait_for("serving")
    time.sleep(0.5)
    first.process.kill()
    first.ended()
    second = shoal()
    second.wait_for("serving")
    assert max(recovered(second)) > 0
    assert "was not closed" in second.wait_for("store")["report"]


def test_a_store_that_is_in_use_is_refused(shoal: Any) -> None:
    first = shoal()
    first.wait_for("serving")
    second = shoal()
    assert second.ended() == 2
    assert "is in use by another process" in second.complaint
    assert first.interrupt() == 0


def test_a_store_of_another_world_is_refused(shoal: Any) -> None:
    first = shoal()
    first.wait_for("serving")
    first.interrupt()
    other = shoal("--shards", "2x1", "--seed", "5")
    assert other.ended() == 2
    assert "is of another world: seed was 1 and is 5; shards was '2x2' and is '2x1'" in (
        other.complaint
    )
    assert other.complaint.endswith("geometry is another"), "nobody reads its numbers"


def test_a_damaged_store_is_refused_and_left_alone(shoal: Any, tmp_path: Path) -> None:
    first = shoal()
    first.wait_for("serving")
    first.interrupt()
    (segment,) = (tmp_path / "store").glob("journal-*")
    content = bytearray(segment.read_bytes())
    content[200] ^= 4
    segment.write_bytes(content)
    second = shoal()
    assert second.ended() == 2
    assert f"{segment.name} is damaged at byte" in second.complaint
    assert "put a copy of it back, or begin anew in another folder" in second.complaint
    assert segment.read_bytes() == content


def test_a_folder_that_takes_no_files_is_refused(shoal: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    server = shoal(store=tmp_path / "file")
    assert server.ended() == 2
    assert "cannot be had: " in server.complaint


def test_a_folder_that_is_read_only_is_refused(shoal: Any, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=8m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        server = shoal(store=disk / "store")
        assert server.ended() == 2
        assert "cannot be had: Read-only file system" in server.complaint


def test_a_disk_that_fails_to_sync_ends_the_process_and_a_restart_recovers(shoal: Any) -> None:
    broken = (
        "import os\n"
        "sync, calls = os.fdatasync, []\n"
        "def fdatasync(handle):\n"
        "    calls.append(handle)\n"
        "    if len(calls) > 30:\n"
        "        raise OSError(5, 'Input/output error')\n"
        "    sync(handle)\n"
        "os.fdatasync = fdatasync\n"
    )
    server = shoal(before=broken)
    assert server.ended() == 2
    assert server.complaint == (
        "shoal: the journal cannot be made durable: [Errno 5] Input/output error"
    )
    again = shoal()
    again.wait_for("serving")
    assert max(recovered(again)) > 0
    assert again.interrupt() == 0


def test_a_full_disk_stops_promises_and_not_the_world(shoal: Any, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=1m") as disk:
        ballast = disk / "ballast"
        server = shoal(store=disk / "store")
        server.wait_for("serving")
        left = os.statvfs(disk)
        ballast.write_bytes(bytes(left.f_bavail * left.f_bsize - 4096))
        assert "takes no more" in server.wait_for("the journal takes nothing")["reason"]
        time.sleep(0.5)
        assert server.process.poll() is None, "the world goes on"
        ballast.unlink()
        server.wait_for("the journal goes on")
        assert server.interrupt() == 0
        again = shoal(store=disk / "store")
        again.wait_for("serving")
        assert recovered(again) == [0] * 4
        assert again.interrupt() == 0


def test_a_disk_that_is_full_from_the_beginning_is_refused(shoal: Any, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=64k") as disk:
        with (disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
            while True:
                ballast.write(bytes(4096))
        server = shoal(store=disk / "store")
        assert server.ended() == 2
        assert "No space left on device" in server.complaint
