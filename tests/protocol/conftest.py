"""A small world for the protocol's tests: one kind with a course, one without, four cells wide."""

import pytest

from protocol.geometry import Geometry
from protocol.schema import Schema

SCHEMA = {
    "game": "test",
    "hash": "0011223344556677",
    "hz": 20,
    "size": [256.0, 128.0],
    "cell": 64.0,
    "interest": [64.0, 128.0],
    "jump": 32.0,
    "kinds": [
        {
            "name": "Fish",
            "fields": [
                {"name": "hp", "type": "u8", "lo": 0.0, "step": 1.0, "axis": None},
                {"name": "name", "type": "text:8", "lo": 0.0, "step": 1.0, "axis": None},
            ],
            "course": {
                "step": 1 / 4096,
                "speed_step": 1 / 64,
                "num": 16,
                "den": 5,
                "speed_type": "i16",
            },
            "private": [{"name": "air", "type": "u16", "lo": 0.0, "step": 0.5, "axis": None}],
            "motion": None,
        },
        {
            "name": "Rock",
            "fields": [
                {"name": "x", "type": "u16", "lo": 0.0, "step": 1 / 16, "axis": 0},
                {"name": "y", "type": "u16", "lo": 0.0, "step": 1 / 16, "axis": 1},
                {"name": "owner", "type": "u64", "lo": 0.0, "step": 1.0, "axis": None},
            ],
            "course": None,
            "private": [],
            "motion": None,
        },
    ],
    "inputs": [
        {
            "name": "Steer",
            "once": False,
            "fields": [
                {"name": "dx", "type": "u8", "lo": -1.0, "step": 0.01},
                {"name": "note", "type": "text:4", "lo": 0.0, "step": 1.0},
            ],
        }
    ],
    "events": [
        {
            "name": "Hit",
            "durable": False,
            "fields": [{"name": "by", "type": "u64", "lo": 0.0, "step": 1.0}],
        }
    ],
}


@pytest.fixture(scope="session")
def schema() -> Schema:
    return Schema.from_data(SCHEMA)


@pytest.fixture(scope="session")
def geometry() -> Geometry:
    return Geometry.grid(256, 128, 64, (64, 128), shards=(2, 1))
