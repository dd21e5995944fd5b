"""What became of the rows of a run: the results that are written, and what the ledger has besides.

Reads ledger and parts of one run, a few batches at a time; never writes, never the network.
"""

from collections.abc import Iterator, Sequence

import polars as pl

from pipeline.ledger import SET_ASIDE, Ledger
from pipeline.model import BATCH, FILE, KEY, LINE, ROW, BatchId, BatchLine
from pipeline.operations import Operation
from pipeline.parts import read_part
from pipeline.run_folder import RunFolder
from pipeline.stages import results

BATCHES_READ = 64
"""Batches read from the ledger at a time."""


def rows_of(folder: RunFolder, batches: Sequence[BatchLine]) -> pl.DataFrame:
    """Return row, file, line, key and batch of *batches*, in their order. Raises StorageError."""
    parts: dict[str, list[BatchLine]] = {}
    for batch in batches:
        parts.setdefault(batch.file, []).append(batch)
    frames = []
    for file, within in parts.items():
        part = read_part(folder.staged / file, [ROW, FILE, LINE, KEY, BATCH])
        frames += [part.slice(start, stop - start) for start, stop in _spans(within)]
    return pl.concat(frames)


def _spans(batches: Sequence[BatchLine]) -> Iterator[tuple[int, int]]:
    """Yield where *batches* of one part begin and end in it, those that touch as one."""
    start = stop = batches[0].start
    for batch in batches:
        if batch.start != stop:
            yield start, stop
            start = batch.start
        stop = batch.start + batch.rows
    yield start, stop


def unwritten(folder: RunFolder, ledger: Ledger, operation: Operation) -> Iterator[pl.DataFrame]:
    """Yield the results of rows that are in no results part yet, pending ones too."""
    after = BatchId(0)
    while batches := ledger.without_results(after=after, limit=BATCHES_READ):
        yield results.of_batches(operation, batches, rows_of(folder, batches))
        after = batches[-1].id


def parts(
    folder: RunFolder, ledger: Ledger, unwritten: Sequence[pl.DataFrame] = ()
) -> results.Parts:
    """Return the parts that the ledger names, as the results stage reads them."""
    return results.Parts(
        results=tuple(folder.results / file for file in ledger.files("results")),
        staged=tuple(folder.staged / file for file in ledger.files("staged")),
        rejected=tuple(folder.rejected / file for file in ledger.files("rejected")),
        unwritten=tuple(unwritten),
    )


def settled(folder: RunFolder, ledger: Ledger, operation: Operation) -> pl.LazyFrame:
    """Return row, file and status of every staged row that has an outcome, written or not."""
    aside = {file for status in SET_ASIDE for file in ledger.files(status)}
    written = [folder.results / file for file in ledger.files("results") if file not in aside]
    columns = (pl.col("row"), pl.col("source").alias(FILE), pl.col("status"))
    frames = [pl.scan_parquet(path).select(columns) for path in written]
    frames += [frame.lazy().select(columns) for frame in unwritten(folder, ledger, operation)]
    if not frames:
        return pl.LazyFrame(schema={ROW: pl.UInt64, FILE: pl.String, "status": pl.String})
    return pl.concat(frames)
