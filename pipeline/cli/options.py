"""The options that several commands share, each family gathered into one argument.

    @click.command()
    @options.job       # WHAT, --to, --map …        → job: Job
    @options.way       # --base-url, --sandbox …    → way: Way
    @options.output    # --json, --quiet …          → console: Console
    def run(*, job, way, console): …

Only reads what was typed; what it means is for `config` to say.
"""

import os
import re
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click
from msgspec import Struct
from msgspec.structs import replace

from pipeline.cli.console import META, Console
from pipeline.errors import JobError, RunError
from pipeline.sandbox import likeness
from pipeline.sandbox.likeness import Likeness

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]

UNITS = {"h": 3600, "m": 60, "s": 1}
BLANKS = {"\\t": "\t", "tab": "\t"}
"""What a shell cannot type easily, by what people type instead."""


class Way(Struct, frozen=True, kw_only=True):
    """How to reach the API: an address (else the environment's), or a sandbox like *account*.

    And what is said of this delivery alone, so that it is no part of the job.
    """

    base_url: str | None = None
    insecure: bool = False
    account: Likeness | None = None
    """What the sandbox is like; None: not a sandbox."""
    yes: bool = False
    """That what destroys is meant."""
    stop_after: float | None = None
    """Seconds until the run stops by itself."""


def _noted(ctx: click.Context, param: click.Parameter, value: object) -> None:
    """Keep an output option where errors can find it too, before the command has begun."""
    ctx.meta[f"{META}{param.name}"] = value


def _pairs(ctx: click.Context, param: click.Parameter, value: Sequence[str]) -> dict[str, str]:
    """Read NAME=VALUE, several times."""
    del ctx
    pairs: dict[str, str] = {}
    for pair in value:
        name, equals, meant = pair.partition("=")
        if not (name and equals):
            raise click.BadParameter(f'"{pair}" is not {param.metavar}')
        if name in pairs:
            raise click.BadParameter(f'"{name}" is given twice')
        pairs[name] = meant
    return pairs


