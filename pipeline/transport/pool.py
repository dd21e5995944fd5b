"""The connections of one client: the idle ones, and the places for all. Never: HTTP, a time-out.

A connection has a place from before it is opened until it is lost; those who find none wait, and
are served in the order in which they came. There is no task here: whoever needs a connection
opens it, and whoever has done with one passes it on.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from pipeline.errors import InvariantBroken
from pipeline.transport.connection import Connection

IDLE_S_MAX: Final = 4.0
"""A connection idle for longer is not used again: some servers close after 5 s, and a request that
meets the close is one of which nobody knows whether it was applied."""
CLOSING_S_MAX: Final = 1.0
"""For connections that are aborted to be gone; a few turns of the loop."""

_Waiter = asyncio.Future[Connection | None]
"""Gets a connection, or None: a place to open one in."""


class Pool:
    """At most *connections_max* connections, made by *connect*."""

    def __init__(
        self, connect: Callable[[], Awaitable[Connection]], *, connections_max: int
    ) -> None:
        self._connect = connect
        self._connections_max = connections_max
        self._places_taken = 0
        self._connections: set[Connection] = set()
        self._idle: list[Connection] = []
        self._waiters: deque[_Waiter] = deque()
        self._sweeping: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._all_lost = anyio.Event()

    def idle(self) -> Connection | None:
        """Return the connection that was used last, if there is one that may be used."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable() and not self._is_stale(connection):
                return connection
            connection.abort()
        return None

    async def take(self) -> Connection:
        """Return an idle connection or a new one, after those who wait; to be given back.

        Raises what *connect* raises.
        """
        if self._is_closed:
            raise InvariantBroken("a request was sent with a client that is closed")
        if (connection := self.idle()) is not None:
            return connection
        if (connection := await self._place()) is not None:
            return connection
        try:
            connection = await self._connect()
        except BaseException:
            self._free_place()
            raise
        self._connections.add(connection)
        connection.on_lost = self._forget
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep *connection* for the next request, or close it if it is not fit for one."""
        if self._is_closed or not connection.is_reusable:
            connection.abort()
        elif (waiter := self._next_waiter()) is not None:
            waiter.set_result(connection)
        else:
            loop = asyncio.get_running_loop()
            connection.idle_since = loop.time()
            self._idle.append(connection)
            if self._sweeping is None:
                self._sweeping = loop.call_later(IDLE_S_MAX, self._sweep)

    async def close(self) -> None:
        """Close every connection, and see it gone."""
        self._is_closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        while (waiter := self._next_waiter()) is not None:
            waiter.set_exception(InvariantBroken("the client was closed under waiting requests"))
        for connection in list(self._connections):
            connection.abort()
        if self._connections:
            with anyio.move_on_after(CLOSING_S_MAX, shield=True):
                await self._all_lost.wait()

    async def _place(self) -> Connection | None:
        """Return None for a place to open a connection in, or one that somebody has done with."""
        queue = self._waiters.append
        while self._places_taken >= self._connections_max:
            waiter: _Waiter = asyncio.get_running_loop().create_future()
            queue(waiter)
            try:
                given = await waiter
            except BaseException:
                if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                    self._pass_on(waiter.result())
                raise
            if given is None or given.is_usable():
                return given
            given.abort()  # it was lost on its way to us: its place comes back, and we are first
            queue = self._waiters.appendleft
        self._places_taken += 1
        return None

    def _pass_on(self, given: Connection | None) -> None:
        if given is None:
            self._free_place()
        else:
            self.give_back(given)

    def _next_waiter(self) -> _Waiter | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():  # else cancelled
                return waiter
        return None

    def _free_place(self) -> None:
        if (waiter := self._next_waiter()) is not None:
            waiter.set_result(None)
        else:
            self._places_taken -= 1

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)  # an idle one is dropped when its turn comes
        self._free_place()
        if not self._connections:
            self._all_lost.set()

    def _is_stale(self, connection: Connection) -> bool:
        return asyncio.get_running_loop().time() - connection.idle_since > IDLE_S_MAX

    def _sweep(self) -> None:
        """Close what has been idle for too long; the longest idle come first."""
        self._sweeping = None
        while self._idle and self._is_stale(self._idle[0]):
            self._idle.pop(0).abort()
        if self._idle:
            self._sweeping = asyncio.get_running_loop().call_later(IDLE_S_MAX, self._sweep)
