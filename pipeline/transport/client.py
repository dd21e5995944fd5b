"""One attempt: a request goes out, an `Answer` or a `Fault` comes back, never an exception.

The only file that reveals the key. It repeats nothing, follows nothing, and judges nothing. The
way to the API is `road`'s, the connections are `pool`'s, the bytes on them `connection`'s. It runs
on asyncio.
"""

import asyncio
import re
from importlib.metadata import version
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import anyio

from pipeline.config.secrets import API_KEY, MASK, SCHEMES, Secret
from pipeline.errors import InvariantBroken
from pipeline.model import Answer, Fault, Request
from pipeline.transport import road
from pipeline.transport.connection import Connection, TookTooLong
from pipeline.transport.pool import Pool
from pipeline.transport.proxy import proxy_at, proxy_for
from pipeline.transport.reader import (
    ANSWER_BYTES_MAX,
    AnswerTooLarge,
    BrokeOff,
    NoAnswer,
    NotHttp,
)
from pipeline.transport.unpacking import CannotUnpack, UnpackedTooLarge, unpacked

CONNECT_S_MAX: Final = 10.0
"""For a place, a name, a connection and TLS together; three SYNs of TCP fit in."""
KEY_LENGTH_MIN: Final = 8
"""A shorter key is no secret but a word (a sandbox's), which an answer may well contain."""
HEADER_LENGTH_MAX: Final = 200
"""Characters kept of a header of an answer."""
PORTS: Final = {"http": 80, "https": 443}
METHODS_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
"""Without one, they say so (RFC 9110 §8.6)."""

# What may stand in a request's head. Nothing else gets there: a line break would begin a header,
# or a second request, of somebody else's making.
METHOD: Final = re.compile(r"[A-Z]+")
TARGET: Final = re.compile(r"/[!-~]*")
TEXT: Final = re.compile(r"[ -~]*")


class _NotAnAddress(Exception):
    """The base URL leads nowhere."""


class _NotInTime(Exception):
    """There was no connection within the time for one."""


# What went wrong, whether the API may have seen the request, and how to say it. The first row that
# fits is taken.
FAULTS: Final[tuple[tuple[type[Exception], bool, str], ...]] = (
    (road.HostUnknown, False, "the host {host} cannot be found: {why}"),
    (road.CertificateRefused, False, "the certificate of {host} is not trusted: {why}"),
    (road.NoTls, False, "no TLS connection to {host}: {why}"),
    (road.ProxyUnreachable, False, "the proxy {proxy} cannot be reached: {why}"),
    (road.ProxyRefuses, False, "the proxy {proxy} does not connect to {host}: {why}"),
    (road.HostUnreachable, False, "{host} cannot be reached: {why}"),
    (_NotInTime, False, "no connection to {host} within {connect_s:g} s"),
    (_NotAnAddress, False, "{host} is not an address"),
    (AnswerTooLarge, True, "the answer is larger than {answer_mib} MiB"),
    (UnpackedTooLarge, True, "the answer is larger than {answer_mib} MiB"),
    (CannotUnpack, True, "the answer cannot be unpacked"),
    (BrokeOff, True, "the answer broke off"),
    (NotHttp, True, "what {host} sent back is not HTTP"),
    (NoAnswer, True, "{host} closed the connection without an answer"),
    (TookTooLong, True, "no whole answer within {timeout_s:g} s"),
    (OSError, True, "the connection to {host} broke: {why}"),
)
FOREIGN: Final = tuple(row[0] for row in FAULTS)


