"""`runs`, `status`, `resume`: what has been run, how it stands, and going on with it.

Reads run folders, also while another process writes them; changes nothing but by `resume`.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import options, tables
from pipeline.cli.console import Console
from pipeline.cli.running import end, go_on
from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from pipeline.config.job import Job
    from pipeline.run_folder import RunFolder

RUNS = """\b
Examples:
  pipeline runs
  pipeline runs --runs-dir /var/lib/loads --json
"""
STATUS = """\b
Examples:
  pipeline status last
  pipeline status 2026-11-23T02 --json
"""
RESUME = """\b
Examples:
  pipeline resume last
  pipeline resume last --max-refused 5%
"""
ENDED = (0, 1)
"""Exit codes of a run that went to the end of what it was asked for."""
LOCK_BYTES_MAX = 1000
STATES = {
    "running": "running",
    "finished": "finished",
    "staged": "staged, not delivered",
    "interrupted": "interrupted, can be resumed",
    "unreadable": "unreadable",
}
HEAD = ("run", "operation", "started", "rows", "delivered", "not delivered", "pending", "state")


@click.command(epilog=RUNS)
@options.RUNS_DIR
@options.output
def runs(*, runs_dir: Path | None, console: Console) -> None:
    """List all runs, the newest first."""
    from pipeline import run_folder
    from pipeline.config.job import runs_dir as place

    where = place(runs_dir, os.environ)
    found = [_facts(folder) for folder in run_folder.all_runs(where)]
    console.give({"runs_dir": str(where), "runs": found})
    if found:
        console.say(tables.table(HEAD, [_line(facts) for facts in found]))
    else:
        console.say(f"no runs in {where}")


@click.command(epilog=STATUS)
@options.folder
@options.output
def status(*, folder: RunFolder, console: Console) -> None:
    """Show how a run stands, also while it is running.

    RUN is a run folder, the id of a run or its beginning, or `last`. Exit code 0, whatever became
    of the run: its own is shown.
    """
    from pipeline.run import Run

    run = Run(folder.path)
    ended, holder = run.ended, _holder(folder)
    state = _state(ended.to_json(), holder)
    console.give(
        {
            **ended.to_json(),
            "state": state,
            "held_by": holder or None,
            "started_at": run.manifest.get("started_at"),
            "reasons": list(run.reasons.head(tables.REASONS_SHOWN).iter_rows(named=True)),
        }
    )
    console.say(tables.summary(ended))
    console.say(tables.facts([("state", STATES[state]), ("held by", holder)]))
    if not holder:
        console.say(tables.facts([("exit code", str(ended.exit_code)), ("because", ended.message)]))
        console.say(tables.facts([("next", ended.hint)]))
    why = tables.reasons(run)
    if why:
        console.say(f"\n{why}")
    console.say(f"\n{tables.facts(_paths(folder))}")


@click.command(epilog=RESUME)
@options.folder
@options.changes
@options.way
@options.YES
@options.output
@click.pass_context
def resume(
    ctx: click.Context,
    /,
    *,
    folder: RunFolder,
    changes: dict[str, Any],
    console: Console,
    **reaching: Any,  # noqa: ANN401 - way and yes, for `go_on`
) -> None:
    """Go on with an interrupted run, wherever it stopped.

    What is delivered is not sent again. RUN is a run folder, the id of a run or its beginning, or
    `last`. The options that say how much may go wrong hold from now on.
    """
    from pipeline import verbs

    verb = partial(verbs.resume, change=partial(_changed, changes=changes))
    end(ctx, go_on(folder, console=console, verb=verb, **reaching), console)


def _changed(job: Job, changes: dict[str, Any]) -> Job:
    """Return *job* with what the command line says anew; None says nothing."""
    said = {name: value for name, value in changes.items() if value is not None}
    concurrency = said.pop("concurrency", job.delivery.concurrency)
    return replace(
        job,
        limits=replace(job.limits, **said),
        delivery=replace(job.delivery, concurrency=concurrency),
    )


def _facts(folder: RunFolder) -> dict[str, Any]:
    """Return what the list says of a run; of one that cannot be read, why."""
    from pipeline.run import Run

    try:
        run = Run(folder.path)
        ended, manifest = run.ended, run.manifest
    except PipelineError as error:
        known = {"run": folder.id, "folder": str(folder.path), "state": "unreadable"}
        return known | {"message": str(error)}
    facts = ended.to_json()
    return {
        **facts,
        "state": _state(facts, _holder(folder)),
        "started_at": manifest.get("started_at"),
        "not_delivered": tables.not_delivered(ended),
    }


def _line(facts: dict[str, Any]) -> tuple[str, ...]:
    if facts["state"] == "unreadable":
        return (facts["run"], "", "", "", "", "", "", facts["message"])
    counts = [f"{facts[name]:,}" for name in ("rows", "delivered", "not_delivered", "pending")]
    state = STATES[facts["state"]]
    if facts["state"] != "running":
        state += f" (exit {facts['exit_code']})"
    return (facts["run"], facts["operation"], facts["started_at"] or "", *counts, state)


def _state(facts: dict[str, Any], holder: str) -> str:
    if holder:
        return "running"
    if facts["exit_code"] not in ENDED:
        return "interrupted"
    return "staged" if facts["pending"] else "finished"


def _holder(folder: RunFolder) -> str:
    """Return who holds the run, in the words of its lock; "" when nobody does."""
    from pipeline.run_folder import LOCK

    try:
        with (folder.path / LOCK).open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return lock.read(LOCK_BYTES_MAX).decode(errors="replace") or "another process"
    except OSError:
        pass
    return ""


def _paths(folder: RunFolder) -> list[tuple[str, str]]:
    """Return where to look further: what is there, each with what it holds."""
    places = (
        ("results", folder.results, "a Parquet part each, one row per source row"),
        ("failures", folder.failures, "the rows to mend, and why"),
        ("log", folder.log, "a JSON object a line"),
    )
    return [(name, f"{path}  ({what})") for name, path, what in places if path.exists()]
