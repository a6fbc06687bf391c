"""A player at a window, in virtual time: a whole simulated server, three frames a tick."""

from typing import Any

import numpy as np
import pygame

from client_demo.window.stage import Stage
from server.testing import Sim

FRAMES_PER_TICK = 3  # sixty a second
Colour = tuple[int, int, int]


def open_window(width: int, height: int) -> pygame.Surface:
    """The window's pixels."""
    return pygame.display.set_mode((width, height), pygame.RESIZABLE)


class Desk:
    """The player's client has `latency` seconds one way. `now` is the time of the last frame,
    `events` all that the player was told of, oldest first (the window takes them from the client).
    """

    def __init__(self, game: Any, latency: float) -> None:
        self.sim = Sim(game, shards=2, seed=3)
        self.player = self.sim.join("ann", x=600, y=500, latency=latency)
        self.surface = open_window(800, 500)
        self.stage = Stage()
        self.now = self.sim.now
        self.events: list[Any] = []
        self._drawn = 0
        self.pass_frames(90)

    def frame(self, *pressed: pygame.event.Event, notice: str = "") -> None:
        """Draw the next frame, in which something is pressed."""
        if self._drawn == FRAMES_PER_TICK:
            self._drawn = 0
            self.sim.tick()
        self.now = self.sim.now + self._drawn / FRAMES_PER_TICK / self.sim.game.hz
        self._drawn += 1
        self.events += self.player.client.events
        self.stage.frame(self.surface, self.player.client, pressed, self.now, notice=notice)

    def pass_frames(self, count: int) -> None:
        """Let time pass."""
        for _ in range(count):
            self.frame()

    def avatar(self) -> Any:
        """The server's row of the player's avatar."""
        return self.sim.find(self.player.id)[1]

    def predicted(self) -> tuple[float, float]:
        """Where on the screen the client says that the avatar is to be drawn."""
        me = self.stage.scene.me
        return self.stage.camera.pixel(me.x, me.y)

    def shots(self) -> list[Any]:
        """The harpoons that the player was told of."""
        return [event for event in self.events if event.name == "Harpooned"]

    def count_of(self, colour: Colour) -> int:
        """How many pixels have this colour."""
        return len(self._pixels(colour))

    def middle_of(self, colour: Colour) -> tuple[float, float]:
        """The middle of all pixels that have this colour."""
        found = self._pixels(colour)
        assert len(found), f"nothing is {colour}"
        x, y = found.mean(axis=0).tolist()
        return x, y

    def _pixels(self, colour: Colour) -> Any:
        pixels = pygame.surfarray.array3d(self.surface).astype(int)
        return np.argwhere((abs(pixels - colour) <= 2).all(axis=2))  # blending rounds
