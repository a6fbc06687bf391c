"""Bots behind a load balancer while gateways come and go, as `deploy/` sets it up.

A private nats-server, a node and two gateways run, and before them HAProxy or nginx with the
configuration of `deploy/`, TLS included. One gateway is drained and started again, the other is
killed. One JSON line says how long anybody was away; a run in which a session is lost, or
somebody is away for more than 5 s, fails.

    python -m benchmarks.balancer [--proxy nginx] [--bots 200]
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import trio

from benchmarks.balancer.programs import DeploymentError
from benchmarks.balancer.run import Course, run, shortcomings


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.balancer")
    parser.add_argument("--proxy", choices=("haproxy", "nginx"), default="haproxy")
    parser.add_argument("--bots", type=int, default=200)
    parser.add_argument("--drain-s", type=float, default=10.0)
    parser.add_argument("--drain-wait-s", type=float, default=3.0)
    given = parser.parse_args()
    course = Course(
        proxy=given.proxy, bots=given.bots, drain_s=given.drain_s, drain_wait_s=given.drain_wait_s
    )
    with tempfile.TemporaryDirectory(prefix="shoal-balancer-") as folder:
        try:
            report = trio.run(run, course, Path(folder))
        except* DeploymentError as group:
            error: BaseException = group
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            sys.exit(f"balancer: {error}")
    print(json.dumps(report), flush=True)
    if problems := shortcomings(report, course):
        sys.exit(f"balancer: {'; '.join(problems)}")


if __name__ == "__main__":
    main()
