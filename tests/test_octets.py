"""The bytes of a text as numbers."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.octets import octets


@given(st.binary(max_size=200))
def test_they_are_the_bytes_in_order(text: bytes) -> None:
    assert octets(text).to_list() == list(text)
    assert octets(pa.py_buffer(text)).to_list() == list(text)
