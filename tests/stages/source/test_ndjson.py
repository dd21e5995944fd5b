"""JSON lines: every line a row, native types over the whole file, broken lines named."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.stages.source.ndjson import open_ndjson
from pipeline.stages.source.text import MARK, NUL
from tests.stages.source.memory import gathered, stored

TEXT = st.text(st.characters(codec="utf-8", exclude_characters=MARK + NUL), max_size=10)
ROWS = st.lists(
    st.tuples(TEXT, st.integers(-(2**63), 2**63 - 1), st.lists(TEXT, max_size=3)), max_size=20
)


@given(
    rows=ROWS, block_bytes=st.sampled_from([1, 10, 64, 1 << 20]), final=st.sampled_from(["", "\n"])
)
def test_every_value_comes_back_whatever_the_blocks(
    rows: list[tuple[str, int, list[str]]], block_bytes: int, final: str
) -> None:
    rows = [("first", 1, ["x"]), *rows]
    objects = [dict(zip("sil", row, strict=True)) for row in rows]
    lines = [json.dumps(value, ensure_ascii=False) for value in objects]
    content = ("\n".join(lines) + final).encode()
    file = open_ndjson(stored(content), block_bytes=block_bytes)
    assert file.columns == {"s": pl.String(), "i": pl.Int64(), "l": pl.List(pl.String)}
    read = gathered(file.blocks())
    assert read.good == dict(enumerate(rows, 1))
    assert read.lines == {number: number for number in read.good}


def test_types_and_columns_are_those_of_the_whole_file() -> None:
    content = b'{"a": 1}\n{"a": 2.5, "b": null}\n{"c": "x"}\n'
    file = open_ndjson(stored(content), block_bytes=10)
    assert file.columns == {"a": pl.Float64(), "b": pl.String(), "c": pl.String()}
    assert gathered(file.blocks()).good == {
        1: (1.0, None, None),
        2: (2.5, None, None),
        3: (None, None, "x"),
    }


def test_a_broken_line_is_a_broken_row() -> None:
    lines = [
        b'{"a": 1}', b"", b"nope", b"[1]", b'{"a": "\xff"}', b'{"a": \0}', b'{"a": NaN}',
        b'{"a": 1', b"[" * 100_000, b'{"a": 2}',
    ]  # fmt: skip
    rows = gathered(open_ndjson(stored(b"\n".join(lines))).blocks())
    assert rows.good == {1: (1,), 10: (2,)}
    assert rows.lines == {1: 1, 10: 10}
    assert rows.broken[2] == "blank line"
    assert rows.broken[4] == "not a JSON object"
    assert rows.broken[5] == "not valid UTF-8"
    assert all(rows.broken[number].startswith("not JSON: ") for number in (3, 6, 7, 8, 9))
    assert rows.raw[5] == '{"a": "\ufffd"}'
    assert len(rows.raw[9]) == 2000


def test_what_has_no_columns_is_refused() -> None:
    with pytest.raises(InputError, match="has no column"):
        open_ndjson(stored(b"1\n2\n"))


def test_a_column_of_two_types_is_refused() -> None:
    with pytest.raises(InputError) as refused:
        open_ndjson(stored(b'{"a": {"b": 1}}\n{"a": [1]}\n'), block_bytes=16)
    assert "one type" in refused.value.hint


def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(InputError, match="a line of more than 8 MiB"):
        open_ndjson(stored(b'{"a": "' + b"x" * (9 << 20)))
