"""SIGINT and SIGTERM: the first asks a run to stop, the second leaves at once.

Knows a journey only by its `stop`. Both are safe at every instant: what is durable stays so.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from pipeline.cli.console import Console
from pipeline.errors import Interrupted

if TYPE_CHECKING:
    from pipeline.journey import Journey

ASKED = (signal.SIGINT, signal.SIGTERM)
KILLED = 128
"""A shell's exit code for a signal is so much more than the signal's number."""


@contextmanager
def stoppable(console: Console) -> Iterator[Callable[["Journey"], None]]:
    """Return what to tell the journey to (`Terms.started`); a signal in the block stops it.

    Before there is a journey, a signal raises Interrupted where the program stands.
    """
    journeys: list[Journey] = []
    asked: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        del frame
        name = signal.Signals(number).name
        if asked:
            _say(console, f"{name} again: leaving at once; nothing that was written is lost")
            os._exit(KILLED + number)
        asked.append(number)
        code = KILLED + number
        if not journeys:
            raise Interrupted(f"interrupted by {name} before a run began", exit_code=code)
        _say(
            console,
            f"{name}: finishing what is in flight, at most 20 s; once more leaves at once",
        )
        hint = f"`pipeline resume {journeys[-1].folder.path}` goes on"
        journeys[-1].stop(Interrupted(f"interrupted by {name}", hint=hint, exit_code=code))

    before = {number: signal.signal(number, hear) for number in ASKED}
    try:
        yield journeys.append
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(console: Console, text: str) -> None:
    """Write *text* from within a signal handler: past the buffers, which may be half written."""
    start = "\n" if sys.stderr.isatty() else ""
    try:
        os.write(sys.stderr.fileno(), f"{start}{console.line(text)}\n".encode())
    except (OSError, ValueError):
        return
