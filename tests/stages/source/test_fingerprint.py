"""The same bytes give the same fingerprint, other bytes another, except where it says so."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.stages.source.fingerprint import WHOLE_BYTES_MAX, fingerprint
from tests.stages.source.memory import stored


@given(one=st.binary(max_size=50), other=st.binary(max_size=50))
def test_files_of_the_same_bytes_and_only_they_agree(one: bytes, other: bytes) -> None:
    assert (fingerprint([stored(one)]) == fingerprint([stored(other)])) == (one == other)
    renamed = replace(stored(one), name="other.csv")
    assert fingerprint([renamed]) == fingerprint([stored(one)])


def test_files_count_in_their_order_and_with_their_borders() -> None:
    a, b, ab = stored(b"a"), stored(b"b"), stored(b"ab")
    assert len({fingerprint(files) for files in ([a, b], [b, a], [ab], [a], [a, a])}) == 5


def test_of_a_large_file_size_ends_and_windows_count() -> None:
    size = WHOLE_BYTES_MAX + (8 << 20)
    content = bytearray(size)
    plain = fingerprint([stored(bytes(content))])
    for place in (0, size - 1, (size - (1 << 20)) * 31 // 63):
        content[place] = 1
        assert fingerprint([stored(bytes(content))]) != plain
        content[place] = 0
    assert fingerprint([stored(bytes(content))]) == plain
    assert fingerprint([stored(bytes(content[:-1]))]) != plain
