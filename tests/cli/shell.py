"""Names for what the fixtures of this room give: the command line here, or as its own process."""

import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from click.testing import Result

from pipeline.cli.main import commands

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60
"""A process that takes longer hangs."""

Shell = Callable[..., Result]
"""`shell("runs", "--json", NAME="value")`: in this process; the variables are the environment's."""
Started = Callable[..., subprocess.Popen[str]]
"""The same as a process of its own."""


def line_with(child: subprocess.Popen[str], words: str) -> str:
    """Read the child's standard error up to the first line that has *words*, and return it."""
    if child.stderr is not None:
        for line in child.stderr:
            if words in line:
                return line
    raise AssertionError(f"it never said {words!r}")


def command(name: str) -> click.Command:
    """Return the command called *name*."""
    found = commands.get_command(click.Context(commands), name)
    assert found is not None
    return found


def typed(words: list[str]) -> click.Context:
    """Type *words* after `pipeline`, and do nothing of it. Raises what Click does of bad ones."""
    name, *arguments = words
    return command(name).make_context(name, arguments, parent=click.Context(commands))


def examples(text: str) -> Iterator[list[str]]:
    """Yield each example as its arguments, without what stands before a pipe and behind it all."""
    for line in text.splitlines():
        if found := re.search(r"^ +(?:.*\| )?pipeline (.*?)(?: {3,}.*| > .*)?$", line):
            yield shlex.split(found[1])


def at_a_terminal(words: str, environment: dict[str, str], *arguments: object) -> tuple[int, str]:
    """Type *words* at a terminal where the command line runs; return its code and what it shows."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, **streams) as child:
        os.close(theirs)
        os.write(ours, f"{words}\n".encode())
        shown = b""
        try:
            while some := os.read(ours, 65536):
                shown += some
        except OSError:  # the other side is closed: the child has ended
            pass
        finally:
            os.close(ours)
        return child.wait(PATIENCE_S), shown.decode()