class Client:
    """The connections to one API with one key; an async context manager.

    `connections_max`: as many as there are requests at a time. `timeout_s`: for a whole attempt,
    from looking up the name to the last byte of the answer. TLS is always verified (SSL_CERT_FILE
    and SSL_CERT_DIR name other authorities); the proxy is the environment's. Raises JobError
    for a proxy, or authorities, that cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        key: Secret,
        *,
        scheme: str = SCHEMES[API_KEY],
        connections_max: int = 16,
        timeout_s: float = 60.0,
    ) -> None:
        address = proxy_for(base_url)
        self._key = key
        self._timeout_s = timeout_s
        self._connect_s = min(CONNECT_S_MAX, timeout_s)
        self._words: dict[str, object] = {
            "host": urlsplit(base_url).netloc,
            "proxy": urlsplit(address or "").netloc.rpartition("@")[2],
            "connect_s": self._connect_s,
            "timeout_s": timeout_s,
            "answer_mib": ANSWER_BYTES_MAX // 2**20,
        }
        self._road = _road(base_url, address)
        self._pool = Pool(self._open, connections_max=connections_max)
        # A proxy for http:// is told the whole address, and the login that a tunnel has of its own.
        told = self._road.proxy if self._road and not self._road.is_tls else None
        base = base_url.rstrip("/")
        self._base = base if told else urlsplit(base).path
        lines = {
            "Host": _host(base_url),
            "Authorization": f"{scheme} {key.reveal()}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": USER_AGENT,
        }
        if told and told.login:
            lines["Proxy-Authorization"] = told.login.reveal()
        for name, text in [("the base URL", self._base), *lines.items()]:
            if not TEXT.fullmatch(text):
                raise InvariantBroken(f"{name} has a line break, or other than ASCII, in it")
        head = "".join(f"{name}: {text}\r\n" for name, text in lines.items())
        self._head = Secret(f" HTTP/1.1\r\n{head}")
        """What all requests have in common, from behind the target on; the key is in it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        await self._pool.close()

    async def send(self, request: Request) -> Answer | Fault:
        """Make one attempt at *request*; the bytes of its target go out as they are.

        An answer that repeats our key has it masked. A status of any kind is an answer; what did
        not come whole is a Fault. Cancelled, it closes its connection. Raises InvariantBroken for
        a target or a key that would be more than one: nothing is sent.
        """
        head = self._head_of(request)
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        connection: Connection | None = None
        try:
            connection = self._pool.idle() or await self._take()
            answer = await connection.exchange(head, request.body, deadline)
            headers, body = answer.headers, answer.body
            if (codings := headers.get(b"content-encoding")) is not None:
                body = unpacked(body, codings, ANSWER_BYTES_MAX)
        except FOREIGN as error:
            return self._fault(error, connection.status if connection else None)
        finally:
            if connection is not None:
                self._pool.give_back(connection)
        return Answer(
            status=answer.status,
            body=self._masked(body),
            retry_after=self._shown(headers.get(b"retry-after")),
            content_type=self._shown(headers.get(b"content-type")),
        )

    async def _take(self) -> Connection:
        try:
            with anyio.fail_after(self._connect_s):
                return await self._pool.take()
        except TimeoutError as error:
            raise _NotInTime from error

    async def _open(self) -> Connection:
        if self._road is None:
            raise _NotAnAddress
        return await road.connect(self._road)

    def _head_of(self, request: Request) -> bytes:
        method, target, key = request.method, request.target, request.idempotency_key
        if not (METHOD.fullmatch(method) and TARGET.fullmatch(target) and TEXT.fullmatch(key)):
            raise InvariantBroken(
                "a request was not sent: its method, target or idempotency key has a character in "
                "it that cannot stand there"
            )
        head = f"{method} {self._base}{target}{self._head.reveal()}"
        if key:
            head += f"Idempotency-Key: {key}\r\n"
        if request.body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(request.body)}\r\n"
        elif method in METHODS_WITH_BODY:
            head += "Content-Length: 0\r\n"
        return f"{head}\r\n".encode("ascii")

    def _fault(self, error: Exception, status: int | None) -> Fault:
        sent, words = next(row[1:] for row in FAULTS if isinstance(error, row[0]))
        why = str(error) if isinstance(error, road.NoRoad) else road.why(error)
        what = words.format(**self._words, why=why)
        if status is not None:
            what = f"{what} (its status was {status})"
        return Fault(what=self._shown(what.encode()), sent=sent, status=status)

    def _masked(self, text: bytes) -> bytes:
        key = self._key.reveal().encode()
        return text if len(key) < KEY_LENGTH_MIN else text.replace(key, MASK.encode())

    def _shown(self, text: bytes | None) -> str:
        return self._masked(text).decode(errors="replace")[:HEADER_LENGTH_MAX] if text else ""


def _road(base_url: str, proxy_address: str | None) -> road.Road | None:
    """Return the road to *base_url*, or None where that is not an address."""
    try:
        parts = urlsplit(base_url)
        port = parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    if not parts.hostname:
        return None
    proxy = proxy_at(proxy_address) if proxy_address else None
    is_tls = parts.scheme == "https"
    return road.Road(
        host=parts.hostname,
        port=port,
        is_tls=is_tls,
        proxy=proxy,
        context=road.trusting() if is_tls or (proxy and proxy.is_tls) else None,
    )


def _host(base_url: str) -> str:
    """Return the Host header for *base_url*: a port that goes without saying is left out."""
    parts = urlsplit(base_url)
    host = parts.netloc.rpartition("@")[2].lower()
    return host.removesuffix(f":{PORTS.get(parts.scheme, 0)}")


USER_AGENT: Final = f"talon-one-pipeline/{version('talon-one-pipeline')}"
