"""A terminal that is painted often: only lines that have changed are written.

Over SSH that is what decides whether ten pictures a second are smooth. Resizing is noticed at the
next picture. Leaving the context gives the terminal back as it was.

Must not know: what is painted.
"""

import os
import sys
import termios
import tty
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment

__all__ = ["Screen"]

_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[2J"  # the alternate screen, without a cursor
_LEAVE: Final = "\x1b[0m\x1b[?25h\x1b[?1049l"
# Terminals that know it show the lines of one picture together.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
_SYSTEMS: Final = {
    "standard": ColorSystem.STANDARD,
    "256": ColorSystem.EIGHT_BIT,
    "truecolor": ColorSystem.TRUECOLOR,
}


class Screen:
    """The whole terminal of `console` while the context lasts."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._system = _SYSTEMS.get(console.color_system or "")
        self._shown: list[str] = []
        self._size = (0, 0)
        self._saved: list[Any] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows, now."""
        return self._console.size.width, self._console.size.height

    def __enter__(self) -> Self:
        if sys.stdin.isatty():
            self._saved = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)  # keys arrive without Enter and are not echoed
        self._write(_ENTER)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._write(_LEAVE)
        if self._saved is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._saved)

    def show(self, lines: Sequence[Sequence[Segment]]) -> int:
        """Show `lines` from the top; how many characters were written for it."""
        if self._size != self.size:
            self._size = self.size
            self._shown = []
        texts = [self._ansi(line) for line in lines[: self._size[1]]]
        known = self._shown + [""] * (len(texts) - len(self._shown))
        changes = [
            f"\x1b[{row};1H{text}"
            for row, (text, old) in enumerate(zip(texts, known, strict=False), start=1)
            if text != old
        ]
        if not self._shown:
            changes.insert(0, "\x1b[0m\x1b[2J")
        self._shown = texts
        return self._write(_BEGIN + "".join(changes) + _END) if changes else 0

    def _ansi(self, line: Sequence[Segment]) -> str:
        return "".join(
            segment.style.render(segment.text, color_system=self._system)
            if segment.style is not None
            else segment.text
            for segment in line
        )

    def _write(self, text: str) -> int:
        self._console.file.write(text)
        self._console.file.flush()
        return len(text)


def read_keys() -> str:
    """Keys that were pressed; to be called when standard input is readable."""
    return os.read(sys.stdin.fileno(), 64).decode("utf-8", "replace")
