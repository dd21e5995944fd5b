"""What can be done with a job or a run: the verbs of the command line, as functions.

Each says what is done and in which order; `opening` opens and closes what it needs. Never Click,
never print; the notebook's door and the command line both come in here.
"""

from collections.abc import Callable
from contextlib import closing

from pipeline import caution, opening
from pipeline import journey as journeys
from pipeline.config.job import Job
from pipeline.errors import JobError
from pipeline.journey import Journey
from pipeline.ledger import Ledger
from pipeline.model import Status
from pipeline.opening import CONFIRMED, STANDARD_INPUT, Terms
from pipeline.preparation import Preparation
from pipeline.run import Run
from pipeline.run_folder import RunFolder

__all__ = ["Terms", "push", "question", "question_of", "resume", "run", "stage"]


def stage(job: Job, terms: Terms) -> Run:
    """Validate and chunk into a new run folder; send nothing."""
    with opening.new(job, terms) as (journey, preparation), opening.ending(journey, terms) as run:
        journeys.stage(journey, preparation)
    return run


async def run(job: Job, terms: Terms) -> Run:
    """Carry a source all the way, into a new run folder.

    Raises JobError, before anything is done, where a job that destroys is not confirmed.
    """
    caution.insist(question(job, terms), confirmed=terms.confirmed)
    with opening.new(job, terms) as (journey, preparation), opening.ending(journey, terms) as run:
        async with opening.exchanger(journey, terms) as exchanger:
            await journeys.push(journey, exchanger, preparation)
    return run


async def push(folder: RunFolder, terms: Terms) -> Run:
    """Deliver what is staged. Raises JobError when the staging of *folder* is not finished."""
    with opening.known(folder, terms) as journey:
        if journey.rows is None:
            raise JobError(
                f"{folder.path} is not staged to its end",
                hint=f"`pipeline resume {folder.path}` stages the rest and delivers",
            )
        return await _go_on(journey, terms, None)


async def resume(
    folder: RunFolder, terms: Terms, change: Callable[[Job], Job] = lambda job: job
) -> Run:
    """Go on with a run wherever it stopped. *change*: what is to be different from now on.

    Raises LimitError when the source is needed (staging was interrupted) and is not the same.
    """
    with opening.known(folder, terms, change) as journey:
        preparation = None
        if journey.rows is None:
            opening.same_directory(folder, journey.job)
            preparation = Preparation(journey.job)
            opening.same_source(folder, preparation)
        return await _go_on(journey, terms, preparation)


def question(job: Job, terms: Terms) -> caution.Question | None:
    """Return what to ask before *job* is run: None where it destroys nothing. Reads the source."""
    address = terms.connection.base_url if terms.connection else ""
    if not job.operation.destructive:
        return None
    rows = None if STANDARD_INPUT in job.sources else caution.rows_of(job, terms.frame)
    return caution.Question(operation=job.operation, rows=rows, address=address)


def question_of(folder: RunFolder, terms: Terms) -> caution.Question | None:
    """Return what to ask before the rest of a run is delivered; None where nothing need be asked.

    A run that was confirmed when it began goes on without being asked again.
    """
    manifest = folder.read_manifest()
    operation = Job.from_json(manifest["job"]).operation
    if not operation.destructive or manifest.get(CONFIRMED):
        return None
    with closing(Ledger.open(folder.ledger, readonly=True)) as ledger:
        rows = ledger.totals().of(Status.PENDING)
    address = terms.connection.base_url if terms.connection else ""
    return caution.Question(operation=operation, rows=rows, address=address)


async def _go_on(journey: Journey, terms: Terms, preparation: Preparation | None) -> Run:
    caution.insist(question_of(journey.folder, terms), confirmed=terms.confirmed)
    if terms.confirmed:
        journey.folder.write_manifest(journey.folder.read_manifest() | {CONFIRMED: True})
    with opening.ending(journey, terms) as run:
        journeys.recover(journey)
        async with opening.exchanger(journey, terms) as exchanger:
            await journeys.push(journey, exchanger, preparation)
    return run
