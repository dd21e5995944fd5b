"""One connection and its socket: what is never used again, early answers, bodies of any length."""

import asyncio
import socket
import ssl
import struct
import tracemalloc
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
import trustme

from pipeline.model import Answer, Fault, Request
from pipeline.transport.connection import Connection
from tests.transport import wire
from tests.transport.test_client_faults import reset, silent
from tests.transport.wire import (
    EMPTY,
    GET,
    LARGE,
    OK,
    PUT,
    Server,
    answering,
    client_of,
    forever,
    head_of,
    put,
    serving,
)

pytestmark = pytest.mark.anyio

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"


@pytest.fixture(params=["http", "https"])
def tls(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext | None:
    """The same over plain TCP and over TLS with an authority that the environment trusts."""
    if request.param == "http":
        return None
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


# ── what is not used again ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("turns", [0, 5], ids=["at once", "later"])
@pytest.mark.parametrize(
    "stray", [b"", b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 O", b"\r\n"]
)
async def test_an_idle_connection_on_which_anything_has_come_is_not_used(
    stray: bytes, turns: int, tls: ssl.SSLContext | None
) -> None:
    """At once: in the turn of the loop in which it came, when only the system knows of it."""
    answered, come = asyncio.Event(), asyncio.Event()

    async def conduct(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await wire.whole(server, reader)
        writer.write(OK)
        await answered.wait()
        if stray:
            writer.write(stray)
        else:
            writer.close()
        come.set()
        if server.connections == 1:
            await asyncio.Event().wait()

    async with serving(conduct, tls) as server, client_of(server, timeout_s=5) as client:
        first = await client.send(PUT)
        answered.set()
        await come.wait()
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        second = await client.send(PUT)
    assert first == second == Answer(status=200, body=b"{}", content_type="application/json")
    assert server.connections == 2


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        (OK, 1),
        (CHUNKED, 1),
        (EMPTY, 1),
        (head_of(2, b"Connection: close") + b"{}", 3),
        (OK.replace(b"1.1", b"1.0"), 3),
        (head_of(2, b"Connection: keep-alive").replace(b"1.1", b"1.0") + b"{}", 1),
        (OK + OK, 3),
        (OK + b"x", 3),
        (EMPTY + b"body", 3),
    ],
)
async def test_a_connection_is_kept_only_after_an_answer_to_the_letter(
    answer: bytes, connections: int, tls: ssl.SSLContext | None
) -> None:
    async with serving(forever(answer), tls) as server, client_of(server) as client:
        for _ in range(3):
            assert isinstance(await client.send(PUT), Answer)
    assert (len(server.seen), server.connections) == (3, connections)


async def test_a_head_request_has_no_body_to_wait_for() -> None:
    async with serving(forever(head_of(1000))) as server, client_of(server, timeout_s=5) as client:
        got = await client.send(Request(method="HEAD", target="/x", body=None))
    assert got == Answer(status=200, body=b"")


async def test_a_put_without_a_body_says_so() -> None:
    async with serving(forever(EMPTY)) as server, client_of(server) as client:
        await client.send(Request(method="PUT", target="/x", body=None))
        await client.send(Request(method="PUT", target="/x", body=b""))
        await client.send(GET)
    assert [seen.headers.get("content-length") for seen in server.seen] == ["0", "0", None]


# ── answers that come when they like ──────────────────────────────────────────────────────────


@pytest.mark.parametrize("answer", [OK, CHUNKED], ids=["length", "chunked"])
async def test_a_reset_at_any_byte_of_the_answer_is_a_fault(answer: bytes) -> None:
    head_ends = answer.index(b"\r\n\r\n") + 4
    ends = iter(range(len(answer)))

    async def cut(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await wire.whole(server, reader)
        writer.write(answer[: next(ends)])
        await writer.drain()
        reset(writer)

    async with serving(cut) as server, client_of(server) as client:
        for end in range(len(answer)):
            lost = await client.send(PUT)
            assert isinstance(lost, Fault)
            assert (lost.sent, lost.status) == (True, 200 if end >= head_ends else None)
    assert len(server.seen) == len(answer)


async def test_tls_that_is_cut_off_makes_no_answer_whole(tls: ssl.SSLContext | None) -> None:
    """Without a length only the end says that it is whole: TLS has one of its own."""

    async def cut(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await wire.whole(server, reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n{}")
        await writer.drain()
        writer.transport.abort()  # a FIN, and no close_notify

    async with serving(cut, tls) as server, client_of(server) as client:
        got = await client.send(PUT)
    if tls is None:
        assert got == Answer(status=200, body=b"{}")
    else:
        assert got == Fault(what="the answer broke off (its status was 200)", sent=True, status=200)


@pytest.mark.parametrize("manner", ["stays open", "closes"])
@pytest.mark.parametrize("length", [250_000, LARGE])
async def test_an_early_answer_is_the_answer(
    manner: str, length: int, tls: ssl.SSLContext | None
) -> None:
    async def early(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await wire.head(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        try:
            if manner == "stays open" or tls:  # TLS that is cut off may lose what came before
                await asyncio.Event().wait()
        finally:
            if tls:  # asyncio does not close TLS whose reader is full
                writer.transport.abort()

    async with serving(early, tls) as server, client_of(server, timeout_s=20) as client:
        assert await client.send(put(length)) == Answer(status=413, body=b"")


async def test_an_answer_is_read_though_the_server_has_hung_up_on_the_request() -> None:
    """The first write fails: the loop would not read any more."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        _, connection = await loop.create_connection(
            lambda: Connection(loop), *listener.getsockname()
        )
        peer, _ = listener.accept()
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        head = b"PUT / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n"
        received = await connection.exchange(head, b"x" * 1_000_000, loop.time() + 5)
    assert (received.status, received.body) == (413, b"no")
    assert not connection.is_reusable


async def test_an_exchange_that_is_cancelled_closes_its_connection() -> None:
    loop = asyncio.get_running_loop()
    async with serving(silent) as server:
        _, connection = await loop.create_connection(
            lambda: Connection(loop), "127.0.0.1", server.port
        )
        with anyio.move_on_after(0.05):
            await connection.exchange(b"GET / HTTP/1.1\r\n\r\n", None, loop.time() + 5)
        assert connection.transport.is_closing()
        await asyncio.sleep(0)
        with pytest.raises(ConnectionResetError):
            await connection.exchange(b"GET / HTTP/1.1\r\n\r\n", None, loop.time() + 5)


async def test_the_time_of_an_attempt_ends_with_it() -> None:
    async def slow(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            await wire.whole(server, reader)
            await asyncio.sleep(0.3)
            writer.write(EMPTY)

    async with serving(slow) as server, client_of(server, timeout_s=0.5) as client:
        for _ in range(2):
            assert await client.send(PUT) == Answer(status=204, body=b"")
    assert server.connections == 1


# ── bodies ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("length", [1, 65_535, 65_536, 65_537, 250_000, 327_680, 1_376_256, LARGE])
async def test_a_body_of_any_length_arrives_whole(length: int, tls: ssl.SSLContext | None) -> None:
    body = bytes(range(251)) * (length // 251 + 1)
    request = Request(method="PUT", target="/x", body=body[:length])
    async with serving(forever(EMPTY), tls) as server, client_of(server) as client:
        for _ in range(2):
            assert await client.send(request) == Answer(status=204, body=b"")
    assert [seen.body == request.body for seen in server.seen] == [True, True]
    assert server.connections == 1


async def test_a_large_body_is_not_copied_and_keeps_nobody_waiting() -> None:
    large, small = put(50_000_000), 0

    async def forgetful(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            left = int((await wire.head(reader)).headers["content-length"])
            while left:
                left -= len(await reader.read(min(left, 65536)))
            writer.write(EMPTY)

    async with serving(forgetful) as server, client_of(server) as client:
        await client.send(PUT)
        async with anyio.create_task_group() as tasks:
            tracemalloc.start()
            tasks.start_soon(client.send, large)
            await anyio.lowlevel.checkpoint()
            while len(client._pool._idle) < 2 and small < 1000:
                assert await client.send(PUT) == Answer(status=204, body=b"")
                small += 1
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert small > 10
    assert peak_bytes < 5_000_000


# ── cancelled, and out of time ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("request_", [PUT, put(LARGE)], ids=["small", "large"])
async def test_an_attempt_may_be_cancelled_at_any_moment(
    request_: Request, tls: ssl.SSLContext | None
) -> None:
    """One connection is all there is: if its place were lost, the next attempt would wait."""

    async def conduct(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            await wire.whole(server, reader)
            await anyio.lowlevel.checkpoint()
            writer.write(OK)

    async with (
        serving(conduct, tls) as server,
        client_of(server, connections_max=1, timeout_s=20) as client,
    ):
        for turns in [*range(30), 40, 60, 100]:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.send, request_)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
            if turns % 3 == 0:
                assert isinstance(await client.send(PUT), Answer)
        assert len(client._pool._connections) <= 1


async def test_cancelling_one_attempt_leaves_the_others_alone() -> None:
    async with serving(silent) as server, client_of(server, timeout_s=0.5) as client:
        ends: list[Answer | Fault] = []

        async def attempt() -> None:
            ends.append(await client.send(PUT))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(attempt)
            with anyio.move_on_after(0.1):
                await client.send(PUT)
            while len(client._pool._connections) > 1:
                await anyio.lowlevel.checkpoint()
    assert ends == [Fault(what="no whole answer within 0.5 s", sent=True)]


async def test_the_end_of_a_client_ends_its_connections() -> None:
    hung_up = asyncio.Event()

    async def conduct(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await wire.whole(server, reader)
        writer.write(OK)
        if not await reader.read(1):
            hung_up.set()

    async with serving(conduct) as server:
        async with client_of(server) as client:
            await client.send(PUT)
        with anyio.fail_after(5):
            await hung_up.wait()


async def test_a_server_of_many_moods_sees_no_more_connections_than_allowed() -> None:
    now, most = 0, 0
    moods = [answering(OK), answering(OK, OK, b""), answering(b""), answering(b"x"), forever(OK)]

    async def moody(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        try:
            await moods[server.connections % len(moods)](server, reader, writer)
        finally:
            now -= 1

    async with (
        serving(moody) as server,
        client_of(server, connections_max=3, timeout_s=20) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(100):
            tasks.start_soon(client.send, PUT)
    # One that is closed here may not be so there yet.
    assert most <= 3 + 1
    assert len(server.seen) == 100
