"""A row's life, top to bottom: the file to read first, and where the stages meet.

    source → mapping → validation → batching → staging → encoding → delivery → results
    └──────────── preparation ─────────────┘  └ stage ┘ └─ supply ─┘ └ push ┘  └ scribe ┘

Staging runs in a thread, a bounded number of rows ahead of the delivery. Both stand on the ledger,
which alone knows how far the run is: a run, a push and a resume are the same code, that stages
what is not staged and delivers what is not settled. Crash-safe at every line (DESIGN §4).
"""

from collections.abc import Callable, Iterator

import anyio
import polars as pl
from anyio import to_thread
from msgspec import Struct

from pipeline import caution, outcomes
from pipeline.checkpoint import Course
from pipeline.clock import Clock
from pipeline.config.job import Allowance, Job
from pipeline.doubts import Inquiry
from pipeline.errors import LimitError, PipelineError, StorageError
from pipeline.events import (
    Event,
    Listener,
    Noticed,
    RequestsSettled,
    RowsStaged,
    StagingFinished,
)
from pipeline.ledger import ROWS, SET_ASIDE, Ledger
from pipeline.model import Exchange, KeyFor, Noting, Request, Status
from pipeline.naming import Namer
from pipeline.operations import find
from pipeline.preparation import Preparation
from pipeline.run_folder import RunFolder
from pipeline.scribe import Scribe
from pipeline.stages import results
from pipeline.stages.delivery import Delivery, Ports, Proof, deliver
from pipeline.stages.staging import Part
from pipeline.supply import Supply
from pipeline.transport.exchange import Exchanger
from pipeline.transport.verdict import expects_answer, rule_of

SHARE_ROWS_MIN = 10_000
"""A limit in percent waits for so many rows: of fewer, a share says little."""
ASIDE = "rows set aside"
"""The ledger's fact: how many of them were set aside before the source was read (by a retry)."""

GRACE_S = 20.0
"""How long a run that is stopped waits for what is in flight; then it is in doubt (DESIGN §10)."""
WATCH_S = 0.2
"""How often a run looks whether it is to stop."""


class Journey(Struct, kw_only=True, eq=False):
    """One run on its way: its job, its books, and what stops it."""

    job: Job
    folder: RunFolder
    ledger: Ledger
    tell: Listener
    clock: Clock
    deadline: float | None = None
    """When the run is to stop by itself, in the clock's monotonic seconds."""
    rows_before: int | None = None
    """How many rows the job's last finished run had, where it matters."""
    stopped: PipelineError | None = None
    delivery: Delivery | None = None

    def stop(self, why: PipelineError) -> None:
        """Begin nothing new, from whichever thread: what is in flight ends, the rest is pending."""
        self.stopped = self.stopped or why
        if self.delivery is not None:
            self.delivery.stop(self.stopped)

    def look_at_clock(self) -> None:
        """Stop when the time is up."""
        if self.deadline is not None and self.clock.monotonic() >= self.deadline:
            self.stop(_time_is_up(self))

    @property
    def rows(self) -> int | None:
        """How many rows the source has; None until it has been read to its end."""
        rows = self.ledger.fact(ROWS)
        return None if rows is None else int(rows)


def recover(journey: Journey) -> None:
    """Drop what a crash left half done: files that no transaction has named.

    Results that say "in doubt" go too: what goes on may settle their rows.
    """
    folder, ledger = journey.folder, journey.ledger
    ledger.withdraw_provisional()
    for kind in ("staged", "results", *SET_ASIDE):
        named, place = set(ledger.files(kind)), folder.place(kind)
        for path in place.iterdir() if place.exists() else ():
            if path.name not in named:
                path.unlink()


def stage(
    journey: Journey,
    preparation: Preparation,
    staged: Callable[[str, pl.DataFrame | None], None] = lambda _file, _rows: None,
) -> None:
    """Carry every row of the source into a durable part that the ledger names.

    staged: given the name and the rows of each part, once it is durable; None where it has only
    rejected ones. What an earlier process has staged is sought past, as far as its checkpoint is,
    and skipped from there on. Raises what the source, the disk or a limit raises.
    """
    ledger, limits = journey.ledger, journey.job.limits
    course, batcher = Course.of(ledger), preparation.batcher()
    stager = course.stager(journey.folder, ledger, preparation.repeats)
    mark = course.begun.mark
    rows, rejected = mark.read, mark.rejected
    with Namer(ledger, staged) as namer:

        def name(parts: Iterator[Part]) -> None:
            namer.name(parts, lambda: course.after(stager.reached, in_order=batcher.in_order))

        for prepared in preparation.blocks(mark, skip=course.begun.skip):
            course.passes(prepared.mark)
            journey.look_at_clock()
            if journey.stopped is not None:
                raise journey.stopped
            rows, rejected = prepared.rows_read, prepared.rows_rejected
            if len(prepared.rejected):
                name(stager.reject(prepared.rejected, prepared.rejected_results))
            name(stager.add(batcher.add(prepared.good)))
            journey.tell(RowsStaged(read=rows, rejected=rejected, share_read=prepared.share_read))
            if rows >= SHARE_ROWS_MIN:
                _check(journey, limits.max_rejected, "rejected", rejected, rows)
        name(stager.add(batcher.close()))
        name(stager.close())
    ledger.set_fact(ROWS, str(rows + int(ledger.fact(ASIDE) or 0)))
    journey.tell(StagingFinished(rows=rows, rejected=rejected))
    if fill := caution.fill(journey.job.operation, ledger.totals()):
        journey.tell(Noticed(text=fill))
    _check(journey, limits.max_rejected, "rejected", rejected, rows)
    _check_size(journey, rows)


