"""What a run has come to, in an exit code and words: what happened, and what can be done now.

Reads the books of a journey; changes nothing.
"""

from pipeline.errors import PipelineError
from pipeline.journey import Journey
from pipeline.model import Status, Summary, Totals
from pipeline.operations import Repeat
from pipeline.run import GOOD
from pipeline.stages.results import FAILED


def summarise(journey: Journey, stopped: PipelineError | None, seconds: float) -> Summary:
    """Return what the run has come to, with the exit code of DESIGN §10."""
    totals = journey.ledger.totals()
    code, message, hint = _verdict(journey, totals)
    if stopped is not None:
        code, message = stopped.exit_code, str(stopped)
        hint = stopped.hint.replace(" RUN", f" {journey.folder.path}")
    return Summary(
        run=journey.folder.id,
        folder=str(journey.folder.path),
        operation=journey.job.operation.name,
        totals=totals,
        seconds=seconds,
        exit_code=code,
        message=message,
        hint=hint,
    )


def _verdict(journey: Journey, totals: Totals) -> tuple[int, str, str]:
    """Return exit code, message and hint of a run that went to its end."""
    if totals.of(Status.PENDING):
        return 0, "", ""
    bad = totals.rows - sum(totals.of(status) for status in GOOD)
    if not bad:
        return 0, "", ""
    words = f"{bad:,} of {totals.rows:,} rows did not arrive"
    tolerated = journey.job.limits.tolerate
    if tolerated is not None and tolerated.allows(bad, totals.rows):
        return 0, f"{words}; the job tolerates {tolerated}", ""
    return 1, words, _next(journey, totals)


def _next(journey: Journey, totals: Totals) -> str:
    """Return what can be done about rows that did not arrive."""
    operation, folder = journey.job.operation, journey.folder
    moves = []
    if bad := sum(totals.of(status) for status in FAILED):
        moves.append(
            f"failures.parquet has {bad:,} of them with their reasons; `pipeline retry "
            f"{folder.path}` sends them again, with --job MENDED by a mended job"
        )
    if doubts := totals.of(Status.IN_DOUBT):
        rows = f"{doubts:,} row{'s' if doubts > 1 else ''}"
        if operation.evidence:
            words = f"`pipeline resume {folder.path}` asks the API about {rows} in doubt"
        elif operation.repeat is Repeat.KEYED:
            words = (
                f"`pipeline resume {folder.path}` repeats {rows} in doubt under their "
                "keys, within 23 hours of the first try"
            )
        else:
            words = (
                f"the API cannot be asked about {rows} in doubt: look in the account for the keys "
                "and times that the results have"
            )
        moves.append(words)
    return "; ".join(moves)
