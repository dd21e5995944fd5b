"""Names for what the fixtures of this room give: the command line here, or as its own process."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

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
