"""What goes out and what comes back whole: the client before servers on the loopback."""

import asyncio
import gzip
import logging
import zlib
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from pipeline.config.secrets import Secret
from pipeline.model import Answer, Request
from pipeline.transport import client as client_module
from pipeline.transport.client import Client
from tests.transport import wire
from tests.transport.wire import (
    EMPTY,
    GET,
    KEY,
    LARGE,
    OK,
    PUT,
    Server,
    answering,
    attempt,
    client_of,
    forever,
    head_of,
    put,
    serving,
)

pytestmark = pytest.mark.anyio

# ── what goes out ─────────────────────────────────────────────────────────────────────────────


async def test_a_request_goes_out_with_its_key_and_its_bytes() -> None:
    request = Request(method="PUT", target="/v2/x?silent=yes", body=b"[1]", idempotency_key="k-1")
    async with serving(forever(EMPTY)) as server, client_of(server) as client:
        assert await client.send(request) == Answer(status=204, body=b"")
    (seen,) = server.seen
    assert (seen.method, seen.target, seen.body) == ("PUT", "/v2/x?silent=yes", b"[1]")
    agent = seen.headers.pop("user-agent")
    assert agent.startswith("talon-one-pipeline/")
    assert seen.headers == {
        "host": f"127.0.0.1:{server.port}",
        "authorization": f"ApiKey-v1 {KEY}",
        "accept": "application/json",
        "accept-encoding": "gzip, deflate",
        "content-type": "application/json",
        "content-length": "3",
        "idempotency-key": "k-1",
    }


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_without_a_body_nothing_is_said_of_its_type(method: str) -> None:
    async with serving(forever(OK)) as server, client_of(server) as client:
        await client.send(Request(method=method, target="/v1/x", body=None))
    assert server.seen[0].method == method
    assert {"content-type", "idempotency-key"}.isdisjoint(server.seen[0].headers)


async def test_a_delete_carries_its_body() -> None:
    async with serving(forever(EMPTY)) as server, client_of(server) as client:
        await client.send(Request(method="DELETE", target="/v1/x", body=b'{"a": 1}'))
    assert (server.seen[0].method, server.seen[0].body) == ("DELETE", b'{"a": 1}')


@pytest.mark.parametrize(
    "target",
    [
        "/v1/coupon_reservations/10%24OFF%2FNOW",
        "/v1/x/%2E%2E/%2e",
        "/v1/x/../y",
        "/v1/SUMMER25%25OFF?a=b%20c&d=%26+%2B",
        "/v1/%C3%A9/%40:!'()*",
    ],
)
async def test_a_target_goes_out_to_the_letter(target: str) -> None:
    async with serving(forever(OK)) as server, client_of(server) as client:
        await client.send(Request(method="GET", target=target, body=None))
    assert server.seen[0].target == target


async def test_the_management_key_has_its_own_scheme() -> None:
    async with (
        serving(forever(OK)) as server,
        Client(server.url, Secret(KEY), scheme="ManagementKey-v1") as client,
    ):
        await client.send(GET)
    assert server.seen[0].headers["authorization"] == f"ManagementKey-v1 {KEY}"


async def test_a_large_body_arrives_whole_with_its_length() -> None:
    request = Request(method="PUT", target="/x", body=bytes(range(256)) * 20_000)
    async with serving(forever(EMPTY)) as server, client_of(server) as client:
        assert await client.send(request) == Answer(status=204, body=b"")
    assert server.seen[0].body == request.body
    assert "transfer-encoding" not in server.seen[0].headers


