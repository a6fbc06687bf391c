"""A port for health alone, for processes that let no clients in.

The same listening with the same bounds as the game's; there is only no game behind it.

Must not know: what is checked.
"""

import trio

from protocol.errors import CloseCode
from server.net.health import Health
from server.net.link import Link
from server.net.listen import ListenConfig, Listening, listen
from server.net.pages import Pages

__all__ = ["answer_probes"]


async def answer_probes(
    health: Health,
    *,
    host: str,
    port: int,
    task_status: trio.TaskStatus[Listening] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer `/healthz` and `/readyz` until cancelled. Raises ListenError."""
    config = ListenConfig(clients_max=1, pages=Pages({}).with_health(health))
    await listen(_no_game, host=host, port=port, config=config, task_status=task_status)


def _no_game(link: Link) -> None:
    link.close(CloseCode.POLICY, "there is no game on this port")
