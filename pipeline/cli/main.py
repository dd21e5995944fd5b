"""`pipeline`: finds the command, and turns whatever it raises into a sentence and an exit code.

Imports a command's file only when it is asked for, and nothing heavy at all.
"""

import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from pipeline.cli.console import Console
from pipeline.errors import PipelineError

ROOMS = {
    "preview": "stages",
    "validate": "stages",
    "stage": "stages",
    "push": "stages",
    "run": "stages",
    "resume": "runs",
    "retry": "retry",
    "runs": "runs",
    "status": "runs",
    "explain": "runs",
    "operations": "operations",
    "sandbox": "sandbox",
    "demo": "demo",
}
"""Command = the file that it lives in, in the order of the help."""
THREADS = ("POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS")
"""Stages run beside each other, on small blocks: more threads for each would only wake each other
(measured on two cores: 7 % of the CPU and 45 MB; and those of numpy, which pyarrow imports where it
is there, wait for work by counting, 0.1 s long). The environment may say otherwise."""
OUR_FAULT = 70
INTERRUPTED = 130

EPILOG = """\b
WHAT is a job file (config/profiles.toml), or sources with --to OPERATION.
RUN is a run folder, the id of a run, or `last`.

\b
Examples:
  pipeline demo
  pipeline run config/profiles.toml --sandbox
  pipeline run customers.csv --to profiles --map integrationId=customer_id
  pipeline status last

\b
Exit codes:
  0    every row arrived, or what did not is within what the job tolerates
  1    finished, but some rows were rejected, refused, failed or are in doubt
  2    wrong usage or wrong job file; nothing was done
  3    stopped early; nothing is lost, and the message says how to go on
  4    somebody else holds the run, or a newer version has made it
  70   our fault; please report
  130, 143   interrupted; what was in flight was finished; can be resumed

The address and the key come from TALON_ONE_BASE_URL and TALON_ONE_API_KEY (or
TALON_ONE_API_KEY_FILE, a file that holds it). A key is never an argument.
"""


class Commands(click.Group):
    """The commands, each imported when it is asked for; one place that tells what went wrong."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of the help."""
        del ctx
        return list(ROOMS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command called *cmd_name*, or None."""
        del ctx
        if cmd_name not in ROOMS:
            return None
        room = import_module(f"pipeline.cli.{ROOMS[cmd_name]}")
        command: click.Command = getattr(room, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; where there is none, say which one may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(args[0], possibilities=ROOMS, ctx=ctx) from error

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as Click has it
        """Run the command; whatever ends it early becomes words and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except BaseException as error:
            ctx.exit(_told(error, Console.of(ctx)))


def _told(error: BaseException, console: Console) -> int:
    """Say what *error* means and return the exit code; of a group of errors, its first one."""
    first = error
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if isinstance(first, PipelineError):
        console.failed(first)
        return first.exit_code
    if isinstance(first, KeyboardInterrupt):
        console.warn("interrupted")
        return INTERRUPTED
    if isinstance(first, SystemExit):
        raise first
    console.broken(first, "".join(traceback.format_exception(error)))
    return OUR_FAULT


@click.group(
    cls=Commands,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="talon-one-pipeline", message="%(prog)s %(version)s")
def commands() -> None:
    """Load customer data into Talon.One in bulk, and know what became of every row."""


def main() -> NoReturn:
    """Run the command line of this process."""
    for name in THREADS:
        os.environ.setdefault(name, "1")
    _mend_streams()
    try:
        commands.main(prog_name="pipeline")
    except SystemExit as end:
        _leave(end.code)
        raise
    except Exception as error:
        sys.exit(_told(error, Console()))
    raise SystemExit


def _leave(code: str | int | None) -> None:
    """End this process at once: to take an interpreter apart takes 0.05 s and serves nobody.

    All is closed by now. Returns where there is still something to be said.
    """
    if isinstance(code, str):
        return
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return
    os._exit(code or 0)


def _mend_streams() -> None:
    """Let nothing fail for its words: no stream is missing (cron's `>&-`), no character unknown."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - for good
            setattr(sys, name, nowhere)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
