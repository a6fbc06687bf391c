"""The window itself: opens it, keeps the connection, and draws sixty frames a second.

One trio task reads the link, another draws and then sleeps until the next frame is due. pygame
never waits for anything, so neither task keeps the other from its work.

Must not know: what is drawn, what keys mean, what is said on the link.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs
import pygame
import trio

from client_demo.connection import Connection, LinkOptions, unwrapped
from client_demo.window.stage import Stage
from protocol.client import Client
from protocol.link import find_profile
from sim.predict import Predictor

__all__ = ["PlayOptions", "WindowError", "explain", "run_play"]

FRAMES_PER_S: Final = 60
BREATH_S: Final = 0.004  # for other tasks after each frame: one that only yields gives each a step


class WindowError(Exception):
    """There can be no window; the message says why, for a person."""


@attrs.frozen(kw_only=True)
class PlayOptions:
    """Where to play and as whom; `more_urls` are of further gateways. `link`: the preset of the bad
    link that is simulated, None for none. `size` in pixels; `seconds`: end by itself after so long;
    None never. `screenshot`: a PNG of the last frame is written there.
    """

    url: str
    more_urls: tuple[str, ...] = ()
    name: str = "diver"
    token: str | None = None
    link: str | None = None
    size: tuple[int, int] = (1024, 640)
    seconds: float | None = None
    screenshot: Path | None = None


async def run_play(options: PlayOptions) -> None:
    """Play until the player leaves, the window is closed, SIGINT or SIGTERM, or the time is up.

    Error handling: raises WindowError where no window can be opened or its screenshot cannot be
    written, ConnectionEndedError when there is no world to play in or the server wants the player
    no more, ValueError for a link that is not among the presets.
    """
    token = options.token.encode() if options.token else None
    profile = None if options.link is None else find_profile(options.link)
    connection = Connection(
        options.url,
        lambda: Client(options.name, token=token, predictor_factory=Predictor),
        # Inputs leave with the next frame.
        LinkOptions(tick_hz=FRAMES_PER_S, profile=profile, more_urls=options.more_urls),
    )
    with (
        unwrapped(),
        trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals,
        _window(options.size),
    ):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run)
            with trio.move_on_after(options.seconds or float("inf")) as playing:

                async def interrupt() -> None:
                    async for _ in signals:
                        playing.cancel()

                nursery.start_soon(interrupt)
                await _draw(connection, options)
            await connection.leave()
            nursery.cancel_scope.cancel()
        if options.screenshot is not None:
            _save(options.screenshot)


async def _draw(connection: Connection, options: PlayOptions) -> None:
    """Draw until the player leaves."""
    stage = Stage(options.link)
    due = trio.current_time()
    while not stage.controls.quits:
        surface = pygame.display.get_surface()
        assert surface is not None, "the window is open"
        notice = explain(connection, options.url)
        events = pygame.event.get()
        stage.frame(surface, connection.client, events, trio.current_time(), notice=notice)
        pygame.display.flip()
        due = max(due + 1 / FRAMES_PER_S, trio.current_time() + BREATH_S)
        await trio.sleep_until(due)


def explain(connection: Connection, url: str) -> str:
    """Why one cannot play just now; nothing if one can."""
    if connection.open:
        return ""
    if connection.client.welcome is None and not connection.statistics().disconnects:
        return f"looking for {url} ..."
    goodbye = connection.client.goodbye
    why = goodbye.reason if goodbye is not None else "connection lost"
    return f"{why}: reconnecting ..."


def _save(file: Path) -> None:
    """Write what is in the window as a PNG. Raises WindowError."""
    surface = pygame.display.get_surface()
    assert surface is not None, "the window is open"
    try:
        pygame.image.save(surface, file)
    except (pygame.error, OSError) as error:
        raise WindowError(f"the screenshot cannot be written: {error}") from None


@contextmanager
def _window(size: tuple[int, int]) -> Iterator[None]:
    """A window of so many pixels, until the block ends. Raises WindowError."""
    if not getattr(pygame, "IS_CE", False):
        raise WindowError("this is pygame, which lacks what pygame-ce has: install 'shoal[window]'")
    try:
        try:
            pygame.display.init()  # pygame.init() would open a sound device, too
            pygame.font.init()
            # Where there is no display, SDL is content to draw where nobody sees it.
            hidden = pygame.display.get_driver() in {"offscreen", "dummy"}
            if hidden and "SDL_VIDEODRIVER" not in os.environ:
                raise WindowError("there is no display to open a window on")
            pygame.display.set_caption("Shoal")
            pygame.display.set_mode(size, pygame.RESIZABLE)
        except pygame.error as error:
            raise WindowError(f"no window can be opened: {error}") from None
        yield
    finally:
        pygame.display.quit()
