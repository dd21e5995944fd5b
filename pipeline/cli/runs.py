"""`runs`, `status`, `explain`, `resume`: what has been run, how it stands, and going on with it.

Reads run folders, also while another process writes them; changes nothing but by `resume`.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import asdict

from pipeline.cli import options, tables
from pipeline.cli.console import Console
from pipeline.cli.importing import importing
from pipeline.cli.running import changed, end, gone_on, typed
from pipeline.errors import JobError, PipelineError
from pipeline.model import Status

if TYPE_CHECKING:
    from pipeline.cli.options import Way
    from pipeline.model import Summary
    from pipeline.run import Run
    from pipeline.run_folder import RunFolder

RUNS = """\b
Examples:
  pipeline runs
  pipeline runs --runs-dir /var/lib/loads --json
  pipeline runs --purge-row 00042 --purge-row 00043
"""
STATUS = """\b
Examples:
  pipeline status last
  pipeline status 2026-11-23T02 --json
"""
RESUME = """\b
Examples:
  pipeline resume last
  pipeline resume last --max-refused 5% --rate 100/s
"""
EXPLAIN = """\b
Examples:
  pipeline explain last --row 4711
  pipeline explain last --row 3 --source exports/june.csv --json
"""
ENDED = (0, 1)
"""Exit codes of a run that went to the end of what it was asked for."""
STATES = {
    "running": "running",
    "finished": "finished",
    "staged": "staged, not delivered",
    "interrupted": "interrupted, can be resumed",
    "unreadable": "unreadable",
}
RARE = ("unchanged", "superseded")
"""Statuses that most runs have none of."""


@click.command(epilog=RUNS)
@click.option(
    "--purge-row",
    "people",
    multiple=True,
    metavar="KEY",
    help="Empty the rows of this integration id in every run. Repeatable.",
)
@options.RUNS_DIR
@options.YES
@options.output
@click.pass_context
def runs(
    ctx: click.Context,
    /,
    *,
    people: tuple[str, ...],
    runs_dir: Path | None,
    yes: bool,
    console: Console,
) -> None:
    """List all runs, the newest first.

    With --purge-row, take people out of them instead: what an erasure leaves behind on this disk.
    A row of theirs stays, with its numbers and its status and nothing else. Asks first. Exit code
    1 when a run was left as it is: it is in use, or has rows still to be sent.
    """
    from pipeline import run_folder
    from pipeline.config.job import runs_dir as place

    where = place(runs_dir, os.environ)
    if people:
        ctx.exit(_purge(where, people, console, yes=yes))
    found = [_facts(folder) for folder in run_folder.all_runs(where)]
    console.give({"runs_dir": str(where), "runs": found})
    if found:
        console.say(tables.table(*_listed(found)))
    else:
        console.say(f"no runs in {where}")


def _purge(where: Path, people: tuple[str, ...], console: Console, *, yes: bool) -> int:
    """Take *people* out of all runs below *where*; return the exit code."""
    from pipeline.clock import SystemClock
    from pipeline.history import purge

    question = (
        f"All that the runs in {where} hold of {len(people):,} integration id(s) will be emptied: "
        "sources that were kept, rows, results. Nothing here can bring it back"
    )
    if not (yes or typed(question, "purge")):
        raise JobError(f"{question}, and nobody has confirmed it", hint="confirm it with --yes")
    report = purge.purge(where, people, now=SystemClock().now())
    code = 1 if report.left else 0
    runs = [{"folder": str(run.folder), "rows": run.rows, "left": run.left} for run in report.runs]
    console.give({"runs_dir": str(where), "rows": report.rows, "runs": runs, "exit_code": code})
    touched = [(f"{run.rows:,}", str(run.folder)) for run in report.runs if run.rows]
    if touched:
        console.say(f"{tables.table(('rows', 'emptied in'), touched)}\n")
    console.say(f"{report.rows:,} row(s) emptied, in {len(touched):,} of {len(runs):,} run(s)")
    for run in report.left:
        console.warn(f"left as it is: {run.folder}: {run.left}")
    return code


@click.command(epilog=STATUS)
@options.folder
@options.output
def status(*, folder: RunFolder, console: Console) -> None:
    """Show how a run stands, also while it is running.

    RUN is a run folder, the id of a run or its beginning, or `last`. Exit code 0, whatever became
    of the run: its own is shown.
    """
    from pipeline.run import Run
    from pipeline.run_folder import holder_of

    run = Run(folder.path)
    ended, holder, reasons = run.ended, holder_of(folder.path), run.reasons
    state = _state(ended.to_json(), holder)
    console.give(
        {
            **ended.to_json(),
            "state": state,
            "held_by": holder or None,
            "started_at": run.manifest.get("started_at"),
            "reasons": list(reasons.head(tables.REASONS_SHOWN).iter_rows(named=True)),
        }
    )
    console.say(tables.summary(ended))
    console.say(tables.facts([("state", STATES[state]), ("held by", holder)]))
    if not holder:
        console.say(tables.facts([("exit code", str(ended.exit_code)), ("because", ended.message)]))
        console.say(tables.facts([("next", ended.hint), ("in doubt", _doubts(run, ended))]))
    why = tables.reasons(reasons)
    if why:
        console.say(f"\n{why}")
    console.say(f"\n{tables.facts(_paths(folder))}")


@click.command(epilog=RESUME)
@options.folder
@options.changes
@options.way
@options.output
@click.pass_context
def resume(
    ctx: click.Context, *, folder: RunFolder, changes: dict[str, Any], way: Way, console: Console
) -> None:
    """Go on with an interrupted run, wherever it stopped.

    What is delivered is not sent again. RUN is a run folder, the id of a run or its beginning, or
    `last`. The options that say how fast it sends and how much may go wrong hold from now on.
    """
    with importing():
        from pipeline import verbs

    verb = partial(verbs.resume, change=partial(changed, changes=changes))
    end(ctx, gone_on(folder, way, console, verb), console, way)


@click.command(epilog=EXPLAIN)
@options.folder
@click.option(
    "--row",
    type=click.IntRange(min=1),
    metavar="N",
    required=True,
    help="Number of the row in its file, from 1, the header not counted: `row` of the results.",
)
@click.option(
    "--source", metavar="FILE", help="Of several: the file of the row, `source` of the results."
)
@options.output
def explain(*, folder: RunFolder, row: int, source: str | None, console: Console) -> None:
    """Tell the story of one row: source, reasons, requests, answers.

    And what later retries of RUN made of it. Nothing is sent. RUN is a run folder, the id of a run
    or its beginning, or `last`.
    """
    with importing():
        from pipeline import verbs

    story = verbs.explain(folder, row, source)
    console.give(asdict(story))
    for line in story.lines():
        console.say(line)


def _facts(folder: RunFolder) -> dict[str, Any]:
    """Return what the list says of a run; of one that cannot be read, why."""
    from pipeline.run import Run
    from pipeline.run_folder import holder_of

    try:
        run = Run(folder.path)
        ended, manifest = run.ended, run.manifest
    except PipelineError as error:
        known = {"run": folder.id, "folder": str(folder.path), "state": "unreadable"}
        return known | {"message": str(error)}
    facts = ended.to_json()
    return {
        **facts,
        "state": _state(facts, holder_of(folder.path)),
        "started_at": manifest.get("started_at"),
        "not_delivered": tables.not_delivered(ended),
    }


def _listed(found: list[dict[str, Any]]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return the head of the list and its lines; what is rare has a column only where it is."""
    rare = [name for name in RARE if any(facts.get(name) for facts in found)]
    counts = ["rows", "delivered", *rare, "not_delivered", "pending"]
    head = ["run", "operation", "started", *counts, "state"]
    return [name.replace("_", " ") for name in head], [_line(facts, counts) for facts in found]


