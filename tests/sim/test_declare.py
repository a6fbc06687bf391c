"""What a game may declare, and how it is told what it may not."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Annotated, Any

import attrs
import pytest

from sim import (
    DeclarationError,
    Game,
    World,
    ident,
    motion,
    owner_only,
    predicted,
    quant,
    server_only,
    text,
)
from sim.specs import KindSpec

Coord = Annotated[float, quant(0, 512, 1 / 16)]
Speed = Annotated[float, quant(-64, 63, 1 / 4, sim_step=1 / 64)]


@attrs.define
class Stone:
    x: Coord
    y: Coord


def new_game(**given: Any) -> Game:
    return Game("test", **({"size": (512, 256)} | given))


def kind_with(note: Any, **given: Any) -> KindSpec:
    """The kind of a class with x, y and one more field `it` of this annotation."""
    cls = attrs.make_class("Thing", {"x": attrs.field(), "y": attrs.field(), "it": attrs.field()})
    cls.__annotations__ = {"x": Coord, "y": Coord, "it": note}
    game = new_game()
    game.entity(**given)(cls)
    return game.rules.kinds[0]


@pytest.mark.parametrize(
    ("note", "says"),
    [
        (float, "Thing.it: .* does not say how it is sent"),
        (Annotated[str, quant(0, 1, 0.5)], "does not say how"),
        (Annotated[float, text(4)], "does not say"),
        (Annotated[float, quant(0, 1, 0.5), quant(0, 2, 0.5)], "more than one"),
        (Annotated[float, quant(0, 1, 0.5), owner_only, server_only], "both"),
        (Annotated[float, quant(0, 1, 0.5), predicted, server_only], "must receive it"),
        (Annotated[str, text(4), owner_only], "to everybody or to nobody"),
        (Annotated[int, quant(0, 1, 0.5)], "whole lo and steps"),
        (Annotated[float, quant(0, 2**30, 1), owner_only], "larger sim_step"),
    ],
)
def test_a_field_that_cannot_be_sent_is_refused(note: Any, says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        kind_with(note)


@pytest.mark.parametrize(
    ("note", "wire", "dtype"),
    [
        (Annotated[float, quant(0, 255, 1)], "u8", "float64"),
        (Annotated[float, quant(0, 256, 1)], "u16", "float64"),
        (Annotated[int, quant(-5, 100_000, 1)], "u32", "int64"),
        (bool, "u8", "bool"),
        (Annotated[int, ident], "u64", "uint64"),
        (Annotated[str, text(16)], "text:16", "|S16"),
    ],
)
def test_a_field_has_the_smallest_type_that_holds_it(note: Any, wire: str, dtype: str) -> None:
    field = kind_with(note).field("it")
    assert field.wire_type == wire
    assert str(field.dtype) == dtype


def test_nested_annotations_add_up() -> None:
    narrow = Annotated[float, quant(0, 1, 0.5)]
    kind = kind_with(Annotated[narrow, owner_only])
    assert [field.name for field in kind.private] == ["it"]
    assert "it" not in [field.name for field in kind.public]


def test_a_predicted_field_is_sent_to_all_and_finer_to_its_owner() -> None:
    kind = kind_with(Annotated[float, quant(0, 1, 0.5), predicted])
    assert [field.name for field in kind.private] == ["it"]
    assert "it" in [field.name for field in kind.public]


@pytest.mark.parametrize("name", ["id", "rows", "_hidden"])
def test_names_that_belong_to_the_engine_are_refused(name: str) -> None:
    cls = attrs.make_class("Thing", ["x", "y", name])
    cls.__annotations__ = {"x": Coord, "y": Coord, name: bool}
    with pytest.raises(DeclarationError, match="belongs to the engine"):
        new_game().entity(cls)


def test_what_is_no_attrs_class_is_refused() -> None:
    class Plain:
        x: Coord
        y: Coord

    with pytest.raises(DeclarationError, match=r"@attrs\.define"):
        new_game().entity(Plain)


def test_a_kind_without_a_place_is_refused() -> None:
    @attrs.define
    class Idea:
        x: Coord

    with pytest.raises(DeclarationError, match="needs fields x and y"):
        new_game().entity(Idea)


def test_two_classes_of_one_name_are_refused() -> None:
    game = new_game()
    game.entity(Stone)
    twin = attrs.make_class("Stone", [])
    for declare in (game.entity, game.event, game.input):
        with pytest.raises(DeclarationError, match="Stone is taken"):
            declare(twin)


def test_a_motion_needs_its_fields() -> None:
    with pytest.raises(DeclarationError, match="needs vx"):
        new_game().entity(motion=motion.Free())(Stone)


def test_a_motion_faster_than_its_field_is_refused() -> None:
    @attrs.define
    class Rocket:
        x: Coord
        y: Coord
        vx: Speed = 0
        vy: Speed = 0

    with pytest.raises(DeclarationError, match="makes it 100"):
        new_game().entity(motion=motion.Thrust(accel=9, drag=1, max_speed=100))(Rocket)


BYTE = quant(0, 255, 1)


@pytest.mark.parametrize(
    ("note", "model", "says"),
    [
        (Annotated[float, BYTE], motion.Heading(6, field="course"), "Thing.course: .* not there"),
        (Annotated[float, BYTE, owner_only], motion.Heading(6), "Thing.heading: everybody sees"),
        (Annotated[float, BYTE, server_only], motion.Heading(6), "Thing.heading: everybody sees"),
        (Annotated[int, BYTE], motion.Heading(6), "a heading is a quant float"),
        (Annotated[str, text(4)], motion.Heading(6), "a heading is a quant float"),
        (Annotated[float, BYTE], motion.Heading(6, field="vx"), "beside x, y, vx, vy"),
        (Annotated[float, quant(0, 256, 1)], motion.Heading(6), "257 wire steps"),
        (Annotated[float, BYTE], motion.Heading(0), "above 0"),
        (Annotated[float, BYTE], motion.Heading(-6), "above 0"),
        (Annotated[float, BYTE], motion.Heading(float("nan")), "above 0"),
        (Annotated[float, BYTE], motion.Heading(float("inf")), "finite"),
        (Annotated[float, BYTE], motion.Heading(1 / 256), "half a step"),
        (Annotated[float, BYTE], motion.Heading(63.5), "vx reaches 63.0 .* makes it 63.5; widen"),
    ],
)
def test_a_heading_is_a_public_byte_of_a_possible_speed(
    note: Any, model: motion.Heading, says: str
) -> None:
    notes = {"x": Coord, "y": Coord, "vx": Speed, "vy": Speed, "heading": note}
    cls = attrs.make_class("Thing", list(notes))
    cls.__annotations__ = notes
    with pytest.raises(DeclarationError, match=says):
        new_game().entity(motion=model)(cls)


def test_a_world_larger_than_its_coordinates_is_refused() -> None:
    @attrs.define
    class Boat:
        x: Coord
        y: Coord
        vx: Speed = 0
        vy: Speed = 0

    with pytest.raises(DeclarationError, match="the world from 0 to"):
        new_game(size=(1024, 256)).entity(motion=motion.Free())(Boat)


FINE = quant(-2048, 2048, 1 / 4, sim_step=2.0**-21)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"vx": bool}, "needs vx, quant floats"),
        ({"y": Annotated[Coord, server_only]}, "needs y|everybody sees"),
        ({"vy": Annotated[Speed, owner_only]}, "everybody sees"),
        ({"vy": Annotated[float, quant(-64, 63, 1 / 4)]}, "vx and vy must have the same steps"),
        ({"vx": Annotated[float, FINE], "vy": Annotated[float, FINE]}, "too fine for 32 bits"),
        (dict.fromkeys(("vx", "vy"), Annotated[float, quant(-64, 63, 0.3141592653)]), "no simple"),
        ({"thrust_x": bool}, "the motion has a column so named"),
    ],
)
def test_a_course_needs_fields_that_can_follow_it(changed: dict[str, Any], says: str) -> None:
    notes = {"x": Coord, "y": Coord, "vx": Speed, "vy": Speed} | changed
    cls = attrs.make_class("Boat", list(notes))
    cls.__annotations__ = notes
    with pytest.raises(DeclarationError, match=says):
        new_game(tick_hz=17).entity(motion=motion.Thrust(accel=9, drag=1, max_speed=9))(cls)


def test_ghost_fields_must_be_public() -> None:
    with pytest.raises(DeclarationError, match="no public field"):
        new_game().entity(ghost_fields=("weight",))(Stone)


@pytest.mark.parametrize(
    "given",
    [{"size": (0, 9)}, {"tick_hz": 0}, {"cell": -1}, {"interest_radius": ()}, {"reach": -1},
     {"interest_radius": (1, 0)}, {"history_s": 60}],
)  # fmt: skip
def test_a_frame_that_cannot_be_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError):
        new_game(**given)


# --- handlers ------------------------------------------------------------------------------------


@attrs.frozen
class Push:
    force: Annotated[float, quant(0, 1, 0.1)]


def with_stone() -> Game:
    game = new_game()
    game.entity(Stone)
    return game


async def asynchronous(world: World) -> None: ...


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda game: game.system(lambda: None), r"def rule\(world: World\)"),
        (lambda game: game.system(asynchronous), "plain function"),
        (lambda game: game.system(3), "not a function"),
        (lambda game: game.join(lambda _: None), r"def join\(world: World, name: str\)"),
        (lambda game: game.setup(lambda _world, _more: None), r"def setup\(world: World\)"),
        (lambda game: game.on_input(Push)(lambda _world, _me: None), "cmd: Push"),
        (lambda game: game.command(lambda _: None), "me: Kind"),
        (lambda game: game.interest(Push)(lambda _: 0), "not a kind of entity"),
        (lambda game: game.system(predicted=True)(lambda _columns, _dt: None), "not a kind"),
    ],
)
def test_a_handler_with_the_wrong_signature_is_refused(
    declare: Callable[[Game], Any], says: str
) -> None:
    with pytest.raises(DeclarationError, match=says):
        declare(with_stone())


def test_an_input_handler_says_whom_and_what_it_handles() -> None:
    game = with_stone()

    def unnamed(world: World, me, cmd: Push) -> None: ...  # type: ignore[no-untyped-def]
    def other(world: World, me: Stone, cmd: Stone) -> None: ...

    with pytest.raises(DeclarationError, match="needs its kind"):
        game.on_input(Push)(unnamed)
    with pytest.raises(DeclarationError, match="handles Push, but"):
        game.on_input(Push)(other)


def test_an_input_is_held_or_once_but_not_both() -> None:
    game = with_stone()

    @game.on_input(Push)
    def push(world: World, me: Stone, cmd: Push) -> None: ...

    def again(world: World, me: Stone, cmd: Push) -> None: ...

    with pytest.raises(DeclarationError, match="both with once and without"):
        game.on_input(Push, once=True)(again)
    with pytest.raises(DeclarationError, match="has a handler already"):
        game.on_input(Push)(again)


def test_one_join_and_one_command_of_a_name() -> None:
    game = with_stone()
    game.join(lambda _world, _name: None)
    with pytest.raises(DeclarationError, match="has a join"):
        game.join(lambda _world, _name: None)

    def move(world: World, me: Stone) -> None: ...

    game.command(move)
    with pytest.raises(DeclarationError, match="command move already"):
        game.command(move)


def test_an_input_that_nothing_handles_is_noticed_when_a_world_is_made() -> None:
    game = with_stone()
    game.input(Push)
    with pytest.raises(DeclarationError, match="Nothing handles the input Push"):
        World(game, seed=1)


def test_nothing_is_declared_after_the_first_world() -> None:
    game = with_stone()
    World(game, seed=1)
    with pytest.raises(DeclarationError, match="before the first world"):
        game.event(Push)
    with pytest.raises(DeclarationError, match="before the first world"):
        game.system(lambda _: None)


def test_inputs_and_events_have_no_audience() -> None:
    cls = attrs.make_class("Hint", {"it": attrs.field()})
    cls.__annotations__ = {"it": Annotated[float, quant(0, 1, 0.5), owner_only]}
    with pytest.raises(DeclarationError, match="are for entities"):
        new_game().event(cls)


# --- the schema ----------------------------------------------------------------------------------


def test_the_schema_says_what_is_sent(pond: SimpleNamespace) -> None:
    described = pond.game.describe()
    boat = described["kinds"][0]
    assert [field["name"] for field in boat["fields"]] == ["name", "fuel", "sunk"]
    assert [field["name"] for field in boat["private"]] == [
        "logs", "thrust_x", "thrust_y", "dash", "dash_left", "dash_wait",
    ]  # fmt: skip
    assert boat["course"] == {
        "step": 1 / 4096, "speed_step": 1 / 64, "num": 16, "den": 5, "speed_type": "i16",
    }  # fmt: skip
    assert boat["motion"]["input"] == "Steer"
    buoy = described["kinds"][2]
    assert [field["axis"] for field in buoy["fields"]] == [0, 1, None]
    assert [(given["name"], given["once"]) for given in described["inputs"]] == [
        ("Steer", False), ("Burst", True), ("Rudder", False), ("Drop", True),
    ]  # fmt: skip
    assert described["events"][0]["durable"] is True


def test_the_hash_follows_the_schema_and_the_code_follows_the_rules() -> None:
    def game_with(limit: float, rule: Callable[[World], None]) -> Game:
        game = new_game(interest_radius=limit)
        game.entity(Stone)
        game.system(rule)
        return game

    def one(world: World) -> None:
        world.emit(1)

    def two(world: World) -> None:
        world.emit(2)

    two.__qualname__ = one.__qualname__
    assert game_with(9, one).hash == game_with(9, two).hash
    assert game_with(9, one).hash != game_with(8, one).hash
    assert game_with(9, one).code == game_with(9, one).code
    assert game_with(9, one).code != game_with(9, two).code
