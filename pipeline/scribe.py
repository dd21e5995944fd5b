"""The one writer of a run: verdicts into the ledger, results into Parquet, in this order.

Changes are grouped into transactions: whatever came in while the last one was written goes into
the next (DESIGN §4). Knows the ledger, the results stage and the run folder; never the network.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial

import anyio
from anyio import CapacityLimiter, to_thread
from msgspec import Struct, field

from pipeline.errors import PipelineError
from pipeline.events import Listener, RequestsSettled, ResultsWritten, RowsRefused
from pipeline.ledger import FINAL, Ledger
from pipeline.model import BatchLine, Change, RequestLine, State, Status
from pipeline.operations import Operation
from pipeline.outcomes import rows_of
from pipeline.parts import write_part
from pipeline.run_folder import RunFolder
from pipeline.stages import results

COMMIT_S = 0.01
"""From one commit to the next, at least: what comes in meanwhile goes into one transaction. A
request that takes longer than this is not held back; 400 in a second make a quarter of the commits
(measured)."""
RESULTS_ROWS = 60_000
"""Rows of a results part, or so: those of two staged parts, durable in some 15 ms (measured)."""


class Scribe(Struct, kw_only=True, eq=False):
    """Writes down what the delivery reports; `write` runs beside it until `close`."""

    ledger: Ledger
    folder: RunFolder
    operation: Operation
    tell: Listener
    _waiting: list[Change] = field(default_factory=list)
    _durable: anyio.Event = field(default_factory=anyio.Event)
    """Set when what is waiting now is durable: one for all of it."""
    _wake: anyio.Event = field(default_factory=anyio.Event)
    _closed: bool = False
    _unwritten: int = 0
    """Rows settled since results were last begun to be written."""
    _is_busy: bool = False
    """Whether results are being written."""
    _failed: PipelineError | None = None
    _committing: CapacityLimiter = field(default_factory=partial(CapacityLimiter, 1))
    _writing: CapacityLimiter = field(default_factory=partial(CapacityLimiter, 1))

    async def note(self, change: Change) -> None:
        """Return when *change* is durable."""
        self._waiting.append(change)
        self._wake.set()
        await self._durable.wait()

    def close(self) -> None:
        """Let `write` end when everything that came in is written."""
        self._closed = True
        self._wake.set()

    async def write(self) -> None:
        """Commit what comes in, group by group; beside it, write results as they fill a part.

        Nobody waits for results: a part takes many times as long as a commit.
        """
        async with anyio.create_task_group() as beside:
            due = anyio.current_time()
            while not self._closed or self._waiting:
                await self._wake.wait()
                await anyio.sleep_until(due)
                due = anyio.current_time() + COMMIT_S
                self._wake = anyio.Event()
                if self._waiting and self._failed is None:
                    await self._commit()
                if self._unwritten >= RESULTS_ROWS and not self._is_busy:
                    self._unwritten, self._is_busy = 0, True
                    beside.start_soon(self._write_beside)
                if self._failed is not None:
                    break
        if self._failed is not None:
            raise self._failed

    async def _commit(self) -> None:
        changes, self._waiting = self._waiting, []
        durable, self._durable = self._durable, anyio.Event()
        try:
            await to_thread.run_sync(self.ledger.commit, changes, limiter=self._committing)
        except PipelineError as error:
            self._failed = error
            return
        durable.set()
        self._report(changes)

    async def _write_beside(self) -> None:
        try:
            await to_thread.run_sync(self.write_results, limiter=self._writing)
        except PipelineError as error:
            self._failed = error
            self._wake.set()
        self._is_busy = False

    def write_results(self, *, least: int = RESULTS_ROWS, doubts: bool = False) -> None:
        """Write the results of settled batches, a part at a time, while *least* rows are left.

        doubts: of the batches with rows in doubt, into parts that a resume withdraws.
        """
        while settled := self.ledger.unwritten(rows_max=RESULTS_ROWS, doubts=doubts):
            rows = sum(batch.rows for batch in settled)
            if rows < least:
                return
            batches = settled if rows < RESULTS_ROWS else _of_whole_parts(settled)
            frame = results.of_batches(self.operation, batches, rows_of(self.folder, batches))
            file = f"part-{batches[0].id:08}-{batches[-1].id:08}.parquet"
            write_part(frame, self.folder.results / file)
            self.ledger.name_results(file, batches, provisional=doubts)
            self.tell(ResultsWritten(part=file, rows=len(frame)))

    def _report(self, changes: list[Change]) -> None:
        rows: Counter[Status] = Counter()
        requests = 0
        for change in changes:
            requests += bool(change.attempts)
            for line in (change.line, *change.children):
                if line.state in FINAL:
                    rows[FINAL[line.state]] += len(line.positions)
                    self._tell_refused(change, line)
        self._unwritten += rows.total()
        if rows or requests:
            self.tell(RequestsSettled(rows=dict(rows), requests=requests))

    def _tell_refused(self, change: Change, line: RequestLine) -> None:
        if line.state in (State.REFUSED, State.FAILED):
            self.tell(
                RowsRefused(
                    rows=len(line.positions),
                    title=line.error.title,
                    details=line.error.details,
                    batch=change.batch,
                    place=next(iter(line.positions)),
                )
            )


def _of_whole_parts(batches: Sequence[BatchLine]) -> Sequence[BatchLine]:
    """Return *batches* but those of the last staged part, which may have more to come.

    To read a part takes as long whether for one batch or all; so each is read once. Of one part all
    are returned.
    """
    last = batches[-1].file
    return [batch for batch in batches if batch.file != last] or batches
