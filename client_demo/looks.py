"""How things look on the map, by the kind's name; kinds that nobody thought of look plain.

Must not know: canvases, clients.
"""

from typing import Final

import attrs

from client_demo.canvas import Colour

__all__ = ["BORDER", "SEA", "SHARDS", "Look", "look_of"]

SEA: Final[Colour] = (7, 13, 27)
# Waters of different shards, just different enough to see where one ends.
SHARDS: Final[tuple[Colour, ...]] = (
    (8, 18, 38), (8, 28, 34), (22, 16, 38), (26, 22, 24), (12, 30, 24), (30, 18, 30),
)  # fmt: skip
BORDER: Final[Colour] = (62, 84, 110)


@attrs.frozen(kw_only=True)
class Look:
    """`glyph` None draws a dot. `inks` are chosen by the value of the field `ink_by`, else the
    first. A glow lights the water around: `glow` is its radius in units, `glow_by` a field whose
    value widens it. `radius` draws a disc of so many units. `label` is a field shown beside it.
    """

    glyph: str | None = None
    inks: tuple[Colour, ...] = ((190, 200, 210),)
    ink_by: str | None = None
    glow: float = 0.0
    glow_by: str | None = None
    glow_colour: Colour = (255, 205, 120)
    radius: float = 0.0
    label: str | None = None
    layer: int = 0


_LOOKS: Final = {
    "Fish": Look(
        inks=(
            (84, 190, 200), (110, 205, 150), (90, 150, 230), (170, 130, 225), (215, 120, 170),
            (255, 214, 64),
        ),
        ink_by="species",
    ),
    "Diver": Look(
        glyph="●", inks=((255, 236, 190),), glow=45, glow_by="light", label="name", layer=3
    ),
    "Flare": Look(glyph="✦", inks=((255, 150, 60),), glow=110, glow_colour=(255, 120, 40), layer=2),
    "Leviathan": Look(
        glyph="◆", inks=((255, 60, 90),), radius=34, glow=90, glow_colour=(150, 10, 50), layer=4
    ),
}  # fmt: skip
_PLAYER: Final = Look(glyph="●", inks=((255, 236, 190),), glow=50, label="name", layer=3)
_PLAIN: Final[tuple[Colour, ...]] = (
    (120, 200, 210), (210, 170, 120), (160, 200, 120), (200, 130, 190), (150, 150, 230),
)  # fmt: skip


def look_of(name: str, index: int, *, steered: bool) -> Look:
    """The look of the kind called `name`, the `index`-th of its game; `steered` by players."""
    if name in _LOOKS:
        return _LOOKS[name]
    return _PLAYER if steered else Look(inks=(_PLAIN[index % len(_PLAIN)],))
