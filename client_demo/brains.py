"""How bots play: Lanterns with a mind of their own, any other game by wandering about.

Chance is given, so a bot's life can be repeated.

Must not know: clients, connections.
"""

import math
import random
from typing import Final

from client_demo.heading import Heading, direction, distance
from client_demo.senses import Act, Brain, Seen, Senses
from protocol.schema import Schema

__all__ = ["LanternsBrain", "Still", "Wanderer", "brain_for"]

# The rules of Lanterns as a player comes to know them.
_HARPOON_RANGE: Final = 200.0
_HARPOON_WAIT_S: Final = 1.1
_FLARE_WAIT_S: Final = 6.5
_DASH_WAIT_S: Final = 2.2
_GOLDEN: Final = 5
_SWIM_SPEED: Final = 80.0

_DREAD: Final = 230.0  # nearer than this, the leviathan is all that counts
_SURE_SHOT: Final = 0.8  # of the range: beyond it the target has swum away
_LAZY_EYE: Final = 0.03  # standard deviation of the aim, radians
_GREED: Final = 4.0  # a golden fish is worth so many times the way
_JOURNEY_S: Final = (10.0, 25.0)
_HUNT_S: Final = (15.0, 45.0)


def brain_for(schema: Schema, chance: random.Random) -> Brain:
    """The best player that this game has."""
    if schema.game == "lanterns":
        return LanternsBrain(chance)
    for kind in schema.kinds:
        steer = (kind.motion or {}).get("input")
        if steer is not None:
            return Wanderer(steer, chance)
    return Still()


class Still:
    """Watches, in games that have no motion to bind to."""

    def think(self, senses: Senses) -> list[Act]:
        """Do nothing."""
        del senses
        return []


class Wanderer:
    """Goes somewhere, then somewhere else: for any game whose motion is bound to an input."""

    def __init__(self, steer: str, chance: random.Random) -> None:
        self._heading = Heading(steer)
        self._chance = chance
        self._goal = (0.0, 0.0)
        self._until = -math.inf

    def think(self, senses: Senses) -> list[Act]:
        """Swim towards the goal; choose another in time."""
        me = senses.me
        if senses.now >= self._until or distance(me, *self._goal) < 40:
            self._goal = _anywhere(senses, self._chance)
            self._until = senses.now + self._chance.uniform(5, 20)
        return self._heading.towards(me, *self._goal)


class LanternsBrain:
    """Hunts fish, shoots at divers, flees the leviathan, and now and then swims far away."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._heading = Heading("Steer")
        self._courage = chance.uniform(0.3, 1.0)
        self._travelling = False
        self._mood_until = -math.inf
        self._goal = (0.0, 0.0)
        self._ready_at = dict.fromkeys(("Harpoon", "ThrowFlare", "Dash"), -math.inf)

    def think(self, senses: Senses) -> list[Act]:
        """Danger first, then everything else at once: one may shoot while hunting."""
        acts = self._flee(senses)
        if acts is None:
            self._choose_mood(senses)
            acts = self._swim(senses)
        return acts + self._fight(senses) + self._light_up(senses)

    def _flee(self, senses: Senses) -> list[Act] | None:
        beasts = [b for b in senses.of("Leviathan") if distance(senses.me, b.x, b.y) < _DREAD]
        if not beasts:
            return None
        me, beast = senses.me, beasts[0]
        dx, dy = direction(me.x - beast.x, me.y - beast.y)
        # Not into the corner: the middle of the sea draws, a little.
        middle_x, middle_y = direction(senses.size[0] / 2 - me.x, senses.size[1] / 2 - me.y)
        acts = self._heading.along(*direction(dx + 0.4 * middle_x, dy + 0.4 * middle_y))
        if distance(me, beast.x, beast.y) < _DREAD / 2 and self._may("Dash", senses, _DASH_WAIT_S):
            acts.append(Act("Dash"))
        return acts

    def _choose_mood(self, senses: Senses) -> None:
        arrived = self._travelling and distance(senses.me, *self._goal) < 60
        if senses.now < self._mood_until and not arrived:
            return
        self._travelling = not self._travelling and self._mood_until > -math.inf
        span = _JOURNEY_S if self._travelling else _HUNT_S
        self._mood_until = senses.now + self._chance.uniform(*span)
        self._goal = _anywhere(senses, self._chance)

    def _swim(self, senses: Senses) -> list[Act]:
        fish = senses.of("Fish")
        if self._travelling or not fish:
            return self._heading.towards(senses.me, *self._goal)
        prey = min(fish, key=lambda one: _cost(senses.me, one))
        away_s = distance(senses.me, prey.x, prey.y) / _SWIM_SPEED
        ahead_s = min(away_s, 1.0)
        acts = self._heading.towards(
            senses.me, prey.x + prey.vx * ahead_s, prey.y + prey.vy * ahead_s
        )
        eager = 0.5 < away_s < 1.0 and self._chance.random() < 0.3
        if eager and self._may("Dash", senses, _DASH_WAIT_S):
            acts.append(Act("Dash"))
        return acts

    def _fight(self, senses: Senses) -> list[Act]:
        me, reach = senses.me, _HARPOON_RANGE * _SURE_SHOT
        rivals = [one for one in senses.of("Diver") if distance(me, one.x, one.y) < reach]
        if not rivals or self._chance.random() > self._courage:
            return []
        if not self._may("Harpoon", senses, _HARPOON_WAIT_S):
            return []
        target = max(rivals, key=lambda one: one.number("light"))
        angle = math.atan2(target.y - me.y, target.x - me.x) + self._chance.gauss(0, _LAZY_EYE)
        return [Act("Harpoon", {"dx": math.cos(angle), "dy": math.sin(angle)})]

    def _light_up(self, senses: Senses) -> list[Act]:
        wealthy = senses.me.number("light") > 15
        if not wealthy or self._chance.random() > 0.02:
            return []
        if not self._may("ThrowFlare", senses, _FLARE_WAIT_S):
            return []
        dx, dy = direction(self._goal[0] - senses.me.x, self._goal[1] - senses.me.y)
        return [Act("ThrowFlare", {"dx": dx, "dy": dy})]

    def _may(self, weapon: str, senses: Senses, wait_s: float) -> bool:
        """Whether it is ready again; if so it is taken to be used."""
        if senses.now < self._ready_at[weapon]:
            return False
        self._ready_at[weapon] = senses.now + wait_s
        return True


def _cost(me: Seen, fish: Seen) -> float:
    golden = int(fish.number("species")) == _GOLDEN
    return distance(me, fish.x, fish.y) / (_GREED if golden else 1.0)


def _anywhere(senses: Senses, chance: random.Random) -> tuple[float, float]:
    width, height = senses.size
    return chance.uniform(0.05, 0.95) * width, chance.uniform(0.05, 0.95) * height
