"""What the delivery is fed: open batches from the ledger, their rows from the staged parts.

Keeps the parts in use in memory, encodes in threads, and holds back a staging that is too far
ahead. Knows the ledger, staged files and the encoding; never the network.
"""

import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace

import anyio
import polars as pl
from anyio import CapacityLimiter, from_thread, to_thread

from pipeline import durable
from pipeline.ledger import Ledger
from pipeline.model import SOURCE, BatchId, BatchLine, Positions, Request
from pipeline.operations import Operation
from pipeline.run_folder import RunFolder
from pipeline.stages import encoding
from pipeline.stages.delivery import Draft, LaneKeys, drafts, lane_keys

AHEAD_ROWS = 1_000_000
"""Rows staged and not yet taken up by the delivery, at most: a run that stops early should not
have staged a hundred million rows first; one that is killed late should have little left to stage,
since a resume goes through the source again."""
BATCHES_READ = 64
"""Batches read from the ledger at a time."""
PARTS_KEPT = 2
"""Staged parts kept in memory: those that the requests in flight belong to, and the next."""
ENCODERS = 2
"""Threads that load and encode; more than cores would only wait for each other."""


class Lead:
    """How far staging is ahead of the delivery; the thread that stages waits here."""

    def __init__(self, rows_max: int = AHEAD_ROWS) -> None:
        self._rows_max = rows_max
        self._rows = 0
        self._changed = threading.Condition()
        self._over = False

    def grow(self, rows: int) -> None:
        """Add staged rows, and wait while there are too many."""
        with self._changed:
            self._rows += rows
            self._changed.wait_for(lambda: self._over or self._rows <= self._rows_max)

    def shrink(self, rows: int) -> None:
        """Take away rows that the delivery has taken up."""
        with self._changed:
            self._rows -= rows
            self._changed.notify_all()

    def end(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._over = True
            self._changed.notify_all()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A staged part in memory: its rows, and the keys that they occupy in each lane."""

    rows: pl.DataFrame
    keys: LaneKeys


@dataclass(slots=True, kw_only=True, eq=False)
class Supply:
    """The road from the ledger to the delivery, of one push.

    `first`: so many rows are yielded at most (a canary); None: all.
    """

    operation: Operation
    ledger: Ledger
    folder: RunFolder
    first: int | None = None
    lead: Lead = field(default_factory=Lead)
    complete: bool = True
    """Whether all rows are staged; a staging beside the push sets it to False while it runs."""
    _news: anyio.Event = field(default_factory=anyio.Event)
    _parts: OrderedDict[str, _Part] = field(default_factory=OrderedDict)
    _threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(ENCODERS))

    def staged(self, rows: int) -> None:
        """Hear, from the staging thread, that a part is durable; wait while it is too far ahead."""
        from_thread.run_sync(self.hear)
        self.lead.grow(rows)

    def hear(self) -> None:
        """Wake `drafts`: there may be something new, or nothing more to come."""
        self._news.set()

    async def drafts(self) -> AsyncIterator[Draft]:
        """Yield what is to be sent, in the order of the batches, until there is nothing more."""
        after, left = BatchId(0), self.first
        while left is None or left > 0:
            complete, self._news = self.complete, anyio.Event()
            batches = await to_thread.run_sync(self._open_batches, after)
            if not batches and complete:
                return
            if not batches:
                await self._news.wait()
            for batch in batches:
                for draft in await self._drafts_of(batch):
                    if left is not None and left <= 0:
                        return
                    chosen = draft if left is None else _first(draft, left)
                    yield chosen
                    left = left if left is None else left - len(chosen.positions)
                after = batch.id
                self.lead.shrink(batch.rows)

    async def encode(self, operation: Operation, frame: pl.DataFrame) -> Request:
        """Return the one request that carries *frame*."""
        requests = await to_thread.run_sync(
            encoding.to_requests, operation, frame, limiter=self._threads
        )
        return requests[0]

    def _open_batches(self, after: BatchId) -> list[BatchLine]:
        return self.ledger.open_batches(after=after, limit=BATCHES_READ)

    async def _drafts_of(self, batch: BatchLine) -> Iterator[Draft]:
        part = self._parts.get(batch.file)
        if part is None:
            part = await to_thread.run_sync(self._load, batch.file, limiter=self._threads)
            self._parts[batch.file] = part
            while len(self._parts) > PARTS_KEPT:
                self._parts.popitem(last=False)
        start, stop = batch.start, batch.start + batch.rows
        rows = part.rows.slice(start, batch.rows)
        requests: list[Request] = []
        if not self.operation.bulk:
            requests = await to_thread.run_sync(
                encoding.to_requests, self.operation, rows, limiter=self._threads
            )
        return drafts(batch, rows, [lane[start:stop] for lane in part.keys], requests)

    def _load(self, file: str) -> _Part:
        path = self.folder.staged / file
        with durable.reading(path, pl.exceptions.PolarsError):
            rows = pl.scan_parquet(path).drop(SOURCE).collect()
        return _Part(rows=rows, keys=lane_keys(self.operation, rows))


def _first(draft: Draft, rows: int) -> Draft:
    """Return *draft* cut to its first *rows* rows, unless it is encoded, or in the ledger."""
    if draft.line is not None or draft.request is not None or len(draft.positions) <= rows:
        return draft
    places = list(draft.positions)[:rows]
    return replace(draft, positions=Positions.of(places))
