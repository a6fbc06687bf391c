"""The deterministic fixed-tick simulation and the API that game authors write against."""

from sim import math, motion
from sim.errors import DeclarationError, EngineError, GameError
from sim.fields import ident, owner_only, predicted, quant, server_only, text
from sim.game import Game
from sim.grid import Grid
from sim.specs import Entity
from sim.table import Everyone, Table
from sim.world import World

__all__ = [
    "DeclarationError",
    "EngineError",
    "Entity",
    "Everyone",
    "Game",
    "GameError",
    "Grid",
    "Table",
    "World",
    "ident",
    "math",
    "motion",
    "owner_only",
    "predicted",
    "quant",
    "server_only",
    "text",
]
