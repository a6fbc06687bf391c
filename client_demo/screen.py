"""A terminal that is painted often: only characters that have changed are written.

Over SSH that is what decides whether ten pictures a second are smooth. Resizing is noticed at the
next picture. Leaving the context gives the terminal back as it was.

Must not know: what is painted.
"""

import os
import sys
import termios
import tty
from collections.abc import Sequence
from itertools import groupby
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style

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
_PLAIN: Final = Style.null()
_GAP: Final = 6  # columns; about what moving the cursor costs

_Cells: TypeAlias = list[tuple[str, Style]]


class Screen:
    """The whole terminal of `console` while the context lasts."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._system = _SYSTEMS.get(console.color_system or "")
        self._shown: list[_Cells] = []
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
        fresh = not self._shown
        picture = [_cells(line) for line in lines[: self._size[1]]]
        known = self._shown + [[]] * (len(picture) - len(self._shown))
        changes = [
            self._change(row, column, cells[column:end])
            for row, (cells, old) in enumerate(zip(picture, known, strict=False), start=1)
            if cells != old
            for column, end in _differences(cells, old)
        ]
        self._shown = picture
        if not changes:
            return 0
        return self._write(_BEGIN + ("\x1b[0m\x1b[2J" if fresh else "") + "".join(changes) + _END)

    def _change(self, row: int, column: int, cells: _Cells) -> str:
        runs = groupby(cells, key=lambda cell: cell[1])
        return f"\x1b[{row};{column + 1}H" + "".join(
            style.render("".join(character for character, _ in run), color_system=self._system)
            for style, run in runs
        )

    def _write(self, text: str) -> int:
        self._console.file.write(text)
        self._console.file.flush()
        return len(text)


def _cells(line: Sequence[Segment]) -> _Cells:
    return [(character, segment.style or _PLAIN) for segment in line for character in segment.text]


def _differences(cells: _Cells, old: _Cells) -> list[tuple[int, int]]:
    """The spans of columns to write anew; those close together are one, to save moving there."""
    if len(cells) != len(old):
        return [(0, len(cells))]
    spans: list[tuple[int, int]] = []
    for column, (cell, before) in enumerate(zip(cells, old, strict=True)):
        if cell == before:
            continue
        if spans and column - spans[-1][1] < _GAP:
            spans[-1] = spans[-1][0], column + 1
        else:
            spans.append((column, column + 1))
    return spans


def read_keys() -> str:
    """Keys that were pressed; to be called when standard input is readable."""
    return os.read(sys.stdin.fileno(), 64).decode("utf-8", "replace")
