"""What `run`, `stage`, `push`, `resume` and `demo` have in common: a run watched, stopped, shown.

Opens what a verb is to be given, and shows what it came to; what happens between is the core's.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import click
from msgspec.structs import replace

from pipeline.cli import tables
from pipeline.cli.console import KEYS, Console
from pipeline.cli.signals import stoppable
from pipeline.errors import JobError

if TYPE_CHECKING:
    from pipeline import api
    from pipeline.caution import Question
    from pipeline.cli.options import Way
    from pipeline.config.job import Job
    from pipeline.config.secrets import Connection
    from pipeline.model import Summary
    from pipeline.run import Run
    from pipeline.run_folder import RunFolder
    from pipeline.sandbox.embedded import Embedded
    from pipeline.verbs import Terms


@contextmanager
def watched(console: Console) -> Iterator[dict[str, Any]]:
    """Return what Terms need to show a run and to stop it by a signal, for as long as it runs."""
    with console.listening() as tell, stoppable(console) as started:
        yield {"tell": tell, "started": started, "stream": sys.stdin.buffer}


@contextmanager
def reached(way: Way) -> Iterator[Connection]:
    """Return the connection; a sandbox lives as long as the block.

    Raises JobError for an address or a key that is not known, a sandbox that does not start.
    """
    from pipeline import api

    if way.account is None:
        with api.reached(api.Way(base_url=way.base_url, insecure=way.insecure)) as connection:
            yield connection
        return
    from pipeline.sandbox.embedded import Embedded, SandboxFailedError

    account = way.account
    sandbox = Embedded(faults=account.faults, options=account.options, seed=account.seed)
    try:
        with sandbox, api.reached(_to(sandbox)) as connection:
            yield connection
    except SandboxFailedError as error:
        raise JobError(str(error), hint="`pipeline sandbox --help` shows what it takes") from error


def _to(sandbox: Embedded) -> api.Way:
    from pipeline import api

    environ = dict.fromkeys(KEYS, sandbox.api_key)
    return api.Way(base_url=sandbox.base_url, environ=environ)


def carried(
    way: Way,
    console: Console,
    terms: Terms,
    question: Callable[[Terms], Question | None],
    verb: Callable[[Terms], Awaitable[Run]],
) -> Run:
    """Carry out *verb* on *terms*, by *way*, watched; what *question* asks is asked before."""
    from pipeline import api

    gc.freeze()  # what imports have made stays: no need to look through it again and again
    with reached(way) as connection:
        terms = replace(terms, connection=connection, stop_after=way.stop_after)
        terms = replace(terms, confirmed=meant(question(terms), yes=way.yes))
        with watched(console) as given:
            return api.blocking(partial(verb, replace(terms, **given)))


def changed(job: Job, changes: Mapping[str, Any]) -> Job:
    """Return *job* with what the command line says anew; None says nothing."""
    from pipeline.cli.options import ALLOWED

    said = {name: value for name, value in changes.items() if value is not None}
    limits = {name: said.pop(name) for name in ALLOWED if name in said}
    return replace(
        job, limits=replace(job.limits, **limits), delivery=replace(job.delivery, **said)
    )


def gone_on(
    folder: RunFolder,
    way: Way,
    console: Console,
    verb: Callable[[RunFolder, Terms], Awaitable[Run]],
) -> Run:
    """Let *verb* go on with the run in *folder*; return it when it has ended."""
    from pipeline import verbs

    terms = verbs.Terms(runs_dir=folder.path.parents[1])
    question = partial(verbs.question_of, folder)
    return carried(way, console, terms, question, partial(verb, folder))


def meant(question: Question | None, *, yes: bool) -> bool:
    """Return whether something is confirmed: by --yes, or typed at a terminal.

    Raises JobError where there is a *question*, and no answer.
    """
    from pipeline import caution

    said = yes or (question is not None and typed(str(question), question.operation.name))
    caution.insist(question, confirmed=said)
    return said


def typed(question: str, word: str) -> bool:
    """Return whether somebody at a terminal has typed *word* when told *question*.

    Raises JobError for another word. Without a terminal nothing is asked: False.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    click.echo(f"{question}.", err=True)
    try:
        said = click.prompt(f'Type "{word}" to go on', default="", show_default=False, err=True)
    except click.Abort:  # Ctrl-C, or the end of what is typed
        said = ""
    if said.strip() != word:
        raise JobError("it was not confirmed; nothing was done")
    return True


def end(ctx: click.Context, run: Run, console: Console, way: Way | None = None) -> NoReturn:
    """Show what *run* came to and leave with its exit code; of a rehearsal, what it foretells."""
    ended = run.ended
    console.give(ended.to_json())
    if ended.exit_code or not console.quiet:
        show(run, ended, console)
        if way is not None and way.account is not None and way.account.faults:
            console.say(f"\n{tables.foretold(ended)}")
    ctx.exit(ended.exit_code)


def show(run: Run, ended: Summary, console: Console) -> None:
    """Print numbers and reasons; what to do now goes to standard error, as its cause has gone."""
    console.say(tables.summary(ended))
    why = tables.reasons(run.reasons)
    if why:
        console.say(f"\n{why}")
    if ended.hint:
        console.hint(ended.hint)
