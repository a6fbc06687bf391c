"""What the benchmark needs for its peers is found, or installed, or there is a reason why not."""

import json
import re
import shutil
from pathlib import Path

import pytest

from benchmarks.interest import peers, rules

PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"


def installing(version: str) -> str:
    """What an npm does that installs `thing` in a version."""
    at = "node_modules/thing"
    return f"""mkdir -p {at}; echo '{{"version": "{version}"}}' > {at}/package.json"""


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An npm to be written, beside peers who want one package."""
    (tmp_path / "package.json").write_text(json.dumps({"dependencies": {"thing": "1.2.3"}}))
    script = tmp_path / "npm"
    script.touch(0o755)
    monkeypatch.setattr(peers, "_HOME", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: str(tmp_path / name))
    return script


def test_both_sides_of_the_comparison_have_the_same_rules() -> None:
    text = (PEERS / "rules.mjs").read_text()
    numbers = {
        name: float(value) for name, value in re.findall(r"export const (\w+) = ([\d.]+);", text)
    }
    numbers["QUANTUM"] = 1 / numbers["STEPS_PER_UNIT"]
    shared = ("HZ", "CELL", "QUANTUM", "SPEED", "HEADINGS", "ROAMER_TURNS_HZ", "HP_RATE")
    assert [numbers[name] for name in shared] == [getattr(rules, name) for name in shared]


def test_what_the_peers_are_made_of_is_pinned() -> None:
    wanted = json.loads((PEERS / "package.json").read_text())["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())


def test_what_is_missing_is_installed_once(npm: Path) -> None:
    npm.write_text(f"#!/bin/sh\n{installing('1.2.3')}\n")
    log: list[str] = []
    peers.install(log.append)
    peers.install(log.append)
    assert log == ["installing thing 1.2.3"]


def test_the_words_of_npm_are_passed_on(npm: Path) -> None:
    npm.write_text("#!/bin/sh\necho nothing answers >&2; exit 7\n")
    with pytest.raises(peers.PeerMissing, match=r"exit code 7\):\nnothing answers"):
        peers.install(print)


def test_npm_that_installs_another_version_is_not_believed(npm: Path) -> None:
    npm.write_text(f"#!/bin/sh\n{installing('2.0.0')}\n")
    with pytest.raises(peers.PeerMissing, match=r"did not install thing 1\.2\.3"):
        peers.install(print)


def test_without_node_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert peers.find_node() is None
    with pytest.raises(peers.PeerMissing, match=r"Node\.js"):
        peers.install(print)
    with pytest.raises(peers.PeerMissing, match=r"Node\.js"):
        peers.command("floor", {})


def test_without_npm_there_is_a_reason(npm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "node" if name == "node" else None)
    with pytest.raises(peers.PeerMissing, match=r"npm, which would install thing 1\.2\.3"):
        peers.install(print)
