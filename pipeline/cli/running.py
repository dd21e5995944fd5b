"""What `run`, `stage`, `push`, `resume` and `demo` have in common: a run watched, stopped, shown.

Opens what a verb is to be given, and shows what it came to; what happens between is the core's.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pipeline.cli import tables
from pipeline.cli.console import Console
from pipeline.cli.signals import stoppable
from pipeline.errors import JobError

if TYPE_CHECKING:
    from pipeline.api import Way
    from pipeline.config.secrets import Connection
    from pipeline.model import Summary
    from pipeline.run import Run
    from pipeline.run_folder import RunFolder
    from pipeline.verbs import Terms

STANDARD_INPUT = "-"


@contextmanager
def watched(console: Console) -> Iterator[dict[str, Any]]:
    """Return what Terms need to show a run and to stop it by a signal, for as long as it runs."""
    with console.listening() as tell, stoppable(console) as started:
        yield {"tell": tell, "started": started, "stream": sys.stdin.buffer}


@contextmanager
def reached(way: Way) -> Iterator[Connection]:
    """Return the connection. Raises JobError for a sandbox that does not start as asked."""
    from pipeline import api
    from pipeline.sandbox.embedded import SandboxFailedError

    try:
        with api.reached(way) as connection:
            yield connection
    except SandboxFailedError as error:
        raise JobError(str(error), hint="`pipeline sandbox --help` shows what it takes") from error


def go_on(
    folder: RunFolder,
    way: Way,
    console: Console,
    verb: Callable[[RunFolder, Terms], Awaitable[Run]],
) -> Run:
    """Let *verb* go on with the run in *folder*; return it when it has ended."""
    from pipeline import api
    from pipeline.verbs import Terms

    with reached(way) as connection, watched(console) as given:
        terms = Terms(runs_dir=folder.path.parents[1], connection=connection, **given)
        return api.blocking(partial(verb, folder, terms))


def end(ctx: click.Context, run: Run, console: Console) -> NoReturn:
    """Show what *run* came to and leave with its exit code."""
    ended = run.ended
    console.give(ended.to_json())
    if ended.exit_code or not console.quiet:
        show(run, ended, console)
    ctx.exit(ended.exit_code)


def show(run: Run, ended: Summary, console: Console) -> None:
    """Print numbers and reasons; what to do now goes to standard error, as its cause has gone."""
    console.say(tables.summary(ended))
    why = tables.reasons(run)
    if why:
        console.say(f"\n{why}")
    if ended.hint:
        console.hint(ended.hint)