async def push(
    journey: Journey, exchanger: Exchanger, preparation: Preparation | None = None
) -> None:
    """Deliver every pending row; with *preparation*, stage the rest of the source meanwhile.

    Before anything is sent the API is asked about rows in doubt, where it can be.

    Raises what stopped the run, after what was in flight has ended (GRACE_S at most) and is
    written down.
    """
    if preparation is not None and journey.job.limits.shrink_max is not None:
        await to_thread.run_sync(stage, journey, preparation)
        preparation = None
    inquiry = inquire(journey, exchanger)
    job, totals = journey.job, journey.ledger.totals()
    operation, first = job.operation, job.first
    supply = Supply(operation=operation, ledger=journey.ledger, folder=journey.folder, first=first)
    scribe = Scribe(
        operation=operation,
        ledger=journey.ledger,
        folder=journey.folder,
        tell=_watched(journey, totals.of(Status.REFUSED) + totals.of(Status.FAILED)),
    )
    rules = {expected: rule_of(operation, needs_answer=expected) for expected in (False, True)}

    async def exchange(
        request: Request,
        key_for: KeyFor | None,
        sent_before: float | None,
        note: Noting | None,
    ) -> Exchange:
        rule = rules[expects_answer(operation, request.target)]
        done = await exchanger.exchange(
            request, rule, key_for=key_for, sent_before=sent_before, note=note
        )
        delivery.concurrency = exchanger.at_once()
        return done

    journey.delivery = delivery = Delivery(
        operation=operation,
        run=journey.folder.id,
        ports=Ports(
            exchange=exchange,
            note=scribe.note,
            encode=supply.encode,
            clock=journey.clock,
            stored=inquiry.stored,
        ),
        concurrency=exchanger.at_once(),
        proof=Proof(proven=totals.of(Status.DELIVERED) > 0),
        stopped=journey.stopped,
    )
    async with anyio.create_task_group() as writing:
        writing.start_soon(_write, journey, scribe, supply)
        async with anyio.create_task_group() as watching:
            watching.start_soon(_watch, journey, exchanger, watching.cancel_scope)
            async with anyio.create_task_group() as moving:
                if preparation is not None:
                    supply.complete = False
                    moving.start_soon(_stage_beside, journey, preparation, supply)
                await _deliver(journey, supply, inquiry)
            watching.cancel_scope.cancel()
        scribe.close()
    if journey.stopped is not None:
        raise journey.stopped
    _check_end(journey)


def inquire(journey: Journey, exchanger: Exchanger) -> Inquiry:
    """Return the way to ask the API about rows in doubt."""
    evidence = journey.job.operation.evidence
    look_up = find(evidence.look_up) if evidence else None

    async def ask(request: Request) -> Exchange:
        rule = rule_of(look_up or journey.job.operation)
        return await exchanger.exchange(request, rule)

    return Inquiry(
        operation=journey.job.operation,
        folder=journey.folder,
        ledger=journey.ledger,
        clock=journey.clock,
        tell=journey.tell,
        ask=ask,
    )


def close_books(journey: Journey) -> None:
    """Write the results of all that is settled and the rows to mend, and see that rows add up.

    To be called at every end of a push, also an early one. Raises InvariantBroken when a finished
    run does not have exactly one outcome for each row, StorageError when a part is gone.
    """
    folder, ledger = journey.folder, journey.ledger
    scribe = Scribe(
        operation=journey.job.operation, ledger=ledger, folder=folder, tell=journey.tell
    )
    scribe.write_results(least=1)
    totals = ledger.totals()
    if journey.rows is not None and not totals.of(Status.PENDING):
        scribe.write_results(least=1, doubts=True)
        results.check_balance(totals, rows_read=journey.rows, rows_written=ledger.results_rows())
    parts = outcomes.parts(folder, ledger)
    gone = [path for path in (*parts.results, *parts.rejected) if not path.exists()]
    if gone:
        raise StorageError(
            f"{gone[0]} is gone, and with it what became of its rows",
            hint=f"bring it back and `pipeline resume {folder.path}`; nothing else is lost",
        )
    source = folder.read_manifest()["source"]
    origin = results.Origin(
        run=folder.id, files=tuple(source["files"]), is_text=source.get("is_text")
    )
    failed = [status for status in results.FAILED if totals.of(status)]  # no part is read for none
    results.write_failures(parts, folder.failures, origin=origin, statuses=failed)


