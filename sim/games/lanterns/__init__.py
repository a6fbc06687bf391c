"""Lanterns: a dark sea of glowing fish and the divers who hunt them and each other.

The demo game, and the example of the authoring API. Touching a fish gives light. Light widens the
lantern, which is how far a diver sees. The harpoon steals light, the flare shows what is in the
dark, and one leviathan roams the whole sea. Whose light runs out begins again as an ember.

Read `sea` first (the game's frame), then `creatures`, `divers`, `light` and `harpoon`; `fish`
steers shoals as columns; `flares` and `leviathan` are small.
"""

# The rules that nothing above names are declared by being imported.
from sim.games.lanterns import leviathan as _leviathan  # noqa: F401
from sim.games.lanterns.creatures import Dash, Diver, Fish, Flare, Leviathan, Steer
from sim.games.lanterns.divers import Snuffed
from sim.games.lanterns.fish import Eaten
from sim.games.lanterns.flares import ThrowFlare
from sim.games.lanterns.harpoon import Harpoon, Harpooned
from sim.games.lanterns.light import Robbed
from sim.games.lanterns.sea import game

__all__ = [
    "Dash",
    "Diver",
    "Eaten",
    "Fish",
    "Flare",
    "Harpoon",
    "Harpooned",
    "Leviathan",
    "Robbed",
    "Snuffed",
    "Steer",
    "ThrowFlare",
    "game",
]
