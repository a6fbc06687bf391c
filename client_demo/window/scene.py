"""What there is to see at one moment: who is where, where they came from, and what just happened.

It asks the client for its screen (everybody interpolated, the own avatar predicted) and remembers
what a picture needs beyond that.

Must not know: pygame, screens, connections.
"""

import math
from collections import deque
from typing import Final

import attrs

from protocol.client import Client, Event
from protocol.playback import Shown

__all__ = ["Effect", "Scene", "Trail"]

_TRAIL_KINDS: Final = frozenset({"Diver", "Leviathan"})
_TRAIL_EVERY_S: Final = 0.05
_TRAIL_S: Final = 4.0
_TRAIL_POINTS: Final = 100
_EVENTS_MAX: Final = 256
# The rules of Lanterns as a player comes to know them.
_HARPOON_RANGE: Final = 200.0
_WIDENS: Final = (40.0, 120.0, 300.0)  # the light at which a lantern becomes wider
# How long the trace of an event is seen, in seconds.
_LASTS: Final = {"Aimed": 0.25, "Harpooned": 0.45, "Snuffed": 0.9, "Robbed": 1.2}
_LASTS_ELSE: Final = 0.5

Trail = deque[tuple[float, float, float]]  # time in seconds, x, y


@attrs.frozen
class Effect:
    """The trace of an event: `age` 0 to 1, from (x, y) to (to_x, to_y) where it has two ends.

    `gain`: light that the player won, or lost if below 0.
    """

    name: str
    age: float
    x: float
    y: float
    to_x: float
    to_y: float
    hit: bool = False
    gain: float = 0.0


class Scene:
    """The world of one client, as its player sees it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.shown: dict[int, Shown] = {}
        self.trails: dict[int, Trail] = {}
        self._coming: deque[Event] = deque(maxlen=_EVENTS_MAX)
        self._seen: deque[tuple[float, Event]] = deque(maxlen=_EVENTS_MAX)

    @property
    def me(self) -> Shown | None:
        """The own avatar, where it is predicted; None while there is none."""
        return self.shown.get(self.client.entity)

    def kind(self, shown: Shown) -> str:
        """The name of an entity's kind."""
        assert self.client.schema is not None, "what is shown has been welcomed"
        return self.client.schema.kinds[shown.kind].name

    def update(self, now: float) -> None:
        """Go on to `now`, in seconds."""
        self.shown = self.client.screen(now)
        self._note_trails(now)
        self._note_events(now)

    @property
    def sight(self) -> float:
        """How far the player sees, in units."""
        return self.lantern(self.me)

    def lantern(self, shown: Shown | None) -> float:
        """How far a diver's lantern shines, in units: as far as it is told of others."""
        schema = self.client.schema
        if schema is None or shown is None or "light" not in shown.fields:
            return schema.interest[0] if schema is not None else 1.0
        wide = sum(float(shown.fields["light"]) >= light for light in _WIDENS)
        return schema.interest[min(wide, len(schema.interest) - 1)]

    def aimed(self, dx: float, dy: float, now: float) -> None:
        """The player shoots: that is seen before the server says what came of it."""
        me = self.me
        if me is not None and not self.client.private.get("harpoon_wait", 0):
            end = {"hit_x": me.x + dx * _HARPOON_RANGE, "hit_y": me.y + dy * _HARPOON_RANGE}
            self._seen.append((now, Event("Aimed", 0, 0, {"x": me.x, "y": me.y, **end})))

    def effects(self, now: float) -> list[Effect]:
        """The traces of what happened a moment ago, oldest first."""
        effects = []
        for began, event in self._seen:
            age = (now - began) / _LASTS.get(event.name, _LASTS_ELSE)
            if age < 1 and "x" in event.values and "y" in event.values:
                effects.append(self._effect(event, max(age, 0.0)))
        return effects

    def _effect(self, event: Event, age: float) -> Effect:
        told, me = event.values, self.client.entity
        x, y = float(told["x"]), float(told["y"])
        light = float(told.get("light", 0.0))
        won = light if told.get("thief") == me else -light if told.get("victim") == me else 0.0
        to_x, to_y = float(told.get("hit_x", x)), float(told.get("hit_y", y))
        return Effect(event.name, age, x, y, to_x, to_y, bool(told.get("target")), won)

    def _note_trails(self, now: float) -> None:
        schema = self.client.schema
        if schema is None:
            return
        for entity, shown in self.shown.items():
            if schema.kinds[shown.kind].name not in _TRAIL_KINDS:
                continue
            trail = self.trails.setdefault(entity, deque(maxlen=_TRAIL_POINTS))
            if trail and math.hypot(shown.x - trail[-1][1], shown.y - trail[-1][2]) > schema.jump:
                trail.clear()  # it was put elsewhere
            if not trail or now >= trail[-1][0] + _TRAIL_EVERY_S:
                trail.append((now, shown.x, shown.y))
            while trail[0][0] < now - _TRAIL_S:
                trail.popleft()
        for entity in self.trails.keys() - self.shown.keys():
            del self.trails[entity]

    def _note_events(self, now: float) -> None:
        """An event is seen when its tick is on the screen; what one did oneself, at once."""
        client = self.client
        while client.events:
            self._coming.append(client.events.popleft())
        shown_tick = client.timeline.shown if client.timeline is not None else 0.0
        for _ in range(len(self._coming)):
            event = self._coming.popleft()
            if event.tick <= shown_tick or self._is_own(event):
                self._seen.append((now, event))
            else:
                self._coming.append(event)

    def _is_own(self, event: Event) -> bool:
        return self.client.entity in (event.values.get("shooter"), event.values.get("diver"))
