"""A server never starts half right: every setting is checked when the settings are made."""

import pytest

from server.settings import Settings, SettingsError


def test_the_defaults_are_a_server_that_runs() -> None:
    assert Settings().shard_grid == (2, 2), "the world is 2 x 2 shards by default"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", -1),
        ("port", 65536),
        ("seed", -1),
        ("clients_max", 0),
        ("clients_per_address_max", 0),
        ("resume_grace_s", -0.1),
        ("drain_s", 3601),
        ("drain_wait_s", -1),
        ("trusted_proxies", ("10.0.0.0/8", "proxy.example.org")),
        ("trusted_proxies", ("10.0.0.1/8",)),
        ("world", ""),
        ("world", "two words"),
        ("host", "not a host"),
        ("shards", "2"),
        ("shards", "0x2"),
        ("shards", "2x65"),
        ("shards", "axb"),
        ("origins", ("play.example.org",)),
        ("origins", ("https://play.example.org/path",)),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_flag(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=name.replace("_", "-")):
        Settings(**{name: value})  # type: ignore[arg-type]  # bad values are the point


def test_shards_are_columns_by_rows() -> None:
    assert Settings(shards="4x1").shard_grid == (4, 1)
