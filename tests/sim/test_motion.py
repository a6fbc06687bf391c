"""The built-in motion: its rules, its bits, and that its courses last."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import motion
from sim.motion import Array, Dash, Free, Thrust

SIZE = (2048.0, 1024.0)
HZ = 20.0
SPEED_STEP = 1 / 64


class Steer:
    """Stands for a game's input."""


class Burst:
    """Stands for a game's one-shot."""


MODEL = Thrust(360, 3, 80, dash=Dash(3, 0.2, 2), steer=Steer, dash_input=Burst)
PARAMETERS = MODEL.parameters(HZ, SIZE, SPEED_STEP)
NAMES = ("x", "y", "vx", "vy", *(state.name for state in MODEL.state()))


def one(**given: float) -> dict[str, Array]:
    """A row in the middle of the world, at rest unless told otherwise."""
    row = {"x": 1024.0, "y": 512.0} | given
    return {name: np.array([row.get(name, 0.0)]) for name in NAMES}


def walk(columns: dict[str, Array], parameters: motion.Parameters = PARAMETERS) -> None:
    """One step, integrated as an engine with exact positions would."""
    columns.update(motion.step_columns(parameters, columns))
    columns["x"] = columns["x"] + columns["vx"] / HZ
    columns["y"] = columns["y"] + columns["vy"] / HZ


def speed(columns: dict[str, Array]) -> float:
    return math.hypot(columns["vx"][0], columns["vy"][0])


def push(columns: dict[str, Array], dx: float, dy: float) -> None:
    motion.intend(PARAMETERS, columns, "Steer", {"dx": dx, "dy": dy})


@pytest.mark.parametrize("model", [MODEL, Thrust(120, 0.3, 60), Thrust(90, 0, 40)])
def test_a_held_thrust_settles_to_one_velocity(model: Thrust) -> None:
    parameters = model.parameters(HZ, (1e9, 1e9), SPEED_STEP)
    chance = np.random.default_rng(5)
    count = 2000
    angle, amount = chance.uniform(-math.pi, math.pi, count), chance.uniform(0.1, 1.0, count)
    held = [
        motion.held_thrust(*pair)
        for pair in zip(np.cos(angle) * amount, np.sin(angle) * amount, strict=True)
    ]
    columns = {name: np.zeros(count) for name in NAMES} | {
        "x": np.full(count, 5e8),
        "y": np.full(count, 5e8),
        "vx": np.floor(chance.uniform(-5000, 5000, count)) / 64,
        "vy": np.floor(chance.uniform(-5000, 5000, count)) / 64,
        "thrust_x": np.array([pair[0] for pair in held]),
        "thrust_y": np.array([pair[1] for pair in held]),
    }
    for _ in range(600):
        walk(columns, parameters)
    for _ in range(3):
        before = columns["vx"].copy(), columns["vy"].copy()
        walk(columns, parameters)
        assert (before[0] == columns["vx"]).all(), "A held thrust still turns after half a minute."
        assert (before[1] == columns["vy"]).all()
    assert np.hypot(columns["vx"], columns["vy"]).max() <= parameters["max_speed"] + SPEED_STEP


def test_a_diver_turns_in_half_a_second_and_comes_to_rest_in_one() -> None:
    columns = one(vx=80)
    push(columns, 0, 1)
    for _ in range(10):
        walk(columns)
    assert math.degrees(math.atan2(columns["vy"][0], columns["vx"][0])) > 75
    push(columns, 0, 0)
    for _ in range(20):
        walk(columns)
    assert speed(columns) == 0


def test_a_dash_is_three_times_the_cap_for_its_time_and_waits_for_its_cooldown() -> None:
    columns = one()
    push(columns, 1, 0)
    for _ in range(20):
        walk(columns)
    speeds = []
    for _ in range(60):
        motion.intend(PARAMETERS, columns, "Burst", {})
        walk(columns)
        speeds.append(speed(columns))
    assert speeds == [240.0] * 4 + [80.0] * 36 + [240.0] * 4 + [80.0] * 16


def test_a_dash_asked_for_too_early_is_forgotten() -> None:
    columns = one(vx=80, dash_wait=5)
    motion.intend(PARAMETERS, columns, "Burst", {})
    for _ in range(20):
        walk(columns)
        assert speed(columns) <= 80


