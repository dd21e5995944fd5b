"""One attempt: a request goes out, an `Answer` or a `Fault` comes back, never an exception.

The only file that knows httpx, aiohttp and httpx-aiohttp (httpcore's pool walks all connections
for each request, aiohttp's does not), and the only one that reveals the key. It repeats nothing,
follows nothing, and judges nothing. It runs on asyncio.
"""

import contextlib
from base64 import b64encode
from collections.abc import AsyncIterator
from contextvars import ContextVar
from importlib.metadata import version
from os import strerror
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import aiohttp
import anyio
import httpx
from httpx_aiohttp import AiohttpTransport

from pipeline.config.secrets import API_KEY, MASK, SCHEMES, Secret
from pipeline.model import Answer, Fault, Request
from pipeline.transport.proxy import proxy_for

ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of one answer, unpacked. A thousand sessions' effects are a few MiB."""
CONNECT_S_MAX: Final = 10.0
"""For a name, a connection and TLS together; three SYNs of TCP fit in."""
IDLE_S_MAX: Final = 4.0
"""A connection idle for longer is not used again: some servers close after 5 s, and a request that
meets the close is one of which nobody knows whether it was applied."""
SLICE_BYTES: Final = 1024 * 1024
"""A longer body is sent in slices, so that it does not keep the loop from the other requests."""
KEY_LENGTH_MIN: Final = 8
"""A shorter key is no secret but a word (a sandbox's), which an answer may well contain."""
HEADER_LENGTH_MAX: Final = 200
"""Characters kept of a header of an answer."""

_address: ContextVar[str] = ContextVar("_address")
"""The address of the request that this task is sending, as it is to stand on the wire."""


class _AnswerTooLargeError(Exception):
    """The answer is longer than ANSWER_BYTES_MAX."""


# What went wrong, whether the API may have seen the request, and how to say it. The first row that
# fits is taken. httpx-aiohttp calls every lost connection a ConnectTimeout: what came before a
# connection stood and what after it can only be told from the aiohttp exception beneath.
FAULTS: Final[tuple[tuple[type[Exception], bool, str], ...]] = (
    (aiohttp.ClientConnectorDNSError, False, "the host {host} cannot be found: {why}"),
    (
        aiohttp.ClientConnectorCertificateError,
        False,
        "the certificate of {host} is not trusted: {why}",
    ),
    (aiohttp.ClientConnectorSSLError, False, "no TLS connection to {host}: {why}"),
    (aiohttp.ClientProxyConnectionError, False, "the proxy {proxy} cannot be reached: {why}"),
    (aiohttp.ClientHttpProxyError, False, "the proxy {proxy} does not connect to {host}: {why}"),
    (aiohttp.ClientConnectorError, False, "{host} cannot be reached: {why}"),
    (aiohttp.ConnectionTimeoutError, False, "no connection to {host} within {connect_s:g} s"),
    (aiohttp.InvalidURL, False, "{host} is not an address"),
    (httpx.UnsupportedProtocol, False, "{host} is not an address"),
    (_AnswerTooLargeError, True, "the answer is larger than {answer_mib} MiB"),
    (httpx.DecodingError, True, "the answer cannot be unpacked"),
    (aiohttp.ClientPayloadError, True, "the answer broke off"),
    (aiohttp.ClientResponseError, True, "what {host} sent back is not HTTP"),
    (aiohttp.ServerDisconnectedError, True, "{host} closed the connection without an answer"),
    (TimeoutError, True, "no whole answer within {timeout_s:g} s"),
    (OSError, True, "the connection to {host} broke: {why}"),
    (aiohttp.ClientError, True, "the connection to {host} broke"),
    (httpx.HTTPError, True, "the exchange with {host} failed"),
)
FOREIGN: Final = tuple({row[0] for row in FAULTS})


