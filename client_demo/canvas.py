"""A picture made of terminal characters: dots, glyphs and colours, from numpy columns.

Each character holds 2 x 4 dots (the braille patterns), which are about square on a terminal. Layers
are painted in the order of the calls: a later glyph covers an earlier one, and any glyph covers
dots.

Must not know: worlds, clients.
"""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

__all__ = ["Canvas", "Colour", "mix"]

Colour = tuple[int, int, int]
Ints = npt.NDArray[np.int64]

_BRAILLE: Final = 0x2800
# The bit of the dot in column x and row y of a character, as Unicode numbers them.
_DOT_BITS: Final = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)


class Canvas:
    """`columns` x `rows` characters. Dot (0, 0) is at the top left."""

    def __init__(self, columns: int, rows: int, background: Colour) -> None:
        self.columns = columns
        self.rows = rows
        self.background = np.empty((rows, columns, 3), np.uint8)
        self.background[:] = background
        self._dots = np.zeros((rows, columns), np.uint8)
        self._ink = np.zeros((rows, columns, 3), np.uint8)
        self._glyphs: dict[tuple[int, int], tuple[str, Colour]] = {}

    def dots(self, xs: Ints, ys: Ints, colour: Colour) -> None:
        """Set dots; a character has one colour, that of its last dot. Outside is left out."""
        inside = (xs >= 0) & (ys >= 0) & (xs < 2 * self.columns) & (ys < 4 * self.rows)
        xs, ys = xs[inside], ys[inside]
        rows, columns = ys // 4, xs // 2
        np.bitwise_or.at(self._dots, (rows, columns), _DOT_BITS[ys % 4, xs % 2])
        self._ink[rows, columns] = colour

    def glyph(self, column: int, row: int, glyph: str, colour: Colour) -> None:
        """Put one character of a single cell's width. Outside is left out."""
        if 0 <= column < self.columns and 0 <= row < self.rows:
            self._glyphs[row, column] = glyph, colour

    def text(self, column: int, row: int, text: str, colour: Colour) -> None:
        """Put plain characters in a row, unless they would cover a glyph or leave the canvas."""
        places = [(row, column + offset) for offset in range(len(text))]
        free = not any(place in self._glyphs for place in places)
        if free and 0 <= row < self.rows and 0 <= column <= self.columns - len(text):
            for place, character in zip(places, text, strict=True):
                self._glyphs[place] = character, colour

    def lines(self) -> list[list[Segment]]:
        """The rows as rich segments, runs of one style together."""
        return [self._line(row) for row in range(self.rows)]

    def _line(self, row: int) -> list[Segment]:
        dots = self._dots[row].tolist()
        inks = self._ink[row].tolist()
        backgrounds = self.background[row].tolist()
        segments: list[Segment] = []
        run, run_style = "", None
        for column in range(self.columns):
            glyph = self._glyphs.get((row, column))
            if glyph is not None:
                character, ink = glyph
            elif dots[column]:
                character, ink = chr(_BRAILLE + dots[column]), tuple(inks[column])
            else:
                character, ink = " ", None
            style = _style(ink, tuple(backgrounds[column]))
            if style is not run_style and run:
                segments.append(Segment(run, run_style))
                run = ""
            run, run_style = run + character, style
        segments.append(Segment(run, run_style))
        return segments


@lru_cache(maxsize=4096)
def _style(ink: Colour | None, background: Colour) -> Style:
    colour = None if ink is None else Color.from_rgb(*ink)
    return Style(color=colour, bgcolor=Color.from_rgb(*background))


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """A colour between two: `share` of the other."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
