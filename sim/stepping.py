"""One step of a world, from what it consumes to what it did.

The order: entities arrive; players leave and join; commands; inputs that hold are replaced, then
each player's are handled in the order in which sessions came; inputs that happen once, in theirs;
systems; predicted systems; scores are asked for; motion, and rounding;
the past is noted.

Invariants: nothing but the given `TickInput` and the world's own state decides what happens.

It must not know where inputs come from.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sim import motion
from sim.engine import Score, TickInput, TickOutput
from sim.errors import EngineError, GameError
from sim.ghosts import Ghosts, read_ghosts
from sim.sessions import Held
from sim.settle import settle
from sim.transit import arrive

if TYPE_CHECKING:
    from sim.world import World

PLACE = "shoal.place"  # the command that every kind understands: be somewhere else


def advance(world: "World", given: TickInput) -> TickOutput:
    """Step a world. Raises EngineError for a step or tick that does not follow."""
    if given.step != world.step + 1 or given.tick <= world.tick:
        raise EngineError(
            f"Step {given.step} at tick {given.tick} does not follow step {world.step} at tick "
            f"{world.tick}."
        )
    output = world.begin(given.tick, given.step)
    for data, age in given.arrivals:
        arrive(world, data, age)
    _take_ghosts(world, given.ghosts)
    _players(world, given, output)
    for target, name, args in given.commands:
        _command(world, target, name, args)
    _inputs(world, given)
    for system in world.game.rules.systems:
        if system.predicted is None:
            world.call("system", system.function, world)
    for system in world.game.rules.systems:
        if system.predicted is not None:
            table = world.roster.tables[system.predicted]
            world.call("system", system.function, table, world.dt)
    output.scores = _scores(world)
    for population in world.roster.populations:
        settle(population, given.step)
    world.remember()
    return world.end()


def _take_ghosts(world: "World", given: Sequence[Any]) -> None:
    by_kind = {ghosts[0]: Ghosts(*ghosts) for ghosts in given}
    world.ghosts = [read_ghosts(spec, by_kind.get(spec.index)) for spec in world.game.rules.kinds]
    world.amend_memory()


def _players(world: "World", given: TickInput, output: TickOutput) -> None:
    for session in given.leaves:
        _leave(world, session)
    for session, name in given.joins:
        known = world.players.entity.get(session)
        output.joined[session] = _join(world, session, name) if known is None else known


def _join(world: "World", session: int, name: str) -> int:
    join = world.game.rules.join
    if join is None:
        raise GameError(f"{world.game.name} has no @game.join: nobody can play it.")
    made = world.call("join", join, world, name)
    if type(made) not in world.game.rules.kind_of:
        raise GameError(f"join returned {made!r}, not a new entity of a declared kind.")
    entity = world.spawn(made)
    world.flush()
    world.players.bind(session, entity)
    return entity


def _leave(world: "World", session: int) -> None:
    entity = world.players.drop(session)
    population = world.roster.find(entity)
    if population is None:
        return
    hook = world.game.rules.leaves.get(population.spec.index)
    stays = hook is not None and world.call("leave", hook, world, world.roster.row(entity))
    if not stays:
        world.destroy(entity)
        world.flush()


def _command(world: "World", target: int, name: str, args: Any) -> None:
    population = world.roster.find(target)
    if population is None:
        return
    row = world.roster.rows[population.spec.index](target)
    if name == PLACE:
        row.x, row.y = args["x"], args["y"]
        return
    command = world.game.rules.commands.get(name)
    if command is None:
        raise EngineError(f"A command is called {name!r}, which this game has not.")
    if population.spec.index in command.kinds:
        world.call("command", command.function, world, row, **args)


def _inputs(world: "World", given: TickInput) -> None:
    rules, players = world.game.rules, world.players
    handled = {kind for kind, _ in rules.handlers}
    bound = _bound_inputs(world)
    specs, entities, tick = rules.inputs, players.entity, given.tick
    once = []
    for session, kind, values, view in given.inputs:
        entity = entities.get(session)
        if not entity:
            continue
        spec = specs[kind]
        held = Held(tuple(values), spec.decode(values), view, tick)
        if spec.cls in bound:
            _obey(world, entity, spec.cls, held.command)
        if spec.flag:
            once.append((session, kind, held))
        elif kind in handled:
            players.hold(session, kind, held)
    if any(not specs[kind].flag for kind in handled):  # else nobody can hold what is handled
        for session, holds in players.held.items():
            for kind, held in sorted(holds.items()) if holds else ():
                _handle(world, session, kind, held)
    for session, kind, held in once:
        _handle(world, session, kind, held)


def _bound_inputs(world: "World") -> set[type | None]:
    """The inputs that some kind's motion binds."""
    models = [spec.motion for spec in world.game.rules.kinds]
    return {getattr(model, name, None) for model in models for name in ("steer", "dash_input")}


def _obey(world: "World", entity: int, cls: type, command: Any) -> None:
    """What a motion does with the inputs that it binds."""
    population = world.roster.find(entity)
    model = None if population is None else population.spec.motion
    if model is None:
        return
    if getattr(model, "steer", None) is cls:
        motion.thrust(world.roster.row(entity), command.dx, command.dy)
    elif getattr(model, "dash_input", None) is cls:
        motion.dash(world.roster.row(entity))


def _handle(world: "World", session: int, kind: int, held: Held) -> None:
    entity = world.players.entity.get(session, 0)
    population = world.roster.find(entity)
    if population is None:
        return
    handler = world.game.rules.handlers.get((kind, population.spec.index))
    if handler is not None:
        world.view = held.view_at(world.tick)
        row = world.roster.rows[population.spec.index](entity)
        world.call("input handler", handler, world, row, held.command)
        world.view = 0.0


def _scores(world: "World") -> list[Score] | None:
    board = world.game.rules.scoreboard
    if board is None or world.step % board.every_steps:
        return None
    rows = world.call("scoreboard", board.function, world)
    scores = [Score(int(entity), str(name), int(score)) for entity, name, score in rows]
    return sorted(scores, key=lambda row: (-row.score, row.entity))[: board.top]
