"""Open batches to drafts: the requests that are still to be made, with the keys they occupy; pure.

Reads the ledger's lines and the staged rows; decides what a crash left behind (DESIGN §4), and
never sends. Times are seconds since the epoch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import polars as pl

from pipeline.model import HEAD, BatchLine, Positions, Request, RequestLine, State
from pipeline.operations import Operation, Repeat

REPLAY_S = 23 * 3600
"""The API keeps the answer to an idempotency key for 24 hours (API.md §2.9); an hour is kept for
clocks that differ."""


LaneKeys = Sequence[Sequence[int | None]]
"""For each lane of an operation, the 64-bit hash of each row's value in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A request to be made: rows `positions` of `batch`; `line` is what the ledger has of it."""

    batch: BatchLine
    rows: pl.DataFrame
    """All rows of the batch, in order."""
    positions: Positions
    keys: frozenset[int]
    line: RequestLine | None = None
    request: Request | None = None
    """Encoded with its batch, where the operation takes one row per request."""

    @property
    def known(self) -> RequestLine:
        """What the ledger has of it; a pending line where it has nothing yet."""
        return self.line or RequestLine(positions=self.positions, state=State.PENDING)

    @property
    def frame(self) -> pl.DataFrame:
        """The rows of this draft alone."""
        return take(self.rows, self.positions)


def take(rows: pl.DataFrame, positions: Positions) -> pl.DataFrame:
    """Return the rows at *positions*, in order; slices, not copies, where it can be."""
    parts = [rows.slice(start, stop - start) for start, stop in positions.spans]
    return parts[0] if len(parts) == 1 else pl.concat(parts) if parts else rows.clear()


def lane_keys(operation: Operation, rows: pl.DataFrame) -> LaneKeys:
    """Return the keys that each of *rows* occupies: a list for each lane of *operation*.

    A row without a value (an anonymous session) occupies nothing there: None.
    """
    lanes = [lane for lane in operation.lanes if lane in rows.columns]
    hashed = rows.select(
        pl.when(pl.col(lane).is_not_null()).then(pl.col(lane).hash(seed)).alias(lane)
        for seed, lane in enumerate(lanes)
    )
    return [column.to_list() for column in hashed.get_columns()]


def drafts(
    batch: BatchLine,
    rows: pl.DataFrame,
    keys: LaneKeys,
    requests: Sequence[Request] = (),
) -> Iterator[Draft]:
    """Yield a draft for each request of *batch* that is still to be made, in order of rows.

    keys: of *rows*, see `lane_keys`. requests: one per row, or per group of rows that HEAD begins,
    where they were encoded together (single-row operations), else none.
    """
    starts = rows[HEAD].arg_true().to_list() if HEAD in rows.columns else list(range(batch.rows))
    request_at = dict(zip(starts, requests, strict=True)) if requests else {}

    def draft(positions: Positions, line: RequestLine | None = None) -> Draft:
        occupied: set[int | None] = {None}
        if len(positions) == batch.rows:
            occupied.update(*keys)
        else:
            occupied.update(lane[place] for lane in keys for place in positions)
        occupied.discard(None)
        request = request_at.get(positions.spans[0][0])
        return Draft(
            batch=batch,
            rows=rows,
            positions=positions,
            keys=frozenset(cast("set[int]", occupied)),  # None is gone
            line=line,
            request=request,
        )

    for line in batch.requests:
        if line.state in (State.PENDING, State.SENDING):
            yield draft(line.positions, line)
    unnamed = batch.unnamed
    if requests:
        yield from map(draft, _each(unnamed, starts, batch.rows))
    elif unnamed:
        yield draft(unnamed)


def _each(unnamed: Positions, starts: Sequence[int], rows: int) -> Iterator[Positions]:
    """Yield the rows of each request of a batch, where they are *unnamed*."""
    places = set(unnamed)
    for start, stop in pairwise([*starts, rows]):
        if start in places:
            yield Positions.span(start, stop)


def doubt_of(draft: Draft, repeat: Repeat, *, now: float, digest: str) -> str:
    """Return why *draft* must not be sent (again), or "" when it may be.

    A line found `sending` was interrupted: the API may have applied it (DESIGN §4).
    """
    line = draft.line
    if line is None or line.state is not State.SENDING or repeat is Repeat.SAFE:
        return ""
    if repeat is Repeat.NEVER:
        return "sent, and not answered before the run was interrupted"
    age = now - (line.first_sent_at or 0)
    if not 0 <= age < REPLAY_S:
        return "sent, not answered, and too long ago for its idempotency key"
    if line.digest != digest:
        return "sent, not answered, and this version would send other bytes under its key"
    return ""
