"""The map shows what is there, at every size."""

import io
import re

import numpy as np
import pytest
from rich.console import Console
from rich.segment import Segment
from rich.style import Style

from client_demo.canvas import Canvas
from client_demo.chart import crowds
from client_demo.picture import View, paint
from client_demo.screen import Screen


def text_of(lines) -> list[str]:
    return ["".join(segment.text for segment in line) for line in lines]


@pytest.fixture
def view(replica) -> View:
    return View(
        title="lanterns",
        geometry=replica.geometry,
        crowds=crowds(replica),
        scores=[("ann", 120.0), ("bob", 3.0)],
        facts=["tick 20", "4 shards"],
    )


def test_a_dot_is_where_it_was_put():
    canvas = Canvas(2, 1, (0, 0, 0))
    canvas.dots(np.array([0, 3, 9]), np.array([0, 3, 9]), (255, 255, 255))
    assert text_of(canvas.lines()) == ["⠁⢀"], "outside is left out"


def test_labels_never_cover_what_they_label():
    canvas = Canvas(10, 1, (0, 0, 0))
    canvas.glyph(3, 0, "●", (1, 2, 3))
    canvas.text(0, 0, "covers", (1, 2, 3))
    canvas.text(5, 0, "ann", (1, 2, 3))
    canvas.text(8, 0, "leaves", (1, 2, 3))
    assert text_of(canvas.lines()) == ["   ● ann  "]


def test_crowds_hold_every_entity_once_where_the_replica_has_it(replica):
    everyone = {crowd.kind.name: crowd for crowd in crowds(replica)}
    assert sum(len(crowd.ids) for crowd in everyone.values()) == len(replica)
    divers = everyone["Diver"]
    assert sorted(divers.texts("name")) == sorted(
        [f"ann{shard}" for shard in range(4)] + ["bob"] * 4
    )
    for entity, x, y, light in zip(
        divers.ids, divers.x, divers.y, divers.values("light"), strict=True
    ):
        seen = replica[int(entity)]
        assert (seen.x, seen.y, seen.light) == (x, y, light)


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 32), (200, 60), (40, 12)])
def test_the_picture_fills_the_terminal_exactly(view, columns, rows):
    lines = text_of(paint(view, columns, rows))
    assert len(lines) == rows
    assert {len(line) for line in lines} == {columns}


def test_the_picture_shows_borders_divers_fish_scores_and_facts(view):
    lines = text_of(paint(view, 120, 32))
    text = "\n".join(lines)
    assert "│" in text, "borders run down"
    assert "─" in text, "and across"
    assert text.count("●") >= 6, "eight divers, of which some may share a character"
    assert sum(0x2800 < ord(c) < 0x2900 for c in text) > 50, "fish"
    assert "ann0" in text, "their names"
    assert re.search(r" 1 ann +120 ", text), "the score board"
    assert "tick 20 · 4 shards" in lines[-1]


def test_a_terminal_that_is_too_small_says_so(view):
    assert "make me larger" in "".join(text_of(paint(view, 20, 5)))
    assert len(paint(view, 20, 1)) == 1


def test_only_lines_that_have_changed_are_written_again():
    console = Console(
        file=io.StringIO(), force_terminal=True, color_system="truecolor", width=40, height=3
    )
    red = Style.parse("red")
    with Screen(console) as screen:
        first = screen.show([[Segment("sea")], [Segment("fish", red)], [Segment("facts")]])
        nothing = screen.show([[Segment("sea")], [Segment("fish", red)], [Segment("facts")]])
        again = screen.show([[Segment("sea")], [Segment("fish", red)], [Segment("other")]])
        console.width = 39
        resized = screen.show([[Segment("sea")], [Segment("fish", red)], [Segment("other")]])
    assert nothing == 0
    assert again < first
    assert resized == pytest.approx(first, abs=2), "another size is painted from scratch"
    written = console.file.getvalue()
    assert written.startswith("\x1b[?1049h"), "the alternate screen"
    assert written.endswith("\x1b[?1049l"), "is left again"
