"""A Parquet or Arrow file → blocks: native types, slices of fixed size, memory that stays flat.

A Parquet file of failures that one of our runs wrote, mended or not, keeps the rows, lines and
files of the source it came from.  Never decides what a column means.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import ClassVar

import polars as pl
import pyarrow as pa
from msgspec import Struct
from pyarrow import ipc, parquet

from pipeline.errors import InputError
from pipeline.model import FAILURES_KEY, LINE, ROW, TEXT_KEY
from pipeline.stages.source.block import (
    BEGINNING,
    FAILURE_COLUMNS,
    FAILURE_PLACE,
    Block,
    Start,
    nothing_broken,
)
from pipeline.stages.source.stored import Stored, reading

BLOCK_ROWS = 10_000
"""About as many as a block of CSV holds."""


class ParquetFile(Struct, frozen=True, kw_only=True):
    """One Parquet file; made by `open_parquet`."""

    stored: Stored
    columns: dict[str, pl.DataType]
    rows: int
    failures: bool
    """Whether it says of each row where it stood in another source."""
    is_text: bool = False
    """Whether its cells were text once: failures of a run from CSV."""
    origin: str = ""
    """The run whose failures it holds."""
    block_rows: int = BLOCK_ROWS
    has_nulls: ClassVar[bool] = True

    def blocks(self, start: Start = BEGINNING) -> Iterator[Block]:
        """Read the file from *start* on. Raises InputError when it cannot be read to its end.

        Row groups before it are not read.
        """
        blocks_of = _failed if self.failures else _numbered
        with reading(self.stored.name), self.stored.open() as file:
            # A buffered column is read as it is needed; without, row groups are loaded whole.
            source = parquet.ParquetFile(file, buffer_size=1 << 16, pre_buffer=False)
            groups = source.metadata.num_row_groups
            sizes = [source.metadata.row_group(index).num_rows for index in range(groups)]
            passed = bisect_right([*accumulate(sizes)], start.row - 1)
            batches = source.iter_batches(
                self.block_rows, row_groups=range(passed, groups), use_threads=False
            )
            frames = _without_rows(map(pl.DataFrame, batches), start.row - 1 - sum(sizes[:passed]))
            yield from blocks_of(self.stored.name, frames, self.rows, start.row - 1)


class ArrowFile(Struct, frozen=True, kw_only=True):
    """One Arrow IPC (Feather 2) file; made by `open_arrow`."""

    stored: Stored
    columns: dict[str, pl.DataType]
    block_rows: int = BLOCK_ROWS
    is_text: ClassVar[bool] = False
    has_nulls: ClassVar[bool] = True

    def blocks(self, start: Start = BEGINNING) -> Iterator[Block]:
        """Read the file from *start* on. Raises InputError when it cannot be read to its end.

        A batch of the file is in memory at once: its writer decides how much that is.
        """
        with reading(self.stored.name), self.stored.open() as file:
            source = ipc.open_file(file)
            batches = (source.get_batch(index) for index in range(source.num_record_batches))
            parts = (part for batch in batches for part in self._parts(batch))
            frames = _without_rows(parts, start.row - 1)
            yield from _numbered(self.stored.name, frames, None, start.row - 1)

    def _parts(self, batch: pa.RecordBatch) -> Iterator[pl.DataFrame]:
        for start in range(0, batch.num_rows, self.block_rows):
            yield pl.DataFrame(batch.slice(start, self.block_rows))


def open_parquet(stored: Stored, *, block_rows: int = BLOCK_ROWS) -> ParquetFile:
    """Read the schema of *stored*. Raises InputError if it is not a Parquet file."""
    with reading(stored.name), stored.open() as file:
        source = parquet.ParquetFile(file)
        metadata = source.metadata
        columns = _columns(stored.name, source.schema_arrow)
    marks = metadata.metadata or {}
    origin = ""
    failures = columns.keys() >= set(
        FAILURE_PLACE[1:] if FAILURES_KEY.encode() in marks else FAILURE_PLACE
    )
    if failures:
        columns = {name: kind for name, kind in columns.items() if name not in FAILURE_COLUMNS}
        mark = marks.get(FAILURES_KEY.encode(), b"").decode(errors="replace")
        origin = mark or _origin(stored)
    all_text = all(kind == pl.String for kind in columns.values())
    return ParquetFile(
        stored=stored,
        columns=columns,
        rows=metadata.num_rows,
        failures=failures,
        is_text=failures and marks.get(TEXT_KEY.encode(), b"yes" if all_text else b"no") == b"yes",
        origin=origin,
        block_rows=block_rows,
    )


def _origin(stored: Stored) -> str:
    """Return the run that the first row of a file of failures names; "" where there is none."""
    with reading(stored.name), stored.open() as file:
        source = parquet.ParquetFile(file)
        for batch in source.iter_batches(1, columns=["_run"]):
            return str(batch.column(0)[0])
    return ""


def open_arrow(stored: Stored, *, block_rows: int = BLOCK_ROWS) -> ArrowFile:
    """Read the schema of *stored*. Raises InputError if it is not an Arrow file."""
    with reading(stored.name), stored.open() as file:
        columns = _columns(stored.name, ipc.open_file(file).schema)
    return ArrowFile(stored=stored, columns=columns, block_rows=block_rows)


def _columns(name: str, schema: pa.Schema) -> dict[str, pl.DataType]:
    repeated = sorted({column for column in schema.names if schema.names.count(column) > 1})
    if repeated:
        raise InputError(
            f"{name}: more than one column is called {', '.join(map(repr, repeated))}",
            hint="give each column a name of its own",
        )
    return dict(pl.DataFrame(schema.empty_table()).schema)


def _without_rows(frames: Iterable[pl.DataFrame], count: int) -> Iterator[pl.DataFrame]:
    """Yield *frames* without their first *count* rows."""
    for frame in frames:
        if count < frame.height:
            yield frame[count:]
        count = max(0, count - frame.height)


def _numbered(
    name: str, frames: Iterator[pl.DataFrame], rows: int | None, before: int
) -> Iterator[Block]:
    """Give each row its number in this file, of *rows* if that is known; *before* were left out."""
    for frame in frames:
        after = before + frame.height
        yield Block(
            file=name,
            frame=frame,
            row=pl.int_range(before + 1, after + 1, dtype=pl.UInt64, eager=True).alias(ROW),
            line=_no_lines(frame.height),
            broken=nothing_broken(),
            share_read=after / rows if rows else None,
            start=Start(row=before + 1),
        )
        before = after


def _failed(name: str, frames: Iterator[pl.DataFrame], rows: int, before: int) -> Iterator[Block]:
    """Give each row its place in its first source; a block for each stretch of one file."""
    for frame in frames:
        stretch = pl.col("_file").rle_id().alias("_stretch")
        for part in frame.with_columns(stretch).partition_by("_stretch", maintain_order=True):
            start = Start(row=before + 1)
            before += part.height
            yield Block(
                file=part["_file"][0] or name,
                frame=part.drop("_stretch", *FAILURE_COLUMNS, strict=False),
                row=part["_row"].cast(pl.UInt64).alias(ROW),
                line=part["_line"].cast(pl.UInt64).alias(LINE),
                broken=nothing_broken(),
                share_read=before / rows,
                start=start,
            )


def _no_lines(rows: int) -> pl.Series:
    return pl.Series(LINE, [None], dtype=pl.UInt64).new_from_index(0, rows)
