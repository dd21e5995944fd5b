"""The road to the API: a name looked up, a connection, TLS, a proxy. Never: the key, a request.

Every exception of `connect` is a `NoRoad`: nothing of a request was sent.
"""

import asyncio
import itertools
import os
import socket
import ssl
from collections.abc import Sequence
from errno import ECONNABORTED, ECONNREFUSED, ECONNRESET
from os import strerror
from typing import Any, Final

import anyio
import certifi
from msgspec import Struct

from pipeline.errors import InvariantBroken, JobError
from pipeline.transport.connection import Connection
from pipeline.transport.proxy import Proxy
from pipeline.transport.reader import SUCCESS, NoAnswer, NotHttp

Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]
"""What getaddrinfo returns of one address; its last part has a shape for each family."""

RESET: Final = strerror(ECONNRESET).lower()
HAPPY_EYEBALLS_S: Final = 0.25
"""After which the next address of a name is tried beside the first (RFC 8305)."""
NUMBERS: Final[tuple[tuple[type[OSError], int], ...]] = (
    (ConnectionResetError, ECONNRESET),
    (ConnectionAbortedError, ECONNABORTED),
    (ConnectionRefusedError, ECONNREFUSED),
)
"""Of errors that asyncio raises itself, without one."""


class NoRoad(Exception):
    """There is no connection to be had; the text says why."""


class HostUnknown(NoRoad):
    """The name of the host cannot be looked up."""


class HostUnreachable(NoRoad):
    """The host does not take the connection."""


class CertificateRefused(NoRoad):
    """The certificate of the host is not one for it that we trust."""


class NoTls(NoRoad):
    """The host does not speak TLS, or not with us."""


class ProxyUnreachable(NoRoad):
    """The proxy does not take the connection, or its TLS is not to be trusted."""


class ProxyRefuses(NoRoad):
    """The proxy is there, and makes no tunnel to the host."""


ROADBLOCKS: Final[tuple[tuple[type[Exception], type[NoRoad]], ...]] = (
    (socket.gaierror, HostUnknown),
    (UnicodeError, HostUnknown),
    (ssl.SSLCertVerificationError, CertificateRefused),
    (ssl.SSLError, NoTls),
    (OSError, HostUnreachable),
)
"""What the system says, and what it means for the way to the host; the first that fits."""
NO_TUNNEL: Final = {
    NoAnswer: "it closed the connection without an answer",
    NotHttp: "what it sent back is not HTTP",
}


class Road(Struct, frozen=True, kw_only=True):
    """Where connections lead, and through what. `context` is there if any part of it is TLS."""

    host: str
    port: int
    is_tls: bool
    proxy: Proxy | None
    context: ssl.SSLContext | None


