"""A child reads in its environment the settings that its parent has."""

from pathlib import Path

import pytest

from server.cli import build_app
from server.cluster.nats.settings import EngineSettings
from server.fleet.environment import environment_of
from server.settings import Settings


@pytest.mark.parametrize(
    ("settings", "engine"),
    [
        (Settings(), EngineSettings()),
        (
            Settings(
                port=9000, origins=("https://a.example", "https://b.example"), page=True, seed=7
            ),
            EngineSettings(
                urls=("nats://10.0.0.1:4222", "nats://10.0.0.2:4222"),
                user="ann",
                password="not so secret",
                replicas=3,
                tls_ca=Path(__file__),
            ),
        ),
    ],
)
def test_settings_come_through(
    settings: Settings,
    engine: EngineSettings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("SHOAL_HOST", "somewhere.else")
    (tmp_path / "shoal.toml").write_text("[server]\nresume-grace-s = 99\n")
    monkeypatch.chdir(tmp_path)
    environment = environment_of(settings, engine)
    monkeypatch.delenv("SHOAL_HOST")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    _, bound, _ = build_app().parse_args(["node"], exit_on_error=False)
    bound.apply_defaults()
    assert bound.arguments["settings"] == settings
    assert bound.arguments["engine"] == engine
