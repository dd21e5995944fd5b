"""A packed body → the body, and never more than is allowed."""

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.transport.unpacking import CannotUnpack, UnpackedTooLarge, unpacked

MAX = 10_000


def bare(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


@given(st.binary(max_size=500))
def test_what_was_packed_comes_back(body: bytes) -> None:
    assert unpacked(gzip.compress(body), b"gzip", MAX) == body
    assert unpacked(gzip.compress(body), b" X-GZIP", MAX) == body
    assert unpacked(zlib.compress(body), b"deflate", MAX) == body
    assert unpacked(bare(body), b"deflate", MAX) == body
    assert unpacked(gzip.compress(zlib.compress(body)), b"deflate, gzip", MAX) == body
    assert unpacked(gzip.compress(body) + gzip.compress(body), b"gzip", MAX) == body + body


@pytest.mark.parametrize("coding", [b"", b"identity", b"br", b"zstd"])
def test_a_coding_that_we_do_not_know_is_left_alone(coding: bytes) -> None:
    assert unpacked(b"hello", coding, MAX) == b"hello"


def test_nothing_is_nothing_in_every_coding() -> None:
    assert unpacked(b"", b"gzip", MAX) == b""


@given(st.binary(min_size=1, max_size=200))
def test_what_is_cut_short_is_not_unpacked(body: bytes) -> None:
    packed = gzip.compress(body)
    for end in range(1, len(packed)):
        with pytest.raises(CannotUnpack):
            unpacked(packed[:end], b"gzip", MAX)


@given(st.binary(min_size=1, max_size=100), st.sampled_from([b"gzip", b"deflate"]))
def test_garbage_raises_nothing_else(garbage: bytes, coding: bytes) -> None:
    try:
        unpacked(garbage, coding, MAX)
    except (CannotUnpack, UnpackedTooLarge):
        return


def test_more_than_is_allowed_is_refused_whatever_it_is_packed_in() -> None:
    exact, more = b"x" * MAX, b"x" * (MAX + 1)
    assert unpacked(gzip.compress(exact), b"gzip", MAX) == exact
    parts = gzip.compress(exact) + gzip.compress(b"x")
    for packed in (gzip.compress(more), parts):
        with pytest.raises(UnpackedTooLarge):
            unpacked(packed, b"gzip", MAX)
    bomb = gzip.compress(gzip.compress(b"0" * 10_000_000))
    with pytest.raises(UnpackedTooLarge):
        unpacked(bomb, b"gzip, gzip", MAX)


def test_what_is_refused_was_never_in_memory() -> None:
    bomb = gzip.compress(b"0" * 20_000_000)
    tracemalloc.start()
    with pytest.raises(UnpackedTooLarge):
        unpacked(bomb, b"gzip", MAX)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1_000_000
