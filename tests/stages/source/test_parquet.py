"""Parquet and Arrow files keep their types; failures keep the places they came from."""

import datetime as dt
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from pyarrow import parquet

from pipeline.errors import InputError
from pipeline.model import FAILURES_KEY
from pipeline.stages.source.block import FAILURE_COLUMNS, Block
from pipeline.stages.source.parquet import open_arrow, open_parquet
from tests.stages.source.memory import gathered, stored

FRAME = pl.DataFrame(
    {
        "id": ["00042", None, "é"],
        "orders": [1, None, 3],
        "spend": [1.5, float("nan"), None],
        "born": [dt.date(1999, 12, 31), None, dt.date(2000, 1, 1)],
        "seen": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC), None, None],
        "vip": [True, None, False],
        "tags": [["a", "b"], [], None],
        "home": [{"city": "Köln", "zip": 50667}, None, {"city": None, "zip": 1}],
    },
    schema_overrides={"seen": pl.Datetime("us", "UTC")},
)
MARKED = {FAILURES_KEY: "1"}


def write(frame: pl.DataFrame, path: Path, **options: object) -> bytes:
    frame.write_parquet(path, **options)
    return path.read_bytes()


def whole(blocks: list[Block]) -> pl.DataFrame:
    return pl.concat([block.frame for block in blocks])


def test_types_stay_as_they_are(tmp_path: Path) -> None:
    file = open_parquet(stored(write(FRAME, tmp_path / "a.parquet")))
    assert file.columns == dict(FRAME.schema)
    (block,) = file.blocks()
    assert_frame_equal(block.frame, FRAME)
    assert block.line.to_list() == [None, None, None]
    assert block.broken.is_empty()
    assert block.share_read == 1


@given(rows=st.integers(0, 40), block_rows=st.integers(1, 50), group_rows=st.integers(1, 50))
def test_blocks_partition_the_rows_whatever_the_groups(
    rows: int, block_rows: int, group_rows: int
) -> None:
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({"n": range(rows)}), sink, row_group_size=group_rows)
    file = open_parquet(stored(sink.getvalue().to_pybytes()), block_rows=block_rows)
    blocks = list(file.blocks())
    assert gathered(blocks).good == {n + 1: (n,) for n in range(rows)}
    assert all(block.frame.height <= block_rows for block in blocks)


@pytest.mark.parametrize("block_rows", [2, 3, 100])
def test_an_arrow_file_is_read_in_slices(block_rows: int, tmp_path: Path) -> None:
    frame = pl.DataFrame({"n": range(10), "s": [str(n) for n in range(10)]})
    frame.write_ipc(tmp_path / "a.arrow")
    file = open_arrow(stored((tmp_path / "a.arrow").read_bytes()), block_rows=block_rows)
    blocks = list(file.blocks())
    assert gathered(blocks).good == {n + 1: (n, str(n)) for n in range(10)}
    assert max(block.frame.height for block in blocks) == min(block_rows, 10)
    assert file.columns == dict(frame.schema)


def failures() -> pl.DataFrame:
    """Rows of two files that failed, with all columns that are ours."""
    ours = {name: ["x"] * 4 for name in FAILURE_COLUMNS}
    places = {"_row": [3, 9, 4, 5], "_file": ["a.csv", "a.csv", "b.csv", "b.csv"]}
    lines = {"_line": [4, 12, None, 6]}
    return pl.DataFrame(ours | places | lines | {"id": ["1", "2", "3", "4"], "tier": ["g"] * 4})


@pytest.mark.parametrize("block_rows", [1, 3, 100])
def test_failures_fed_back_keep_file_row_and_line(block_rows: int, tmp_path: Path) -> None:
    content = write(failures(), tmp_path / "failures.parquet", metadata=MARKED)
    file = open_parquet(stored(content), block_rows=block_rows)
    assert file.columns == {"id": pl.String(), "tier": pl.String()}
    assert file.is_text
    read = [
        (block.file, row, line, *cells)
        for block in file.blocks()
        for row, line, cells in zip(block.row, block.line, block.frame.rows(), strict=True)
    ]
    assert read == [
        ("a.csv", 3, 4, "1", "g"),
        ("a.csv", 9, 12, "2", "g"),
        ("b.csv", 4, None, "3", "g"),
        ("b.csv", 5, 6, "4", "g"),
    ]


def test_failures_are_known_without_their_mark_which_most_writers_drop(tmp_path: Path) -> None:
    file = open_parquet(stored(write(failures(), tmp_path / "mended.parquet")))
    assert file.columns.keys() == {"id", "tier"}
    assert [row for block in file.blocks() for row in block.row] == [3, 9, 4, 5]


def test_cells_that_were_no_text_are_none_when_fed_back(tmp_path: Path) -> None:
    mark = MARKED | {"pipeline.text": "no"}
    file = open_parquet(stored(write(failures(), tmp_path / "a.parquet", metadata=mark)))
    assert (file.failures, file.is_text) == (True, False)


def test_a_file_with_some_columns_like_ours_is_a_file_like_others(tmp_path: Path) -> None:
    frame = failures().drop("_run")
    file = open_parquet(stored(write(frame, tmp_path / "other.parquet")))
    assert set(FAILURE_COLUMNS) - {"_run"} < file.columns.keys()
    (block,) = file.blocks()
    assert block.file == "customers.csv"
    assert block.row.to_list() == [1, 2, 3, 4]


def test_a_damaged_file_is_an_input_error(tmp_path: Path) -> None:
    content = write(pl.DataFrame({"n": range(1000)}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"customers.csv cannot be read"):
        open_parquet(stored(content[:-9]))
    damaged = content[:4] + b"\xff" * 40 + content[44:]
    with pytest.raises(InputError, match=r"customers.csv cannot be read"):
        list(open_parquet(stored(damaged)).blocks())


def test_columns_of_one_name_are_refused() -> None:
    sink = pa.BufferOutputStream()
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    parquet.write_table(table, sink)
    with pytest.raises(InputError, match="more than one column is called 'a'"):
        open_parquet(stored(sink.getvalue().to_pybytes()))
