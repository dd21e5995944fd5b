"""The named points at which the loader dies, and what makes it die there.

Runs inside the loader's own process: functions of `pipeline` are wrapped from outside, so that the
product has no line for its tests. Knows where durable steps begin and end; never what a run is for.
"""

import inspect
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import durable, journey
from pipeline.ledger import Ledger, lines
from pipeline.stages import results
from pipeline.transport.exchange import Exchanger

FILES = {"failures.parquet": "failures", "run.json": "manifest"}
HALF, WHOLE = "half written", "written"
AROUND: tuple[
    tuple[Any, str, str, str], ...
] = (  # owner, function, the point before, the one after
    (Ledger, "stage", "", "staged named"),
    (Ledger, "set_fact", "", "all staged"),
    (Exchanger, "exchange", "about to send", "answered"),
    (lines, "apply", "", "in a transaction"),
    (Ledger, "commit", "", "settled"),
    (Ledger, "name_results", "", "results named"),
    (Ledger, "withdraw_provisional", "", "doubts withdrawn"),
    (journey, "recover", "", "recovered"),
    (results, "check_balance", "", "balanced"),
)
WITHIN = tuple(
    f"{what} {how}"
    for what in ("staged", "rejected", "results", "failures", "manifest")
    for how in (HALF, WHOLE)
) + tuple(point for row in AROUND for point in row[2:] if point)
"""The points that the loader reaches by itself, in no particular order."""
IN_FLIGHT, LEDGER_MOVED = "in flight", "ledger moved"
POINTS = (*WITHIN, IN_FLIGHT, LEDGER_MOVED)
"""All points; the last two are seen from outside: by the sandbox, and in the ledger."""


class Fuse:
    """Kill this process at the n-th passage of one point, without any goodbye."""

    def __init__(self, point: str, passage: int) -> None:
        self._point, self._left = point, passage
        self._lock = threading.Lock()

    def is_due(self, point: str) -> bool:
        """Count a passage of *point*; tell whether it is the last one."""
        if not point or point != self._point:
            return False
        with self._lock:
            self._left -= 1
            return self._left == 0

    def burn(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def passes(self, point: str) -> None:
        if self.is_due(point):
            self.burn()


def arm(fuse: Fuse) -> None:
    """Let *fuse* hear of every point of WITHIN."""
    for owner, name, before, after in AROUND:
        setattr(owner, name, _watched(getattr(owner, name), fuse, before, after))
    inner = durable.write_file

    def write_file(path: Path, write: Callable[[Path], object], *foreign: type[Exception]) -> None:
        what = FILES.get(path.name, path.parent.name)

        def fill(temporary: Path) -> None:
            write(temporary)
            if fuse.is_due(f"{what} {HALF}"):
                os.truncate(temporary, temporary.stat().st_size // 2)
                fuse.burn()

        inner(path, fill, *foreign)
        fuse.passes(f"{what} {WHOLE}")

    durable.write_file = write_file


def _watched(inner: Callable[..., Any], fuse: Fuse, before: str, after: str) -> Callable[..., Any]:
    def watched(*args: Any, **more: Any) -> Any:
        fuse.passes(before)
        result = inner(*args, **more)
        fuse.passes(after)
        return result

    async def awaited(*args: Any, **more: Any) -> Any:
        fuse.passes(before)
        result = await inner(*args, **more)
        fuse.passes(after)
        return result

    return awaited if inspect.iscoroutinefunction(inner) else watched
