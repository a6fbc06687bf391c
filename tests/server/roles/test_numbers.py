"""What a gateway and a node say of themselves is what they are."""

import attrs
import pytest
import trio

pytest.importorskip("prometheus_client", reason="numbers want the extra 'cluster'")

from server.gateway.config import GatewayStatistics
from server.roles.numbers import gateway_numbers, node_numbers, numbers_of
from tests.server.placement.world import setting


def test_a_gateway_tells_every_one_of_its_numbers_under_a_name_of_its_own() -> None:
    names = list(attrs.fields_dict(GatewayStatistics))
    statistics = GatewayStatistics(**{name: 100 + at for at, name in enumerate(names)})
    numbers = gateway_numbers(statistics, 2500)
    assert len({number.name for number in numbers}) == len(numbers)
    told = {number.value for number in numbers}
    untold = {name for name in names if getattr(statistics, name) not in told}
    assert untold == {"detached", "exceptions"}, "of use to nobody but us"
    media_type, text = numbers_of(lambda: numbers)()
    assert media_type.startswith("text/plain")
    assert b"\nshoal_gateway_clients 100.0\n" in text
    assert b"\nshoal_gateway_clients_max 2500.0\n" in text
    assert b"\nshoal_gateway_snapshots_total " in text


async def test_a_node_tells_what_it_steps(autojump_clock: trio.testing.MockClock) -> None:
    async with setting() as given:
        await given.start("a")
        await given.wait(lambda: given.homes() == {"a": {0, 1, 2, 3}})
        await trio.sleep(2)
        node = given.members["a"].node
        told = {number.name: number.value for number in node_numbers(node)}
        entities = sum(len(shard.world.owned_ids()) for shard in node.shards.values())
        assert told["shoal_node_shards"] == 4
        assert told["shoal_node_entities"] == entities > 0
        assert told["shoal_node_tick"] == node.tick > 0
        assert told["shoal_node_speed"] == 1.0
        assert told["shoal_node_missed_ticks"] == 0
