"""A frame shows what was pressed in it, and never fails, whatever the world and the window do."""

import math
import os
from importlib.util import find_spec

import pytest

if find_spec("pygame") is None and not os.environ.get("CI"):
    pytest.skip("pygame-ce is not installed: it is the extra 'window'", allow_module_level=True)

import pygame

from client_demo.window.drawing import AVATAR
from client_demo.window.hud import GOLD, TEXT, WARN
from client_demo.window.netcode import Netcode
from client_demo.window.stage import Stage
from examples.comets import game as comets
from protocol.client import Client
from sim.games.lanterns import Harpoon, Steer
from sim.games.lanterns import game as lanterns
from sim.predict import Predictor
from tests.client_demo.window.desk import Desk, open_window


@pytest.fixture
def window():
    """Opens the window, or gives it another size."""
    pygame.display.init()
    pygame.font.init()
    yield open_window
    pygame.display.quit()


@pytest.fixture
def sit(window):
    """Sits a player down: `sit(latency=0.1)`."""

    def sit_(latency=0.0, game=lanterns):
        return Desk(game, latency)

    return sit_


def key(code, *, down=True):
    return pygame.event.Event(pygame.KEYDOWN if down else pygame.KEYUP, key=code)


def click(button, pos):
    return pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=button, pos=pos)


@pytest.mark.parametrize("latency", [0.0, 0.1, 0.4])
def test_the_own_avatar_is_drawn_where_it_is_predicted_and_answers_within_two_frames(sit, latency):
    desk = sit(latency)
    presses = [(pygame.K_d, (1, 0)), (pygame.K_UP, (0, -1)), (pygame.K_a, (-1, 0))]
    for offset, (code, (dx, dy)) in enumerate(presses):
        desk.pass_frames(120 + offset)  # wherever between two ticks the key is pressed
        before = desk.middle_of(AVATAR)
        assert math.dist(before, desk.predicted()) < 1
        desk.frame(key(code))
        desk.frame()
        after = desk.middle_of(AVATAR)
        assert math.dist(after, desk.predicted()) < 1
        moved = (after[0] - before[0]) * dx + (after[1] - before[1]) * dy
        assert moved > 0.3, f"two frames after the press it has moved by {moved} pixels"
        assert (desk.avatar().vx, desk.avatar().vy) == (0, 0), "the server does not know yet"
        desk.frame(key(code, down=False))
    assert desk.player.client.statistics().corrections == 0, "and agrees when it does"


