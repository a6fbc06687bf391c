"""The `shoal` command: `serve`, `record`, `replay` and `demo` are the server's own; other packages
add theirs through the entry-point group `shoal.commands`, so that the server never imports them.

Errors that a person can mend are one line on standard error and exit code 2.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import entry_points, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Env, Toml

from server.cluster.nats.errors import EngineError
from server.cluster.nats.settings import EngineSettings
from server.cluster.seams import JournalError
from server.fleet.errors import MemberError, NoEngineError
from server.games import DEFAULT_GAME, GameNotFoundError
from server.net.listen import ListenError
from server.net.pages import PagesError
from server.recording.pieces import RecordingError
from server.roles.errors import NoWorldError
from server.settings import Settings, SettingsError

__all__ = ["build_app", "main"]

CONFIG_DEFAULT = Path("shoal.toml")
_DEFAULTS = Settings()
_ENGINE_DEFAULTS = EngineSettings()


class ExtraMissingError(Exception):
    """A command needs a part of the installation that is optional."""


class ConfigNotFoundError(Exception):
    """The settings file that was named is not there."""


_MENDABLE = (
    SettingsError,
    GameNotFoundError,
    ListenError,
    PagesError,
    ConfigNotFoundError,
    ExtraMissingError,
    JournalError,
    RecordingError,
    EngineError,
    NoWorldError,
    NoEngineError,
    MemberError,
)


def build_app(config: Path | None = None) -> App:
    """The command with its subcommands.

    `config`: a TOML file with a `[server]` table; None looks for shoal.toml in this folder. Flags
    win over `SHOAL_*` variables, which win over the file.
    """
    app = App(
        name="shoal",
        help="A multiplayer game state server with a seamless sharded world.",
        help_epilogue=(
            "Settings come from flags, then SHOAL_* variables, then the \\[server] table of"
            " shoal.toml, or of another file: shoal --config FILE serve ..."
        ),
        version=f"shoal {version('shoal')}",
    )
    if config is not None and not config.is_file():
        raise ConfigNotFoundError(f"config: there is no file {str(config)!r}")
    sources: tuple[Env, Toml] = (
        Env("SHOAL_", command=False),
        Toml(
            config or CONFIG_DEFAULT,
            root_keys=("server",),
            use_commands_as_keys=False,
        ),
    )
    for command in (serve, record, demo, up, node, gateway):
        app.command(App(name=command.__name__, default_command=command, config=sources))
    app.command(App(name="replay", default_command=replay, config=sources[0]))
    for entry in entry_points(group="shoal.commands"):
        app.command(entry.load(), name=entry.name)
    return app


def serve(game: str = DEFAULT_GAME, /, *, settings: Settings = _DEFAULTS) -> None:
    """Run a world and let clients in until Ctrl-C.

    Parameters
    ----------
    game
        The game, as module:variable; the current folder is searched too.
    """
    from server.process import serve_forever  # noqa: PLC0415 - --help stays fast

    serve_forever(game, settings)


def record(
    file: Path,
    game: str = DEFAULT_GAME,
    /,
    *,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    settings: Settings = _DEFAULTS,
) -> None:
    """Run a world like `shoal serve`, and record it into a file; or make such a file of what a
    store holds.

    Parameters
    ----------
    file
        Where the recording goes; nothing is overwritten.
    game
        The game, as module:variable; the current folder is searched too.
    from_
        The folder of a store: record what it still holds, and run nothing.
    """
    if from_ is not None:
        from server.replay.command import record_store  # noqa: PLC0415 - --help stays fast

        record_store(file, from_, game)
        return
    from server.process import serve_forever  # noqa: PLC0415 - as above

    serve_forever(game, settings, file)


def replay(
    source: Path,
    game: str | None = None,
    /,
    *,
    verify: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(negative=())] = False,
    speed: float = 1.0,
    from_tick: int = 0,
    seconds: float | None = None,
    exit_: Annotated[bool, Parameter(name="--exit", negative=())] = False,
    host: str = _DEFAULTS.host,
    port: int = _DEFAULTS.port,
    page: bool | None = None,
    origins: tuple[str, ...] = (),
) -> None:
    """Watch a recording as if it happened now, on a map of it here, with `shoal watch` or in a
    browser; or verify that it leads where it led.

    Keys: space pauses, + and - or 1 2 4 8 change the speed, the dot goes one tick on, q quits.

    Parameters
    ----------
    source
        The recording, or the folder of a store, which may be in use.
    game
        The game, as module:variable, where it is not the one that the recording names.
    verify
        Show nothing: step through all of it and compare. Ends with 1 if it differs.
    json
        With --verify: say it as one JSON line.
    speed
        0.25, 0.5, 1, 2, 4 or 8.
    from_tick
        Begin there.
    seconds
        End by itself after so long; otherwise with q or Ctrl-C.
    exit_
        End when the recording has.
    host
        Address to listen on for those who watch.
    port
        TCP port to listen on; 0 picks a free one.
    page
        Show browsers a page, on the same port; by default if one is installed.
    origins
        Web origins that may connect besides that page.
    """
    from server.replay import command  # noqa: PLC0415 - --help stays fast

    if verify:
        if from_tick or seconds is not None or exit_:
            raise SettingsError("verify: it takes all of a recording, and ends by itself")
        command.run_verify(source, game, json_line=json)
        return
    if json:
        raise SettingsError("json: only --verify has something to say in JSON")
    settings = Settings(host=host, port=port, page=page, origins=origins)
    plan = command.Plan(speed=speed, from_tick=from_tick, seconds=seconds, exits=exit_)
    command.run_replay(source, game, settings, plan)


def node(
    game: str = DEFAULT_GAME,
    /,
    *,
    name: str = "",
    counting: bool = False,
    health_port: int | None = None,
    settings: Settings = _DEFAULTS,
    engine: EngineSettings = _ENGINE_DEFAULTS,
) -> None:
    """Run shards of a world that many processes share, until Ctrl-C hands them over.

    Parameters
    ----------
    game
        The game, as module:variable; the current folder is searched too.
    name
        What the node is called; by default this machine's name and a number.
    counting
        Keep in checkpoints the id of every entity that ever lived, for a census.
    health_port
        TCP port that answers GET /healthz, /readyz and /metrics; none by default.
    """
    _check_engine_client()
    _check_port(health_port)
    from server.roles.node import node_forever  # noqa: PLC0415 - --help stays fast

    node_forever(game, settings, engine, name, counting=counting, health_port=health_port)


def gateway(
    game: str = DEFAULT_GAME,
    /,
    *,
    health_port: int | None = None,
    settings: Settings = _DEFAULTS,
    engine: EngineSettings = _ENGINE_DEFAULTS,
) -> None:
    """Hold client links of a world that many processes share, until Ctrl-C sends them elsewhere.

    Parameters
    ----------
    game
        The game, as module:variable; the current folder is searched too.
    health_port
        TCP port apart from the game's that answers GET /healthz, /readyz and /metrics; none by
        default.
    """
    _check_engine_client()
    _check_port(health_port)
    from server.roles.gateway import gateway_forever  # noqa: PLC0415 - --help stays fast

    gateway_forever(game, settings, engine, health_port=health_port)


def up(
    game: str = DEFAULT_GAME,
    /,
    *,
    nodes: int = 2,
    gateways: int = 2,
    settings: Settings = _DEFAULTS,
    engine: EngineSettings = _ENGINE_DEFAULTS,
) -> None:
    """Run a world in many processes on this machine, and restart what dies, until Ctrl-C.

    Without an engine a private nats-server is started, which keeps the world in the folder of
    --store, or in a temporary one. Gateways listen on --port and the ports behind it.

    Parameters
    ----------
    game
        The game, as module:variable; the current folder is searched too.
    nodes
        How many processes run shards.
    gateways
        How many processes hold client links.
    """
    _check_engine_client()
    from server.fleet.fleet import FleetPlan  # noqa: PLC0415 - --help stays fast
    from server.fleet.up import run_up  # noqa: PLC0415 - --help stays fast

    run_up(settings, engine, FleetPlan(game=game, nodes=nodes, gateways=gateways))


def demo(
    game: str = DEFAULT_GAME,
    /,
    *,
    bots: int = 50,
    bots_max: int = 500,
    seconds: float | None = None,
    json: bool = False,
    open_: Annotated[bool, Parameter(name="open")] = True,
    nodes: int = 0,
    gateways: int = 0,
    chaos: bool = False,
    chaos_seed: int = 1,
    settings: Settings = _DEFAULTS,
    engine: EngineSettings = _ENGINE_DEFAULTS,
) -> None:
    """Run a living world: the server with bots in it, a page to play in a browser, and a live map
    of it on a terminal.

    Parameters
    ----------
    game
        The game, as module:variable; the current folder is searched too.
    bots
        How many bots play.
    bots_max
        How many there may be after visitors of the page have asked for more.
    seconds
        End by itself after so long; otherwise with Ctrl-C.
    json
        Show nothing; end with one JSON line of measurements on standard output.
    open_
        Open the page in the browser, where there is a display.
    nodes
        Run the world in so many processes, and a gateway at least, instead of in this one.
    gateways
        How many more processes hold the client links.
    chaos
        Kill, pause and restart these processes, and the private engine, while it runs.
    chaos_seed
        Seed of what happens when.
    """
    from server.demo import run_demo  # noqa: PLC0415 - --help stays fast

    if chaos and not (nodes or gateways):
        raise SettingsError("chaos: wants --nodes, since this process would not survive it")
    fleet = None
    if nodes or gateways:
        _check_engine_client()
        from server.fleet.fleet import FleetPlan  # noqa: PLC0415 - needs an extra

        fleet = FleetPlan(game=game, nodes=nodes or 1, gateways=gateways or 1, counting=True)
    run_demo(
        game,
        settings,
        bots=bots,
        bots_max=bots_max,
        seconds=seconds,
        json_line=json,
        open_page=open_,
        fleet=fleet,
        engine=engine,
        chaos_seed=chaos_seed if chaos else None,
    )


def _check_engine_client() -> None:
    """Raise ExtraMissingError unless what talks to the engine is installed."""
    if any(find_spec(name) is None for name in ("nats", "trio_asyncio", "prometheus_client")):
        raise ExtraMissingError(
            "many processes need the extra 'cluster': pip install 'shoal[cluster]'"
        )


def _check_port(health_port: int | None) -> None:
    if health_port is not None and not 0 < health_port <= 65535:
        raise SettingsError(f"health-port: {health_port} is not within 1 to 65535")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    launcher = App(help_flags=(), version_flags=())

    @launcher.default
    def _launch(
        *rest: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        config: Annotated[Path | None, Parameter(env_var="SHOAL_CONFIG")] = None,
    ) -> None:
        build_app(config)(rest, exit_on_error=False, print_error=True)

    try:
        _run(launcher, tokens)
    except CycloptsError:
        sys.exit(2)  # the parser has printed it in its own words
    except KeyboardInterrupt:
        sys.exit(130)


def _run(launcher: App, tokens: list[str]) -> None:
    """Run, and answer a mistake that a person can mend with its message alone."""
    try:
        launcher(tokens, exit_on_error=False, print_error=False)
    except* _MENDABLE as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):  # out of the nurseries that it crossed
            error = error.exceptions[0]
        print(f"shoal: {error}", file=sys.stderr)
        sys.exit(2)
