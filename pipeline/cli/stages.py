"""`preview`, `validate`, `stage`, `push`, `run`: a job, as far as one wants it to go.

Each command calls the verb of its name and shows what it returns.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import options, tables
from pipeline.cli.console import Console
from pipeline.cli.importing import importing
from pipeline.cli.running import carried, changed, end, gone_on, watched
from pipeline.errors import JobError

if TYPE_CHECKING:
    from pipeline.cli.options import Way
    from pipeline.config.job import Job
    from pipeline.looking import Validation
    from pipeline.model import Request
    from pipeline.run_folder import RunFolder

ROWS_PREVIEWED = 5
EXAMPLES_SHOWN = 20

PREVIEW = """\b
Examples:
  pipeline preview config/profiles.toml
  pipeline preview customers.csv --to profiles --map integrationId=customer_id -n 2
"""
VALIDATE = """\b
Examples:
  pipeline validate config/messy.toml
  pipeline validate config/messy.toml --json
"""
STAGE = """\b
Examples:
  pipeline stage config/profiles.toml
  pipeline push last
"""
PUSH = """\b
Examples:
  pipeline push last
  pipeline push runs/profiles/2026-11-23T02-00-00Z-7f3a --sandbox
"""
RUN = """\b
Examples:
  pipeline run config/profiles.toml --sandbox
  pipeline run customers.csv --to profiles --map integrationId=customer_id
  pipeline run config/profiles.toml --first 100      a canary: then look, then resume
  pipeline run config/profiles.toml --stop-after 2h
  pipeline run config/profiles.toml --sandbox --like account.toml      a rehearsal
  zcat customers.csv.gz | pipeline run - --to profiles --map integrationId=customer_id
"""


@click.command(epilog=PREVIEW)
@options.job
@click.option(
    "-n",
    "rows",
    type=click.IntRange(min=1),
    default=ROWS_PREVIEWED,
    show_default=True,
    metavar="N",
    help="So many rows of the source.",
)
@options.output
def preview(*, job: Job, rows: int, console: Console) -> None:
    """Show the first rows as the API would get them.

    And what is wrong with those that it would not get.
    Nothing is written and nothing sent; no address and no key is needed.
    """
    with importing():
        from pipeline import looking

    _check_rereadable(job)
    seen = looking.preview(job, rows=rows)
    rejected = _rejected(seen.rejected)
    console.give(
        {
            "rows_read": seen.rows_read,
            "requests": [_request(request) for request in seen.requests],
            "rejected": rejected,
        }
    )
    for request in seen.requests:
        console.say(f"{request.method} {request.target}")
        console.say(_pretty(request))
        console.say()
    good = seen.rows_read - len(rejected)
    console.say(
        f"{good:,} of the first {seen.rows_read:,} rows, in {len(seen.requests):,} request(s)"
    )
    if rejected:
        console.say(f"\nrejected:\n{tables.rejected(rejected)}")


@click.command(epilog=VALIDATE)
@options.job
@options.output
@click.pass_context
def validate(ctx: click.Context, *, job: Job, console: Console) -> None:
    """Check every row; write and send nothing.

    Exit code 0 when every row would be sent, else 1. No address and no key is needed.
    """
    with importing():
        from pipeline import looking

    _check_rereadable(job)
    with console.listening() as tell:
        found = looking.validate(job, tell=tell, examples=EXAMPLES_SHOWN)
    code = 1 if found.rejected else 0
    console.give(
        {
            "rows": found.rows,
            "rejected": found.rejected,
            "reasons": list(found.reasons.iter_rows(named=True)),
            "examples": _rejected(found.examples),
            "exit_code": code,
        }
    )
    if code or not console.quiet:
        _show_validation(found, console)
    ctx.exit(code)


@click.command(epilog=STAGE)
@options.job
@options.output
@click.pass_context
def stage(ctx: click.Context, *, job: Job, console: Console) -> None:
    """Validate and chunk into a new run folder; send nothing.

    What is staged is what `push` delivers, today or tomorrow; it needs the source no more.
    """
    with importing():
        from pipeline import api, verbs

    with watched(console) as given:
        run = verbs.stage(job, api.terms(job, **given))
    end(ctx, run, console)


@click.command(epilog=RUN)
@options.job
@options.sending
@options.way
@options.output
@click.pass_context
def run(ctx: click.Context, *, job: Job, way: Way, console: Console) -> None:
    """Read, check, stage and deliver: all at once.

    Every row has a result in the end, in the run folder that the summary names.
    Stops tidily on Ctrl-C: what is in flight is finished, and `pipeline resume` goes on.

    An operation that destroys asks first; where there is no terminal to ask at, it needs --yes.
    """
    with importing():
        from pipeline import api, verbs

    question, verb = partial(verbs.question, job), partial(verbs.run, job)
    end(ctx, carried(way, console, api.terms(job), question, verb), console, way)


@click.command(epilog=PUSH)
@options.folder
@options.speed
@options.way
@options.output
@click.pass_context
def push(
    ctx: click.Context, *, folder: RunFolder, changes: dict[str, Any], way: Way, console: Console
) -> None:
    """Deliver what is staged in RUN.

    RUN is a run folder, the id of a run or its beginning, or `last`. The options that say how fast
    it sends hold from now on.
    """
    with importing():
        from pipeline import verbs

    verb = partial(verbs.push, change=partial(changed, changes=changes))
    end(ctx, gone_on(folder, way, console, verb), console, way)


def _check_rereadable(job: Job) -> None:
    """Raise JobError for standard input: once looked at, it would be gone."""
    from pipeline.config.job import STANDARD_INPUT

    if STANDARD_INPUT in job.sources:
        raise JobError(
            "standard input can be read only once, by `run` or `stage`",
            hint="save it to a file, and name that",
        )


def _show_validation(found: Validation, console: Console) -> None:
    reasons = [
        (f"{rows:,}", f"{first:,}", reason) for reason, rows, first in found.reasons.iter_rows()
    ]
    console.say(f"{found.rows:,} rows read, {found.rejected:,} rejected")
    if reasons:
        console.say(f"\n{tables.table(('rows', 'first row', 'reason'), reasons[:EXAMPLES_SHOWN])}")
        console.say(f"\nthe first of them:\n{tables.rejected(_rejected(found.examples))}")


def _rejected(frame: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a polars frame
    """Return the rejected rows of *frame*: where they stand and all that is wrong with them."""
    columns = ("row", "file", "line", "reasons")
    return [dict(zip(columns, line, strict=True)) for line in frame.select(columns).iter_rows()]


def _request(request: Request) -> dict[str, object]:
    body = None if request.body is None else json.loads(request.body)
    return {"method": request.method, "target": request.target, "body": body}


def _pretty(request: Request) -> str:
    if request.body is None:
        return "(no body)"
    return json.dumps(json.loads(request.body), indent=2, ensure_ascii=False)