class Client:
    """The connections to one API with one key; an async context manager.

    `connections_max`: as many as there are requests at a time. `timeout_s`: for a whole attempt,
    from looking up the name to the last byte of the answer. TLS is always verified (SSL_CERT_FILE
    and SSL_CERT_DIR name other authorities); the proxy is the environment's. Raises JobError
    for a proxy that cannot be used.
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
        proxy = _proxy(address) if address else None
        self._base_url = base_url.rstrip("/")
        self._url = httpx.URL(self._base_url)
        self._key = key
        self._scheme = scheme
        self._timeout_s = timeout_s
        self._words: dict[str, object] = {
            "host": urlsplit(base_url).netloc,
            "proxy": urlsplit(address or "").netloc.rpartition("@")[2],
            "connect_s": min(CONNECT_S_MAX, timeout_s),
            "timeout_s": timeout_s,
            "answer_mib": ANSWER_BYTES_MAX // 2**20,
        }
        # aiohttp shows a proxy's headers to tunnels only, and http:// goes without one.
        self._login = dict(proxy.headers) if proxy and self._url.scheme == "http" else {}
        limits = httpx.Limits(max_connections=connections_max, keepalive_expiry=IDLE_S_MAX)
        self._http = httpx.AsyncClient(transport=_Transport(proxy=proxy, limits=limits))

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def send(self, request: Request) -> Answer | Fault:
        """Make one attempt at *request*; the bytes of its target go out as they are.

        An answer that repeats our key has it masked. A status of any kind is an answer; what did
        not come whole is a Fault. Cancelled, it closes its connection.
        """
        outgoing, status = self._outgoing(request), None
        _address.set(f"{self._base_url}{request.target}")
        try:
            with anyio.fail_after(self._timeout_s):
                response = await self._http.send(outgoing, stream=True)
                status = response.status_code
                async with contextlib.aclosing(response):
                    body = await _read(response)
        except FOREIGN as error:
            return self._fault(error, status)
        headers = response.headers
        return Answer(
            status=status,
            body=self._masked(body),
            retry_after=self._shown(headers.get("retry-after", "")),
            content_type=self._shown(headers.get("content-type", "")),
        )

    def _outgoing(self, request: Request) -> httpx.Request:
        headers = {
            "Authorization": f"{self._scheme} {self._key.reveal()}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": USER_AGENT,
            **self._login,
        }
        if request.idempotency_key:
            headers["Idempotency-Key"] = request.idempotency_key
        content: bytes | AsyncIterator[bytes] | None = request.body
        if request.body is not None:
            headers["Content-Type"] = "application/json"
            if len(request.body) > SLICE_BYTES:
                headers["Content-Length"] = str(len(request.body))
                content = _slices(request.body)
        limits = {"pool": self._words["connect_s"], "connect": self._words["connect_s"]}
        return httpx.Request(
            request.method,
            self._url,
            headers=headers,
            content=content,
            extensions={"timeout": limits},
        )

    def _fault(self, error: Exception, status: int | None) -> Fault:
        cause = error.__cause__ if isinstance(error, httpx.TransportError) else None
        foreign = cause if isinstance(cause, FOREIGN) else error
        sent, words = next(row[1:] for row in FAULTS if isinstance(foreign, row[0]))
        what = words.format(**self._words, why=_why(foreign))
        if status is not None:
            what = f"{what} (its status was {status})"
        return Fault(what=self._shown(what), sent=sent, status=status)

    def _masked(self, text: bytes) -> bytes:
        key = self._key.reveal().encode()
        return text if len(key) < KEY_LENGTH_MIN else text.replace(key, MASK.encode())

    def _shown(self, text: str) -> str:
        return self._masked(text.encode()).decode()[:HEADER_LENGTH_MAX]


class _Transport(AiohttpTransport):
    """aiohttp beneath httpx, with its own repeats, cookies and rewriting of addresses off."""

    def get_client(self) -> aiohttp.ClientSession:
        """Return the session that AiohttpTransport opens with its first request."""
        connector = aiohttp.TCPConnector(
            limit=self.limits.max_connections or 0,
            keepalive_timeout=self.limits.keepalive_expiry,
            ssl=self.ssl_context,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Content-Type",),
            middlewares=(_as_written,),
        )
        # aiohttp sends PUT, DELETE and GET a second time when a used connection drops. Whether to
        # repeat is the ledger's business; there is no public switch. A test counts at a server.
        session._retry_connection = False  # noqa: SLF001
        return session


async def _as_written(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Put back the address as it was given: httpx and yarl both decode `%24` and resolve dots.

    The answer's reason phrase is dropped: httpx-aiohttp raises for one that is not UTF-8.
    """
    request.url = type(request.url)(_address.get(), encoded=True)
    response = await send(request)
    response.reason = None
    return response


def _proxy(address: str) -> httpx.Proxy:
    """Return the proxy, its user and password as a header (aiohttp's other way is deprecated)."""
    proxy = httpx.Proxy(address)
    if proxy.raw_auth is None:
        return proxy
    token = b64encode(b":".join(proxy.raw_auth)).decode()
    return httpx.Proxy(proxy.url, headers={"Proxy-Authorization": f"Basic {token}"})


async def _read(response: httpx.Response) -> bytes:
    """Return the whole body, unpacked; raise _AnswerTooLargeError rather than keep too much."""
    pieces, length = [], 0
    async for piece in response.aiter_bytes():
        length += len(piece)
        if length > ANSWER_BYTES_MAX:
            raise _AnswerTooLargeError
        pieces.append(piece)
    return b"".join(pieces)


async def _slices(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), SLICE_BYTES):
        yield body[start : start + SLICE_BYTES]


def _why(error: BaseException) -> str:
    """Return what the system says of *error*: never a foreign server's words."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            inner = error.certificate_error
            return str(getattr(inner, "verify_message", "") or "it does not fit the host")
        case aiohttp.ClientConnectorSSLError():
            return str(getattr(error.os_error, "reason", "") or "").replace("_", " ").lower()
        case aiohttp.ClientHttpProxyError():
            return f"it answers {error.status}"
        case OSError(errno=int(number)) if number > 0:
            return strerror(number).lower()  # asyncio's own text repeats the address
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return ""


USER_AGENT: Final = f"talon-one-pipeline/{version('talon-one-pipeline')}"
