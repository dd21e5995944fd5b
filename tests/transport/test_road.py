"""The road itself: every phase out of time, proxies of every kind, addresses that lead nowhere."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
import trustme

from pipeline.config.secrets import Secret
from pipeline.errors import JobError
from pipeline.model import Answer, Fault
from pipeline.transport import road
from pipeline.transport.client import Client
from tests.transport import wire
from tests.transport.test_client_roads import API, DELIVERED, LOGIN, leading_to, send
from tests.transport.wire import EMPTY, KEY, PUT, Conduct, Server, answering, forever, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ssl.SSLContext]:
    """Certificates for any name, of an authority that the environment trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))

    def issue(name: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(name).configure_cert(context)
        return context

    return issue


async def dumb(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take everything, say nothing."""
    while await reader.read(65536):
        pass


async def send_within(base_url: str, seconds: float) -> Answer | Fault:
    async with Client(base_url, Secret(KEY), timeout_s=seconds) as client:
        return await client.send(PUT)


# ── out of time ───────────────────────────────────────────────────────────────────────────────


async def test_a_host_that_does_not_take_the_connection() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):  # a full queue drops the SYN of the next
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        host = f"127.0.0.1:{full.getsockname()[1]}"
        lost = await send_within(f"http://{host}", 0.2)
    assert lost == Fault(what=f"no connection to {host} within 0.2 s", sent=False)


async def test_a_host_that_does_not_shake_hands() -> None:
    async with serving(dumb) as server:
        lost = await send_within(server.url.replace("http:", "https:"), 0.2)
    host = f"127.0.0.1:{server.port}"
    assert lost == Fault(what=f"no connection to {host} within 0.2 s", sent=False)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_does_not_answer(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(dumb) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://127.0.0.1:{proxy.port}")
        lost = await send_within(f"https://{API}", 0.2)
    assert lost == Fault(what=f"no connection to {API} within 0.2 s", sent=False)


async def test_a_host_behind_a_tunnel_that_does_not_shake_hands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(dumb) as server, serving(leading_to(server.port)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        lost = await send_within(f"https://{API}", 0.2)
    assert lost == Fault(what=f"no connection to {API} within 0.2 s", sent=False)


@pytest.mark.parametrize("through", ["", "http", "https"])
async def test_the_way_may_be_left_at_any_moment(
    through: str, tls: Callable[[str], ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is cancelled on the way leaves no connection behind, and no place is lost."""
    proxy_tls = tls("127.0.0.1") if through == "https" else None
    async with (
        serving(forever(EMPTY), tls("127.0.0.1" if not through else API)) as server,
        serving(leading_to(server.port), proxy_tls) as proxy,
    ):
        if through:
            monkeypatch.setenv("HTTPS_PROXY", f"{through}://127.0.0.1:{proxy.port}")
        url = f"https://{API}" if through else server.url
        async with Client(url, Secret(KEY), connections_max=1, timeout_s=20) as client:
            for turns in range(0, 60, 2):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(client.send, PUT)
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    tasks.cancel_scope.cancel()
            assert await client.send(PUT) == DELIVERED
            assert len(client._pool._connections) == 1


# ── proxies ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("proxy_scheme", ["http", "https"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_every_proxy_leads_to_every_host_and_is_kept(
    scheme: str,
    proxy_scheme: str,
    tls: Callable[[str], ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host_tls = tls(API) if scheme == "https" else None
    proxy_tls = tls("127.0.0.1") if proxy_scheme == "https" else None
    async with serving(forever(EMPTY), host_tls) as server:
        to_host = leading_to(server.port) if scheme == "https" else forever(EMPTY)
        async with serving(to_host, proxy_tls) as proxy:
            login = f"{proxy_scheme}://us:pa%3Ass@127.0.0.1:{proxy.port}"
            monkeypatch.setenv(f"{scheme.upper()}_PROXY", login)
            async with Client(f"{scheme}://{API}", Secret(KEY)) as client:
                assert [await client.send(PUT) for _ in range(3)] == [DELIVERED] * 3
    assert proxy.connections == 1
    logins = {seen.headers["proxy-authorization"] for seen in proxy.seen}
    assert logins == {LOGIN}
    if scheme == "https":
        assert [seen.target for seen in proxy.seen] == [f"{API}:443"]
        assert [seen.target for seen in server.seen] == [PUT.target] * 3
        assert not any("proxy-authorization" in seen.headers for seen in server.seen)
    else:
        assert [seen.target for seen in proxy.seen] == [f"http://{API}{PUT.target}"] * 3


async def test_a_large_body_goes_through_tls_in_tls(
    tls: Callable[[str], ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        serving(forever(EMPTY), tls(API)) as server,
        serving(leading_to(server.port), tls("127.0.0.1")) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{proxy.port}")
        async with Client(f"https://{API}", Secret(KEY)) as client:
            assert await client.send(wire.put(5_000_000)) == DELIVERED
    assert server.seen[0].body == wire.put(5_000_000).body


@pytest.mark.parametrize(
    ("conduct", "why"),
    [
        (answering(b"HTTP/1.1 200 OK\r\n\r\n\x15\x03"), "it says more than a tunnel may"),
        (answering(b""), "it closed the connection without an answer"),
        (answering(b"SSH-2.0\r\n"), "what it sent back is not HTTP"),
        (answering(b"HTTP/1.1 502 Bad\r\nContent-Length: 9\r\n\r\nnever sen"), "it answers 502"),
        (answering(b"HTTP/1.1 302 X\r\nLocation: http://elsewhere\r\n\r\n"), "it answers 302"),
    ],
)
async def test_a_proxy_that_makes_no_tunnel_is_named(
    conduct: Conduct, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(conduct) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        lost = await send(f"https://{API}")
    what = f"the proxy 127.0.0.1:{proxy.port} does not connect to {API}: {why}"
    assert lost == Fault(what=what, sent=False)
    assert KEY not in repr(proxy.seen)


async def test_a_proxy_whose_certificate_is_nobodys_learns_nothing(
    tls: Callable[[str], ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(forever(EMPTY), tls("elsewhere.example.test")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"https://us:word@127.0.0.1:{proxy.port}")
        lost = await send(f"http://{API}")
    assert isinstance(lost, Fault)
    assert lost.what.startswith(f"the proxy 127.0.0.1:{proxy.port} cannot be reached: ")
    assert "certificate is not valid for '127.0.0.1'" in lost.what
    assert (lost.sent, proxy.seen) == (False, [])


async def test_a_tunnel_to_somebody_else_is_not_trusted(
    tls: Callable[[str], ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        serving(forever(EMPTY), tls("elsewhere.example.test")) as server,
        serving(leading_to(server.port)) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        lost = await send(f"https://{API}")
    assert isinstance(lost, Fault)
    assert lost.what.startswith(f"the certificate of {API} is not trusted: ")
    assert (lost.sent, server.seen) == (False, [])


async def test_a_number_of_version_6_stands_in_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
    async with serving(forever(refusal)) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        await send("http://[2001:db8::1]:8080")
        await send("https://[2001:db8::1]")
    plain, tunnel = proxy.seen
    assert plain.target == f"http://[2001:db8::1]:8080{PUT.target}"
    assert plain.headers["host"] == "[2001:db8::1]:8080"
    assert tunnel.target == tunnel.headers["host"] == "[2001:db8::1]:443"


# ── names, addresses, authorities ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("http://Host.test:80", "host.test"),
        ("https://host.test:443/", "host.test"),
        ("https://host.test:80", "host.test:80"),
        ("http://host.test:8080", "host.test:8080"),
    ],
)
async def test_a_port_that_goes_without_saying_is_not_said(
    base_url: str, host: str, tls: Callable[[str], ssl.SSLContext]
) -> None:
    client = Client(base_url, Secret(KEY))
    head = client._head_of(PUT).decode()
    assert head.startswith(f"PUT {PUT.target} HTTP/1.1\r\nHost: {host}\r\n")


@pytest.mark.parametrize("base_url", ["ftp://x.test", "x.test", "http://", "http://x.test:99999"])
async def test_what_is_no_address_is_a_fault(base_url: str) -> None:
    lost = await send(base_url)
    assert isinstance(lost, Fault)
    assert not lost.sent
    assert lost.what.endswith("is not an address")


async def test_a_name_that_is_none_was_not_sent() -> None:
    lost = await send(f"http://{'x' * 64}.test")
    assert isinstance(lost, Fault)
    assert not lost.sent
    assert "cannot be found" in lost.what


@pytest.mark.parametrize("name", ["SSL_CERT_FILE"])
def test_authorities_that_cannot_be_read_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.pem").write_text("")
    for file in ("missing.pem", "empty.pem"):
        monkeypatch.setenv(name, str(tmp_path / file))
        with pytest.raises(JobError, match=name):
            Client("https://x.test", Secret(KEY))
        Client("http://x.test", Secret(KEY))


def test_tls_is_verified_by_a_list_of_authorities_where_the_environment_names_none() -> None:
    context = road.trusting()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.cert_store_stats()["x509_ca"] > 50


async def test_the_second_address_is_tried_where_the_first_leads_nowhere() -> None:
    async with serving(forever(EMPTY)) as server:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            places = [nobody.getsockname(), ("127.0.0.1", server.port)]
            for order in (places, places[::-1]):
                addresses: list[road.Address] = [
                    (socket.AF_INET, socket.SOCK_STREAM, 0, "", place) for place in order
                ]
                opened = await road._first_open(addresses)
                assert opened.getpeername() == places[1]
                opened.close()
            with pytest.raises(ConnectionRefusedError):
                await road._first_open(addresses[1:])


def test_the_families_take_turns() -> None:
    def of(family: socket.AddressFamily, number: int) -> road.Address:
        return family, socket.SOCK_STREAM, 0, "", (number,)

    six, four = socket.AF_INET6, socket.AF_INET
    given = [of(six, 1), of(six, 2), of(six, 3), of(four, 4)]
    assert [address[4][0] for address in road._in_turn(given)] == [1, 4, 2, 3]
