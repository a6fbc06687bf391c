"""A connection while it asks for pages: requests in, replies out, each under a deadline.

One request at a time: nothing more is parsed until the reply is written, and other tasks have their
turn in between, so a client that asks a lot and reads nothing costs what one that asks once does.
What is written is the pages' own bytes, of which no copies are held for anybody.

Error handling: raises OSError when the peer is lost, and trio.TooSlowError when it takes nothing.

Must not know: files, what is counted where.
"""

from collections.abc import Callable

import trio

from server.net import limits
from server.net.exchange import Exchange, Upgrade
from server.net.pages import Pages, guarded
from server.net.request import BadRequestError, Reply, Request, plain
from server.net.transport import NOT_NOW, Transport, next_bytes

__all__ = ["Visit"]

MayAsk = Callable[[Request, float], bool]


class Visit:
    """The requests of one connection over `transport`, which belongs to the caller."""

    def __init__(self, transport: Transport, pages: Pages, early: bytes = b"") -> None:
        """`early` has been read already."""
        self._transport = transport
        self._pages = pages
        self._exchange = Exchange()
        self._early = early

    @property
    def data(self) -> bytes:
        """The bytes of a request for an upgrade, and whatever came behind it."""
        return self._exchange.data

    async def next(self) -> Request | Upgrade | None:
        """Wait for what is asked next; None when nothing more is, for one reason or another."""
        data, self._early = self._early, b""
        if self._exchange.begun:
            data = self._exchange.rest
            self._exchange = Exchange()
        try:
            while (asked := self._exchange.feed(data) if data else None) is None:
                data = await next_bytes(self._transport)
                if not data:
                    return None
        except BadRequestError as error:
            await self._say(guarded(plain(error.status, error.reason), None), last=True)
            return None
        return asked

    async def answer(self, asked: Request, may_ask: MayAsk) -> Upgrade | None:
        """Answer `asked` and what is asked behind it, until that is an upgrade or nothing more."""
        for left in reversed(range(limits.VISIT_REQUESTS)):
            now = trio.current_time()
            if may_ask(asked, now):
                await self._say(self._pages.answer(asked), last=not left)
            else:
                reply = guarded(plain(429, "", ("Retry-After", "1")), asked.header(b"host"))
                await self._say(reply, last=True)
            if self._exchange.over:
                return None
            following: Request | Upgrade | None = None
            with trio.move_on_after(limits.VISIT_IDLE_S):
                following = await self.next()
            if not isinstance(following, Request):
                return following
            asked = following
        return None

    # --- bytes -----------------------------------------------------------------------------------

    async def _say(self, reply: Reply, *, last: bool) -> None:
        with trio.fail_after(limits.REPLY_S):
            for piece in self._exchange.reply(reply, last=last):
                await self._write(piece)
        await trio.lowlevel.checkpoint()
        if self._exchange.over:
            await self._part()

    async def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                taken = self._transport.send(view)
            except NOT_NOW:
                taken = 0
            view = view[taken:]
            if view:
                await self._transport.wait_writable()

    async def _part(self) -> None:
        """Say that this was all, and read what still comes: closing with unread bytes would reset
        the connection, and the reset might overtake the reply.
        """
        self._transport.shut()
        left = limits.LINGER_BYTES
        with trio.move_on_after(limits.CLOSE_S):
            while left > 0 and (data := await next_bytes(self._transport)):
                left -= len(data)