async def test_connections_are_kept_and_no_more_are_opened_than_allowed() -> None:
    async with (
        serving(forever(OK)) as server,
        client_of(server, connections_max=4) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(40):
            tasks.start_soon(client.send, PUT)
    assert len(server.seen) == 40
    assert server.connections <= 4


async def test_cookies_are_not_kept() -> None:
    cookie = head_of(0, b"Set-Cookie: session=1; Path=/")
    async with serving(forever(cookie)) as server:
        named = server.url.replace("127.0.0.1", "localhost")  # no jar keeps those of a number
        async with Client(named, Secret(KEY)) as client:
            await client.send(PUT)
            await client.send(PUT)
    assert "cookie" not in server.seen[1].headers


# ── whole answers ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [200, 201, 301, 302, 303, 307, 308, 400, 404, 429, 500, 503])
async def test_every_status_is_an_answer_and_no_redirect_is_followed(status: int) -> None:
    answer = (
        b"HTTP/1.1 %d X\r\nLocation: /elsewhere\r\nRetry-After: 7\r\n"
        b"Content-Type: text/html\r\nContent-Length: 2\r\n\r\nhi" % status
    )
    async with serving(forever(answer)) as server, client_of(server) as client:
        got = await client.send(PUT)
    assert got == Answer(status=status, body=b"hi", retry_after="7", content_type="text/html")
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "framed",
    [
        head_of(2) + b"{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\n" + head_of(2) + b"{}",
        b"HTTP/1.1 200 \xff\xfe\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["length", "chunked", "until closed", "HTTP/1.0", "after 100", "odd phrase"],
)
async def test_an_answer_is_whole_in_any_framing(framed: bytes) -> None:
    assert await attempt(answering(framed)) == Answer(status=200, body=b"{}")


@pytest.mark.parametrize(
    ("coding", "pack"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)]
)
async def test_a_packed_answer_is_unpacked(coding: bytes, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(b'{"a": 1}')
    answer = head_of(len(packed), b"Content-Encoding: " + coding) + packed
    assert await attempt(answering(answer)) == Answer(status=200, body=b'{"a": 1}')


@pytest.mark.parametrize("manner", ["stays open", "closes", "reads on"])
@pytest.mark.parametrize("length", [250_000, LARGE])
async def test_an_answer_before_the_body_was_read_is_an_answer(manner: str, length: int) -> None:
    async def early(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await wire.head(reader)
        writer.write(b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        if manner == "stays open":
            await asyncio.Event().wait()
        elif manner == "reads on":
            writer.write_eof()
            while await reader.read(65536):
                pass

    assert await attempt(early, put(length), timeout_s=20) == Answer(status=413, body=b"")


async def test_a_body_that_was_cut_short_by_an_early_answer_spoils_no_other_request() -> None:
    async def early(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        seen = await wire.head(reader)
        if int(seen.headers["content-length"]) > 100:
            writer.write(b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n")
        else:
            writer.write(EMPTY)
        await writer.drain()
        await asyncio.Event().wait()

    async with serving(early) as server, client_of(server, timeout_s=20) as client:
        assert await client.send(put(LARGE)) == Answer(status=413, body=b"")
        assert await client.send(PUT) == Answer(status=204, body=b"")
        assert server.connections == 2


# ── the key ───────────────────────────────────────────────────────────────────────────────────


async def test_the_key_is_in_the_request_and_nowhere_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A server that repeats what it was sent, in every place that we look at."""
    caplog.set_level(logging.DEBUG)
    echo = f"ApiKey-v1 {KEY}".encode()
    answers = [
        head_of(len(echo), b"Content-Type: " + echo, b"Retry-After: " + echo) + echo,
        b"HTTP/1.1 401 " + echo + b"\r\nWWW-Authenticate: " + echo + b"\r\n\r\n" + echo,
        echo + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + echo + b"\r\n\r\n",
        head_of(1000) + echo,
        b"",
    ]
    shown = []
    for answer in answers:
        async with serving(answering(answer)) as server, client_of(server) as client:
            shown += [repr(await client.send(PUT)), repr(client), repr(vars(client))]
            assert KEY in server.seen[0].headers["authorization"]
    assert any("ApiKey-v1 ****" in text for text in shown)
    assert KEY not in "".join(shown) + caplog.text


async def test_a_key_that_is_a_word_spoils_no_answer() -> None:
    answering_a = answering(head_of(11) + b'{"id": "a"}')
    async with serving(answering_a) as server, Client(server.url, Secret("a")) as client:
        assert await client.send(PUT) == Answer(status=200, body=b'{"id": "a"}')


def test_only_the_reader_names_the_library_beneath() -> None:
    folder = Path(client_module.__file__).parent
    for path in folder.glob("*.py"):
        assert ("httptools" in path.read_text()) == (path.name == "reader.py")
