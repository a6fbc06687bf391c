"""The picture that `shoal watch` shows: a title, the map, the score board, a line of statistics.

Must not know: terminals, connections.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import attrs
from rich.segment import Segment
from rich.style import Style

from client_demo import limits
from client_demo.canvas import Canvas
from client_demo.chart import Crowd, draw
from client_demo.looks import SEA
from protocol.geometry import Geometry

__all__ = ["View", "paint"]

Line = list[Segment]

_TITLE: Final = Style.parse("bold #ffecbe on #101c30")
_BAR: Final = Style.parse("#9fb3c8 on #101c30")
_NAME: Final = Style.parse("#c9c2ae")
_SCORE: Final = Style.parse("bold #ffd640")
_QUIET: Final = Style.parse("#62738a")
_BOARD_COLUMNS: Final = 26


@attrs.frozen(kw_only=True)
class View:
    """What there is to show. `facts` go into the line at the bottom, most important first."""

    title: str
    geometry: Geometry
    crowds: list[Crowd]
    scores: Sequence[tuple[str, float]] = ()
    facts: Iterable[str] = ()


def paint(view: View, columns: int, rows: int) -> list[Line]:
    """The picture for a terminal of this size, one list of segments per row."""
    board = _BOARD_COLUMNS if columns >= 4 * _BOARD_COLUMNS and view.scores else 0
    map_columns, map_rows = columns - board, rows - 2
    if map_columns < limits.MAP_COLUMNS_MIN or map_rows < limits.MAP_ROWS_MIN:
        return [_bar(view.title, columns, _TITLE), _bar("make me larger", columns, _BAR)][:rows]
    canvas = Canvas(map_columns, map_rows, SEA)
    draw(canvas, view.geometry, view.crowds)
    middle = canvas.lines()
    if board:
        beside = _board(view.scores, map_rows)
        middle = [line + more for line, more in zip(middle, beside, strict=True)]
    return [
        _bar(view.title, columns, _TITLE),
        *middle,
        _bar(" · ".join(view.facts), columns, _BAR),
    ]


def _bar(text: str, columns: int, style: Style) -> Line:
    return [Segment(f" {text}"[:columns].ljust(columns), style)]


def _board(scores: Sequence[tuple[str, float]], rows: int) -> list[Line]:
    """The best, by their light, one a row."""
    lines = [[Segment("  brightest".ljust(_BOARD_COLUMNS), _QUIET)]]
    for place, (name, score) in enumerate(scores[: rows - 1], start=1):
        plain = "".join(c for c in name if c.isprintable() and c.isascii())[:12]
        lines.append(
            [
                Segment(f" {place:2} ", _QUIET),
                Segment(plain.ljust(13), _NAME),
                Segment(f"{score:8.0f} ", _SCORE),
            ]
        )
    blank = [Segment(" " * _BOARD_COLUMNS)]
    return lines + [blank] * (rows - len(lines))
