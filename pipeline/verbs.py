"""What can be done with a job or a run: the verbs of the command line, as functions.

Each says what is done and in which order; `opening` opens and closes what it needs. Never Click,
never print; the notebook's door and the command line both come in here.
"""

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from anyio import to_thread
from msgspec.structs import replace

from pipeline import caution, opening
from pipeline import journey as journeys
from pipeline.config.job import STANDARD_INPUT, Job
from pipeline.errors import JobError, LimitError
from pipeline.history import family, story
from pipeline.history import retry as retries
from pipeline.history.retry import Choice, Chosen
from pipeline.history.story import Story
from pipeline.journey import Journey
from pipeline.ledger import ROWS, Ledger
from pipeline.model import Status
from pipeline.opening import CONFIRMED, Change, Terms, unchanged
from pipeline.preparation import Preparation
from pipeline.run import Run
from pipeline.run_folder import RunFolder

__all__ = [
    "Choice",
    "Chosen",
    "Story",
    "Terms",
    "choose",
    "explain",
    "push",
    "question",
    "question_of",
    "resume",
    "retry",
    "run",
    "settle_doubts",
    "stage",
]
EVERYTHING = Choice()


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


async def push(folder: RunFolder, terms: Terms, change: Change = unchanged) -> Run:
    """Deliver what is staged. *change*: what is to be different from now on.

    Raises JobError when the staging of *folder* is not finished.
    """
    with opening.known(folder, terms, change) as journey:
        if journey.rows is None:
            raise JobError(
                f"{folder.path} is not staged to its end",
                hint=f"`pipeline resume {folder.path}` stages the rest and delivers",
            )
        return await _go_on(journey, terms, None)


async def resume(folder: RunFolder, terms: Terms, change: Change = unchanged) -> Run:
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


async def retry(
    folder: RunFolder,
    terms: Terms,
    choice: Choice = EVERYTHING,
    job: Job | None = None,
    *,
    change: Change = unchanged,
) -> Run:
    """Send rows that did not arrive again, in a new run that knows the one in *folder*.

    change: what is to be different. job: a mended one for the same operation; then rows that were
    never sent are sent too, unless *choice* names others. Rows in whose place later ones stand are
    `superseded`. Raises JobError when nothing is left to be chosen, RunError while another retry
    of them is not finished.
    """
    if job is not None:
        choice = await _with_rest(folder, terms, choice)
    operation = (job or Run(folder.path).job).operation
    if operation.destructive:
        asked = caution.Question(operation=operation, rows=None, address=terms.address)
        caution.insist(asked, confirmed=terms.confirmed)
    with (
        opening.again(folder, choice, job, change, terms) as (journey, preparation),
        opening.ending(journey, terms) as run,
    ):
        async with opening.exchanger(journey, terms) as exchanger:
            await journeys.push(journey, exchanger, preparation)
    return run


def choose(folder: RunFolder, choice: Choice = EVERYTHING, job: Job | None = None) -> Chosen:
    """Say what `retry` would send; nothing is sent, and nothing is kept."""
    with TemporaryDirectory(prefix="pipeline-") as scratch:
        choice = replace(choice, pending=job is not None)
        return retries.select(folder, choice, job, Path(scratch)).told()


def explain(folder: RunFolder, row: int, source: str | None = None) -> Story:
    """Tell the story of one row. Raises JobError where there is none, or one in several files."""
    return story.tell(folder, row, source)


async def settle_doubts(folder: RunFolder, terms: Terms) -> Run:
    """Ask the API about rows in doubt, where it can be asked; send none."""
    with opening.known(folder, terms) as journey, opening.ending(journey, terms) as run:
        journeys.recover(journey)
        async with opening.exchanger(journey, terms) as exchanger:
            await journeys.inquire(journey, exchanger).settle()
    return run


async def _with_rest(folder: RunFolder, terms: Terms, choice: Choice) -> Choice:
    """Return *choice* with the rows never sent; what is not staged of the source is staged now.

    Rows that another retry has taken over are that one's.
    """
    with closing(Ledger.open(folder.ledger, readonly=True)) as ledger:
        is_staged = ledger.fact(ROWS) is not None
        is_taken = ledger.fact(family.TAKEN_OVER) is not None
    if is_staged or is_taken:
        return replace(choice, pending=not is_taken)
    with opening.known(folder, terms) as journey:
        opening.same_directory(folder, journey.job)
        preparation = Preparation(journey.job)
        opening.same_source(folder, preparation)
        with opening.ending(journey, terms) as run:
            journeys.recover(journey)
            await to_thread.run_sync(journeys.stage, journey, preparation)
        if journey.rows is None:
            raise LimitError(run.ended.message, hint=run.ended.hint)
    return replace(choice, pending=True)


def question(job: Job, terms: Terms) -> caution.Question | None:
    """Return what to ask before *job* is run: None where it destroys nothing. Reads the source."""
    if not job.operation.destructive:
        return None
    rows = None if STANDARD_INPUT in job.sources else caution.rows_of(job, terms.frame)
    return caution.Question(operation=job.operation, rows=rows, address=terms.address)


def question_of(folder: RunFolder, terms: Terms) -> caution.Question | None:
    """Return what to ask before the rest of a run is delivered; None where nothing need be asked.

    A confirmed run goes on at the address that it was confirmed for without being asked again.
    """
    manifest = folder.read_manifest()
    operation = Job.from_json(manifest["job"]).operation
    if not operation.destructive or manifest.get(CONFIRMED) == terms.address:
        return None
    with closing(Ledger.open(folder.ledger, readonly=True)) as ledger:
        rows = ledger.totals().of(Status.PENDING)
    return caution.Question(operation=operation, rows=rows, address=terms.address)


async def _go_on(journey: Journey, terms: Terms, preparation: Preparation | None) -> Run:
    opening.check_taken_over(journey)
    caution.insist(question_of(journey.folder, terms), confirmed=terms.confirmed)
    if terms.confirmed:
        journey.folder.write_manifest(journey.folder.read_manifest() | {CONFIRMED: terms.address})
    with opening.ending(journey, terms) as run:
        journeys.recover(journey)
        async with opening.exchanger(journey, terms) as exchanger:
            await journeys.push(journey, exchanger, preparation)
    return run
