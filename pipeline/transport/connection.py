"""One connection: a request goes out on it, and what comes back goes to its reader.

Whatever does not go to the letter makes the connection one that is not used again. Never here:
names, TLS, proxies (`road`), places (`pool`), what HTTP looks like (`reader`), the key.
"""

import asyncio
import contextlib
import os
import select
import ssl
from collections.abc import Callable
from errno import ECONNRESET
from typing import Final, cast

from pipeline.transport.reader import AnswerTooLarge, BrokeOff, NoAnswer, NotHttp, Reader, Received

JOINED_BYTES_MAX: Final = 512 * 1024
"""Of a body, what is copied to go out with the head: cheaper than a call of the system for it, for
which other threads take the interpreter."""
SLICE_BYTES: Final = 256 * 1024
"""What is given to the socket at once; the part that it does not take is copied, once."""
TURN_BYTES_MAX: Final = 1024 * 1024
"""Sent in one turn of the loop; a longer body lets the other requests have theirs."""
READ_BYTES: Final = 64 * 1024


class TookTooLong(Exception):
    """The time of the attempt is over."""


class Connection(asyncio.Protocol):
    """A connection that stands; one request at a time.

    `is_reusable` after a whole answer: whether the next request may go here. `on_lost` is called
    once, at its end.
    """

    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.on_lost: Callable[[Connection], None] | None = None
        self.is_lost = False
        self.is_reusable = False
        self.idle_since = 0.0
        self._loop = loop
        self._reader = Reader()
        self._poll = select.poll()
        self._over: asyncio.Future[Exception | None] | None = None
        """There while an exchange is under way; it gets what went wrong, or None."""
        self._unsent: memoryview | None = None
        self._is_paused = False

    @property
    def status(self) -> int | None:
        """The status of the answer that came last, or is coming, once its headers are there."""
        return self._reader.status

    async def exchange(self, head: bytes, body: bytes | None, deadline: float) -> Received:
        """Send a request and return its whole answer, by *deadline* of the loop's time.

        An answer that comes before the body is sent is the answer. Raises TookTooLong, what its
        reader raises, or OSError; then, and when cancelled, the connection is closed.
        """
        self.is_reusable = False
        self._reader.begin(head)
        over = self._over = self._loop.create_future()
        timer = self._loop.call_at(deadline, self._expire)
        try:
            self._send(head, body)
            error = await over
        except BaseException:
            self.abort()
            raise
        finally:
            timer.cancel()
            self._over = None
        if error is not None:
            raise error
        return self._reader.received()

    def is_usable(self) -> bool:
        """Say whether a request may go here now: nothing has come since the last answer.

        The socket itself is asked: an end that the loop has not seen yet would cost the request.
        """
        return self.is_reusable and not self.transport.is_closing() and not self._poll.poll(0)

    def abort(self) -> None:
        """Close it at once, whatever is under way; `on_lost` comes in a later turn of the loop."""
        self.is_reusable = False
        self._unsent = None
        if not self.is_lost:
            self.transport.abort()

    def secure(self, transport: asyncio.Transport) -> None:
        """Go on over *transport*: TLS, through the tunnel that this connection was until now."""
        self._reader.renew()
        self._use(transport)

    # ── writing ───────────────────────────────────────────────────────────────────────────────

    def _send(self, head: bytes, body: bytes | None) -> None:
        """Send the head with the beginning of the body, all of it where it is short."""
        if self.is_lost:
            raise ConnectionResetError(ECONNRESET, os.strerror(ECONNRESET))
        if not body:
            self.transport.write(head)
        elif len(body) <= JOINED_BYTES_MAX:
            self.transport.write(head + body)
        else:
            view = memoryview(body)
            self._unsent = view[JOINED_BYTES_MAX:]
            self.transport.write(b"".join((head, view[:JOINED_BYTES_MAX])))
            self._push()

    def _push(self) -> None:
        """Send what the socket takes, a turn's worth at most."""
        turn_bytes = 0
        while self._unsent and not self._is_paused:
            if turn_bytes >= TURN_BYTES_MAX:
                self._loop.call_soon(self._push)
                return
            piece, self._unsent = self._unsent[:SLICE_BYTES], self._unsent[SLICE_BYTES:]
            turn_bytes += len(piece)
            self.transport.write(piece)

    def pause_writing(self) -> None:
        """Wait: the socket is full."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Go on: all that was given to the transport is sent."""
        self._is_paused = False
        self._push()

    # ── what the transport tells ──────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with *transport*."""
        self._use(cast(asyncio.Transport, transport))  # a stream's protocol gets a stream

    def data_received(self, data: bytes) -> None:
        """Read *data*; bytes that nobody has asked for end the connection."""
        if not self._is_waiting():
            self.abort()
            return
        try:
            self._reader.feed(data)
        except (NotHttp, AnswerTooLarge) as error:
            self._finish(error)
        if self._reader.is_whole:
            self._finish()

    def eof_received(self) -> None:
        """Take the server's end."""
        if self._is_waiting() and self._is_truncated():
            self._finish(self._reader.broken())
        elif self._is_waiting():
            try:
                self._reader.end()
            except (NoAnswer, BrokeOff) as error:
                self._finish(error)
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is under way, unless its answer lies in the socket still."""
        if exc is not None and self._is_waiting():
            self._read_the_rest()
        self.is_lost = True
        self.is_reusable = False
        self._unsent = None
        self._finish(exc if isinstance(exc, OSError) else self._reader.broken())
        if self.on_lost is not None:
            self.on_lost(self)

    # ── the end of an exchange ────────────────────────────────────────────────────────────────

    def _use(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(high=1, low=0)  # paused means: something is not sent
        self._poll.register(transport.get_extra_info("socket"), select.POLLIN)

    def _is_waiting(self) -> bool:
        return self._over is not None and not self._over.done()

    def _finish(self, error: Exception | None = None) -> None:
        """End the exchange, if one is under way: the answer is whole, or there will be none."""
        if self._over is None or self._over.done():
            return
        self._over.set_result(error)
        is_sent = not self._unsent and not self._is_paused
        self.is_reusable = error is None and is_sent and self._reader.is_clean
        if not self.is_reusable:
            self.abort()

    def _is_truncated(self) -> bool:
        """Say whether a TLS connection has ended without TLS's own end, by which one can cut it."""
        tls = self.transport.get_extra_info("ssl_object")
        try:
            return tls is not None and bool(tls.read(1))  # b"" after close_notify, for good
        except ssl.SSLError:
            return True

    def _expire(self) -> None:
        self._finish(TookTooLong())

    def _read_the_rest(self) -> None:
        """Read what had arrived when a write failed: a refusal, from a server that hung up on us.

        The loop stops reading with the first failed write. Not over TLS: it would be unreadable.
        """
        if self.transport.get_extra_info("sslcontext") is None:
            socket = self.transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                while self._is_waiting() and (piece := os.read(socket.fileno(), READ_BYTES)):
                    self.data_received(piece)
