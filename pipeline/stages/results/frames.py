"""The ledger's lines and the staged rows, as the frame of results; vectorised and pure.

One row per staged or rejected row, in order. Columns as DESIGN §3 names them, then those that the
operation's answer has. Knows nothing of files.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from pipeline.model import BATCH, FILE, KEY, LINE, ROW, BatchLine, RequestLine, State, Status
from pipeline.operations import Operation, Repeat
from pipeline.stages.results.answers import LEAF, decode_answers, dtype_of

TIME = pl.Datetime("us", "UTC")
COMMON: dict[str, pl.DataType | type[pl.DataType]] = {
    "row": pl.UInt64,
    "source": pl.String,
    "line": pl.UInt64,
    "key": pl.String,
    "status": pl.String,
    "stage": pl.String,
    "batch": pl.UInt32,
    "attempts": pl.UInt32,
    "http_status": pl.UInt16,
    "error_title": pl.String,
    "error_details": pl.String,
    "error_pointer": pl.String,
    "sent_at": TIME,
    "finished_at": TIME,
}
NEVER_SENT = (
    pl.col(ROW),
    pl.col(FILE).alias("source"),
    pl.col(LINE),
    pl.lit(0, pl.UInt32).alias("attempts"),
    pl.col("reasons").list.join("; ").alias("error_details"),
)
"""What the results of all rows that are set aside say, from row, file, line and reasons."""


def schema_of(operation: Operation) -> dict[str, pl.DataType | type[pl.DataType]]:
    """Return the columns of the results of *operation*, in order."""
    return COMMON | {field.name: dtype_of(field) for field in operation.answer.fields}


def of_rejected(operation: Operation, rejected: pl.DataFrame, *, stage: pl.Expr) -> pl.DataFrame:
    """Return the results of *rejected* (row, file, line, reasons), row by row.

    stage: where each was rejected, as an expression over *rejected*.
    """
    status, title = pl.lit(Status.REJECTED.value), pl.lit("rejected before sending")
    return _ordered(
        operation,
        rejected.select(
            *NEVER_SENT, status.alias("status"), stage.alias("stage"), title.alias("error_title")
        ),
    )


def of_superseded(operation: Operation, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the results of *rows* (row, file, line, key, reasons) in whose place others stand."""
    status, title = pl.lit(Status.SUPERSEDED.value), pl.lit("not sent again")
    stage = pl.lit("retry").alias("stage")
    return _ordered(
        operation,
        rows.select(*NEVER_SENT, KEY, status.alias("status"), stage, title.alias("error_title")),
    )


def of_batches(
    operation: Operation, batches: Sequence[BatchLine], rows: pl.DataFrame
) -> pl.DataFrame:
    """Return the results of *batches*; rows without a verdict are pending, or in doubt if sent.

    rows: row, file, line, key (and nothing else is needed) of those batches, in their order.
    """
    leaves = [line for batch in batches for line in _leaves(batch)]
    index = _leaf_of_each_row(batches)
    base = rows.select(
        pl.col(ROW),
        pl.col(FILE).alias("source"),
        pl.col(LINE),
        pl.col(KEY),
        pl.lit("delivery").alias("stage"),
        pl.col(BATCH),
    ).with_columns(index)
    results = pl.concat([base, _leaf_frame(operation, leaves)[index]], how="horizontal")
    if operation.answer.fields and any(line.answer for line in leaves):
        answers = decode_answers(operation, leaves)
        by = [LEAF, KEY] if operation.answer.rows_at else [LEAF]
        results = results.join(answers, on=by, how="left", maintain_order="left")
    return _ordered(operation, results)


def _leaves(batch: BatchLine) -> Iterable[RequestLine]:
    yield from (line for line in batch.requests if line.state is not State.SPLIT)
    if unnamed := batch.unnamed:
        yield RequestLine(positions=unnamed, state=State.PENDING)


def _leaf_of_each_row(batches: Sequence[BatchLine]) -> pl.Series:
    """Return, for each row of *batches* in order, the number of the leaf request it belongs to."""
    spans: list[tuple[int, int, int]] = []
    number = offset = 0
    for batch in batches:
        for line in _leaves(batch):
            spans += [
                (offset + start, offset + stop, number) for start, stop in line.positions.spans
            ]
            number += 1
        offset += batch.rows
    spans.sort()
    frame = pl.DataFrame(
        spans, schema={"start": pl.Int64, "stop": pl.Int64, LEAF: pl.UInt32}, orient="row"
    )
    return frame.select(
        pl.col(LEAF).repeat_by(pl.col("stop") - pl.col("start")).explode()
    ).to_series()


def _leaf_frame(operation: Operation, leaves: Sequence[RequestLine]) -> pl.DataFrame:
    is_safe = operation.repeat is Repeat.SAFE
    sent = Status.PENDING if is_safe else Status.IN_DOUBT

    def status(state: State) -> str:
        return (sent if state is State.SENDING else Status(state.value)).value

    told: dict[str, list[Any]] = {
        "status": [status(line.state) for line in leaves],
        "attempts": [line.attempts for line in leaves],
        "http_status": [line.http_status for line in leaves],
        "error_title": [line.error.title or None for line in leaves],
        "error_details": [line.error.details or None for line in leaves],
        "error_pointer": [line.error.pointer or None for line in leaves],
        "sent_at": [_time(line.sent_at) for line in leaves],
        "finished_at": [_time(line.finished_at) for line in leaves],
    }
    return pl.DataFrame(told, schema={name: COMMON[name] for name in told})


def _time(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)


def _ordered(operation: Operation, results: pl.DataFrame) -> pl.DataFrame:
    """Return *results* with every column of the schema, in its order and type."""
    schema = schema_of(operation)
    missing = [
        pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in results
    ]
    return results.with_columns(missing).select(
        pl.col(name).cast(dtype) for name, dtype in schema.items()
    )
