"""What a job would come to: `validate` and `preview`. Nothing is written, and nothing is sent.

Both look at what `preparation` makes of the source, as a run would. Never the ledger, never the
network.
"""

import polars as pl
from msgspec import Struct

from pipeline.batches import one_by_one
from pipeline.config.job import Job
from pipeline.events import Listener, RowsStaged
from pipeline.model import Request
from pipeline.preparation import Preparation
from pipeline.stages.encoding import to_requests


class Validation(Struct, frozen=True, kw_only=True):
    """What `validate` found: rows read, rows rejected, and why, the most frequent first."""

    rows: int
    rejected: int
    reasons: pl.DataFrame
    """reason, rows, and the first row that has it."""
    examples: pl.DataFrame
    """The first rejected rows: row, file, line, reasons."""


def validate(job: Job, *, tell: Listener = lambda _: None, examples: int = 10) -> Validation:
    """Check every row of the source; nothing is written and nothing sent."""
    preparation = Preparation(job)
    rows = rejected = 0
    reasons: list[pl.DataFrame] = []
    shown: list[pl.DataFrame] = []
    for prepared in preparation.blocks():
        rows, rejected = prepared.rows_read, prepared.rows_rejected
        if len(prepared.rejected):
            reasons.append(_count(prepared.rejected))
            if sum(map(len, shown)) < examples:
                shown.append(prepared.rejected.head(examples).drop("source"))
        told = RowsStaged(read=rows, rejected=rejected, share_read=prepared.share_read)
        tell(told)
    counted = pl.concat(reasons) if reasons else _count(preparation.nothing_rejected)
    return Validation(
        rows=rows,
        rejected=rejected,
        reasons=counted.group_by("reason", maintain_order=True)
        .agg(pl.col("rows").sum(), pl.col("first_row").first())
        .sort("rows", descending=True, maintain_order=True),
        examples=(pl.concat(shown) if shown else preparation.nothing_rejected).head(examples),
    )


def _count(rejected: pl.DataFrame) -> pl.DataFrame:
    """Return how often each reason stands in *rejected*, values left out of the words."""
    reason = pl.col("reasons").str.replace_all(r'"[^"]*" ', "").alias("reason")
    exploded = rejected.select("row", "reasons").explode("reasons").select("row", reason)
    return exploded.group_by("reason", maintain_order=True).agg(
        pl.len().alias("rows"), pl.col("row").first().alias("first_row")
    )


class Preview(Struct, frozen=True, kw_only=True):
    """The first rows as the API would get them, and what is wrong with the rejected among them."""

    requests: tuple[Request, ...]
    rejected: pl.DataFrame
    """row, file, line, reasons, raw, source."""
    rows_read: int


def preview(job: Job, *, rows: int = 5) -> Preview:
    """Show what would be sent of the first *rows* rows; nothing is written and nothing sent."""
    preparation = Preparation(job)
    prepared = next(preparation.blocks(), None)
    if prepared is None:
        return Preview(requests=(), rejected=preparation.nothing_rejected, rows_read=0)
    numbers = pl.concat([prepared.good["row"], prepared.rejected["row"]])
    first = pl.col("row") <= numbers.sort().head(rows).max()
    batcher = preparation.batcher()
    batches = [*batcher.add(prepared.good.filter(first)), *batcher.close()]
    return Preview(
        requests=tuple(
            request
            for batch in one_by_one(batches)
            for request in to_requests(job.operation, batch)
        ),
        rejected=prepared.rejected.filter(first),
        rows_read=min(prepared.rows_read, rows),
    )
