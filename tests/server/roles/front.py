"""A load balancer for tests: one port in front of the gateways that are there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


class Front:
    """Passes connections on to `backends` in turn; one that does not answer is passed over."""

    def __init__(self) -> None:
        self.backends: list[int] = []
        self.port = 0
        self._turn = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        await trio.serve_listeners(self._serve, listeners, task_status=task_status)

    async def _serve(self, client: trio.SocketStream) -> None:
        for _ in self.backends:
            self._turn += 1
            try:
                port = self.backends[self._turn % len(self.backends)]
                gateway = await trio.open_tcp_stream("127.0.0.1", port)
            except OSError:
                continue
            async with gateway, trio.open_nursery() as nursery:
                nursery.start_soon(self._pump, gateway, client, nursery.cancel_scope)
                await self._pump(client, gateway, nursery.cancel_scope)
            return

    async def _pump(
        self, source: trio.SocketStream, sink: trio.SocketStream, both: trio.CancelScope
    ) -> None:
        try:
            async for data in source:
                await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # one side hung up
        both.cancel()


@asynccontextmanager
async def front() -> AsyncIterator[Front]:
    made = Front()
    async with trio.open_nursery() as nursery:
        await nursery.start(made.run)
        yield made
        nursery.cancel_scope.cancel()
