"""The edge to uvicorn: a body read whole, an answer sent, a connection cut.

ASGI cannot cut a connection, so `Protocol` hands its transport to the application. Nothing here
knows what a request means.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.sandbox.answers import Answer

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
NO_CONTENT = 204
SLOW_PARTS = 20  # pieces of an answer that trickles
TRANSPORT = "pipeline.sandbox.transport"


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which also gives the application the transport of its connection."""

    def on_message_begin(self) -> None:
        """Add the transport to the scope of the request that begins."""
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


class BodyTooLargeError(Exception):
    """Raised for a body beyond the limit, when all of it has come and been thrown away."""


async def whole_body(receive: Receive, bytes_max: int) -> bytes | None:
    """Return the body; None when the connection ended before all of its Content-Length had come.

    Raises BodyTooLargeError.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        if part := message.get("body"):
            size += len(part)
            parts.append(part)
            if size > bytes_max:
                parts.clear()
        if message.get("more_body"):
            continue
        if size > bytes_max:
            raise BodyTooLargeError
        return b"".join(parts)


async def send_answer(send: Send, answer: Answer, *, slow_s: float = 0.0) -> None:
    """Send *answer*; its bytes trickle over *slow_s* seconds."""
    await send(_start(answer))
    body = answer.body
    if slow_s and body:
        step = -(-len(body) // SLOW_PARTS)
        for at in range(0, len(body), step):
            await asyncio.sleep(slow_s / SLOW_PARTS)
            await send(
                {"type": "http.response.body", "body": body[at : at + step], "more_body": True}
            )
        body = b""
    await send({"type": "http.response.body", "body": body})


async def send_half(scope: Scope, send: Send, answer: Answer) -> None:
    """Send the head of *answer* and half of its body, then close the connection."""
    await send(_start(answer))
    await send(
        {
            "type": "http.response.body",
            "body": answer.body[: len(answer.body) // 2],
            "more_body": True,
        }
    )
    _transport(scope).close()


def cut(scope: Scope) -> None:
    """Reset the connection: the client gets no answer."""
    transport = _transport(scope)
    connection = transport.get_extra_info("socket")
    if connection is not None:  # linger 0: a reset, not a tidy end
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _transport(scope: Scope) -> asyncio.Transport:
    transport: asyncio.Transport = scope["extensions"][TRANSPORT]["transport"]
    return transport


def _start(answer: Answer) -> dict[str, Any]:
    headers = list(answer.headers)
    if answer.status != NO_CONTENT:
        headers.append((b"content-length", str(len(answer.body)).encode()))
        if answer.body and not any(name == b"content-type" for name, _ in headers):
            headers.append((b"content-type", b"application/json"))
    return {"type": "http.response.start", "status": answer.status, "headers": headers}