def _blank(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    del ctx, param
    return None if value is None else BLANKS.get(value, value)


def _seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Read 2h, 90m, 30s, or several of them: 1h30m."""
    del ctx, param
    if value is None:
        return None
    if not re.fullmatch(r"(\d{1,6}h)?(\d{1,6}m)?(\d{1,6}s)?", value) or not value:
        raise click.BadParameter(f'"{value}" is no time such as 2h, 90m, 30s')
    seconds = sum(int(n) * UNITS[unit] for n, unit in re.findall(r"(\d+)([hms])", value))
    if not seconds:
        raise click.BadParameter("no time at all")
    return float(seconds)


def _allowance(ctx: click.Context, param: click.Parameter, value: str | None) -> object:
    """Read a number of rows, or a share of them."""
    del ctx, param
    from pipeline.config.job import Allowance

    try:
        return None if value is None else Allowance.parse(value)
    except ValueError as error:
        raise click.BadParameter(f'"{value}" is {error}') from error


def _speed(ctx: click.Context, param: click.Parameter, value: str | None) -> object:
    """Read a number of requests, a rate, or a share, in the words of the job file."""
    del ctx
    from pipeline.config import speed

    readers: dict[str | None, Callable[[object], object]] = {
        "concurrency": speed.concurrency,
        "rate": speed.rate,
        "max_share": speed.share,
    }
    try:
        return None if value is None else readers[param.name](value)
    except ValueError as error:
        raise click.BadParameter(f'expected {error}, got "{value}"') from error


YES = click.option("--yes", is_flag=True, help="What destroys is meant: do not ask.")
STOP_AFTER = click.option(
    "--stop-after",
    metavar="TIME",
    callback=_seconds,
    help="2h, 90m, 30s: stop tidily then (exit 3); `pipeline resume` goes on.",
)
AMOUNT = "N|N%"
ALLOWED = {
    "max_rejected": "More bad rows than that stop the run.",
    "max_refused": "More refused rows than that stop the run.",
    "tolerate": "So many bad rows still are a success.",
}
"""How much may go wrong: a number of rows, or a share of them."""
SPEED = (
    click.option(
        "--concurrency",
        metavar="N|adaptive",
        callback=_speed,
        help="Requests in flight. [default: as many as the API takes]",
    ),
    click.option(
        "--rate", metavar="N/s", callback=_speed, help="Requests per second at most, evenly."
    ),
    click.option(
        "--max-share",
        metavar="N%",
        callback=_speed,
        help="Of what the API takes; the rest is left to others. [default: 100%]",
    ),
)
"""How fast requests go out."""
CHANGES = ("concurrency", "rate", "max_share")
"""What may be different when a run goes on."""
RUNS_DIR = click.option(
    "--runs-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where runs are kept; else PIPELINE_RUNS_DIR, else ./runs.",
)
JOB = (
    click.argument("what", nargs=-1, required=True),
    click.option(
        "--to", metavar="OPERATION", help="What the rows of a source are for: profiles, …"
    ),
    click.option(
        "--map",
        "columns",
        multiple=True,
        metavar="FIELD=COLUMN",
        callback=_pairs,
        help="Field of the API = column of the source. Repeatable.",
    ),
    click.option(
        "--option",
        "options",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_pairs,
        help="Of the operation, the same for all rows: silent=true. Repeatable.",
    ),
    click.option("--name", metavar="NAME", help="Of the job; its runs lie in a folder of it."),
    click.option("--delimiter", callback=_blank, metavar="CHAR", help="Of a CSV file."),
    click.option("--encoding", metavar="NAME", help="Of a CSV file: cp1252, utf-16, …"),
    click.option("--zone", metavar="ZONE", help="Of times without an offset: Europe/Berlin."),
    *(
        click.option(f"--{name.replace('_', '-')}", metavar=AMOUNT, help=text)
        for name, text in ALLOWED.items()
    ),
    click.option(
        "--shrink-max", metavar=AMOUNT, help="A source that is smaller by more stops the run."
    ),
    click.option(
        "--empty",
        type=click.Choice(("ok", "error")),
        help="A source without rows. [default: error]",
    ),
)
SENDING = (
    *SPEED,
    click.option(
        "--first", type=click.IntRange(min=1), metavar="N", help="Send N rows, then stop (exit 3)."
    ),
)
LIKE = click.option(
    "--like",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What the sandbox is like: TOML with faults, seed and [options] of an account.",
)
WAY = (
    click.option("--base-url", metavar="URL", help="Address of the API; else TALON_ONE_BASE_URL."),
    click.option("--insecure", is_flag=True, help="Allow http:// to another machine."),
    click.option(
        "--sandbox", is_flag=True, help="Send to an imitation of the API, started for this run."
    ),
    click.option(
        "--fault",
        "faults",
        multiple=True,
        metavar="FAULT",
        help='What goes wrong in the sandbox: "429:5%". Repeatable.',
    ),
    LIKE,
    YES,
    STOP_AFTER,
)
OUTPUT = (
    click.option(
        "--json",
        "as_json",
        is_flag=True,
        expose_value=False,
        callback=_noted,
        help="Print one JSON object, and nothing else, to standard output.",
    ),
    click.option(
        "--quiet",
        "-q",
        is_flag=True,
        expose_value=False,
        callback=_noted,
        help="No progress, no log, no summary when all is well.",
    ),
    click.option(
        "--verbose",
        "-v",
        is_flag=True,
        expose_value=False,
        callback=_noted,
        help="Tell each retry; show where an error of ours happened.",
    ),
    click.option(
        "--log-format",
        type=click.Choice(("text", "json")),
        default="text",
        show_default=True,
        expose_value=False,
        callback=_noted,
        help="Form of what goes to standard error.",
    ),
)


def _with(command: Command, *decorators: Decorator) -> Command:
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def job(command: Command) -> Command:
    """Give *command* WHAT and all that can be said of it, as `job`."""

    @wraps(command)
    def with_job(
        *, what: tuple[str, ...], delimiter: str | None, encoding: str | None, **given: object
    ) -> object:
        from pipeline.config.toml import Overrides, job_from

        names = set(Overrides.__struct_fields__) & set(given)
        said: dict[str, Any] = {name: given.pop(name) for name in names}
        overrides = Overrides(csv={"delimiter": delimiter, "encoding": encoding}, **said)
        return command(job=job_from(what, overrides), **given)

    return _with(with_job, *JOB, RUNS_DIR)


def sending(command: Command) -> Command:
    """Give *command* how a job is sent; to be put below `job`, which takes it in."""
    return _with(command, *SENDING)


def folder(command: Command) -> Command:
    """Give *command* RUN, as the folder that it names: `folder`."""

    @wraps(command)
    def with_folder(*, run: str, runs_dir: Path | None, **given: object) -> object:
        from pipeline import run_folder
        from pipeline.config.job import runs_dir as place

        try:
            found = run_folder.find(run, place(runs_dir, os.environ))
        except RunError as error:  # wrong usage: nobody holds a run that is not there
            raise JobError(str(error), hint=error.hint) from error
        return command(folder=found, **given)

    return _with(with_folder, click.argument("run"), RUNS_DIR)


def changes(command: Command) -> Command:
    """Give *command* what may be different when a run goes on, as `changes`; None: as it was."""
    limits = (
        click.option(f"--{name.replace('_', '-')}", metavar=AMOUNT, callback=_allowance, help=text)
        for name, text in ALLOWED.items()
    )
    return _with(_gathered(command, (*ALLOWED, *CHANGES)), *limits, *SPEED)


def speed(command: Command) -> Command:
    """Give *command* how fast it is to send, as `changes`; None: as it was."""
    return _with(_gathered(command, CHANGES), *SPEED)


def _gathered(command: Command, names: Sequence[str]) -> Command:
    @wraps(command)
    def with_changes(**given: object) -> object:
        return command(changes={name: given.pop(name) for name in names}, **given)

    return with_changes


def way(command: Command) -> Command:
    """Give *command* how to reach the API, as `way`."""

    @wraps(command)
    def with_way(
        *,
        base_url: str | None,
        insecure: bool,
        sandbox: bool,
        faults: Sequence[str],
        like: Path | None,
        **given: Any,  # noqa: ANN401 - two more of `Way`, and what is the command's
    ) -> object:
        for name, said in (("--fault", faults), ("--like", like)):
            if said and not sandbox:
                raise click.UsageError(f"{name} is for --sandbox: the API is as it is")
        if base_url and sandbox:
            raise click.UsageError("--base-url and --sandbox are two ways: choose one")
        account = _likeness(like, faults) if sandbox else None
        beside = {name: given.pop(name) for name in ("yes", "stop_after")}
        chosen = Way(base_url=base_url, insecure=insecure, account=account, **beside)
        return command(way=chosen, **given)

    return _with(with_way, *WAY)


def _likeness(like: Path | None, faults: Sequence[str]) -> Likeness:
    """Return what the sandbox is to be like; faults of the command line win over the file's."""
    try:
        known = likeness.read(like) if like else Likeness()
    except (OSError, ValueError) as error:
        raise JobError(str(error), hint="`pipeline sandbox --help` shows what it takes") from error
    return replace(known, faults=";".join(faults)) if faults else known


def output(command: Command) -> Command:
    """Give *command* how to say things, as `console`."""

    @wraps(command)
    def with_console(**given: object) -> object:
        return command(console=Console.of(click.get_current_context()), **given)

    return _with(with_console, *OUTPUT)
