"""A small HTTP server that is told byte by byte what to do, and our client before it.

On the loopback, in the loop of the test.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pipeline.config.secrets import Secret
from pipeline.model import Answer, Fault, Request
from pipeline.transport.client import Client

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"

KEY = "made-up-0123456789abcdef0123456789abcdef"
PUT = Request(method="PUT", target="/v2/customer_profiles", body=b'{"a": 1}')
GET = Request(method="GET", target="/v1/attributes", body=None)
LARGE = 20_000_000


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived, its body whole."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Server:
    """What arrived at a server, and where it is."""

    url: str
    port: int
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0


Conduct = Callable[[Server, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""How a server behaves on one connection, from its first byte to its end."""


async def head(reader: asyncio.StreamReader) -> Seen:
    """Read a request up to its blank line."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    pairs = (line.split(": ", 1) for line in lines[1:] if line)
    return Seen(method, target, {name.lower(): text for name, text in pairs}, b"")


async def whole(server: Server, reader: asyncio.StreamReader) -> Seen:
    """Read a request to its end and note it."""
    seen = await head(reader)
    body = await reader.readexactly(int(seen.headers.get("content-length", "0")))
    seen = Seen(seen.method, seen.target, seen.headers, body)
    server.seen.append(seen)
    return seen


def answering(*answers: bytes) -> Conduct:
    """Answer each request of a connection with the next of *answers*, then close it."""

    async def conduct(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        for answer in answers:
            await whole(server, reader)
            writer.write(answer)
            await writer.drain()

    return conduct


def forever(answer: bytes) -> Conduct:
    """Answer every request of a connection with *answer*."""
    return answering(*[answer] * 1000)


@asynccontextmanager
async def serving(conduct: Conduct, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Serve on a free port of the loopback; every connection ends with the block."""
    open_tasks: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (task := asyncio.current_task()) is not None:
            open_tasks.add(task)
            task.add_done_callback(open_tasks.discard)
        server.connections += 1
        with contextlib.suppress(
            asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError
        ):
            await conduct(server, reader, writer)
        writer.close()

    listener = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    server = Server(f"{'https' if tls else 'http'}://127.0.0.1:{port}", port)
    try:
        yield server
    finally:
        listener.close()
        for _ in range(10):  # who was accepted a moment ago begins, and can be ended
            await asyncio.sleep(0)
        for task in list(open_tasks):
            task.cancel()
        await asyncio.gather(*open_tasks, return_exceptions=True)
        await listener.wait_closed()


def client_of(server: Server, **options: float) -> Client:
    return Client(server.url, Secret(KEY), **options)  # type: ignore[arg-type]


def head_of(length: int, *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % length, *lines, b"", b""])


async def attempt(conduct: Conduct, request: Request = PUT, **options: float) -> Answer | Fault:
    async with serving(conduct) as server, client_of(server, **options) as client:
        return await client.send(request)


def put(length: int) -> Request:
    return Request(method="PUT", target="/v2/customer_profiles", body=b"x" * length)
