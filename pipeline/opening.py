"""Runs opened and closed: folder, locks, ledger, connection; and how each ended, written down.

What every verb needs around the journey. Decides nothing of what is done with a run; never Click,
never print.
"""

import random
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
from msgspec import Struct, field
from msgspec.structs import replace

from pipeline import caution, run_folder
from pipeline import journey as journeys
from pipeline.clock import Clock, SystemClock, stamp
from pipeline.config.job import STANDARD_INPUT, Job
from pipeline.config.secrets import Connection
from pipeline.config.speed import ADAPTIVE
from pipeline.ending import summarise
from pipeline.errors import (
    InvariantBroken,
    JobError,
    LimitError,
    PipelineError,
    RunError,
    StorageError,
)
from pipeline.events import Listener, Noticed, RunStarted
from pipeline.history import family, retry
from pipeline.journey import Journey
from pipeline.ledger import Ledger
from pipeline.log import Log
from pipeline.model import Status
from pipeline.preparation import Preparation
from pipeline.run import Run
from pipeline.run_folder import RunFolder
from pipeline.stages.source import spool_frame, spool_stream
from pipeline.transport.client import Client
from pipeline.transport.exchange import Exchanger
from pipeline.transport.retry import Policy
from pipeline.transport.throttle import Speed, Throttle

CONFIRMED = "confirmed"
"""Whether somebody has said that a run which destroys is meant: kept with the run."""
Change = Callable[[Job], Job]
"""Make of the job that is kept with a run the one by which it goes on."""
NOT_BEGUN = "free space or mend the permissions, then begin again: nothing was sent"


class Terms(Struct, frozen=True, kw_only=True):
    """What a verb is given beside its job or run.

    `started`: told the journey as soon as there is one, so that a signal can stop it.
    """

    runs_dir: Path
    connection: Connection | None = None
    tell: Listener = field(default=lambda _: None)
    clock: Clock = field(default_factory=SystemClock)
    started: Callable[[Journey], None] = field(default=lambda _: None)
    frame: pl.DataFrame | None = None
    """The source, where it is a frame and not a file."""
    stream: BinaryIO | None = None
    """The source, where it is standard input."""
    confirmed: bool = False
    """That an operation which destroys is meant (see `caution`)."""
    stop_after: float | None = None
    """So many seconds after it begins, the run stops by itself; it can be resumed."""

    @property
    def address(self) -> str:
        """Where the API is; "" where nothing is to be sent."""
        return self.connection.base_url if self.connection else ""


def unchanged(job: Job) -> Job:
    """Return *job* as it is."""
    return job


@contextmanager
def new(job: Job, terms: Terms) -> Iterator[tuple[Journey, Preparation]]:
    """Make the folder of a new run: lock, spool, manifest, ledger. Bad jobs leave no folder."""
    given = terms.frame is not None or STANDARD_INPUT in job.sources
    preparation = None if given else Preparation(job)
    with _made(job.name, terms) as folder:
        if preparation is None:
            job, preparation = _spooled(job, folder, terms)
        # The ledger first: what has a manifest is a run, and can be resumed.
        with closing(Ledger.create(folder.ledger)) as ledger:
            manifest = _manifest(folder, job, preparation, terms)
            folder.write_manifest(manifest | _origin(folder, preparation, manifest["source"]))
            with _open(ledger, folder, job, terms) as journey:
                yield journey, preparation


@contextmanager
def again(
    parent: RunFolder, choice: retry.Choice, mended: Job | None, change: Change, terms: Terms
) -> Iterator[tuple[Journey, Preparation]]:
    """Make the folder of a run that sends rows of *parent* again; a bad choice leaves none."""
    with _made(parent.path.parent.name, terms) as folder:
        folder.spooled.mkdir(mode=0o700)
        path = folder.spooled / retry.CHOSEN
        selection = retry.select(parent, choice, mended, folder.spooled)
        selection.spool(path)
        job = change(replace(selection.job, sources=(str(path),)))
        preparation = Preparation(job)
        with closing(Ledger.create(folder.ledger)) as ledger:
            ledger.set_fact(journeys.ASIDE, str(selection.set_aside(folder, ledger)))
            selection.candidates.unlink()
            if Status.PENDING in choice.statuses:
                _take_over(parent, folder)  # before there is a second run that may send them
            manifest = _manifest(folder, job, preparation, terms)
            folder.write_manifest(manifest | _lineage(selection.parent, manifest["source"]))
            with _open(ledger, folder, job, terms) as journey:
                yield journey, preparation


