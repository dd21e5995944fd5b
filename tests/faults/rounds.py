"""A round: one source, carried by one loader after the other until none is killed any more.

Starts and kills processes; what must hold in the end says `invariants.py`. No timers: a loader is
killed at a named point, by itself, or when the sandbox or the ledger shows a given progress.
"""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from pipeline import run_folder
from pipeline.errors import RunError, StorageError
from pipeline.ledger import Ledger
from pipeline.model import Status
from pipeline.run import Run
from tests.faults.cases import Case
from tests.faults.invariants import Ended, violations
from tests.faults.oracle import Oracle
from tests.faults.points import IN_FLIGHT, LEDGER_MOVED

ROOT = Path(__file__).resolve().parents[2]
LOADER_S_MAX = 60.0
"""A loader has a second's work; one that hangs is a finding."""
LOOK_S = 0.002
ROWS_A_PASSAGE = 50
"""Settled rows that count as one passage of LEDGER_MOVED."""
FAULTS = (
    "latency:uniform(2ms,12ms); slow-answer:30ms every=100; 429:3%; 409:2%; 500:2%; 500:2% after; "
    "503:2%; 503:2% retry-after=1; cut-before:2%; cut-after:2%; truncate:2%"
)
"""Something is wrong with every fifth request."""
LOST = "latency:uniform(2ms,12ms); cut-after:20%"
"""Every fifth answer is lost, and nothing else is wrong."""
FINE = "latency:uniform(2ms,12ms)"


@dataclass(frozen=True, slots=True)
class Kill:
    """Where a loader dies: at the n-th *passage* of *point*."""

    point: str
    passage: int = 1


NO_KILL = Kill("")


@dataclass(slots=True, kw_only=True)
class Round:
    """One source on its way; *folder* has all that is kept of it."""

    case: Case
    oracle: Oracle
    folder: Path
    faults: str = FAULTS
    seed: int = 0
    mutant: str = ""
    killed: list[Kill] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What does not hold."""

    def carry(self, kills: Iterable[Kill]) -> "Round":
        """Kill one loader after the other at *kills*, until one gets to the end of the run."""
        self.case.write(self.folder / "source.csv")
        self.oracle.begin(self.case, self.faults, self.seed)
        for kill in chain(kills, [NO_KILL]):
            code = self._start(kill)
            if code == -signal.SIGKILL and kill is not NO_KILL:
                self.killed.append(kill)
            elif code == 0:
                break
            else:
                self.wrong.append(f"the loader ended with {code}: {self._words()}")
                return self
        run = Run(run_folder.all_runs(self._runs_dir)[0].path)
        ended = Ended.of(self.case, run, self.oracle, kills=len(self.killed))
        self.wrong += [*violations(ended), *_strays(run)]
        return self

    @property
    def _runs_dir(self) -> Path:
        return self.folder / "runs"

    def _start(self, kill: Kill) -> int:
        """Let a loader live, and return how it ended."""
        plan = {
            "source": str(self.folder / "source.csv"),
            "runs_dir": str(self._runs_dir),
            "to": self.case.operation,
            "columns": self.case.columns,
            "options": self.case.options,
            "base_url": self.oracle.base_url,
            "api_key": self.oracle.api_key,
            "point": kill.point,
            "passage": kill.passage,
            "mutant": self.mutant,
        }
        command = [sys.executable, "-m", "tests.faults.loader"]
        settled, requests = self._settled(), self.oracle.state()["requests"]
        with (self.folder / "words").open("wb") as words:
            loader = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=words)
        try:
            assert loader.stdin is not None
            loader.stdin.write(json.dumps(plan).encode())
            loader.stdin.close()
            if kill.point == IN_FLIGHT:
                self._watch(loader, lambda: self.oracle.is_in_flight(requests + kill.passage))
            elif kill.point == LEDGER_MOVED:
                rows = settled + kill.passage * ROWS_A_PASSAGE
                self._watch(loader, lambda: self._settled() >= rows)
            return loader.wait(LOADER_S_MAX)
        finally:
            loader.kill()
            loader.wait()
            self.oracle.settle()

    def _watch(self, loader: subprocess.Popen[bytes], is_due: Callable[[], bool]) -> None:
        """Kill *loader* when it is due, unless it ends before."""
        for _ in range(int(LOADER_S_MAX / LOOK_S)):
            if loader.poll() is not None:
                return
            if is_due():
                loader.kill()
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                loader.wait(LOOK_S)

    def _settled(self) -> int:
        """Return how many rows have an outcome in the ledger; none where there is no ledger yet."""
        for folder in run_folder.all_runs(self._runs_dir)[:1]:
            with contextlib.suppress(RunError, StorageError):  # it is just being made
                with contextlib.closing(Ledger.open(folder.ledger, readonly=True)) as ledger:
                    totals = ledger.totals()
                return totals.rows - totals.of(Status.PENDING) - totals.of(Status.REJECTED)
        return 0

    def _words(self) -> str:
        return (self.folder / "words").read_text(errors="replace").strip()[-1500:]


def _strays(run: Run) -> Iterator[str]:
    """Yield what lies in the run folder and is named by no ledger, or the other way round."""
    with contextlib.closing(Ledger.open(run.folder / "ledger.sqlite", readonly=True)) as ledger:
        for kind in ("staged", "rejected", "results"):
            there = {path.name for path in (run.folder / kind).iterdir()}
            if there != (named := set(ledger.files(kind))):
                yield f"{kind}/ and the ledger differ in {sorted(there ^ named)}"
