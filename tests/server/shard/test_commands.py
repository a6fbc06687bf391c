"""Commands reach whoever owns their target, and give up on who is gone."""

from typing import Any

import pytest

from server.shard import limits
from server.shard.commands import Commands
from server.shard.forwarding import Forwarding
from server.shard.outbox import CommandParcel, Outbox, read_parcel

HERE, AWAY, GHOST, GONE = 1, 2, 3, 4


class World:
    """As much of a world as commands look at."""

    def get(self, entity: int) -> object | None:
        return object() if entity == HERE else None


@pytest.fixture
def outbox() -> Outbox:
    box = Outbox()
    box.begin(5)
    return box


@pytest.fixture
def commands(outbox: Outbox) -> Commands:
    forwarding = Forwarding()
    forwarding.went(AWAY, 7)
    world: Any = World()
    return Commands(world, outbox, forwarding, {GHOST: 8, AWAY: 9}.get)


def sent(outbox: Outbox) -> list[tuple[int, int, int]]:
    parcels = [(out.to, read_parcel(out.data)) for out in outbox.finish()]
    assert all(isinstance(parcel, CommandParcel) for _, parcel in parcels)
    return [(to, parcel.target, parcel.forwards) for to, parcel in parcels]


def test_a_command_for_one_who_is_here_waits_for_the_next_step(
    commands: Commands, outbox: Outbox
) -> None:
    commands.send(HERE, "hit", {"by": 2})
    assert [tuple(command) for command in commands.take()] == [(HERE, "hit", {"by": 2})]
    assert commands.take() == []
    assert sent(outbox) == []


def test_who_was_handed_over_is_followed_and_who_is_seen_is_reached(
    commands: Commands, outbox: Outbox
) -> None:
    commands.send(AWAY, "hit", {})
    commands.send(GHOST, "hit", {})
    assert sent(outbox) == [(7, AWAY, 0), (8, GHOST, 0)], "own memory is newer than what is seen"


def test_a_former_owner_passes_a_command_on(commands: Commands, outbox: Outbox) -> None:
    commands.receive(CommandParcel(1, 4, AWAY, "hit", {}, 2), {})
    commands.receive(CommandParcel(2, 4, HERE, "hit", {}, 0), {})
    assert sent(outbox) == [(7, AWAY, 3)]
    assert [command.target for command in commands.take()] == [HERE]


def test_a_command_may_come_together_with_its_target(commands: Commands) -> None:
    commands.receive(CommandParcel(1, 4, AWAY, "hit", {}, 0), {AWAY: object()})
    assert [command.target for command in commands.take()] == [AWAY]


def test_what_nobody_can_deliver_is_counted(commands: Commands, outbox: Outbox) -> None:
    commands.send(GONE, "hit", {})
    commands.receive(CommandParcel(1, 4, AWAY, "hit", {}, limits.FORWARDS_MAX), {})
    assert commands.undeliverable == 2
    assert sent(outbox) == []