def trusting() -> ssl.SSLContext:
    """Return the context of all our TLS: certificates verified against known authorities.

    Those that SSL_CERT_FILE or SSL_CERT_DIR name, else certifi's. Raises JobError.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    try:
        if file or folder:
            context = ssl.create_default_context(cafile=file or None, capath=folder or None)
        else:
            context = ssl.create_default_context(cafile=certifi.where())
    except OSError as error:
        name = "SSL_CERT_FILE" if file else "SSL_CERT_DIR"
        raise JobError(
            f"the certificates that {name} names cannot be read: {why(error)}",
            hint=f"mend {name}, or unset it",
        ) from error
    context.set_alpn_protocols(["http/1.1"])
    return context


async def connect(road: Road) -> Connection:
    """Return a new connection that leads to the host of *road*. Raises NoRoad."""
    if road.proxy is None:
        connection = await _reach(road.host, road.port)
    else:
        try:
            connection = await _reach(road.proxy.host, road.proxy.port)
        except NoRoad as error:
            raise ProxyUnreachable(str(error)) from error
    try:
        if road.proxy is not None:
            await _through(connection, road, road.proxy)
        if road.is_tls:
            await _secure(connection, road, road.host)
    except BaseException:
        connection.abort()
        raise
    if connection.is_lost:  # in the very turn in which it stood
        raise HostUnreachable(RESET)
    return connection


async def _reach(host: str, port: int) -> Connection:
    loop = asyncio.get_running_loop()
    try:
        addresses = await loop.getaddrinfo(_named(host), port, type=socket.SOCK_STREAM)
        opened = await _first_open(_in_turn(addresses))
        _, connection = await loop.create_connection(lambda: Connection(loop), sock=opened)
    except (OSError, UnicodeError) as error:
        raise _blocked(error) from error
    return connection


async def _secure(connection: Connection, road: Road, host: str) -> None:
    """Speak TLS with *host* from here on, over whatever the connection is now.

    Always onto a connection that stands: asyncio's `create_connection(ssl=…)` forgets the socket
    when it is cancelled in its first moment.
    """
    if road.context is None:
        raise InvariantBroken("a road with TLS has no authorities to trust")
    try:
        transport = await asyncio.get_running_loop().start_tls(
            connection.transport, connection, road.context, server_hostname=_named(host)
        )
    except OSError as error:
        raise _blocked(error) from error
    if transport is None:
        raise HostUnreachable(RESET)
    connection.secure(transport)


async def _through(connection: Connection, road: Road, proxy: Proxy) -> None:
    """Come to terms with the proxy that *connection* leads to: TLS with itself, then a tunnel."""
    if proxy.is_tls:
        try:
            await _secure(connection, road, proxy.host)
        except NoRoad as error:
            raise ProxyUnreachable(str(error)) from error
    if not road.is_tls:
        return
    host = f"[{road.host}]" if ":" in road.host else road.host
    login = f"Proxy-Authorization: {proxy.login.reveal()}\r\n" if proxy.login else ""
    head = f"CONNECT {host}:{road.port} HTTP/1.1\r\nHost: {host}:{road.port}\r\n{login}\r\n"
    try:
        answer = await connection.exchange(head.encode(), None, float("inf"))
    except (NoAnswer, NotHttp) as error:
        raise ProxyRefuses(NO_TUNNEL[type(error)]) from error
    except OSError as error:
        raise ProxyRefuses(why(error)) from error
    if answer.status not in SUCCESS:
        raise ProxyRefuses(f"it answers {answer.status}")
    if not connection.is_reusable:
        raise ProxyRefuses("it says more than a tunnel may")


async def _first_open(addresses: list[Address]) -> socket.socket:
    """Return a socket that is connected to the first of *addresses* that answers.

    asyncio's own race (`happy_eyeballs_delay`) forgets an open socket when it is cancelled.
    Raises what the first of them failed with.
    """
    won: list[socket.socket] = []
    errors: list[OSError] = []
    try:
        async with anyio.create_task_group() as race:

            async def run(address: Address, over: anyio.Event) -> None:
                try:
                    won.append(await _open(address))
                    race.cancel_scope.cancel()
                except OSError as error:
                    errors.append(error)
                over.set()

            for address in addresses:
                over = anyio.Event()
                race.start_soon(run, address, over)
                with anyio.move_on_after(HAPPY_EYEBALLS_S):
                    await over.wait()
    except BaseException:
        for opened in won:
            opened.close()
        raise
    for second in won[1:]:
        second.close()
    if not won:
        raise errors[0]
    return won[0]


async def _open(address: Address) -> socket.socket:
    family, kind, protocol, _, place = address
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, place)
    except BaseException:
        opened.close()
        raise
    return opened


def _in_turn(addresses: Sequence[Address]) -> list[Address]:
    """Return *addresses* with the two families by turns: one of them may lead nowhere."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    pairs = itertools.zip_longest(first, others)
    return [address for pair in pairs for address in pair if address is not None]


def why(error: BaseException) -> str:
    """Return what the system says of *error*: never a foreign server's words, nor an address."""
    match error:
        case ssl.SSLCertVerificationError():
            return error.verify_message or "it does not fit the host"
        case ssl.SSLError():
            return str(error.reason or "").replace("_", " ").lower()
        case OSError():
            number = _number(error)
            return strerror(number).lower() if number > 0 else error.strerror or "no reason given"
        case _:
            return "it is not a name"


def _number(error: OSError) -> int:
    if error.errno is not None:
        return error.errno
    return next((number for kind, number in NUMBERS if isinstance(error, kind)), 0)


def _blocked(error: Exception) -> NoRoad:
    return next(kind for foreign, kind in ROADBLOCKS if isinstance(error, foreign))(why(error))


def _named(host: str) -> str:
    """Return *host* as certificates name it."""
    return host.removesuffix(".")