def test_a_dash_without_thrust_follows_the_heading_and_from_rest_goes_nowhere() -> None:
    drifting, resting = one(vx=30, vy=-40), one()
    for columns in (drifting, resting):
        motion.intend(PARAMETERS, columns, "Burst", {})
        walk(columns)
    assert (drifting["vx"][0], drifting["vy"][0]) == (144.0, -192.0)
    assert speed(resting) == 0


@given(st.floats(0, 2048), st.floats(0, 1024), st.floats(-300, 300), st.floats(-300, 300))
def test_nobody_leaves_the_world_and_a_wall_gives_rest(
    x: float, y: float, vx: float, vy: float
) -> None:
    free = Free().parameters(HZ, SIZE, SPEED_STEP)
    columns = one(x=math.floor(x * 4096) / 4096, y=math.floor(y * 4096) / 4096, vx=vx, vy=vy)
    for _ in range(200):
        columns.update(vx=np.array([vx]), vy=np.array([vy]))
        walk(columns, free)
        assert 0 <= columns["x"][0] <= SIZE[0]
        assert 0 <= columns["y"][0] <= SIZE[1]
    if abs(vx) > 220:
        assert columns["vx"][0] == 0, "Against the wall there is no motion left to resend."


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_a_row_steps_with_the_bits_of_its_column(seed: int) -> None:
    chance = np.random.default_rng(seed)
    count = 16
    columns = {
        "x": chance.uniform(0, 2048, count),
        "y": chance.uniform(0, 1024, count),
        "vx": np.floor(chance.uniform(-5000, 5000, count)) / 64,
        "vy": np.floor(chance.uniform(-5000, 5000, count)) / 64,
        "thrust_x": np.floor(chance.uniform(-180, 180, count)) / 256,
        "thrust_y": np.floor(chance.uniform(-180, 180, count)) / 256,
        "dash": chance.integers(0, 2, count).astype(float),
        "dash_left": chance.integers(0, 3, count).astype(float),
        "dash_wait": chance.integers(0, 3, count).astype(float),
    }
    together = motion.step_columns(PARAMETERS, columns)
    for row in range(count):
        alone = motion.step_columns(
            PARAMETERS, {name: values[row : row + 1] for name, values in columns.items()}
        )
        for name, values in alone.items():
            assert values.tobytes() == together[name][row : row + 1].tobytes()


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_held_thrust_survives_being_snapped(dx: float, dy: float) -> None:
    row = SimpleNamespace()
    motion.thrust(row, dx, dy)
    for value in (row.thrust_x, row.thrust_y):
        assert value * 256 == math.floor(value * 256), "The owner's private section would round it."
        assert abs(value) <= 1
    assert math.hypot(row.thrust_x, row.thrust_y) <= 1 + 1 / 256
    motion.dash(row)
    assert row.dash == 1


def test_the_parameters_are_plain_data() -> None:
    assert PARAMETERS == {
        "model": "thrust",
        "hz": 20.0,
        "size": [2048.0, 1024.0],
        "speed_step": 1 / 64,
        "accel": 360.0,
        "drag": 3.0,
        "max_speed": 80.0,
        "dash_factor": 3.0,
        "dash_steps": 4,
        "dash_wait_steps": 40,
        "input": "Steer",
        "dash_input": "Burst",
    }
    with pytest.raises(ValueError, match="drag"):
        Thrust(10, 20, 10).parameters(HZ, SIZE, SPEED_STEP)


def test_the_velocities_are_the_ones_recorded() -> None:
    """Golden bits for implementations in other languages: a dive with a turn, a dash and a rest."""
    columns = one()
    said = []
    for step in range(24):
        if step in (0, 6):
            push(columns, *((0.75, -0.5), (-1, 1))[step // 6])
        if step == 10:
            motion.intend(PARAMETERS, columns, "Burst", {})
        if step == 16:
            push(columns, 0, 0)
        walk(columns)
        said.append((int(columns["vx"][0] * 64), int(columns["vy"][0] * 64)))
    assert said == [
        (734, -490),
        (1358, -906),
        (1889, -1260),
        (2340, -1561),
        (2723, -1816),
        (3049, -2033),
        (1899, -1036),
        (922, -188),
        (91, 533),
        (-615, 1145),
        (-10861, 10861),
        (-10861, 10861),
        (-10861, 10861),
        (-10861, 10861),
        (-3620, 3620),
        (-3620, 3620),
        (-3077, 3077),
        (-2615, 2615),
        (-2223, 2223),
        (-1890, 1890),
        (-1606, 1607),
        (-1365, 1366),
        (-1160, 1161),
        (-986, 987),
    ]