@contextmanager
def _made(name: str, terms: Terms) -> Iterator[RunFolder]:
    """Make a folder for a run of the job *name*; nobody else can begin one meanwhile.

    What ends before there is a manifest leaves no folder: it was no run, and nothing was sent.
    """
    now = terms.clock.now()
    with run_folder.held(terms.runs_dir / name, what=f"a run of {name}", now=now):
        # Hexadecimal digits of the second's fraction: names sort as the runs began.
        suffix = f"{int(now % 1 * 0x10000):04x}"
        folder = run_folder.create(terms.runs_dir, name, now=now, suffix=suffix)
        with run_folder.held(folder.path, what=f"run {folder.id}", now=now):
            try:
                yield folder
            except PipelineError as error:
                if folder.manifest.exists():
                    raise
                shutil.rmtree(folder.path, ignore_errors=True)
                if isinstance(error, StorageError):
                    raise StorageError(str(error), hint=NOT_BEGUN) from error
                raise


def _take_over(parent: RunFolder, folder: RunFolder) -> None:
    """Write down in *parent* who sends its pending rows: it must not do so too."""
    with closing(Ledger.open(parent.ledger)) as ledger:
        if ledger.totals().of(Status.PENDING):
            ledger.set_fact(family.TAKEN_OVER, folder.id)


def _lineage(parent: family.Relative, source: dict[str, Any]) -> dict[str, Any]:
    """Return what the manifest says of a run whose rows are those of *parent*."""
    first = {name: parent.manifest["source"].get(name) for name in ("files", "is_text")}
    return {"parent": parent.folder.id, "root": parent.root, "source": source | first}


def _origin(folder: RunFolder, preparation: Preparation, source: dict[str, Any]) -> dict[str, Any]:
    """Return the lineage of a run whose source are failures of another, mended by hand."""
    runs = {run for run in preparation.source.origins if run}
    found = family.find(runs.pop(), folder) if len(runs) == 1 else None
    if found is None:
        return {}
    first = {"files": list(found.files)}
    return {"parent": found.folder.id, "root": found.root, "source": source | first}


def _manifest(
    folder: RunFolder, job: Job, preparation: Preparation, terms: Terms
) -> dict[str, Any]:
    now = terms.clock.now()
    return {
        "made_by": metadata.version("talon-one-pipeline"),
        "run": folder.id,
        CONFIRMED: terms.address if terms.confirmed else "",
        "started_at": stamp(now),
        family.BEGAN: now,
        "job": job.to_json(),
        "source": {
            "files": list(preparation.source.files),
            "fingerprint": preparation.source.fingerprint(),
            "is_text": preparation.source.is_text,
        },
        "base_url": terms.connection.base_url if terms.connection else None,
        "directory": str(Path.cwd()),
    }


@contextmanager
def known(folder: RunFolder, terms: Terms, change: Change = unchanged) -> Iterator[Journey]:
    """Open a run that exists, held by this process alone. What *change* makes of its job stays."""
    before = replace(Job.from_json(folder.read_manifest()["job"]), first=None)
    job = change(before)
    now = terms.clock.now()
    with (
        run_folder.held(folder.path.parent, what=f"a run of {job.name}", now=now),
        run_folder.held(folder.path, what=f"run {folder.id}", now=now),
        _open(Ledger.open(folder.ledger), folder, job, terms) as journey,
    ):
        if job != before:
            folder.write_manifest(folder.read_manifest() | {"job": job.to_json()})
        yield journey


def check_taken_over(journey: Journey) -> None:
    """Raise RunError where another run sends the rows that this one has not sent."""
    run = journey.ledger.fact(family.TAKEN_OVER)
    other = family.find(run, journey.folder) if run else None
    if other is not None:
        raise RunError(
            f"the rows that {journey.folder.path} has not sent are sent by run {run}",
            hint=f"`pipeline resume {other.folder.path}` goes on with them",
        )


