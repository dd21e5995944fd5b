"""Attempts that get no whole answer: servers that do everything a server should not."""

import asyncio
import gzip
import socket
import struct

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config.secrets import Secret
from pipeline.model import Answer, Fault, Request
from pipeline.transport.client import FAULTS, Client
from pipeline.transport.reader import ANSWER_BYTES_MAX
from tests.transport import wire
from tests.transport.wire import (
    KEY,
    LARGE,
    OK,
    PUT,
    Server,
    answering,
    attempt,
    client_of,
    head_of,
    put,
    serving,
)

pytestmark = pytest.mark.anyio


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def silent(
    server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Take the request, and never answer."""
    await wire.whole(server, reader)
    await asyncio.Event().wait()


# ── broken answers ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["PUT", "DELETE", "GET", "POST"])
async def test_a_request_cut_on_a_used_connection_arrives_exactly_once(method: str) -> None:
    """Many a client sends all but the POST a second time, on its own account."""
    request = Request(method=method, target="/v1/x", body=b"{}")
    async with serving(answering(OK, b"")) as server, client_of(server) as client:
        assert isinstance(await client.send(request), Answer)
        lost = await client.send(request)
    assert isinstance(lost, Fault)
    assert (lost.sent, lost.status) == (True, None)
    assert (len(server.seen), server.connections) == (2, 1)


async def test_a_connection_reset_after_sending_may_have_been_seen() -> None:
    async def cut(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await wire.whole(server, reader)
        reset(writer)

    lost = await attempt(cut)
    assert isinstance(lost, Fault)
    assert lost.sent
    assert "connection reset by peer" in lost.what


async def test_a_connection_reset_in_the_body_may_have_been_seen() -> None:
    async def cut(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await wire.head(reader)
        reset(writer)

    lost = await attempt(cut, put(LARGE))
    assert isinstance(lost, Fault)
    assert lost.sent


@pytest.mark.parametrize(
    "broken",
    [
        head_of(100) + b'{"data": [',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
        head_of(5, b"Content-Encoding: gzip") + b"abcde",
        head_of(5, b"Content-Encoding: deflate, gzip") + b"abcde",
    ],
    ids=["length", "in a piece", "between pieces", "not gzip", "not gzip, twice"],
)
async def test_a_broken_answer_keeps_its_status(broken: bytes) -> None:
    lost = await attempt(answering(broken))
    assert isinstance(lost, Fault)
    assert (lost.sent, lost.status) == (True, 200)
    assert "(its status was 200)" in lost.what


async def test_an_answer_that_unpacks_without_end_is_cut_off() -> None:
    packed = gzip.compress(b"0" * (ANSWER_BYTES_MAX + 1))
    lost = await attempt(answering(head_of(len(packed), b"Content-Encoding: gzip") + packed))
    assert lost == Fault(
        what="the answer is larger than 64 MiB (its status was 200)", sent=True, status=200
    )


async def test_silence_ends_with_the_time_of_an_attempt() -> None:
    lost = await attempt(silent, timeout_s=0.1)
    assert lost == Fault(what="no whole answer within 0.1 s", sent=True)


async def test_an_answer_that_trickles_ends_with_the_time_of_an_attempt() -> None:
    async def trickle(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await wire.whole(server, reader)
        writer.write(head_of(1_000_000))
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    lost = await attempt(trickle, timeout_s=0.2)
    assert isinstance(lost, Fault)
    assert (lost.sent, lost.status) == (True, 200)


async def test_a_server_that_does_not_read_ends_with_the_time_of_an_attempt() -> None:
    async def deaf(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await asyncio.Event().wait()

    lost = await attempt(deaf, put(LARGE), timeout_s=0.2)
    assert isinstance(lost, Fault)
    assert lost.sent


async def test_a_cancelled_attempt_closes_its_connection_and_no_other() -> None:
    async with serving(silent) as server, client_of(server, connections_max=1) as client:
        with anyio.move_on_after(0.1) as scope:
            await client.send(PUT)
        assert scope.cancelled_caught
        with anyio.move_on_after(0.1):
            await client.send(PUT)  # the only connection of the pool is free again
        assert len(server.seen) == 2


GARBAGE = [
    b"",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"\x15\x03\x01\x00\x02\x02\x46",
    b"<html>hello</html>",
    b"HTTP/1.1 banana\r\n\r\n",
    b"HTTP/1.1 99999 X\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(5000)) + b"\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda text: repr(text[:40]))
async def test_what_is_not_http_is_a_fault(garbage: bytes) -> None:
    lost = await attempt(answering(garbage))
    assert isinstance(lost, Fault)
    assert lost.sent
    assert "sent back is not HTTP" in lost.what or "without an answer" in lost.what


@given(
    st.lists(
        st.sampled_from([b"HTTP/1.1 200 OK", b"\r\n", b"Content-Length: 3", b"Transfer-Encoding: ",
                         b"chunked", b"Content-Encoding: gzip", b"0", b"5", b"\x00", b"\xff", b":",
                         b"Location: http://[", b"Set-Cookie: =;=", b"Connection: Upgrade"])
        | st.binary(max_size=8),
        max_size=20,
    )
)  # fmt: skip
@settings(max_examples=100)
def test_no_answer_raises(pieces: list[bytes]) -> None:
    got = anyio.run(attempt, answering(b"".join(pieces)))
    assert isinstance(got, Answer | Fault)


# ── no connection ─────────────────────────────────────────────────────────────────────────────


async def test_a_refused_connection_was_not_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
        port = taken.getsockname()[1]
        async with Client(f"http://127.0.0.1:{port}", Secret(KEY)) as client:
            lost = await client.send(PUT)
    assert lost == Fault(what=f"127.0.0.1:{port} cannot be reached: connection refused", sent=False)


async def test_an_unknown_host_was_not_sent() -> None:
    async with Client("http://no-such-host.invalid", Secret(KEY)) as client:
        lost = await client.send(PUT)
    assert isinstance(lost, Fault)
    assert not lost.sent
    assert lost.what.startswith("the host no-such-host.invalid cannot be found")


async def test_a_connection_that_does_not_come_about_was_not_sent() -> None:
    """The only connection of the pool is in use for longer than one may wait for one."""
    arrived = asyncio.Event()

    async def busy(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await wire.whole(server, reader)
        arrived.set()
        await asyncio.Event().wait()

    async with (
        serving(busy) as server,
        client_of(server, connections_max=1) as client,
        anyio.create_task_group() as tasks,
    ):
        client._words["connect_s"] = 0.1
        tasks.start_soon(client.send, PUT)
        await arrived.wait()
        lost = await client.send(PUT)
        tasks.cancel_scope.cancel()
    assert lost == Fault(what=f"no connection to 127.0.0.1:{server.port} within 0.1 s", sent=False)


def test_every_fault_is_one_of_ours() -> None:
    rows = [row[0] for row in FAULTS]
    for index, kind in enumerate(rows):
        assert not any(issubclass(kind, earlier) for earlier in rows[:index]), (
            f"{kind.__name__} never gets its turn"
        )
