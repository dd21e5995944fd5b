"""The rows to mend and feed back: source columns as they came, what became of them, and why.

Reads results, staged and rejected parts, one at a time, and writes one Parquet file that the
source stage reads again with the rows' own numbers, in the order of the source. Memory grows with
the rows that failed (their numbers and reasons, never their columns), not with the run.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from msgspec import Struct

from pipeline import durable
from pipeline.model import BATCH, FAILURES_KEY, FILE, LINE, ROW, SOURCE, TEXT_KEY, Status
from pipeline.parts import scan_part

FAILED = (Status.REJECTED, Status.REFUSED, Status.FAILED)
WORDS = ("stage", "http_status", "error_title", "error_details", "error_pointer")
"""Columns of the results that go with a row that failed."""
PLACE = "\0place"
"""Where a row stands in all of the source: its file's number and its own, in one UInt64."""
FILE_ROWS = 2**48
"""More than a file has rows, and 65,536 files fit."""


class Parts(Struct, frozen=True, kw_only=True):
    """The files to read: every results part, and the staged and rejected ones that may matter.

    `unwritten`: results of rows whose batch is not settled, and so in no part yet; as frames.
    """

    results: tuple[Path, ...]
    staged: tuple[Path, ...]
    rejected: tuple[Path, ...]
    unwritten: tuple[pl.DataFrame, ...] = ()


class Origin(Struct, frozen=True, kw_only=True):
    """Where the rows come from: the run, the files of its source in order, text or types."""

    run: str
    files: tuple[str, ...] = ()
    is_text: bool | None = None


def write_failures(
    parts: Parts, path: Path, *, origin: Origin, statuses: Sequence[Status] = FAILED
) -> int:
    """Write the rows of *statuses* to *path*, atomically, and return how many there are.

    No file is left at *path* when there are none. Raises StorageError.
    """
    frames = (frame for frame in _in_order(_pieces(parts, statuses, origin)) if len(frame))
    first = next(frames, None)
    if first is None:
        path.unlink(missing_ok=True)
        return 0
    rows = 0
    metadata = {FAILURES_KEY: origin.run}
    if origin.is_text is not None:
        metadata[TEXT_KEY] = "yes" if origin.is_text else "no"

    def write(temporary: Path) -> None:
        nonlocal rows
        schema = first.to_arrow().schema.with_metadata(metadata)
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for frame in _chain(first, frames):
                rows += len(frame)
                writer.write_table(frame.to_arrow().cast(schema))

    durable.write_file(path, write)
    return rows


def place_of(files: Sequence[str], *, file: str = FILE, row: str = ROW) -> pl.Expr:
    """Return where a row stands in a source of *files*, from its columns *file* and *row*."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(files))}
    number = pl.col(file).replace_strict(numbers, default=len(numbers), return_dtype=pl.UInt64)
    return number * FILE_ROWS + pl.col(row)


class _Piece(Struct, frozen=True, kw_only=True):
    """A part: `least` is no place behind that of any of its rows; `load` has PLACE too."""

    least: int
    load: Callable[[], pl.DataFrame]


def _in_order(pieces: Iterable[_Piece]) -> Iterator[pl.DataFrame]:
    """Yield the rows of *pieces* in the order of the source, holding as few as may be."""
    ordered = sorted(pieces, key=lambda piece: piece.least)
    waiting: list[pl.DataFrame] = []
    for number, piece in enumerate(ordered, 1):
        waiting.append(piece.load())
        rows = pl.concat(waiting, how="diagonal").sort(PLACE, maintain_order=True)
        due = len(rows)
        if number < len(ordered):
            due = int(rows[PLACE].search_sorted(ordered[number].least))
        yield rows[:due].drop(PLACE)
        waiting = [rows[due:]]


def _chain(first: pl.DataFrame, rest: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    yield first
    for frame in rest:
        yield frame.match_to_schema(first.schema, missing_columns="insert")


def _pieces(parts: Parts, statuses: Sequence[Status], origin: Origin) -> Iterator[_Piece]:
    results = {path.name: path for path in parts.results}
    if Status.REJECTED in statuses:
        for path in parts.rejected:
            yield _piece(path, origin, partial(_rejected, path, results[path.name]))
    if not set(statuses) - {Status.REJECTED}:
        return
    rest = [path for path in parts.results if path.name not in {p.name for p in parts.rejected}]
    settled = _settled(rest, parts.unwritten, [status.value for status in statuses])
    if not len(settled):
        return
    batches = settled[BATCH].unique().implode()
    for path in parts.staged:
        yield _piece(path, origin, partial(_refused, path, batches, settled))


def _piece(path: Path, origin: Origin, load: Callable[[], pl.DataFrame]) -> _Piece:
    place = place_of(origin.files)
    with durable.reading(path, pl.exceptions.PolarsError):
        least = pl.scan_parquet(path).select(place.min()).collect().item()

    def shaped() -> pl.DataFrame:
        rows = load()
        reasons = [pl.col("_reasons"), pl.col("raw").alias("_raw")]
        ours = [pl.col(name).alias(f"_{name}") for name in (ROW, FILE, LINE, "status", *WORDS)]
        run = pl.lit(origin.run).alias("_run")
        columns = pl.col(SOURCE).struct.unnest()
        return rows.select(columns, run, *ours, *reasons, place.alias(PLACE))

    return _Piece(least=least or 0, load=shaped)


def _rejected(path: Path, results: Path) -> pl.DataFrame:
    """Return a rejected part with its results beside it: they are the same row by row."""
    with durable.reading(path, pl.exceptions.PolarsError):
        rows = pl.read_parquet(path)
    with durable.reading(results, pl.exceptions.PolarsError):
        known = pl.read_parquet(results, columns=["status", *WORDS])
    both = pl.concat([rows, known], how="horizontal")
    return both.with_columns(pl.col("reasons").alias("_reasons"))


def _refused(path: Path, batches: pl.Series, settled: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a staged part that are among *settled*, with what became of them."""
    with durable.reading(path, pl.exceptions.PolarsError):
        staged = scan_part(path).filter(pl.col(BATCH).is_in(batches))
        rows = staged.select(ROW, FILE, LINE, SOURCE).collect()
    joined = rows.join(settled.drop(BATCH), on=[ROW, FILE], how="inner", maintain_order="left")
    reason = pl.concat_str("error_title", "error_details", separator=": ", ignore_nulls=True)
    return joined.with_columns(
        pl.concat_list(reason).alias("_reasons"), pl.lit(None, pl.String).alias("raw")
    )


def _settled(
    results: Iterable[Path], unwritten: Iterable[pl.DataFrame], statuses: Sequence[str]
) -> pl.DataFrame:
    """Return the rows of *statuses*: numbers and reasons only, never their columns."""
    columns = ("row", "source", BATCH, "status", *WORDS)
    wanted = pl.col("status").is_in(statuses)
    found = [frame.lazy().select(columns).filter(wanted).collect() for frame in unwritten]
    for path in results:
        with durable.reading(path, pl.exceptions.PolarsError):
            found.append(pl.scan_parquet(path).select(columns).filter(wanted).collect())
    if not found:
        return pl.DataFrame(schema=dict.fromkeys((ROW, FILE, BATCH), pl.Null))
    return pl.concat(found).rename({"source": FILE})
