"""What the page knows of the rules of Lanterns is what the rules are."""

import json
from pathlib import Path

from sim.games.lanterns import creatures, divers, flares, harpoon, sea
from tests.web.conftest import Run

RULES = Path(__file__).parent.parent.parent / "client_demo/web/app/lanterns.js"


def test_the_page_knows_the_rules(node: Run) -> None:
    script = f"import('{RULES}').then((rules) => console.log(JSON.stringify(rules)))"
    done = node("-e", script)
    assert done.returncode == 0, done.stderr
    rules = json.loads(done.stdout)
    assert rules["HARPOON_RANGE"] == harpoon.RANGE
    widths = {kind.__name__: width for kind, width in harpoon.WIDTHS.items()}
    assert rules["HALF_WIDTHS"] == widths
    assert rules["WIDENS"] == list(divers.WIDENS)
    assert rules["REACH"] == sea.game.reach
    dash = creatures.SWIMMING.dash
    assert dash is not None
    assert {wait["column"]: wait["longestS"] for wait in rules["WAITS"]} == {
        "harpoon_wait": harpoon.WAIT_STEPS / sea.HZ,
        "flare_wait": flares.WAIT_STEPS / sea.HZ,
        "dash_wait": dash.cooldown,
    }