async def _deliver(journey: Journey, supply: Supply, inquiry: Inquiry) -> None:
    """Settle the doubts of an earlier process, then deliver; what stops that stops staging too."""
    if journey.delivery is None:
        return
    first = journey.job.first
    try:
        await inquiry.settle()
        inquiry.replay()
    except PipelineError as error:
        journey.stop(error)
    async with anyio.create_task_group() as filling:
        filling.start_soon(supply.fill)
        try:
            await deliver(journey.delivery, supply.drafts())
        except PipelineError as error:
            journey.stop(error)
        finally:
            supply.end()
    rest = journey.rows is None or journey.ledger.totals().of(Status.PENDING)
    if first is not None and rest and journey.stopped is None:
        journey.stop(_canary(journey, first))


async def _write(journey: Journey, scribe: Scribe, supply: Supply) -> None:
    """Write down what comes; when that cannot be done, nothing else may go on."""
    try:
        await scribe.write()
    except PipelineError as error:
        journey.stop(error)
        supply.end()
        raise


async def _watch(journey: Journey, exchanger: Exchanger, scope: anyio.CancelScope) -> None:
    """Wait until the run is stopped: end its waits at once, what is in flight after GRACE_S."""
    while journey.stopped is None:
        await journey.clock.sleep(WATCH_S)
        journey.look_at_clock()
    exchanger.stop()
    await journey.clock.sleep(GRACE_S)
    scope.cancel()


async def _stage_beside(journey: Journey, preparation: Preparation, supply: Supply) -> None:
    """Stage in a thread; what ends it early stops the delivery too."""
    try:
        await to_thread.run_sync(stage, journey, preparation, supply.staged)
    except PipelineError as error:
        journey.stop(error)
    finally:
        supply.all_staged()


def _watched(journey: Journey, refused_before: int) -> Listener:
    """Return the journey's listener, with an eye on `max_refused`."""
    limit = journey.job.limits.max_refused
    bad, allowed = refused_before, False

    def tell(event: Event) -> None:
        nonlocal bad, allowed
        journey.tell(event)
        if not isinstance(event, RequestsSettled) or limit is None:
            return
        more = event.rows.get(Status.REFUSED, 0) + event.rows.get(Status.FAILED, 0)
        if allowed and not more:
            return  # rows only become more: what was allowed of fewer is allowed of these
        bad += more
        rows = journey.ledger.totals().rows
        try:
            if limit.rows is not None or rows >= SHARE_ROWS_MIN:
                _check(journey, limit, "refused", bad, rows)
                allowed = True
        except LimitError as error:
            journey.stop(error)

    return tell


def _check(journey: Journey, limit: Allowance | None, what: str, bad: int, rows: int) -> None:
    """Raise LimitError when *bad* of *rows* rows are more than *limit* allows."""
    if limit is not None and not limit.allows(bad, rows):
        raise LimitError(
            f"{bad:,} of {rows:,} rows were {what}: more than max_{what} = {limit} allows",
            hint=f"`pipeline resume {journey.folder.path} --max-{what} N` goes on",
        )


def _canary(journey: Journey, rows: int) -> LimitError:
    return LimitError(
        f"the first {rows:,} rows were sent, as --first {rows} asked",
        hint=f"look at the results; `pipeline resume {journey.folder.path}` sends the others",
    )


def _time_is_up(journey: Journey) -> LimitError:
    return LimitError(
        "the time that --stop-after gives is over",
        hint=f"`pipeline resume {journey.folder.path}` goes on with the rest",
    )


def _check_size(journey: Journey, rows: int) -> None:
    """Raise LimitError for a source that is empty, or has shrunk, where the job forbids it."""
    limits, before = journey.job.limits, journey.rows_before
    go_on = f"look at the source; `pipeline resume {journey.folder.path}` goes on all the same"
    if not rows and limits.empty == "error" and not journey.ledger.fact(ASIDE):
        raise LimitError(
            "the source has no rows, not one after its header",
            hint='look at the export; where that is all right, say empty = "ok" under [limits], '
            "or --empty ok",
        )
    if limits.shrink_max is None or before is None or rows >= before:
        return
    if not limits.shrink_max.allows(before - rows, before):
        raise LimitError(
            f"the source has {rows:,} rows, and had {before:,} in the job's last finished run: "
            f"fewer than shrink_max = {limits.shrink_max} allows; nothing was sent",
            hint=go_on,
        )


def _check_end(journey: Journey) -> None:
    """Raise LimitError when more rows were refused than allowed, also of a short source."""
    totals, limit = journey.ledger.totals(), journey.job.limits.max_refused
    bad = totals.of(Status.REFUSED) + totals.of(Status.FAILED)
    if limit is not None and not limit.allows(bad, totals.rows):
        raise LimitError(
            f"{bad:,} of {totals.rows:,} rows were refused: more than max_refused = {limit} allows",
            hint=f"every row has its outcome; `pipeline retry {journey.folder.path}` sends those "
            "rows again",
        )
