"""Names for what the fixtures of this room give: the command line here, or as its own process."""

import re
import shlex
import subprocess
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