def _line(facts: dict[str, Any], counts: list[str]) -> tuple[str, ...]:
    if facts["state"] == "unreadable":
        return (facts["run"], *("" for _ in ("operation", "started", *counts)), facts["message"])
    state = STATES[facts["state"]]
    if facts["state"] != "running":
        state += f" (exit {facts['exit_code']})"
    numbers = (f"{facts[name]:,}" for name in counts)
    return (facts["run"], facts["operation"], facts["started_at"] or "", *numbers, state)


def _state(facts: dict[str, Any], holder: str) -> str:
    if holder:
        return "running"
    if facts["exit_code"] not in ENDED:
        return "interrupted"
    return "staged" if facts["pending"] else "finished"


def _doubts(run: Run, ended: Summary) -> str:
    """Return what a person can do about rows in doubt when all else is done; "" without any."""
    rows = ended.totals.of(Status.IN_DOUBT)
    if not rows:
        return ""
    again = f"`pipeline retry {run.folder} --in-doubt` sends them once more"
    return f"{rows:,} row(s) were sent and may have arrived; {again}, perhaps for the second time"


def _paths(folder: RunFolder) -> list[tuple[str, str]]:
    """Return where to look further: what is there, each with what it holds."""
    places = (
        ("results", folder.results, "a Parquet part each, one row per source row"),
        ("failures", folder.failures, "the rows to mend, and why"),
        ("log", folder.log, "a JSON object a line"),
    )
    return [(name, f"{path}  ({what})") for name, path, what in places if path.exists()]
