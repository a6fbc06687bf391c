"""The child's side of the conversation with a benchmark: lines from stdin, JSON lines to stdout.

Must not know: what is measured.
"""

import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import trio

__all__ = ["commands", "say"]


def say(answer: dict[str, Any]) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def commands() -> AsyncIterator[str]:
    """Lines from stdin until it is closed."""
    descriptor = sys.stdin.fileno()
    os.set_blocking(descriptor, False)
    rest = b""
    while True:
        await trio.lowlevel.wait_readable(descriptor)
        data = os.read(descriptor, 4096)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line.decode()
