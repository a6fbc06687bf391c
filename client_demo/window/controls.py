"""Keys and mouse buttons as a game's inputs.

A held direction is sent when it changes and holds until it changes again; a shot, a flare and a
dash happen once for each press. What a game does not have is not sent.

Must not know: connections, what is drawn.
"""

from collections.abc import Iterable
from typing import Final

import attrs
import pygame

from client_demo.heading import direction
from client_demo.senses import Act
from protocol.schema import Schema

__all__ = ["KEYS", "Controls"]

# What the help tells, in the order in which one needs it.
KEYS: Final = (
    ("W A S D or arrows", "swim"),
    ("left button", "harpoon, at the pointer"),
    ("right button", "flare, at the pointer"),
    ("Space / F", "harpoon / flare, straight ahead"),
    ("Shift", "dash"),
    ("F3", "the netcode line"),
    ("H", "this help"),
    ("Q or Esc", "leave"),
)

_SWIM: Final = {
    pygame.K_w: (0, -1), pygame.K_UP: (0, -1), pygame.K_s: (0, 1), pygame.K_DOWN: (0, 1),
    pygame.K_a: (-1, 0), pygame.K_LEFT: (-1, 0), pygame.K_d: (1, 0), pygame.K_RIGHT: (1, 0),
}  # fmt: skip
_ONCE: Final = {
    pygame.K_SPACE: "Harpoon",
    pygame.K_f: "ThrowFlare",
    pygame.K_LSHIFT: "Dash",
    pygame.K_RSHIFT: "Dash",
}
_BUTTONS: Final = {1: "Harpoon", 3: "ThrowFlare"}
_LEAVE: Final = (pygame.K_ESCAPE, pygame.K_q)
Pixel = tuple[float, float]


@attrs.define
class Controls:
    """What the player wants. `quits`, `shows_netcode` and `shows_help` are for the window."""

    quits: bool = False
    shows_netcode: bool = True
    shows_help: bool = True
    _held: set[int] = attrs.field(factory=set)
    _pressed: list[tuple[str, Pixel | None]] = attrs.field(factory=list)  # and what it was aimed at
    _ahead: tuple[float, float] = (1.0, 0.0)
    _sent: tuple[float, float] = (0.0, 0.0)

    def feed(self, events: Iterable[pygame.event.Event]) -> None:
        """Take what happened to the window since the last frame."""
        for event in events:
            if event.type == pygame.QUIT:
                self.quits = True
            elif event.type == pygame.KEYDOWN:
                self._press(event.key)
            elif event.type == pygame.KEYUP:
                self._held.discard(event.key)
            elif event.type == pygame.MOUSEBUTTONDOWN and event.button in _BUTTONS:
                self._pressed.append((_BUTTONS[event.button], event.pos))
            elif event.type == pygame.WINDOWFOCUSLOST:
                self._held.clear()  # their releases go to another window

    def begin_anew(self) -> None:
        """Another session, whose server knows of no direction yet."""
        self._sent = (0.0, 0.0)

    def forget_presses(self) -> None:
        """What was pressed since the last frame is not to happen."""
        self._pressed.clear()

    def acts(self, schema: Schema, me: Pixel | None) -> list[Act]:
        """The inputs that are due. `me` is the own avatar's pixel, None while it is not there."""
        pressed, self._pressed = self._pressed, []
        acts = self._steer(schema)
        has = {each.name: [field.name for field in each.fields] for each in schema.inputs}
        for name, target in pressed:
            if has.get(name) == []:
                acts.append(Act(name))
            elif has.get(name) == ["dx", "dy"] and me is not None:
                dx, dy = self._aim(me, target)
                acts.append(Act(name, {"dx": dx, "dy": dy}))
        return acts

    def _press(self, key: int) -> None:
        self._held.add(key)
        if key in _ONCE:
            self._pressed.append((_ONCE[key], None))
        elif key in _LEAVE:
            self.quits = True
        elif key == pygame.K_F3:
            self.shows_netcode = not self.shows_netcode
        elif key == pygame.K_h:
            self.shows_help = not self.shows_help

    def _steer(self, schema: Schema) -> list[Act]:
        ways = {_SWIM[key] for key in self._held if key in _SWIM}  # two keys may be one way
        dx, dy = direction(sum(x for x, _ in ways), sum(y for _, y in ways))
        steer = _steering(schema)
        if steer is None or (dx, dy) == self._sent:
            return []
        self._sent = dx, dy
        if (dx, dy) != (0, 0):
            self._ahead = dx, dy
        return [Act(steer, {"dx": dx, "dy": dy})]

    def _aim(self, me: Pixel, target: Pixel | None) -> tuple[float, float]:
        if target is None:
            return self._ahead
        aim = direction(target[0] - me[0], target[1] - me[1])
        return aim if any(aim) else self._ahead


def _steering(schema: Schema) -> str | None:
    """The input that the game's motion is bound to, if it has one with a direction."""
    for kind in schema.kinds:
        name = (kind.motion or {}).get("input")
        for each in schema.inputs:
            if each.name == name and [field.name for field in each.fields] == ["dx", "dy"]:
                return each.name
    return None
