"""The map of a whole world, from a replica onto a canvas.

Positions are those of the newest snapshot: at map scale a character is as wide as a fish swims in a
second, so there is nothing to interpolate.

Must not know: terminals, connections.
"""

from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from client_demo.canvas import Canvas, Colour
from client_demo.looks import BORDER, SEA, SHARDS, Look, look_of
from protocol import courses
from protocol.geometry import Geometry
from protocol.replica import Replica
from protocol.schema import Kind

__all__ = ["Crowd", "crowds", "draw"]

Floats = npt.NDArray[np.float64]


@attrs.frozen(eq=False)
class Crowd:
    """All entities of one kind: ids u64[N], x and y in units float64[N], wire integers by field."""

    kind: Kind
    index: int
    ids: npt.NDArray[np.uint64]
    x: Floats
    y: Floats
    columns: dict[str, npt.NDArray[Any]]

    def values(self, name: str) -> Floats:
        """A field in its own unit. Raises KeyError."""
        return self.kind.field(name).to_float(self.columns[name])

    def texts(self, name: str) -> list[str]:
        """A text field. Raises KeyError."""
        return [raw.decode("utf-8", "replace") for raw in self.columns[name].tolist()]


def crowds(replica: Replica) -> list[Crowd]:
    """Everything in a replica, kind by kind; an entity between two shards counts once."""
    return [_crowd(replica, index, kind) for index, kind in enumerate(replica.schema.kinds)]


def _crowd(replica: Replica, index: int, kind: Kind) -> Crowd:
    parts = []
    for table in replica.tables.values():
        ids, _, columns, course = table.columns(index)
        if course is not None and kind.course is not None:
            x0, y0, vx, vy, step0 = course
            age, num, den = table.step - step0, kind.course.num, kind.course.den
            x = courses.evaluate(x0, vx, age, num, den) * kind.course.step
            y = courses.evaluate(y0, vy, age, num, den) * kind.course.step
        else:
            x, y = (_axis(kind, columns, axis, len(ids)) for axis in (0, 1))
        parts.append((ids, x, y, columns))
    ids = np.concatenate([part[0] for part in parts] or [np.empty(0, np.uint64)])
    ids, first = np.unique(ids, return_index=True)
    return Crowd(
        kind=kind,
        index=index,
        ids=ids,
        x=np.concatenate([part[1] for part in parts] or [np.empty(0)])[first],
        y=np.concatenate([part[2] for part in parts] or [np.empty(0)])[first],
        columns={
            field.name: np.concatenate([part[3][field.name] for part in parts])[first]
            for field in kind.fields
            if parts
        },
    )


def _axis(kind: Kind, columns: dict[str, npt.NDArray[Any]], axis: int, count: int) -> Floats:
    for field in kind.fields:
        if field.axis == axis:
            return field.to_float(columns[field.name])
    return np.zeros(count)


@attrs.frozen
class _Scale:
    """Units to dots: the whole world, as large as fits, in the middle."""

    per_dot: float
    left: int
    top: int

    @classmethod
    def fit(cls, geometry: Geometry, canvas: Canvas) -> "_Scale":
        wide, high = 2 * canvas.columns, 4 * canvas.rows
        per_dot = max(geometry.width / wide, geometry.height / high)
        left = int((wide - geometry.width / per_dot) / 2) // 2 * 2
        top = int((high - geometry.height / per_dot) / 2) // 4 * 4
        return cls(per_dot, left, top)

    def xs(self, x: Floats) -> npt.NDArray[np.int64]:
        return (x / self.per_dot).astype(np.int64) + self.left

    def ys(self, y: Floats) -> npt.NDArray[np.int64]:
        return (y / self.per_dot).astype(np.int64) + self.top


def draw(canvas: Canvas, geometry: Geometry, everyone: list[Crowd]) -> None:
    """Paint the sea, its shards and all that lives in it."""
    scale = _Scale.fit(geometry, canvas)
    world = _draw_waters(canvas, geometry, scale)
    looks = [
        (look_of(crowd.kind.name, crowd.index, steered=_steered(crowd.kind)), crowd)
        for crowd in everyone
    ]
    light = np.zeros((canvas.rows, canvas.columns, 3), np.float64)
    for look, crowd in looks:
        if look.glow:
            _shine(light, look, crowd, scale)
    # Few levels of light keep runs of one colour long, and so the bytes to a terminal few.
    steps = np.round(np.minimum(light, 1.0) * 6) / 6 * world[:, :, None]
    lit = canvas.background + (steps * (110, 80, 50)).astype(np.int64)
    canvas.background[:] = np.minimum(lit, 255)
    for look, crowd in sorted(looks, key=lambda pair: pair[0].layer):
        _draw_crowd(canvas, look, crowd, scale)
    for look, crowd in looks:
        if look.label is not None and look.label in crowd.columns:
            _label(canvas, look, crowd, scale)


def _steered(kind: Kind) -> bool:
    return kind.motion is not None and bool(kind.motion.get("input"))


