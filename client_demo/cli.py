"""The subcommands `shoal bots`, `watch` and `play`, which the `shoal` command finds by entry point.

Plain functions with annotated keyword parameters; the help is made of them. Errors that a person
can mend are one line on standard error and exit code 1.
"""

import json as json_format
import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import trio
from cyclopts import Parameter
from rich.console import Console

from client_demo import limits
from client_demo.bots import BotOptions, Report, run_bots
from client_demo.connection import ConnectionEndedError
from client_demo.watch import WatchOptions, run_watch
from protocol.link import PRESETS, find_profile

__all__ = ["bots", "play", "watch"]

Urls = Annotated[
    tuple[str, ...],
    Parameter(help="Where the world is, ws:// or wss://; once for each of several gateways."),
]
URLS_DEFAULT: Final = ("ws://127.0.0.1:8642",)


def bots(
    *,
    url: Urls = URLS_DEFAULT,
    count: Annotated[int, Parameter(help="How many bots play.")] = 50,
    seconds: Annotated[float | None, Parameter(help="Leave after so long; else Ctrl-C.")] = None,
    joins_per_s: Annotated[
        float, Parameter(help="How many join in a second.")
    ] = limits.JOINS_PER_S,
    think_hz: Annotated[float, Parameter(help="Decisions of each bot in a second.")] = 3.0,
    seed: Annotated[int, Parameter(help="Seed of the bots' chance.")] = 1,
    name: Annotated[str, Parameter(help="What the bots are called, with a number.")] = "bot",
    token: Annotated[str | None, Parameter(help="Token that the server asks for.")] = None,
    more: Annotated[
        bool, Parameter(help="Numbers on standard input, one a line: so many more join then.")
    ] = False,
    link: Annotated[
        str | None, Parameter(help=f"A bad link for each bot: {', '.join(PRESETS)}.")
    ] = None,
    link_seed: Annotated[int, Parameter(help="Seed of the links' chance.")] = 1,
    json: Annotated[
        bool, Parameter(help="One JSON line a second on standard output, and a final one.")
    ] = False,
) -> None:
    """Let bots play in a world: they hunt, fight, cross borders and check what they are told."""
    if not 1 <= count <= limits.BOTS_MAX:
        _fail(f"count: {count} is not within 1 to {limits.BOTS_MAX}")
    if joins_per_s <= 0 or think_hz <= 0:
        _fail("joins-per-s and think-hz must be above 0")
    first, *others = _checked(url)
    options = BotOptions(
        url=first,
        more_urls=tuple(others),
        count=count,
        seconds=seconds,
        joins_per_s=joins_per_s,
        think_hz=think_hz,
        seed=seed,
        name=name,
        token=token,
        link=_known(link),
        link_seed=link_seed,
    )
    report = _print_json if json else _print_plain
    try:
        report(trio.run(_run_bots, options, report, more))
    except ConnectionEndedError as error:
        _fail(str(error))


async def _run_bots(options: BotOptions, report: Report, more: bool) -> dict[str, Any]:  # noqa: FBT001 - trio.run passes no keywords
    if not more:
        return await run_bots(options, report)
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as lines:
        return await run_bots(options, report, lines)


