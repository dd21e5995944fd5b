"""The road to the API: TLS that is verified, and proxies that the environment names."""

import asyncio
import contextlib
import ssl
from base64 import b64encode
from pathlib import Path

import anyio
import pytest
import trustme

from pipeline.config.secrets import Secret
from pipeline.errors import JobError
from pipeline.model import Answer, Fault
from pipeline.transport.client import Client
from pipeline.transport.proxy import proxy_for
from tests.transport import wire
from tests.transport.wire import EMPTY, KEY, PUT, Conduct, Server, forever, serving

pytestmark = pytest.mark.anyio

DELIVERED = Answer(status=204, body=b"")
API = "api.example.test"  # nobody's: only a proxy can lead there
LOGIN = "Basic " + b64encode(b"us:pa:ss").decode()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our authority is the one that the environment trusts."""
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))


def tls_for(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


async def send(base_url: str) -> Answer | Fault:
    async with Client(base_url, Secret(KEY)) as client:
        return await client.send(PUT)


def leading_to(port: int) -> Conduct:
    """Be a proxy that lets everybody through to *port*, whatever host they name."""

    async def conduct(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        seen = await wire.head(reader)
        server.seen.append(seen)
        if seen.method != "CONNECT":
            await reader.readexactly(int(seen.headers["content-length"]))
            writer.write(EMPTY)
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pour, reader, far_writer)
            tasks.start_soon(pour, far_reader, writer)

    return conduct


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(OSError):  # one end hangs up: the other one is told
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
    finally:
        writer.close()


# ── TLS ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("trusted")
async def test_an_authority_of_the_environment_is_trusted(authority: trustme.CA) -> None:
    async with serving(forever(EMPTY), tls_for(authority, "127.0.0.1")) as server:
        assert await send(server.url) == DELIVERED


async def test_a_certificate_of_nobody_is_not_trusted_and_nothing_is_sent(
    authority: trustme.CA,
) -> None:
    async with serving(forever(EMPTY), tls_for(authority, "127.0.0.1")) as server:
        lost = await send(server.url)
    assert isinstance(lost, Fault)
    assert (lost.sent, server.seen) == (False, [])
    assert lost.what.startswith(f"the certificate of 127.0.0.1:{server.port} is not trusted: ")
    assert "certificate" in lost.what.rpartition(": ")[2]


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_of_another_host_is_not_trusted(authority: trustme.CA) -> None:
    async with serving(forever(EMPTY), tls_for(authority, "elsewhere.example.test")) as server:
        lost = await send(server.url)
    assert isinstance(lost, Fault)
    assert (lost.sent, server.seen) == (False, [])
    assert "not valid for '127.0.0.1'" in lost.what


async def test_a_server_without_tls_is_told_apart() -> None:
    async def plain(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(plain) as server:
        lost = await send(server.url.replace("http:", "https:"))
    assert isinstance(lost, Fault)
    assert not lost.sent
    assert lost.what == f"no TLS connection to 127.0.0.1:{server.port}: wrong version number"


# ── proxies ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("trusted")
async def test_https_goes_through_a_tunnel_that_does_not_see_the_key(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        serving(forever(EMPTY), tls_for(authority, API)) as server,
        serving(leading_to(server.port)) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"http://us:pa%3Ass@127.0.0.1:{proxy.port}")
        assert await send(f"https://{API}") == DELIVERED
    (tunnel,) = proxy.seen
    assert (tunnel.method, tunnel.target) == ("CONNECT", f"{API}:443")
    assert tunnel.headers["proxy-authorization"] == LOGIN
    assert KEY not in repr(tunnel)
    (seen,) = server.seen
    assert KEY in seen.headers["authorization"]
    assert "proxy-authorization" not in seen.headers


async def test_http_goes_through_a_proxy_that_is_told_the_whole_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(leading_to(0)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"us:pa%3Ass@127.0.0.1:{proxy.port}")
        assert await send(f"http://{API}") == DELIVERED
    (seen,) = proxy.seen
    assert (seen.method, seen.target) == ("PUT", f"http://{API}{PUT.target}")
    assert (seen.headers["host"], seen.headers["proxy-authorization"]) == (API, LOGIN)


async def test_a_proxy_that_refuses_has_let_nothing_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with serving(forever(refusal)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        lost = await send(f"https://{API}")
    assert lost == Fault(
        what=f"the proxy 127.0.0.1:{proxy.port} does not connect to {API}: it answers 407",
        sent=False,
    )


async def test_a_proxy_that_is_not_there_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://us:word@127.0.0.1:1")
    lost = await send(f"https://{API}")
    assert lost == Fault(
        what="the proxy 127.0.0.1:1 cannot be reached: connection refused", sent=False
    )


async def test_the_loopback_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with serving(forever(EMPTY)) as server:
        assert await send(server.url) == DELIVERED
        assert await send(server.url.replace("127.0.0.1", "localhost")) == DELIVERED


@pytest.mark.parametrize(
    ("variables", "base_url", "expected"),
    [
        ({}, "https://x.test", None),
        ({"https_proxy": "http://p:1"}, "https://x.test", "http://p:1"),
        ({"HTTPS_PROXY": "p:1"}, "https://x.test", "http://p:1"),
        ({"HTTPS_PROXY": "https://p:1"}, "https://x.test", "https://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, "https://x.test", None),
        ({"ALL_PROXY": "http://p:1"}, "https://x.test", "http://p:1"),
        ({"ALL_PROXY": "http://p:1", "HTTPS_PROXY": "http://q:1"}, "https://x.test", "http://q:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.test,x.test"}, "https://x.test", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".x.test"}, "https://eu.x.test:8443", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, "https://x.test", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "y.test"}, "https://x.test", "http://p:1"),
        ({"ALL_PROXY": "http://p:1"}, "http://[::1]:8000", None),
    ],
)
def test_the_environment_names_the_proxy(
    variables: dict[str, str],
    base_url: str,
    expected: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    assert proxy_for(base_url) == expected


@pytest.mark.parametrize("address", ["socks5://us:word@p:1080", "http://:80", "http://us:word@p:x"])
def test_a_proxy_that_cannot_be_used_is_refused_without_being_shown(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    with pytest.raises(JobError, match="proxy") as refused:
        Client("https://x.test", Secret(KEY))
    assert "word" not in str(refused.value) + refused.value.hint
    assert "HTTPS_PROXY" in refused.value.hint