def _draw_waters(canvas: Canvas, geometry: Geometry, scale: _Scale) -> npt.NDArray[np.bool_]:
    """Colour each shard's water; gives which characters lie in the world."""
    x = ((np.arange(canvas.columns) * 2 + 1) - scale.left) * scale.per_dot
    y = ((np.arange(canvas.rows) * 4 + 2) - scale.top) * scale.per_dot
    inside_x, inside_y = (x >= 0) & (x < geometry.width), (y >= 0) & (y < geometry.height)
    world: npt.NDArray[np.bool_] = inside_y[:, None] & inside_x[None, :]
    columns = np.clip(x // geometry.cell, 0, geometry.columns - 1).astype(np.int64)
    rows = np.clip(y // geometry.cell, 0, geometry.rows - 1).astype(np.int64)
    owners = geometry.owners[rows[:, None] * geometry.columns + columns[None, :]]
    palette = np.array(SHARDS, np.uint8)[owners % len(SHARDS)]
    canvas.background[:] = np.where(world[:, :, None], palette, np.array(SEA, np.uint8))
    _draw_borders(canvas, owners, world)
    return world


def _draw_borders(
    canvas: Canvas, owners: npt.NDArray[np.int32], world: npt.NDArray[np.bool_]
) -> None:
    beside = np.zeros_like(world)
    beside[:, 1:] = (owners[:, 1:] != owners[:, :-1]) & world[:, 1:] & world[:, :-1]
    below = np.zeros_like(world)
    below[1:, :] = (owners[1:, :] != owners[:-1, :]) & world[1:, :] & world[:-1, :]
    for row, column in np.argwhere(beside | below).tolist():
        both = beside[row, column] and below[row, column]
        glyph = "┼" if both else "│" if beside[row, column] else "─"
        canvas.glyph(column, row, glyph, BORDER)


def _shine(light: Floats, look: Look, crowd: Crowd, scale: _Scale) -> None:
    rows, columns = light.shape[:2]
    x = (np.arange(columns) * 2 + 1 - scale.left) * scale.per_dot
    y = (np.arange(rows) * 4 + 2 - scale.top) * scale.per_dot
    radii = np.full(len(crowd.ids), look.glow, np.float64)
    if look.glow_by is not None and look.glow_by in crowd.columns:
        radii += np.minimum(crowd.values(look.glow_by), 400.0) // 40 * 10
    colour = np.array(look.glow_colour) / 255
    # A light stands in the middle of its character: it moves by whole ones, so that the water
    # around it does not flicker, and need not be written again, with every little step.
    places_x = (scale.xs(crowd.x) // 2 * 2 + 1 - scale.left) * scale.per_dot
    places_y = (scale.ys(crowd.y) // 4 * 4 + 2 - scale.top) * scale.per_dot
    for place_x, place_y, radius in zip(places_x, places_y, radii, strict=True):
        near_x = np.flatnonzero(np.abs(x - place_x) < radius)
        near_y = np.flatnonzero(np.abs(y - place_y) < radius)
        if len(near_x) and len(near_y):
            block = slice(near_y[0], near_y[-1] + 1), slice(near_x[0], near_x[-1] + 1)
            square = (y[near_y, None] - place_y) ** 2 + (x[None, near_x] - place_x) ** 2
            strength = np.maximum(1 - np.sqrt(square) / radius, 0)
            light[block] = np.maximum(light[block], strength[:, :, None] * colour)


def _draw_crowd(canvas: Canvas, look: Look, crowd: Crowd, scale: _Scale) -> None:
    xs, ys = scale.xs(crowd.x), scale.ys(crowd.y)
    if look.radius:
        _draw_discs(canvas, look, crowd, scale)
    if look.glyph is not None:
        for x, y in zip((xs // 2).tolist(), (ys // 4).tolist(), strict=True):
            canvas.glyph(x, y, look.glyph, look.inks[0])
        return
    if look.ink_by is None or look.ink_by not in crowd.columns:
        canvas.dots(xs, ys, look.inks[0])
        return
    choice = crowd.values(look.ink_by).astype(np.int64) % len(look.inks)
    for number, ink in enumerate(look.inks):
        canvas.dots(xs[choice == number], ys[choice == number], ink)


def _draw_discs(canvas: Canvas, look: Look, crowd: Crowd, scale: _Scale) -> None:
    reach = max(int(look.radius / scale.per_dot), 1)
    across, down = np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1))
    disc = across**2 + down**2 <= reach**2
    ink: Colour = look.inks[0]
    for x, y in zip(scale.xs(crowd.x).tolist(), scale.ys(crowd.y).tolist(), strict=True):
        canvas.dots(across[disc] + x, down[disc] + y, ink)


def _label(canvas: Canvas, look: Look, crowd: Crowd, scale: _Scale) -> None:
    assert look.label is not None
    places = zip(
        scale.xs(crowd.x).tolist(),
        scale.ys(crowd.y).tolist(),
        crowd.texts(look.label),
        strict=True,
    )
    for x, y, text in places:
        plain = "".join(c for c in text if c.isprintable() and c.isascii())[:12]
        canvas.text(x // 2 + 2, y // 4, plain, (150, 140, 120))
