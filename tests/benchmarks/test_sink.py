"""The sink counts rightly in whatever pieces bodies arrive: all else here rests on it."""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.sink import Arrived, Sink, SinkError, build, running

BODY = b'{"customerProfiles":[{"integrationId":"a"},{"integrationId": "b"}]}'
PATIENCE_S = 10


def request(body: bytes, *, head: bytes = b"") -> bytes:
    length = str(len(body)).encode()
    return b"PUT / HTTP/1.1\r\nContent-Length: " + length + b"\r\n" + head + b"\r\n" + body


def answer(connection: socket.socket, size: int = 65536) -> bytes:
    """The next answer; all are smaller than one segment, and come in one piece."""
    return connection.recv(size)


@pytest.fixture
def connection(sink: Sink) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", sink.port), timeout=PATIENCE_S) as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield made


def test_requests_bytes_and_rows_are_counted(sink: Sink, connection: socket.socket) -> None:
    for _ in range(3):
        connection.sendall(request(BODY))
        assert answer(connection) == b"HTTP/1.1 204 No Content\r\n\r\n"
    assert sink.arrived() == Arrived(requests=3, bytes=3 * len(BODY), rows=6)


def test_a_reset_counts_from_zero(sink: Sink, connection: socket.socket) -> None:
    connection.sendall(request(BODY))
    answer(connection)
    sink.reset()
    assert sink.arrived() == Arrived(requests=0, bytes=0, rows=0)


@pytest.mark.parametrize("size", [1, 2, 7, 14, 15, 16, 40])
def test_a_row_is_counted_once_in_whatever_pieces_it_comes(
    size: int, sink: Sink, connection: socket.socket
) -> None:
    whole = request(BODY)
    connection.sendall(whole[: -len(BODY)])
    for start in range(0, len(BODY), size):
        # A look at the sink between two pieces: it has read the first one before the next leaves.
        sink.arrived()
        connection.sendall(BODY[start : start + size])
    answer(connection)
    assert sink.arrived() == Arrived(requests=1, bytes=len(BODY), rows=2)


def test_a_mark_does_not_reach_from_one_body_into_the_next(
    sink: Sink, connection: socket.socket
) -> None:
    connection.sendall(request(b'{"integra'))
    answer(connection)
    connection.sendall(request(b'tionId"}'))
    answer(connection)
    assert sink.arrived() == Arrived(requests=2, bytes=17, rows=0)


def test_a_chunked_body_is_refused(sink: Sink, connection: socket.socket) -> None:
    connection.sendall(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert answer(connection).startswith(b"HTTP/1.1 411 ")
    assert answer(connection) == b""
    assert sink.arrived().requests == 0


def test_an_answer_can_have_a_body(sink_program: Path) -> None:
    with (
        running(sink_program, latency_ms=0, answer='{"a":1}') as sink,
        socket.create_connection(("127.0.0.1", sink.port), timeout=PATIENCE_S) as connection,
    ):
        connection.sendall(request(b""))
        assert answer(connection).endswith(b'Content-Length: 7\r\n\r\n{"a":1}')


def test_no_answer_comes_before_its_time(sink_program: Path) -> None:
    with (
        running(sink_program, latency_ms=30) as sink,
        socket.create_connection(("127.0.0.1", sink.port), timeout=PATIENCE_S) as connection,
    ):
        begun = time.monotonic()
        connection.sendall(request(BODY))
        assert answer(connection).startswith(b"HTTP/1.1 204 ")
        assert time.monotonic() - begun >= 0.03


def test_the_sink_ends_with_whoever_started_it(sink_program: Path) -> None:
    with subprocess.Popen(
        [sink_program, "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        try:
            child.communicate(timeout=PATIENCE_S)
        finally:
            child.kill()
    assert child.returncode == 0


def test_a_machine_without_a_compiler_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"C compiler.*apt-get install gcc"):
        build(tmp_path, {"PATH": str(tmp_path)})


def test_a_compiler_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot compile"):
        build(tmp_path, {"CC": "false", "PATH": "/usr/bin:/bin"})
