"""Bytes → an answer: however they are cut, the same; to the letter, or not at all."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.transport.reader import (
    ANSWER_BYTES_MAX,
    HEAD_BYTES_MAX,
    AnswerTooLarge,
    BrokeOff,
    NoAnswer,
    NotHttp,
    Reader,
    Received,
)

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nRetry-After: 7\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nRetry-After: 7\r\n\r\n"
    b"2;ext=1\r\nhe\r\n3\r\nllo\r\n0\r\nRetry-After: 9\r\n\r\n"
)
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\nRetry-After: 7\r\n\r\nhello"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nRetry-After: 1\r\n\r\n"
WHOLE = {
    "length": LENGTH,
    "chunked": CHUNKED,
    "1.0": LENGTH.replace(b"1.1", b"1.0"),
    "after 1xx": INTERIM + LENGTH,
    "chunked after 1xx": INTERIM + CHUNKED,
}
HEADS_MAX = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"


def fed(pieces: Sequence[bytes], head: bytes = b"PUT / HTTP/1.1\r\n") -> Reader:
    reader = Reader()
    reader.begin(head)
    for piece in pieces:
        reader.feed(piece)
    return reader


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(ends)]


def seen(received: Received) -> tuple[int, bytes, bytes | None]:
    return received.status, received.body, received.headers.get(b"retry-after")


# ── however it is cut ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
@given(places=st.lists(st.integers(min_value=0, max_value=400), max_size=12))
def test_any_cut_gives_the_same_answer(data: bytes, places: list[int]) -> None:
    reader = fed(cut(data, places))
    assert reader.is_whole
    assert seen(reader.received()) == (200, b"hello", b"7")
    assert reader.is_clean == (b"HTTP/1.0" not in data)


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_an_answer_that_ends_early_is_broken_at_every_byte(data: bytes) -> None:
    head_ends = data.index(b"\r\n\r\n", data.index(b" 200 ")) + 4
    for end in range(len(data)):
        reader = fed([data[:end]] if end else [])
        assert not reader.is_whole
        assert reader.status == (200 if end >= head_ends else None)
        with pytest.raises(BrokeOff if end >= head_ends else NoAnswer):
            reader.end()


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_an_answer_of_single_bytes_is_whole_with_the_last(data: bytes) -> None:
    reader = fed([data[i : i + 1] for i in range(len(data) - 1)])
    assert not reader.is_whole
    reader.feed(data[-1:])
    assert seen(reader.received()) == (200, b"hello", b"7")


@given(places=st.lists(st.integers(min_value=0, max_value=400), max_size=12))
def test_without_a_length_the_end_makes_it_whole(places: list[int]) -> None:
    reader = fed(cut(UNTIL_CLOSED, places))
    assert not reader.is_whole
    reader.end()
    assert seen(reader.received()) == (200, b"hello", b"7")
    assert not reader.is_clean


@given(
    st.binary(max_size=300),
    st.lists(st.integers(min_value=1, max_value=50), max_size=10),
    st.lists(st.integers(min_value=0, max_value=600), max_size=12),
)
def test_a_body_in_pieces_is_what_it_was(body: bytes, sizes: list[int], places: list[int]) -> None:
    pieces, start = [], 0
    for size in [*sizes, len(body) + 1]:
        piece = body[start : start + size]
        pieces += [b"%x\r\n%b\r\n" % (len(piece), piece)] if piece else []
        start += size
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    data = head + b"".join(pieces) + b"0\r\n\r\n"
    reader = fed(cut(data, places))
    assert reader.is_clean
    assert reader.received().body == body


# ── whether another may follow ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "connection", "clean"),
    [
        (b"HTTP/1.1", b"", True),
        (b"HTTP/1.1", b"Connection: close\r\n", False),
        (b"HTTP/1.1", b"connection: Keep-Alive, CLOSE\r\n", False),
        (b"HTTP/1.1", b"Connection: keep-alive\r\n", True),
        (b"HTTP/1.0", b"", False),
        (b"HTTP/1.0", b"Connection: keep-alive\r\n", True),
    ],
)
def test_a_connection_is_kept_as_the_version_and_the_server_say(
    line: bytes, connection: bytes, clean: bool
) -> None:
    reader = fed([line + b" 200 OK\r\n" + connection + b"Content-Length: 2\r\n\r\nok"])
    assert reader.is_whole
    assert reader.is_clean == clean


@pytest.mark.parametrize("surplus", [LENGTH, b"H", b"xx", b"\x00", INTERIM])
def test_bytes_behind_the_answer_spoil_the_connection_not_the_answer(surplus: bytes) -> None:
    for framed in (LENGTH, CHUNKED):
        reader = fed([framed + surplus])
        assert seen(reader.received()) == (200, b"hello", b"7")
        assert not reader.is_clean


def test_one_reader_reads_one_answer_after_the_other() -> None:
    reader = Reader()
    for number in range(3):
        reader.begin(b"GET / HTTP/1.1\r\n")
        assert (reader.status, reader.is_whole) == (None, False)
        reader.feed(b"HTTP/1.1 20%d OK\r\nX-%d: y\r\nContent-Length: 1\r\n\r\n%d" % ((number,) * 3))
        received = reader.received()
        assert (received.status, received.body) == (200 + number, b"%d" % number)
        assert set(received.headers) == {b"x-%d" % number, b"content-length"}


# ── answers without a body ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("said", [b"", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_204_and_304_have_no_body_whatever_they_say(status: int, said: bytes) -> None:
    reader = fed([b"HTTP/1.1 %d X\r\n" % status + said + b"\r\n"])
    assert reader.is_clean
    assert reader.received().body == b""


def test_the_answer_to_a_head_has_no_body_and_the_connection_ends() -> None:
    reader = fed([LENGTH.removesuffix(b"hello")], b"HEAD / HTTP/1.1\r\n")
    assert seen(reader.received()) == (200, b"", b"7")
    assert not reader.is_clean


@pytest.mark.parametrize("said", [b"", b"Content-Length: 0\r\n", b"Content-Length: 5\r\n"])
def test_a_tunnel_stands_with_its_head_and_nothing_behind_it(said: bytes) -> None:
    opened = b"HTTP/1.1 200 OK\r\n" + said + b"\r\n"
    assert fed([opened], b"CONNECT x:1 HTTP/1.1\r\n").is_clean
    for surplus in (b"\x15", b"H"):
        assert not fed([opened + surplus], b"CONNECT x:1 HTTP/1.1\r\n").is_clean
    assert not fed([opened.replace(b"200", b"407")], b"CONNECT x:1 HTTP/1.1\r\n").is_clean


@pytest.mark.parametrize("upgrade", [b"", b"Connection: upgrade\r\nUpgrade: h2c\r\n"])
def test_a_switch_of_protocols_is_the_answer_and_the_end(upgrade: bytes) -> None:
    reader = fed([b"HTTP/1.1 101 X\r\n" + upgrade + b"\r\n\x00\x00"])
    assert reader.received().status == 101
    assert not reader.is_clean


# ── what is not HTTP ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "data",
    [
        b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"\r\n" + LENGTH,
        b"HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/3.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    ],
)
def test_what_is_not_to_the_letter_is_not_http(data: bytes) -> None:
    with pytest.raises(NotHttp):
        fed([data])
    with pytest.raises(NotHttp):
        fed([data[i : i + 1] for i in range(len(data))])


@pytest.mark.parametrize(
    "endless",
    [
        [b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(5000))],
        [b"HTTP/1.1 200 OK\r\nX: ", *[b"y" * 1000] * 100],
        [b"HTTP/1.1 200 ", *[b"y" * 1000] * 100],
        [b"HTTP/1.1 100 Continue\r\n\r\n"] * 10_000,
        [b"HTTP/1.1 103 X\r\nLink: y\r\n\r\n"] * 10_000,
    ],
    ids=["headers", "one header", "phrase", "100", "103"],
)
def test_a_head_without_end_is_not_http(endless: list[bytes]) -> None:
    with pytest.raises(NotHttp):
        fed(endless)


def test_a_large_head_is_read() -> None:
    lines = b"".join(b"X-%d: %b\r\n" % (n, b"y" * 100) for n in range(HEAD_BYTES_MAX // 120))
    assert fed([HEADS_MAX + lines + b"\r\n"]).is_clean


def test_an_answer_is_not_larger_than_allowed() -> None:
    piece = b"x" * 2**20
    reader = fed([b"HTTP/1.1 200 OK\r\n\r\n", *[piece] * (ANSWER_BYTES_MAX // len(piece))])
    with pytest.raises(AnswerTooLarge):
        reader.feed(b"x")


def test_a_header_that_comes_twice_is_a_list() -> None:
    reader = fed([b"HTTP/1.1 200 OK\r\nA: 1\r\na: 2\r\nContent-Length: 0\r\n\r\n"])
    assert reader.received().headers[b"a"] == b"1, 2"
