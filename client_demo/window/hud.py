"""What is told beside the picture: own light, weapons, the score board, help and the netcode line.

Must not know: connections, the world's rules beyond the names of a few columns.
"""

from typing import Final

import attrs
import pygame

from client_demo.canvas import Colour
from client_demo.window.controls import KEYS
from client_demo.window.scene import Scene
from client_demo.window.text import line_height, write

__all__ = ["Hud", "draw_hud"]

TEXT: Final[Colour] = (196, 204, 214)
QUIET: Final[Colour] = (118, 134, 154)
GOLD: Final[Colour] = (255, 214, 64)
WARN: Final[Colour] = (255, 150, 90)
PANEL: Final = (8, 16, 30, 150)
_MARGIN: Final = 14
_BOARD_WIDTH: Final = 186
_HELP_WIDTH: Final = 330
_ROWS: Final = 10

# What one lives by.
_LIFE: Final = ("light", "hp")
# Private columns that count down in steps, what they are waits for, and the longest, in seconds.
_WAITS: Final = (
    ("harpoon_wait", "harpoon", 1),
    ("flare_wait", "flare", 6),
    ("dash_wait", "dash", 2),
)


@attrs.frozen(kw_only=True)
class Hud:
    """What is to be told. `notice` is what keeps one from playing, `link` the simulated link."""

    netcode: list[str] = attrs.field(factory=list)
    help: bool = False
    notice: str = ""
    link: str | None = None


def draw_hud(surface: pygame.Surface, scene: Scene | None, told: Hud) -> None:
    """Write over the picture."""
    width, height = surface.get_size()
    if scene is not None:
        _own(surface, scene)
        _board(surface, scene, width)
    bottom = height - _MARGIN - line_height()
    if told.netcode:
        _panel(surface, pygame.Rect(0, bottom - 5, width, height - bottom + 5))
        write(surface, "   ".join(told.netcode), (_MARGIN, bottom), TEXT)
    if told.link is not None:  # a player must never take it for the real one
        words = f"simulated link: {told.link}"
        write(surface, words, (width - _MARGIN, bottom), WARN, align="right")
    if told.help and width >= 2 * _HELP_WIDTH:
        _help(surface, bottom - 8)
    if told.notice:
        top = height // 4  # not over the avatar
        _panel(surface, pygame.Rect(0, top - 20, width, 64))
        write(surface, told.notice, (width / 2, top), WARN, size=30, align="centre")


def _own(surface: pygame.Surface, scene: Scene) -> None:
    me, schema = scene.me, scene.client.schema
    if me is None or schema is None:
        return
    life = next((name for name in _LIFE if name in me.fields), None)
    top = _MARGIN
    if life is not None:
        amount = f"{float(me.fields[life]):.0f}"
        box = write(surface, amount, (_MARGIN, top), GOLD, size=40)
        write(surface, life, (box.right + 6, top + 13), QUIET)
        top = box.bottom + 6
    private = scene.client.private
    waits = [each for each in _WAITS if each[0] in private]
    if waits:
        _panel(surface, pygame.Rect(_MARGIN - 6, top - 5, 134, line_height() * len(waits) + 6))
    for column, name, longest_s in waits:
        left_s = float(private[column]) / schema.hz
        ready = left_s <= 0
        write(surface, name, (_MARGIN, top), TEXT if ready else QUIET)
        bar = pygame.Rect(_MARGIN + 62, top + 4, 56, 5)
        pygame.draw.rect(surface, (30, 44, 62), bar, border_radius=2)
        bar.width = round(56 * max(1 - left_s / longest_s, 0))
        pygame.draw.rect(surface, GOLD if ready else QUIET, bar, border_radius=2)
        top += line_height()


def _board(surface: pygame.Surface, scene: Scene, width: int) -> None:
    """The score board, best first, oneself in gold."""
    scores = scene.client.scores[:_ROWS]
    if not scores or width < 3 * _BOARD_WIDTH:
        return
    left, top, step = width - _BOARD_WIDTH - _MARGIN, _MARGIN, line_height()
    _panel(surface, pygame.Rect(left, top, _BOARD_WIDTH, step * len(scores) + 12))
    for place, (entity, name, score) in enumerate(scores):
        y = top + 7 + place * step
        colour = GOLD if entity == scene.client.entity else TEXT
        write(surface, f"{place + 1}", (left + 24, y), QUIET, align="right")
        write(surface, name[:14], (left + 34, y), colour)
        write(surface, f"{score:.0f}", (left + _BOARD_WIDTH - 10, y), colour, align="right")


def _help(surface: pygame.Surface, bottom: int) -> None:
    step = line_height()
    box = pygame.Rect(_MARGIN, bottom - step * len(KEYS) - 12, _HELP_WIDTH, step * len(KEYS) + 12)
    _panel(surface, box)
    for number, (keys, what) in enumerate(KEYS):
        y = box.top + 7 + number * step
        write(surface, keys, (box.left + 10, y), TEXT)
        write(surface, what, (box.left + 148, y), QUIET)


def _panel(surface: pygame.Surface, box: pygame.Rect) -> None:
    panel = pygame.Surface(box.size, pygame.SRCALPHA)
    panel.fill(PANEL)
    surface.blit(panel, box)
