"""Who shoots at what they see hits it: the hits benchmark, in small.

The seas of these tests have no fish, which nobody shoots at, so that they are soon over.
"""

import json

import pytest

from benchmarks.hits.__main__ import main, verdict
from benchmarks.hits.run import Job, run
from benchmarks.hits.shots import Shot, figures, met_on_screen
from protocol.client import Event
from protocol.playback import Shown
from sim.games.lanterns import game
from sim.games.lanterns.harpoon import Hit

SMALL = Job(rtt_ms=150, shots=100)
DIVER, LEVIATHAN = 0, 3


@pytest.fixture
def no_fish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.games.lanterns.fish.POPULATION", 0)
    monkeypatch.setattr("sim.games.lanterns.game._code", None)  # what it is now is other code


@pytest.mark.slow
@pytest.mark.usefixtures("no_fish")
def test_on_a_link_of_150_ms_shots_hit_what_was_seen_and_only_because_of_rewind() -> None:
    fair, unfair = run(SMALL), run(Job(rtt_ms=150, shots=100, rewind=False))
    assert fair["share"] >= 0.95, "who hits on the screen misses on the server"
    assert fair["hits_on_screen"] > 70
    assert fair["false_hits"] <= 2
    assert fair["unanswered"] == fair["beyond_limit"] == 0
    assert unfair["share"] < 0.5, "targets do not move enough to tell"
    assert verdict([fair, unfair])["fair"]
    assert game.history_s == 0.5, "the game itself goes on remembering"


@pytest.mark.usefixtures("no_fish")
def test_shots_across_a_border_are_as_fair_at_150_ms_one_way() -> None:
    across = run(Job(rtt_ms=300, shots=100, bots=8, side=160, seed=4))["across_border"]
    assert across["hits_on_screen"] > 25, "hardly anybody shot across the border"
    assert across["share"] >= 0.95


@pytest.mark.slow
@pytest.mark.usefixtures("no_fish")
def test_the_same_seed_gives_the_same_run_as_json_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = ["--rtt-ms", "150", "--shots", "30", "--seed", "3"]
    main(argv)
    about, fair, unfair, final = map(json.loads, capsys.readouterr().out.splitlines())
    assert about["machine"]["cores"] >= 1
    assert (fair["shots"], fair["rewind"], unfair["rewind"]) == (30, True, False)
    assert final["fair"]
    assert run(Job(rtt_ms=150, shots=30, seed=3)) == fair


def shown(kind: int, x: float, y: float) -> Shown:
    return Shown(kind, x, y, 0.0, 0.0, {})


def test_a_screen_is_judged_by_the_games_own_rule() -> None:
    screen = {
        1: shown(DIVER, 100, 100),
        2: shown(DIVER, 200, 109),
        3: shown(DIVER, 150, 111),
        4: shown(LEVIATHAN, 180, 129),
    }
    assert met_on_screen(screen, 1, (300, 100)).target == 4, "the beast is wider, and before them"
    del screen[4]
    assert met_on_screen(screen, 1, (300, 100)).target == 2, "the nearer one is too far aside"
    del screen[2]
    assert met_on_screen(screen, 1, (300, 100)).target == 0


def test_shots_are_counted_by_what_screen_and_server_say() -> None:
    def shot(seen: int, told: int | None, *, across: bool = False) -> Shot:
        values = {"target": told, "hit_x": 53.0, "hit_y": 4.0}
        event = None if told is None else Event("Harpooned", 106, 0, values)
        return Shot(100.5, 106, 9, Hit(seen, 70, 50, 0), across, event)

    counted = figures(
        [shot(5, 5), shot(5, 0), shot(5, 6), shot(5, None), shot(0, 7, across=True), shot(0, 0)],
        hz=20,
        rewind_s=0.2,
    )
    assert counted["shots"] == 6
    assert (counted["hits_on_screen"], counted["agreed"], counted["share"]) == (4, 1, 0.25)
    assert (counted["false_hits"], counted["other_hits"], counted["unanswered"]) == (1, 1, 1)
    assert counted["across_border"]["shots"] == 1
    assert counted["across_border"]["share"] is None
    assert counted["view_age_ms_p50"] == 225, "the world before tick 106 was judged"
    assert counted["beyond_limit"] == 5
    assert counted["target_off_p50"] == 5


def test_unfair_shots_fail_the_benchmark() -> None:
    good = {"rewind": True, "rtt_ms": 150.0, "share": 0.96}
    assert verdict([good])["fair"]
    assert not verdict([good | {"share": 0.94}])["fair"]
    assert not verdict([good | {"share": None}])["fair"], "nothing was measured"
    assert verdict([good | {"rtt_ms": 300.0, "share": 0.94}])["fair"], "reported, not promised"
    assert not verdict([good | {"rewind": False, "share": 0.6}])["fair"]
