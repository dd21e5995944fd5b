"""Open batches to drafts: the requests that are still to be made, with the keys they occupy; pure.

Reads the ledger's lines and the staged rows; decides what a crash left behind (DESIGN §4), and
never sends. Times are seconds since the epoch.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import pairwise

import polars as pl
from msgspec import Struct
from msgspec.structs import replace
from xxhash import xxh3_128_hexdigest

from pipeline.model import HEAD, BatchLine, Positions, Request, RequestLine, State
from pipeline.operations import Operation, Repeat

REPLAY_S = 23 * 3600
"""The API keeps the answer to an idempotency key for 24 hours (API.md §2.9); an hour is kept for
clocks that differ."""


class LaneKeys(Struct, frozen=True, kw_only=True, eq=False, dict=True, weakref=True):
    """The keys that the rows of a part occupy, as 64-bit hashes: a column for each lane."""

    hashes: tuple[pl.Series, ...]
    """A row without a value (an anonymous session) occupies nothing there: null."""
    apart: bool = False
    """Whether no other request of its time has a key of this part, nor two of its own the same."""

    def at(self, start: int, positions: Positions) -> frozenset[int]:
        """Return the keys of the rows at *positions*, counted from *start*."""
        spans = [slice(start + first, start + last) for first, last in positions.spans]
        keys = {key for lane in self._lists for span in spans for key in lane[span]}
        return frozenset(key for key in keys if key is not None)

    def all(self) -> pl.Series:
        """Return the keys of all rows in all lanes, as often as they come."""
        return pl.concat([*self.hashes, pl.Series(dtype=pl.UInt64)]).drop_nulls()

    @cached_property
    def _lists(self) -> list[list[int | None]]:
        return [lane.to_list() for lane in self.hashes]


class Draft(Struct, frozen=True, kw_only=True):
    """A request to be made: rows `positions` of `batch`; `line` is what the ledger has of it."""

    batch: BatchLine
    part: pl.DataFrame
    """All rows of the part in which the batch stands."""
    positions: Positions
    keys: Callable[[], frozenset[int]]
    apart: bool = False
    """Whether no other draft of its time shares a key with it."""
    line: RequestLine | None = None
    request: Request | None = None
    """Where it was encoded along with others."""
    digest: str = ""
    """Of the body of `request`."""

    @property
    def known(self) -> RequestLine:
        """What the ledger has of it; a pending line where it has nothing yet."""
        return self.line or RequestLine(positions=self.positions, state=State.PENDING)

    @property
    def rows(self) -> pl.DataFrame:
        """All rows of the batch, in order."""
        return self.part.slice(self.batch.start, self.batch.rows)

    @property
    def frame(self) -> pl.DataFrame:
        """The rows of this draft alone."""
        return take(self.rows, self.positions)


def take(rows: pl.DataFrame, positions: Positions) -> pl.DataFrame:
    """Return the rows at *positions*, in order; slices, not copies, where it can be."""
    parts = [rows.slice(start, stop - start) for start, stop in positions.spans]
    return parts[0] if len(parts) == 1 else pl.concat(parts) if parts else rows.clear()


def lane_keys(
    operation: Operation, rows: pl.DataFrame, others: Iterable[LaneKeys] = ()
) -> LaneKeys:
    """Return the keys that *rows* occupy; *others*: those of all parts that may be on their way.

    A batch of a bulk operation has no key twice; where two of its lanes agree, it stands not apart,
    which is safe.
    """
    lanes = [lane for lane in operation.lanes if lane in rows.columns]
    hashed = rows.select(
        pl.when(pl.col(lane).is_not_null()).then(pl.col(lane).hash(seed)).alias(lane)
        for seed, lane in enumerate(lanes)
    )
    keys = LaneKeys(hashes=tuple(hashed.get_columns()))
    own, foreign = keys.all(), pl.concat([pl.Series(dtype=pl.UInt64), *(o.all() for o in others)])
    apart = own.n_unique() == len(own) and not own.is_in(foreign.implode()).any()
    return replace(keys, apart=apart)


def drafts(
    batch: BatchLine,
    part: pl.DataFrame,
    keys: LaneKeys,
    requests: Sequence[Request] = (),
) -> Iterator[Draft]:
    """Yield a draft for each request of *batch* that is still to be made, in order of rows.

    part: the rows of the part that *batch* stands in; keys: theirs. requests: those that carry all
    of *batch*, where they were encoded together: one, or one per row, or per group of rows that
    HEAD begins.
    """
    starts = _starts(batch, part, requests)
    request_at = dict(zip(starts, requests, strict=True)) if requests else {}

    def draft(positions: Positions, line: RequestLine | None = None) -> Draft:
        request = request_at.get(positions.spans[0][0])
        return Draft(
            batch=batch,
            part=part,
            positions=positions,
            keys=partial(keys.at, batch.start, positions),
            apart=keys.apart,
            line=line,
            request=request,
            digest=digest_of(request) if request else "",
        )

    for line in batch.requests:
        if line.state in (State.PENDING, State.SENDING):
            yield draft(line.positions, line)
    unnamed = batch.unnamed
    if requests:
        yield from map(draft, _each(unnamed, starts, batch.rows))
    elif unnamed:
        yield draft(unnamed)


def digest_of(request: Request) -> str:
    """Return 128 bits of XXH3 of the body, in hexadecimal: a repeat must send the same bytes.

    The bytes that it is to tell apart are those of two versions of this program, not those of
    somebody who wants to deceive it; SHA-256 takes thirty times as long (measured).
    """
    return xxh3_128_hexdigest(request.body or b"")


def _starts(batch: BatchLine, part: pl.DataFrame, requests: Sequence[Request]) -> list[int]:
    """Return the first row of each request, where all were encoded."""
    if len(requests) == 1:
        return [0]
    if HEAD not in part.columns:
        return list(range(batch.rows))
    return part[HEAD].slice(batch.start, batch.rows).arg_true().to_list()


def _each(unnamed: Positions, starts: Sequence[int], rows: int) -> Iterator[Positions]:
    """Yield the rows of each request of a batch, where they are *unnamed*."""
    places = set(unnamed) if len(starts) > 1 else {unnamed.spans[0][0]} if unnamed else set()
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
