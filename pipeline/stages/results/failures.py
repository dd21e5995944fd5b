"""The rows to mend and feed back: source columns as they came, what became of them, and why.

Reads results, staged and rejected parts, one at a time, and writes one Parquet file that the
source stage reads again with the rows' own numbers. Memory does not grow with the run.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from pipeline import durable
from pipeline.model import BATCH, FILE, LINE, ROW, SOURCE, Status

MARK = b"pipeline.failures"
"""Key of the file's metadata that tells the source stage what it is."""
FAILED = (Status.REJECTED.value, Status.REFUSED.value, Status.FAILED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The files to read: every results part, and the staged and rejected ones that may matter."""

    results: tuple[Path, ...]
    staged: tuple[Path, ...]
    rejected: tuple[Path, ...]


def write_failures(parts: Parts, path: Path, *, run: str) -> int:
    """Write the failed rows to *path*, atomically, and return how many there are.

    No file is left at *path* when there are none. Raises StorageError.
    """
    frames = (frame for frame in _frames(parts) if len(frame))
    first = next(frames, None)
    if first is None:
        path.unlink(missing_ok=True)
        return 0
    rows = 0

    def write(temporary: Path) -> None:
        nonlocal rows
        table = first.to_arrow()
        schema = table.schema.with_metadata({MARK: run.encode()})
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for frame in _chain(first, frames):
                rows += len(frame)
                writer.write_table(frame.to_arrow().cast(schema))

    durable.write_file(path, write)
    return rows


def _chain(first: pl.DataFrame, rest: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    yield first
    for frame in rest:
        yield frame.match_to_schema(first.schema, missing_columns="insert")


def _frames(parts: Parts) -> Iterator[pl.DataFrame]:
    for path in parts.rejected:
        with durable.reading(path, pl.exceptions.PolarsError):
            rejected = pl.read_parquet(path)
        yield _shaped(
            rejected,
            pl.lit(Status.REJECTED.value).alias("_status"),
            pl.col("reasons").alias("_reasons"),
            pl.col("raw").alias("_raw"),
        )
    refused = _refused(parts.results)
    if not len(refused):
        return
    batches = refused[BATCH].unique()
    for path in parts.staged:
        staged = pl.scan_parquet(path).filter(pl.col(BATCH).is_in(batches.implode()))
        with durable.reading(path, pl.exceptions.PolarsError):
            found = staged.select(ROW, FILE, LINE, SOURCE).collect()
        if len(found):
            joined = found.join(refused, on=[ROW, FILE], how="inner", maintain_order="left")
            reason = pl.concat_str(
                "error_title", "error_details", separator=": ", ignore_nulls=True
            )
            yield _shaped(
                joined,
                pl.col("status").alias("_status"),
                pl.concat_list(reason).alias("_reasons"),
                pl.lit(None, pl.String).alias("_raw"),
            )


def _refused(results: Iterable[Path]) -> pl.DataFrame:
    """Return the rows refused or failed: numbers and reasons only, never their columns."""
    columns = ("row", "source", "batch", "status", "error_title", "error_details")
    wanted = pl.col("status").is_in([Status.REFUSED.value, Status.FAILED.value])
    found = []
    for path in results:
        if not path.name.startswith("rejected-"):
            with durable.reading(path, pl.exceptions.PolarsError):
                found.append(pl.scan_parquet(path).select(columns).filter(wanted).collect())
    if not found:
        return pl.DataFrame(schema=dict.fromkeys((ROW, FILE, BATCH), pl.Null))
    return pl.concat(found).rename({"source": FILE})


def _shaped(frame: pl.DataFrame, *about: pl.Expr) -> pl.DataFrame:
    numbers = (
        pl.col(ROW).alias("_row"),
        pl.col(FILE).alias("_file"),
        pl.col(LINE).alias("_line"),
    )
    return frame.select(pl.col(SOURCE).struct.unnest(), *numbers, *about)
