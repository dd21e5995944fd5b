"""A staged frame → its requests: one per batch, per row, or per group of rows.

A bulk request is made of three pieces: the constants, the list of the rows, and what closes both:
`{"campaignId":7,"referrals":[…]}`.
"""

from collections.abc import Iterator, Sequence

import polars as pl

from pipeline.errors import InvariantBroken
from pipeline.model import HEAD, Request
from pipeline.operations import Operation, Place
from pipeline.stages.encoding.objects import columns_of, member
from pipeline.stages.encoding.targets import to_targets
from pipeline.stages.encoding.text import elements, objects

BESIDE_ROWS, IN_ROWS = frozenset({Place.BODY}), frozenset({Place.ROW})
IN_BODY = BESIDE_ROWS | IN_ROWS
IN_LINES = frozenset({Place.LINE})
GROUP = "\0"
"""A column beside those of a frame: which request a row belongs to."""


def to_requests(operation: Operation, frame: pl.DataFrame) -> list[Request]:
    """Return the requests that carry the rows of *frame*, in the order of the rows.

    frame: a staged batch or a slice of one. A bulk operation makes one request of it, any other one
    per row, or per group of rows that HEAD begins; no rows, no request. A column of JSON text is of
    type Binary, or of type String where the field itself is of kind JSON; a member of a family may
    be a plain string. Idempotency keys are left empty. Raises InvariantBroken for what an earlier
    stage should have kept away: constants that differ, NaN, a type that JSON does not have, an
    empty value in the path.
    """
    if frame.is_empty():
        return []
    if operation.bulk:
        return list(to_batches(operation, frame, [(0, frame.height)]))
    frame = _folded(operation, _completed(operation, frame))
    targets: list[str] = to_targets(operation, frame)
    bodies: Sequence[bytes | None] = [None] * frame.height
    if any(field.place in IN_BODY for field in operation.fields):
        bodies = to_bodies(operation, frame)
    return [
        Request(method=operation.method, target=target, body=body)
        for target, body in zip(targets, bodies, strict=True)
    ]


def to_batches(
    operation: Operation, frame: pl.DataFrame, spans: Sequence[tuple[int, int]]
) -> Iterator[Request]:
    """Yield the request of a bulk operation for the rows of each span (start, stop) of *frame*.

    The bytes are those of `to_requests` of each slice; arranging the columns, which costs as much
    as writing a thousand rows, is done once for all. Raises as `to_requests` does.
    """
    _check_constants(operation, frame, spans)
    heads = frame[[start for start, _ in spans]]
    targets = iter(to_targets(operation, heads))
    beside = iter(objects(operation, heads, BESIDE_ROWS).cast(pl.Binary))
    envelope = member(operation.envelope).encode() + b"["
    for listed in elements(operation, frame, IN_ROWS, spans):
        head = next(beside)[:-1]
        comma = b"" if head == b"{" else b","
        body = b"".join((head, comma, envelope, listed, b"]}"))
        yield Request(method=operation.method, target=next(targets), body=body)


def to_json(operation: Operation, frame: pl.DataFrame) -> bytes:
    """Return the body of the bulk request that carries all rows of *frame*, one at least."""
    return to_requests(operation, frame)[0].body or b""


def to_bodies(operation: Operation, frame: pl.DataFrame) -> list[bytes]:
    """Return one JSON object per row of *frame*, for an operation that takes a row at a time."""
    return objects(operation, frame, IN_BODY).cast(pl.Binary).to_list()


def _completed(operation: Operation, frame: pl.DataFrame) -> pl.DataFrame:
    """Return *frame* with an empty list where a row has no value in a field that another needs."""
    for field in operation.fields:
        if field.needs and field.name in frame.columns:
            empty = pl.lit([], dtype=frame.schema[field.name])
            beside = pl.col(field.needs) if field.needs in frame.columns else pl.lit(None)
            needed = pl.when(beside.is_null() & pl.col(field.name).is_not_null()).then(empty)
            frame = frame.with_columns(needed.otherwise(beside).alias(field.needs))
    return frame


def _folded(operation: Operation, frame: pl.DataFrame) -> pl.DataFrame:
    """Return one row per request: of the rows of a group, each a line of the list they make up.

    What the rows say beside their lines is the same in all of them, or said by some.
    """
    if HEAD not in frame.columns:
        return frame
    lines = objects(operation, frame, IN_LINES).alias(operation.lines)
    own = [name for name in frame.columns if name != HEAD and name not in _lines(operation, frame)]
    grouped = frame.with_columns(lines).group_by(
        pl.col(HEAD).cum_sum().alias(GROUP), maintain_order=True
    )
    folded = grouped.agg(
        pl.col(own).drop_nulls().first(), pl.col(operation.lines).str.join(",")
    ).drop(GROUP)
    array = pl.concat_str(pl.lit("["), operation.lines, pl.lit("]")).cast(pl.Binary)
    return folded.with_columns(array.alias(operation.lines))


def _lines(operation: Operation, frame: pl.DataFrame) -> set[str]:
    return {route.column for route, _ in columns_of(operation, frame, IN_LINES)}


def _check_constants(
    operation: Operation, frame: pl.DataFrame, spans: Sequence[tuple[int, int]]
) -> None:
    """Look once more, right before it is sent: a row under another's campaign cannot be undone."""
    for route, series in columns_of(operation, frame, frozenset(Place)):
        if route.field not in operation.constants or series.n_unique() == 1:
            continue
        if any(series.slice(start, stop - start).n_unique() > 1 for start, stop in spans):
            raise InvariantBroken(f"{operation.name}: {route.column} differs within one request")