def watch(
    *,
    url: Urls = URLS_DEFAULT,
    token: Annotated[
        str | None, Parameter(help="Admin token; needed unless the server runs with --reveal.")
    ] = None,
    page: Annotated[
        str | None, Parameter(help="What is shown as its address, instead of the url.")
    ] = None,
    once: Annotated[bool, Parameter(help="Print one picture and end.")] = False,
    seconds: Annotated[float | None, Parameter(help="End by itself after so long.")] = None,
    frames_per_s: Annotated[float, Parameter(help="Pictures a second.")] = limits.FRAMES_PER_S,
    deck: Annotated[int | None, Parameter(show=False)] = None,  # `shoal replay` passes it
) -> None:
    """Watch a whole world live in the terminal: its shards, borders and all that moves in them."""
    if not 0 < frames_per_s <= 60:
        _fail(f"frames-per-s: {frames_per_s} is not within 0 to 60")
    first, *others = _checked(url)
    options = WatchOptions(
        url=first,
        more_urls=tuple(others),
        shown_url=page,
        token=token,
        once=once,
        seconds=seconds,
        frames_per_s=frames_per_s,
        deck=deck,
    )
    console = Console()
    if not once and not console.is_terminal:
        _fail("the live map needs a terminal; --once prints one picture")
    try:
        _until_interrupted(partial(run_watch, options, console))
    except ConnectionEndedError as error:
        _fail(str(error))


def play(
    *,
    url: Urls = URLS_DEFAULT,
    name: Annotated[str, Parameter(help="What the others call you.")] = "diver",
    token: Annotated[str | None, Parameter(help="Token that the server asks for.")] = None,
    link: Annotated[
        str | None, Parameter(help=f"Simulate a bad link: {', '.join(PRESETS)}.")
    ] = None,
    size: Annotated[str, Parameter(help="Size of the window, in pixels.")] = "1024x640",
    seconds: Annotated[float | None, Parameter(help="End by itself after so long.")] = None,
    screenshot: Annotated[
        Path | None, Parameter(help="Write the last picture into this PNG file.")
    ] = None,
) -> None:
    """Play in a window. Needs the extra: pip install 'shoal[window]'."""
    pixels = _pixels(size)
    if screenshot is not None and screenshot.suffix != ".png":
        _fail(f"screenshot: {str(screenshot)!r} does not end in .png")
    if seconds is not None and seconds <= 0:
        _fail(f"seconds: {seconds} is not above 0")
    first, *others = _checked(url)
    if find_spec("pygame") is None:
        _fail("the window needs the extra: pip install 'shoal[window]'")
    from client_demo.window import app  # noqa: PLC0415 - pygame-ce is an extra

    options = app.PlayOptions(
        url=first,
        more_urls=tuple(others),
        name=name,
        token=token,
        link=_known(link),
        size=pixels,
        seconds=seconds,
        screenshot=screenshot,
    )
    try:
        _until_interrupted(partial(app.run_play, options))
    except (app.WindowError, ConnectionEndedError) as error:
        _fail(str(error))


def _known(link: str | None) -> str | None:
    """The name of a preset, or none."""
    if link is not None:
        try:
            find_profile(link)
        except ValueError as error:
            _fail(f"link: {error}")
    return link


def _pixels(size: str) -> tuple[int, int]:
    """What "1024x640" means."""
    width, by, height = size.partition("x")
    if not (by and width.isdecimal() and height.isdecimal()):
        _fail(f"size: {size!r} is not like 1024x640")
    if not (320 <= int(width) <= 7680 and 240 <= int(height) <= 4320):
        _fail(f"size: {size} is not within 320x240 to 7680x4320")
    return int(width), int(height)


def _until_interrupted(run: Callable[[], Awaitable[object]]) -> None:
    """Run until it ends by itself or with Ctrl-C, which nurseries may have put into groups."""
    try:
        trio.run(run)
    except* KeyboardInterrupt:
        pass


def _checked(urls: tuple[str, ...]) -> tuple[str, ...]:
    for url in urls:
        if not url.startswith(("ws://", "wss://")):
            _fail(f"url: {url!r} does not begin with ws:// or wss://")
    return urls


def _print_json(numbers: dict[str, Any]) -> None:
    print(json_format.dumps(numbers), flush=True)


def _print_plain(numbers: dict[str, Any]) -> None:
    print("  ".join(f"{name} {value}" for name, value in numbers.items()), flush=True)


def _fail(message: str) -> NoReturn:
    print(f"shoal: {message}", file=sys.stderr)
    sys.exit(1)