@contextmanager
def _open(ledger: Ledger, folder: RunFolder, job: Job, terms: Terms) -> Iterator[Journey]:
    log = Log(folder.log, clock=terms.clock)

    def tell(event: Any) -> None:  # noqa: ANN401 - passed on as it is
        log(event)
        terms.tell(event)

    try:
        journey = Journey(job=job, folder=folder, ledger=ledger, tell=tell, clock=terms.clock)
        if terms.stop_after is not None:
            journey.deadline = terms.clock.monotonic() + terms.stop_after
        if job.limits.shrink_max is not None:
            journey.rows_before = family.rows_before(folder)
        terms.started(journey)
        totals = ledger.totals()
        tell(
            RunStarted(
                run=folder.id,
                folder=str(folder.path),
                operation=job.operation.name,
                rows_total=journey.rows,
                rows_settled=totals.rows - totals.of(Status.PENDING),
            )
        )
        yield journey
    finally:
        ledger.close()
        log.close()


def _spooled(job: Job, folder: RunFolder, terms: Terms) -> tuple[Job, Preparation]:
    """Keep a source that cannot be read twice in the run folder."""
    folder.spooled.mkdir(mode=0o700)
    if terms.frame is not None:
        path = spool_frame(terms.frame, folder.spooled)
    elif terms.stream is not None:
        path = spool_stream(terms.stream, folder.spooled)
    else:
        raise JobError("standard input is not here to be read")
    job = replace(job, sources=(str(path),))
    return job, Preparation(job)


def same_directory(folder: RunFolder, job: Job) -> None:
    """Raise JobError where the rest of the source is to be staged, and is not to be found here."""
    begun = folder.read_manifest().get("directory", "")
    relative = [s for s in job.sources if "://" not in s and not Path(s).is_absolute()]
    if relative and begun != str(Path.cwd()):
        raise JobError(
            f"{relative[0]} is still to be read, and named as seen from {begun}",
            hint=f"cd {begun} && pipeline resume {folder.path}",
        )


def same_source(folder: RunFolder, preparation: Preparation) -> None:
    """Raise LimitError where the source is not the one that the run in *folder* began with."""
    before = folder.read_manifest()["source"]["fingerprint"]
    if preparation.source.fingerprint() != before:
        raise LimitError(
            "the source has changed since this run was begun, and not all of it is staged",
            hint=f"bring the source back and resume; or start a new run. What is staged of "
            f"{folder.path} is not lost, and what was delivered stays so",
        )


@asynccontextmanager
async def exchanger(journey: Journey, terms: Terms) -> AsyncIterator[Exchanger]:
    """Return the way to the API, open for the block. Raises JobError without a connection."""
    if terms.connection is None:
        raise JobError("there is no connection to deliver by")
    for text in caution.notices(journey.job.operation):
        journey.tell(Noticed(text=text))
    delivery = journey.job.delivery
    speed = Speed(
        fixed=None if delivery.concurrency == ADAPTIVE else delivery.concurrency,
        rate=delivery.rate,
        share=delivery.max_share,
    )
    client = Client(
        terms.connection.base_url,
        terms.connection.api_key,
        connections_max=speed.ceiling,
        timeout_s=delivery.timeout_s,
    )
    async with client:
        throttle = Throttle(inner=client.send, clock=terms.clock, tell=journey.tell, speed=speed)
        yield Exchanger(
            send=throttle.send,
            slot=throttle.slot,
            moment=throttle.moment,
            crowded=throttle.crowded,
            at_once=throttle.at_once,
            clock=terms.clock,
            random=random.Random(),
            tell=journey.tell,
            policy=Policy(attempts_max=delivery.attempts_max),
        )


# ── ending ───────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def ending(journey: Journey, terms: Terms) -> Iterator[Run]:
    """Close the books whatever happens in the block, and write down how the run ended.

    What stopped the run is told in the summary, not raised: the run is there to be looked at.
    """
    began = terms.clock.monotonic()
    stopped: PipelineError | None = None
    try:
        yield Run(journey.folder.path)
    except* PipelineError as group:
        stopped = _first(group)
    try:
        journeys.close_books(journey)
    except InvariantBroken as error:
        stopped = error  # whatever else there is to say: rows that do not add up come first
    except PipelineError as error:
        stopped = stopped or error
    seconds = terms.clock.monotonic() - began
    before = journey.folder.read_manifest()
    seconds += float((before.get("summary") or {}).get("seconds", 0))
    summary = summarise(journey, stopped, seconds)
    journey.folder.write_manifest(
        before | {"ended_at": stamp(terms.clock.now()), "summary": summary.to_json()}
    )
    if summary.message:
        journey.tell(Noticed(text=summary.message))


def _first(group: BaseExceptionGroup[PipelineError]) -> PipelineError:
    """Return the first error in *group*, however deep."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, PipelineError):
        raise error
    return error
