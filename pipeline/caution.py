"""What a person is told or asked before rows are sent: how slow, how full, what it destroys.

Words and questions only: never whether there is a terminal, and never sends.
"""

import polars as pl
from msgspec import Struct

from pipeline.config.job import Job
from pipeline.errors import JobError
from pipeline.model import Status, Totals
from pipeline.operations import Operation, Place, find
from pipeline.stages.source import open_source


class Question(Struct, frozen=True, kw_only=True):
    """Whether an operation that destroys is meant; `str()` is the sentence to confirm."""

    operation: Operation
    rows: int | None
    """How many rows will be sent at most; None where the source cannot be counted before."""
    address: str

    def __str__(self) -> str:
        rows = "an unknown number of rows" if self.rows is None else f"{self.rows:,} row(s)"
        where = self.address or "the API"
        return (
            f"{self.operation.name} will {self.operation.summary}: {rows}, at {where}. "
            "Nothing here can bring it back"
        )


def insist(question: Question | None, *, confirmed: bool) -> None:
    """Raise JobError where there is a *question* and it was not *confirmed*."""
    if question is not None and not confirmed:
        raise JobError(
            f"{question}, and nobody has confirmed it; nothing was done",
            hint="confirm it with --yes (in a notebook: confirm=True)",
        )


def rows_of(job: Job, frame: pl.DataFrame | None) -> int:
    """Count the rows of a job's source, by reading it. Raises InputError."""
    if frame is not None:
        return len(frame)
    blocks = open_source(job.sources, job.csv).blocks()
    return sum(len(block.row) + len(block.broken) for block in blocks)


def fill(operation: Operation, totals: Totals) -> str:
    """Return how full the requests are of rows that had to be gathered for them; else ""."""
    gathered = [f for f in operation.constants if f.place is not Place.QUERY]
    if not gathered or not totals.batches:
        return ""
    rows = totals.rows - totals.of(Status.REJECTED)
    share = rows / (totals.batches * operation.rows_max)
    return (
        f"{rows:,} rows in {totals.batches:,} request(s) of up to {operation.rows_max:,}: "
        f"filled to {share:.1%}"
    )


def notices(operation: Operation) -> tuple[str, ...]:
    """Return what is to be known before rows are sent by *operation*, a sentence each."""
    said = []
    if operation.in_bulk and (bulk := find(operation.in_bulk)):
        said.append(
            f"{operation.name} sends one row in a request; {bulk.name} does the same with "
            f"{bulk.rows_max:,}, and is faster by about as much"
        )
    if operation.retired:
        said.append(
            f"{operation.name} is of the first version of the API, which today's may have retired "
            f"(then the run stops at the first 404); {operation.successor} has come in its place"
        )
    return tuple(said)
