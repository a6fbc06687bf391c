"""The configurations of `deploy/` work: real HAProxy, real nginx, real gateways, and bots."""

from pathlib import Path

import pytest

from benchmarks.balancer.run import Course, run, shortcomings
from tests.deploy.needs import need


@pytest.mark.slow
@pytest.mark.timeout(240)  # real time: joins, a drain, a restart and a kill
@pytest.mark.parametrize("proxy", ["haproxy", "nginx"])
async def test_bots_play_on_while_one_gateway_is_drained_and_one_is_killed(
    proxy: str, tmp_path: Path
) -> None:
    need(
        programs=(proxy, "nats-server", "openssl"),
        modules=("nats", "trio_asyncio"),
        extra="cluster",
    )
    course = Course(proxy=proxy, bots=20, drain_s=6.0, drain_wait_s=2.0)
    report = await run(course, tmp_path)
    assert not shortcomings(report, course), report
    if proxy == "haproxy":
        assert report["drain_connected_min"] > 0, "they went a few at a time"
