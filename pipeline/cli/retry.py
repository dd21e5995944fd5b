"""`retry`: rows that did not arrive, sent again in a run of their own.

Which rows are meant is typed here; which of them may be sent is the core's to say.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import options, tables
from pipeline.cli.console import Console
from pipeline.cli.importing import importing
from pipeline.cli.running import carried, changed, end, typed
from pipeline.errors import JobError

if TYPE_CHECKING:
    from pipeline.caution import Question
    from pipeline.cli.options import Way
    from pipeline.config.job import Job
    from pipeline.run_folder import RunFolder
    from pipeline.verbs import Choice, Chosen, Terms

EPILOG = """\b
Examples:
  pipeline retry last --dry-run
  pipeline retry last --where 404
  pipeline retry last --where "unknown attribute" --job mended.toml
  pipeline retry last --where rejected --limit 100
  pipeline retry last --in-doubt      those that may have arrived: asks first
"""
IN_DOUBT = "in_doubt"


@click.command(epilog=EPILOG)
@options.folder
@click.option(
    "--where",
    metavar="STATUS|TEXT",
    default="",
    help="rejected, refused, failed, in_doubt; an HTTP status; words of the error.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="N rows at most.")
@click.option(
    "--job",
    "mended",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="JOB",
    help="A mended job file: its mapping is used, its source is not.",
)
@click.option(
    "--in-doubt", is_flag=True, help="Rows in doubt are meant, though they may arrive twice."
)
@click.option("--dry-run", is_flag=True, help="Show which rows it would send; send none.")
@options.speed
@options.way
@options.output
@click.pass_context
def retry(  # noqa: PLR0913 - its options, each by its name
    ctx: click.Context,
    *,
    folder: RunFolder,
    where: str,
    limit: int | None,
    mended: Path | None,
    in_doubt: bool,
    dry_run: bool,
    changes: dict[str, Any],
    way: Way,
    console: Console,
) -> None:
    """Send rows that did not arrive again.

    A new run, of the rows of RUN that were rejected, refused or failed; with --job also of those
    that were never sent. A row whose key was delivered later is not sent: it is superseded. Rows
    in doubt are sent only with --in-doubt, which asks first or needs --yes.

    RUN is a run folder, the id of a run or its beginning, or `last`.
    """
    with importing():
        from pipeline import verbs
        from pipeline.config.toml import Overrides, load_job

    where = where or (IN_DOUBT if in_doubt else "")
    choice = verbs.Choice(where=where, limit=limit, in_doubt=in_doubt)
    job = load_job(mended, Overrides()) if mended else None
    if dry_run:
        _show(verbs.choose(folder, choice, job), console)
        return
    if in_doubt:
        _check_meant(verbs.choose(folder, choice, job), yes=way.yes)
    terms = verbs.Terms(runs_dir=folder.path.parents[1])
    question = partial(_question, folder, choice, job)
    change = partial(changed, changes=changes)
    verb = partial(verbs.retry, folder, choice=choice, job=job, change=change)
    end(ctx, carried(way, console, terms, question, verb), console, way)


def _question(folder: RunFolder, choice: Choice, job: Job | None, terms: Terms) -> Question | None:
    """Return what to ask where the rows of *folder* are for an operation that destroys."""
    from pipeline import verbs
    from pipeline.caution import Question
    from pipeline.run import Run

    operation = (job or Run(folder.path).job).operation
    if not operation.destructive or terms.connection is None:
        return None
    rows = verbs.choose(folder, choice, job).rows
    return Question(operation=operation, rows=rows, address=terms.connection.base_url)


def _check_meant(chosen: Chosen, *, yes: bool) -> None:
    """Raise JobError where nobody says that rows in doubt are to be sent once more."""
    question = f"{chosen.rows:,} row(s) of run {chosen.parent} may have arrived, and then do twice"
    if not (yes or typed(question, "twice")):
        raise JobError(
            f"{question}; nobody has confirmed it, and nothing was done",
            hint="`pipeline resume RUN` asks the API about them; --yes confirms",
        )


def _show(chosen: Chosen, console: Console) -> None:
    examples = [_example(row) for row in chosen.examples.iter_rows(named=True)]
    console.give(
        {
            "parent": chosen.parent,
            "rows": chosen.rows,
            "superseded": chosen.superseded,
            "left": chosen.left,
            "reasons": list(chosen.reasons.iter_rows(named=True)),
            "examples": examples,
        }
    )
    left = f", {chosen.left:,} left alone (unreadable, or sent by another retry)"
    console.say(
        f"of run {chosen.parent} would be sent again: {chosen.rows:,} row(s); "
        f"{chosen.superseded:,} superseded{left if chosen.left else ''}"
    )
    reasons = [
        (f"{rows:,}", status.replace("_", " "), title or "")
        for status, title, rows in chosen.reasons.iter_rows()
    ]
    if reasons:
        console.say(f"\n{tables.table(('rows', 'status', 'reason'), reasons)}")
        console.say(f"\nthe first of them:\n{tables.rejected(examples)}")


def _example(row: dict[str, Any]) -> dict[str, Any]:
    """Return one failure as a line of a table of rejected rows."""
    reasons = row["_reasons"] or [row["_error_title"] or row["_status"]]
    return {"row": row["_row"], "file": row["_file"], "line": row["_line"], "reasons": reasons}
