"""What the delivery is fed: open batches from the ledger, their rows from the staged parts.

A thread reads and encodes them, a few batches ahead of the delivery, and a staging that is too far
ahead of both is held back. Knows the ledger, staged files and the encoding; never the network.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from weakref import WeakSet

import anyio
import polars as pl
from anyio import to_thread
from msgspec import Struct, field
from msgspec.structs import replace

from pipeline.errors import PipelineError
from pipeline.ledger import Ledger
from pipeline.model import KEY, SOURCE, BatchId, BatchLine, Positions, Request
from pipeline.operations import Operation
from pipeline.parts import read_part
from pipeline.run_folder import RunFolder
from pipeline.stages import encoding
from pipeline.stages.delivery import Draft, LaneKeys, drafts, lane_keys

AHEAD_ROWS = 1_000_000
"""Rows staged and not yet taken up by the delivery, at most: a run that stops early should not
have staged a hundred million rows first; one that is killed late should have little left to do."""
AHEAD_BATCHES = 8
"""Batches encoded and not yet taken up by the delivery, at most: some 2 MB."""
PARTS_FRESH = 2
"""Parts kept from staging, at most: some 10 MB each."""
ROOM_S = 0.1
"""How long a part waits for room among them, longer than a quick API takes for one: then staging
takes no core from the delivery, which finds all parts in memory. Ahead of a slow one it goes on."""
BATCHES_READ = 64
"""Batches read from the ledger at a time."""


class _Part(Struct, frozen=True, kw_only=True):
    """A staged part in memory."""

    file: str
    rows: pl.DataFrame
    keys: LaneKeys


class Supply(Struct, kw_only=True, eq=False):
    """The road from the ledger to the delivery, of one push; `fill` works in a thread of its own.

    `first`: so many rows are yielded at most (a canary); None: all.
    """

    operation: Operation
    ledger: Ledger
    folder: RunFolder
    first: int | None = None
    complete: bool = True
    """Whether all rows are staged; a staging beside the push sets it to False before it begins."""
    room_s: float = ROOM_S
    """How long a part waits for room among those in memory."""
    _changed: threading.Condition = field(default_factory=threading.Condition)
    """Guards all below: whatever one thread does here, another may wait for."""
    _ahead: int = 0
    """Rows staged and not yet taken up."""
    _fresh: dict[str, pl.DataFrame] = field(default_factory=dict)
    """Parts just staged, still in memory: where the delivery keeps up, nothing is read again."""
    _loaded: str = ""
    """The part that was taken up last: it is named before it is told of, and may be read first."""
    _over: bool = False
    """Whether nobody takes anything any more."""
    _ready: deque[Sequence[Draft] | PipelineError | None] = field(default_factory=deque)
    """Drafts, batch by batch; then why there are no more, or None."""
    _wake: Callable[[], object] | None = None
    """Ends the wait of the delivery for something to be ready; nobody waits until it has heard."""
    _alive: WeakSet[LaneKeys] = field(default_factory=WeakSet)
    """The keys of the parts whose requests may be on their way: drafts hold on to them."""

    # ── for the thread that stages ───────────────────────────────────────────────────────────

    def staged(self, file: str, rows: pl.DataFrame | None) -> None:
        """Hear that the part *file* of *rows* is durable; wait while staging is too far ahead."""
        if rows is None:
            return
        with self._changed:
            has_room = self._changed.wait_for(
                lambda: self._over or len(self._fresh) < PARTS_FRESH, self.room_s
            )
            if has_room and file > self._loaded:
                self._fresh[file] = rows.drop(SOURCE, strict=False)
            self._ahead += rows.height
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._over or self._ahead <= AHEAD_ROWS)

    def all_staged(self) -> None:
        """Hear that nothing more is staged."""
        with self._changed:
            self.complete = True
            self._changed.notify_all()

    # ── for the delivery ─────────────────────────────────────────────────────────────────────

    async def drafts(self) -> AsyncIterator[Draft]:
        """Yield what is to be sent, in the order of the batches, until there is nothing more.

        `fill` is to run meanwhile. Raises what it could not read.
        """
        while (ready := await self._next()) is not None:
            if isinstance(ready, PipelineError):
                raise ready
            for draft in ready:
                yield draft

    def end(self) -> None:
        """Take nothing any more, and let nobody wait for that."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    async def encode(self, operation: Operation, frame: pl.DataFrame) -> Request:
        """Return the one request that carries *frame*: a part of a batch that was refused."""
        return (await to_thread.run_sync(encoding.to_requests, operation, frame))[0]

    async def fill(self) -> None:
        """Make ready what `drafts` yields, a few batches ahead, until it has all or wants none."""
        await to_thread.run_sync(self._fill)

    async def _next(self) -> Sequence[Draft] | PipelineError | None:
        while True:
            with self._changed:
                if self._ready:
                    self._changed.notify_all()
                    return self._ready.popleft()
                wanted, loop = anyio.Event(), asyncio.get_running_loop()
                self._wake = partial(loop.call_soon_threadsafe, wanted.set)
            await wanted.wait()

    # ── in the thread that fills ─────────────────────────────────────────────────────────────

    def _fill(self) -> None:
        end: PipelineError | None = None
        try:
            for batch, of_batch in self._all_drafts():
                if not self._hand_over(of_batch, rows=batch.rows):
                    return
        except PipelineError as error:
            end = error
        self._hand_over(end)

    def _hand_over(self, ready: Sequence[Draft] | PipelineError | None, *, rows: int = 0) -> bool:
        """Wait until there is room, then give; False when nobody takes it."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or len(self._ready) < AHEAD_BATCHES)
            self._ready.append(ready)
            self._ahead -= rows
            self._changed.notify_all()
            wake, self._wake = self._wake, None
        if wake is not None and not self._over:
            wake()
        return not self._over

    def _all_drafts(self) -> Iterator[tuple[BatchLine, Sequence[Draft]]]:
        """Yield the drafts of each open batch, as it is staged; those of `first` rows at most."""
        after, left, part = BatchId(0), self.first, None
        while batches := self._open_batches(after):
            for file, of_part in groupby(batches, lambda batch: batch.file):
                if part is None or part.file != file:
                    part = self._load(file)
                for batch, made in self._drafts_of(list(of_part), part):
                    chosen = made if left is None else list(self._first(made, left))
                    yield batch, chosen
                    if left is not None:
                        left -= sum(len(draft.positions) for draft in chosen)
                        if left <= 0:
                            return
            after = batches[-1].id

    def _open_batches(self, after: BatchId) -> list[BatchLine]:
        """Return the next open batches; wait for them while there may be some. None: the end."""
        while not self._over:
            with self._changed:
                complete, ahead = self.complete, self._ahead
            if batches := self.ledger.open_batches(after=after, limit=BATCHES_READ):
                return batches
            if complete:
                break
            with self._changed:
                self._changed.wait_for(
                    lambda: self._over or self.complete or self._ahead != ahead  # noqa: B023
                )
        return []

    def _drafts_of(
        self, batches: Sequence[BatchLine], part: _Part
    ) -> Iterator[tuple[BatchLine, list[Draft]]]:
        operation = self.operation
        whole = [(b.start, b.start + b.rows) for b in batches if operation.bulk and not b.requests]
        encoded = encoding.to_batches(operation, part.rows, whole) if whole else iter(())
        for batch in batches:
            requests: list[Request] = []
            if not operation.bulk:
                rows = part.rows.slice(batch.start, batch.rows)
                requests = encoding.to_requests(operation, rows)
            elif not batch.requests:
                requests = [next(encoded)]
            yield batch, list(drafts(batch, part.rows, part.keys, requests))

    def _load(self, file: str) -> _Part:
        with self._changed:
            self._loaded = file
            rows = self._fresh.pop(file, None)
            self._changed.notify_all()
        if rows is None:
            rows = read_part(self.folder.staged / file, without=(KEY, SOURCE))
        keys = lane_keys(self.operation, rows, self._alive)
        self._alive.add(keys)
        return _Part(file=file, rows=rows, keys=keys)

    def _first(self, made: Sequence[Draft], left: int) -> Iterator[Draft]:
        """Yield *made* up to *left* rows; a batch is cut, unless the ledger knows its requests."""
        for draft in made:
            if left <= 0:
                return
            if self.operation.bulk and draft.line is None and len(draft.positions) > left:
                places = Positions.of(list(draft.positions)[:left])
                yield replace(draft, positions=places, request=None, digest="")
            else:
                yield draft
            left -= len(draft.positions)
