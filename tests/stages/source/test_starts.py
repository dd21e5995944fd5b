"""Reading can begin wherever a block began, and gives what reading from the beginning gives there.

A resume relies on it: a row that came with another number, or did not come, would be sent twice or
never. So for every kind of file, every block's start is tried.
"""

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from pyarrow import ipc, parquet

from pipeline.config.csv import CsvOptions
from pipeline.stages.source import Block, Source, open_source
from pipeline.stages.source.block import FAILURE_COLUMNS
from pipeline.stages.source.csv import open_csv
from pipeline.stages.source.locate import Reader
from pipeline.stages.source.ndjson import open_ndjson
from pipeline.stages.source.parquet import open_arrow, open_parquet
from pipeline.stages.source.text import Text, count_lines
from tests.stages.source.memory import stored
from tests.stages.source.test_csv_properties import BLOCK_BYTES, Style, styles, tables

Row = tuple[Any, ...]
PIECES = [
    b'"',
    b",",
    b"\n",
    b"\r\n",
    b"\r",
    b"a",
    b"bc",
    b"\xff",
    b"\xc3\xa9",
    b"\0",
    b"\xef\xbb\xbf",
]


def rows_of(blocks: Iterable[Block]) -> list[Row]:
    """All rows in order: file, number, line, and the cells or why they could not be read."""
    found: list[Row] = []
    for block in blocks:
        good = zip(block.row, block.line, block.frame.rows(), strict=True)
        told = [*((row, line, str(cells)) for row, line, cells in good), *block.broken.rows()]
        found += [(block.file, *row) for row in sorted(told)]
    return found


def check_every_start(source: Reader | Source) -> None:
    blocks = list(source.blocks())
    everything = rows_of(blocks)
    before = 0
    for block in blocks:
        assert rows_of(source.blocks(block.start)) == everything[before:], block.start
        before += block.frame.height + block.broken.height


@given(table=tables(), style=styles(), block_bytes=BLOCK_BYTES)
def test_any_table(table: list[tuple[str, ...]], style: Style, block_bytes: int) -> None:
    content = style.file([style.row(cells) for cells in table])
    check_every_start(open_csv(stored(content), style.options, block_bytes=block_bytes))


@given(
    body=st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join),
    block_bytes=BLOCK_BYTES,
    header=st.booleans(),
    bom=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_any_bytes(body: bytes, block_bytes: int, header: bool, bom: bytes) -> None:
    options = CsvOptions() if header else CsvOptions(header=False, column_names=("x", "y"))
    content = bom + (b"x,y\n" if header else b"1,2\n") + body
    check_every_start(open_csv(stored(content), options, block_bytes=block_bytes))


@pytest.mark.parametrize("end", [b"", b'"' + b"5,6\n" * 5_000_000], ids=["whole", "runaway"])
def test_rows_that_are_longer_than_a_block(end: bytes) -> None:
    """From the first of them on all is read in larger blocks; a quote may run beyond those too."""
    long = f'"{"z" * 90_000}\n"'.encode()
    content = b"x,y\n" + (b"1,2\n" * 99 + long + b",4\nonly one\n") * 3 + end
    file = open_csv(stored(content), CsvOptions(), block_bytes=64)
    assert len({block.start for block in file.blocks()}) > 2
    check_every_start(file)


@given(body=st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join), count=st.integers(0, 30))
@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_lines_are_skipped_as_they_are_counted(body: bytes, count: int, size: int) -> None:
    """In UTF-8, where they are not decoded, as in any other encoding."""
    read = []
    for encoding in ("utf-8", "cp1252"):
        text = Text(stored(b"first\n" + body), CsvOptions(encoding=encoding))
        with text:
            text.skip_lines(count + 1)
            rest = b""
            while more := text.read(size):
                rest += more
        read.append(count_lines(rest))
    assert read[0] == read[1] == max(0, count_lines(b"first\n" + body) - count - 1)


@given(
    values=st.lists(
        st.integers() | st.sampled_from(["{", "", "[1]", "\r"]), min_size=1, max_size=30
    ),
    block_bytes=st.sampled_from([1, 10, 64, 1 << 20]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_json_lines(values: list[int | str], block_bytes: int, end: str) -> None:
    lines = [v if isinstance(v, str) else json.dumps({"n": str(v)}) for v in values]
    content = end.join(['{"n": "0"}', *lines]).encode()
    check_every_start(open_ndjson(stored(content), block_bytes=block_bytes))


@given(rows=st.integers(0, 40), block_rows=st.integers(1, 50), group_rows=st.integers(1, 50))
def test_parquet_and_arrow(rows: int, block_rows: int, group_rows: int) -> None:
    table = pa.table({"n": range(rows)})
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink, row_group_size=group_rows)
    content = sink.getvalue().to_pybytes()
    check_every_start(open_parquet(stored(content), block_rows=block_rows))
    sink = pa.BufferOutputStream()
    with ipc.new_file(sink, table.schema) as file:
        file.write_table(table, max_chunksize=group_rows)
    content = sink.getvalue().to_pybytes()
    check_every_start(open_arrow(stored(content), block_rows=block_rows))


@given(files=st.lists(st.sampled_from("ab"), max_size=30), block_rows=st.integers(1, 9))
def test_failures_of_another_run(files: list[str], block_rows: int) -> None:
    """What a retry reads: rows that keep the numbers and files of the first source."""
    ours = {name: ["x"] * len(files) for name in FAILURE_COLUMNS}
    places = [3 * number for number in range(len(files))]
    frame = pl.DataFrame(
        ours | {"_file": files, "_row": places, "_line": places, "id": [str(n) for n in places]},
        schema_overrides=dict.fromkeys(FAILURE_COLUMNS, pl.String) | {"id": pl.String},
        strict=False,
    ).with_columns(pl.Series("_row", places, pl.UInt64), pl.Series("_line", places, pl.UInt64))
    sink = io.BytesIO()
    frame.write_parquet(sink, row_group_size=7)
    file = open_parquet(stored(sink.getvalue()), block_rows=block_rows)
    assert file.failures
    check_every_start(file)


def test_several_files_of_which_only_the_rest_is_opened(tmp_path: Path) -> None:
    for name, rows in (("a", 30), ("b", 0), ("c", 30)):
        text = "id,name\n" + "".join(f'{name}{n},"x\ny"\n' for n in range(rows))
        (tmp_path / f"{name}.csv").write_text(text)
    source = open_source([str(tmp_path / "*.csv")], CsvOptions())
    small = replace(
        source, readers=tuple(replace(reader, block_bytes=64) for reader in source.readers)
    )
    assert {block.start.reader for block in small.blocks()} == {0, 2}
    check_every_start(small)
    start = next(block.start for block in small.blocks() if block.start.reader)
    shares = [block.share_read for block in small.blocks(start)]
    (tmp_path / "a.csv").unlink()
    assert [block.share_read for block in small.blocks(start)] == shares
    assert min(shares) > 0.5