def test_the_avatar_swims_on_while_a_key_is_held_and_stops_when_it_is_let_go(sit):
    desk = sit(latency=0.1)
    start = desk.avatar().x
    desk.frame(key(pygame.K_RIGHT), key(pygame.K_d))
    desk.pass_frames(60)
    row = desk.avatar()
    assert row.x > start + 30
    assert row.vy == 0, "two keys of one direction are one direction"
    desk.frame(key(pygame.K_RIGHT, down=False))
    desk.pass_frames(30)
    assert desk.avatar().vx > 50, "one of the two is still held"
    desk.frame(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    desk.pass_frames(90)
    assert desk.avatar().vx == 0, "whoever looks elsewhere holds no key"


def test_shots_and_flares_fly_where_the_pointer_is_or_straight_ahead(sit):
    desk = sit()
    x, y = desk.predicted()
    desk.frame(click(1, (round(x), round(y) + 100)), click(3, (round(x) - 90, round(y))))
    desk.pass_frames(12)
    (shot,) = desk.shots()
    assert shot.hit_y - shot.y == pytest.approx(200, abs=4)
    assert shot.hit_x == pytest.approx(shot.x, abs=4)
    flares = [e for e in desk.player.view.values() if e.fields.get("thrower") == desk.player.id]
    assert [round(flare.vx) for flare in flares] == [-40]
    desk.pass_frames(70)  # it is ready again
    desk.frame(key(pygame.K_a), key(pygame.K_SPACE))
    desk.pass_frames(12)
    shots = desk.shots()
    assert shots[-1].hit_x - shots[-1].x == pytest.approx(-200, abs=4)


def test_the_window_may_have_any_size_at_any_time(sit, window):
    desk = sit()
    for size in ((320, 240), (1600, 300), (321, 999), (800, 500)):
        desk.surface = window(*size)
        desk.pass_frames(4)
        assert desk.surface.get_size() == size
        assert math.dist(desk.middle_of(AVATAR), desk.predicted()) < 1
        assert all(0 <= at < side for at, side in zip(desk.predicted(), size, strict=True))


def test_at_the_edge_of_the_world_the_avatar_leaves_the_middle_and_not_the_window(sit):
    desk = sit()
    desk.sim.command(desk.player.id, "shoal.place", x=5.0, y=1020.0)
    desk.frame(key(pygame.K_h))  # the help lies over that corner
    desk.pass_frames(120)
    x, y = desk.middle_of(AVATAR)
    assert 0 < x < 100
    assert 400 < y < 460, "above the line at the bottom"


def test_others_are_seen_with_whatever_name_they_gave_themselves(sit):
    desk = sit()
    empty = desk.count_of((255, 214, 140))
    for number, name in enumerate(
        ["bob", "", "\x00\x07", "\u0301\u200b", "深海のランタ", "🐟🐟🐟"]
    ):
        desk.sim.join(name, x=560 + 15 * number, y=470)
    desk.pass_frames(30)
    assert desk.count_of((255, 214, 140)) > empty + 100, "nobody is there"


def test_what_happens_leaves_a_trace_that_fades(sit):
    desk = sit(latency=0.1)
    bob = desk.sim.join("bob", x=660, y=500)
    desk.pass_frames(60)
    bob.send(Harpoon(dx=-1, dy=0))
    traces = set()
    for _ in range(120):
        desk.frame()
        traces |= {effect.name for effect in desk.stage.scene.effects(desk.now)}
    assert traces == {"Harpooned", "Robbed"}
    assert desk.stage.scene.effects(desk.now) == []


def test_a_trace_is_seen_when_the_world_around_it_is(sit):
    desk = sit(latency=0.2)
    bob = desk.sim.join("bob", x=660, y=500)
    bob.send(Steer(dx=0, dy=1))
    desk.pass_frames(60)
    bob.send(Harpoon(dx=1, dy=0))
    for _ in range(60):
        desk.frame()
        if effects := desk.stage.scene.effects(desk.now):
            break
    shown = desk.stage.scene.shown[bob.id]
    assert math.dist((shown.x, shown.y), (effects[0].x, effects[0].y)) < 8, (
        "bob shot from elsewhere"
    )


def test_the_score_board_names_the_player_and_the_line_tells_the_netcode(sit):
    desk = sit(latency=0.1)
    desk.pass_frames(90)
    words = " ".join(desk.stage.netcode.words)
    assert "round trip 2" in words, "100 ms each way, and the ticks between"
    assert "corrections 0" in words
    assert "60 fps" in words
    gold = desk.count_of(GOLD)
    assert gold > 60, "the own light, weapons and place among the best are gold"
    lines = desk.count_of(TEXT)
    desk.frame(key(pygame.K_F3), key(pygame.K_h))
    assert desk.count_of(TEXT) < lines - 300, "both can be put away"
    desk.frame(key(pygame.K_F3), key(pygame.K_h))
    assert desk.count_of(TEXT) == pytest.approx(lines, rel=0.1)


def test_a_simulated_link_is_named_even_when_the_netcode_line_is_not_shown(sit):
    desk = sit()
    desk.frame(key(pygame.K_F3))
    assert desk.count_of(WARN) == 0
    desk.stage.netcode = Netcode("poor")
    desk.frame()
    assert desk.count_of(WARN) > 30


def test_what_keeps_one_from_playing_is_written_across_the_picture(sit):
    desk = sit()
    desk.frame(notice="connection lost: reconnecting ...")
    assert desk.count_of(WARN) > 300
    assert desk.count_of(AVATAR) > 20, "the world can still be seen"
    desk.frame()
    assert desk.count_of(WARN) == 0


def test_while_the_link_is_lost_directions_are_kept_and_shots_are_not(sit):
    desk = sit(latency=0.05)
    desk.player.cut()
    desk.player.client.reconnect()  # what a connection does at once, and then waits for a welcome
    desk.frame(key(pygame.K_d), key(pygame.K_SPACE))
    desk.pass_frames(20)
    desk.player.resume()
    desk.pass_frames(60)
    assert desk.avatar().vx > 50
    assert not desk.shots()


def test_a_session_that_is_begun_anew_is_steered_by_the_keys_that_are_held(sit):
    desk = sit()
    desk.frame(key(pygame.K_d))
    desk.pass_frames(30)
    desk.player.leave()
    desk.player = desk.sim.join("ann", x=900, y=300)
    desk.pass_frames(30)
    assert desk.avatar().vx > 50


def test_other_games_can_be_played_too(sit):
    desk = sit(game=comets)
    x = desk.avatar().x
    before = desk.middle_of(AVATAR)
    desk.frame(key(pygame.K_d), key(pygame.K_SPACE), key(pygame.K_LSHIFT), click(1, (5, 5)))
    desk.pass_frames(8)
    assert desk.middle_of(AVATAR)[0] > before[0]
    desk.pass_frames(52)
    assert desk.avatar().vx > 20
    assert desk.avatar().x > x + 10


def test_before_the_welcome_there_is_a_picture_and_keys_are_heard(window):
    surface, stage = window(800, 500), Stage()
    client = Client("ann", predictor_factory=Predictor)
    stage.frame(surface, client, [], 0.0, notice="looking for ws://sea ...")
    stage.frame(surface, client, [key(pygame.K_ESCAPE)], 0.1)
    assert stage.controls.quits
