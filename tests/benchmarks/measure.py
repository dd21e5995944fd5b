"""One program, run as a whole process: its time, its cost, and whether every row arrived.

Imports nothing heavy, here and in whatever measures: a child's peak memory, as the system counts
it, is at least what its parent held when it was started.
"""

import os
import subprocess
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.sink import Sink

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 1800
"""A program that takes longer hangs."""
KIB_PER_MB = 1024
SAID_MAX = 2000
"""Characters of a failed program's last words that are worth reading."""
FOREIGN_PREFIXES = ("TALON_ONE_", "PIPELINE_")
BYTECODE = "PYTHONDONTWRITEBYTECODE"
PROXIES = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})


class ProgramFailed(Exception):
    """A program ended otherwise than it should, or did not deliver every row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One program to run: what it must deliver, and to whom."""

    command: Sequence[str | Path]
    rows: int
    sink: Sink | None = None
    one_row_each: bool = False
    """One request a row: then requests are what is counted."""
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run of one program, start-up included."""

    rows: int
    seconds: float
    cpu_s: float
    peak_mb: float

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds

    @property
    def cpu_s_per_million_rows(self) -> float:
        return self.cpu_s / self.rows * 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """Who takes part in a race: a name and one run of it."""

    name: str
    run: Callable[[], Measured]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two runs, one right after the other: all that may be compared."""

    home: Measured
    other: Measured


def measured(task: Task) -> Measured:
    """Run *task* once. Raises ProgramFailed when it fails, hangs, or loses a row."""
    if task.sink is not None:
        task.sink.reset()
    with tempfile.TemporaryFile() as said:
        begun = time.perf_counter()
        child = subprocess.Popen(
            task.command,
            cwd=ROOT,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        guard = threading.Timer(SECONDS_MAX, child.kill)
        guard.start()
        try:
            _, status, used = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            child.wait()
            raise
        finally:
            guard.cancel()
        seconds = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != task.exit_code:
            said.seek(0)
            words = said.read().decode(errors="replace")[-SAID_MAX:].strip()
            raise ProgramFailed(f"exit code {child.returncode} after {seconds:.0f} s: {words}")
    if task.sink is not None:
        arrived = task.sink.arrived()
        rows = arrived.requests if task.one_row_each else arrived.rows
        if rows != task.rows:
            raise ProgramFailed(f"{rows:,} of {task.rows:,} rows arrived")
    return Measured(
        rows=task.rows,
        seconds=seconds,
        cpu_s=used.ru_utime + used.ru_stime,
        peak_mb=used.ru_maxrss / KIB_PER_MB,
    )


def race(
    home: Entrant, others: Sequence[Entrant], *, rounds: int, failed: Callable[[str, str], None]
) -> dict[str, list[Pair]]:
    """Run *home* between each two of *others*, *rounds* times, so that each runs right beside it.

    Every other round goes backwards: who runs first gains nothing by it. Another one that fails is
    told to *failed* and runs no more; when *home* fails, that is raised.
    """
    pairs: dict[str, list[Pair]] = defaultdict(list)
    running = list(others)

    def attempt(other: Entrant) -> Measured | None:
        try:
            return other.run()
        except ProgramFailed as error:
            failed(other.name, str(error))
            running.remove(other)
            return None

    for number in range(rounds):
        turn = running[::-1] if number % 2 else running[:]
        for place in range(0, len(turn), 2):
            before = attempt(turn[place])
            middle = home.run()
            after = attempt(turn[place + 1]) if place + 1 < len(turn) else None
            for other, run in zip(turn[place : place + 2], (before, after), strict=False):
                if run is not None:
                    pairs[other.name].append(Pair(home=middle, other=run))
    return dict(pairs)


def _environment() -> dict[str, str]:
    """Ours, without what would send a program to a real API or through a proxy.

    Every program may keep its bytecode, as where it is installed: else each start compiles all.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(FOREIGN_PREFIXES) and name.upper() not in {*PROXIES, BYTECODE}
    }
    return {**kept, "TALON_ONE_API_KEY": "made-up"}
