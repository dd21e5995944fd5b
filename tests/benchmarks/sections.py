"""What is measured: speed, growth, start-up, one-row operations. Each section returns Markdown.

Every run is a whole process that begins with a new run folder; only what ran side by side is
compared.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from tests.benchmarks import programs, table
from tests.benchmarks.measure import Entrant, Measured, Task, measured, race
from tests.benchmarks.programs import Program
from tests.benchmarks.sink import Sink, running

HOME = "the loader"
ROWS_OF_A_START = 10
STOPPED_EARLY = 3
"""The loader's exit code after `--first N`."""
EFFECTS = '{"effects":[],"createdCoupons":[],"createdReferrals":[]}'
"""What the API answers where no rule is set; an operation of one row always has a body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Everything that can be chosen."""

    rows: int
    rows_slow: int
    rows_large: int
    rows_single: int
    rounds: int
    rounds_large: int
    starts: int
    latencies_ms: tuple[int, ...]
    in_flight: int
    """Requests that the loader has in flight at most; 0: as many as it finds right."""
    threads: int

    @property
    def in_words(self) -> str:
        """How the programs send, and how often."""
        in_flight = f"{self.in_flight} in flight" if self.in_flight else "in flight as it finds"
        return f"loader {in_flight}, peers {self.threads} threads, rounds: {self.rounds}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One benchmark: its sizes, its folder, its sink."""

    sizes: Sizes
    folder: Path
    sink: Path
    peers: tuple[Program, ...] = programs.PEERS
    failures: dict[str, str] = field(default_factory=dict)
    """Program = why it did not end as it should."""

    def failed(self, name: str, why: str) -> None:
        print(f"{name} failed: {why}", file=sys.stderr, flush=True)
        self.failures[name] = "failed"

    def customers(self, rows: int) -> Path:
        """*rows* customers as CSV; made once."""
        path = self.folder / f"customers-{rows}.csv"
        if not path.exists():
            maker = Path(__file__).with_name("customers.py")
            subprocess.run([sys.executable, maker, str(rows), path], check=True)
        return path

    def load(self, rows: int, sink: Sink, *, operation: str = "profiles") -> Measured:
        """Let the loader carry *rows* rows, all of them, in a run folder of its own."""
        job = programs.job(self.folder, operation=operation, source=self.customers(rows))
        with tempfile.TemporaryDirectory(dir=self.folder) as runs:
            return measured(
                Task(
                    command=self.loader("run", job, "--runs-dir", runs, sink=sink),
                    rows=rows,
                    sink=sink,
                    one_row_each=operation != "profiles",
                )
            )

    def loader(self, *arguments: str | Path, sink: Sink) -> list[str | Path]:
        """The loader's command line, in its way to *sink*."""
        in_flight = self.sizes.in_flight
        fixed = ("--concurrency", str(in_flight)) if in_flight else ()
        return programs.loader(*arguments, "--base-url", sink.base_url, *fixed, "--quiet")

    def run(self, program: Program, rows: int, sink: Sink, *, threads: int) -> Measured:
        """Let *program* send *rows* rows."""
        file = self.customers(rows)
        single = program in (programs.TRANSPORT, programs.SINGLE_PEER)
        return measured(
            Task(
                command=program.command(file, sink.base_url, threads),
                rows=rows,
                sink=None if program is programs.LIMIT else sink,
                one_row_each=single,
            )
        )


def speed(bench: Bench) -> str:
    """The loader beside the limit, the peers, and itself at the first latency."""
    sizes, tables = bench.sizes, []
    with running(bench.sink, latency_ms=sizes.latencies_ms[0]) as first:
        for latency_ms in sizes.latencies_ms:
            with running(bench.sink, latency_ms=latency_ms) as sink:
                others = [*_itself(bench, first, sink), *_others(bench, sink)]
                home = Entrant(name=HOME, run=partial(bench.load, sizes.rows, sink))
                pairs = race(home, others, rounds=sizes.rounds, failed=bench.failed)
            notes = {other.name: other.note for other in others}
            text = table.pairs_table(
                pairs, HOME, notes | bench.failures, _absent(bench, bench.peers)
            )
            tables.append(
                f"**{latency_ms} ms per answer**: {sizes.rows:,} rows of CSV, "
                f"{sizes.in_words}\n\n{text}"
            )
    return "\n\n".join(tables)


def growth(bench: Bench) -> str:
    """Ten times the rows: time, memory; then a resume after nine tenths, and its status."""
    sizes = bench.sizes
    first = sizes.rows_large * 9 // 10
    small, large, resumed, status = [], [], [], []
    with running(bench.sink, latency_ms=sizes.latencies_ms[0]) as sink:
        for _ in range(sizes.rounds_large):
            small.append(bench.load(sizes.rows, sink))
            large.append(bench.load(sizes.rows_large, sink))
            rest, told = _stopped_and_resumed(bench, sink, first)
            resumed.append(rest)
            status.append(told)

    def line(what: str, runs: Sequence[Measured], *, beside: bool = True) -> tuple[str, ...]:
        ratios = [run.seconds / other.seconds for run, other in zip(runs, small, strict=True)]
        return (
            what,
            table.span([run.seconds for run in runs]),
            table.span(ratios) if beside else "",
            f"{max(run.peak_mb for run in runs):.0f}",
        )

    return table.table(
        ("what", "seconds", f"× the run of {sizes.rows:,}", "peak MB"),
        [
            line(f"run of {sizes.rows:,} rows", small),
            line(f"run of {sizes.rows_large:,} rows", large),
            line(f"`resume` of {sizes.rows_large:,} after {first:,}", resumed),
            line("`status` of that run", status, beside=False),
        ],
    )


def startup(bench: Bench) -> str:
    """What everybody waits for each time: the help, ten rows; beside a Python that does nothing."""
    runs: dict[str, list[Measured]] = {}
    with running(bench.sink, latency_ms=0) as sink:
        commands = {
            "`python -c pass`": lambda: _told(sys.executable, "-c", "pass"),
            "`pipeline --help`": lambda: _told(*programs.loader("--help")),
            f"`pipeline run` of {ROWS_OF_A_START} rows": partial(bench.load, ROWS_OF_A_START, sink),
        }
        for _ in range(bench.sizes.starts):
            for what, run in commands.items():
                runs.setdefault(what, []).append(run())
    return table.table(
        ("what", "seconds", "CPU s", "peak MB"),
        [
            (
                what,
                table.span([run.seconds for run in of_one]),
                f"{median(run.cpu_s for run in of_one):.2f}",
                f"{max(run.peak_mb for run in of_one):.0f}",
            )
            for what, of_one in runs.items()
        ],
    )


def single(bench: Bench) -> str:
    """One request a row: the loader beside its HTTP client alone and an analyst's script."""
    sizes = bench.sizes
    with running(bench.sink, latency_ms=0, answer=EFFECTS) as sink:
        home = Entrant(
            name=HOME,
            run=partial(bench.load, sizes.rows_single, sink, operation="profiles-one-by-one"),
        )
        others = [
            Entrant(
                name=program.name,
                run=partial(bench.run, program, sizes.rows_single, sink, threads=threads),
            )
            for program, threads in (
                (programs.TRANSPORT, sizes.in_flight or sizes.threads),
                (programs.SINGLE_PEER, sizes.threads),
            )
            if not program.missing
        ]
        pairs = race(home, others, rounds=sizes.rounds, failed=bench.failed)
    text = table.pairs_table(pairs, HOME, bench.failures, _absent(bench, [programs.SINGLE_PEER]))
    return (
        f"**0 ms per answer**: {sizes.rows_single:,} rows to `profiles-one-by-one`, a request "
        f"each, {sizes.in_words}\n\n{text}"
    )


SECTIONS = {"speed": speed, "growth": growth, "startup": startup, "single": single}


def _itself(bench: Bench, first: Sink, sink: Sink) -> list[Entrant]:
    """The loader at the first latency, to run beside itself at another."""
    if sink.latency_ms == first.latency_ms:
        return []
    name = f"{HOME} at {first.latency_ms} ms"
    return [Entrant(name=name, run=partial(bench.load, bench.sizes.rows, first))]


def _others(bench: Bench, sink: Sink) -> list[Entrant]:
    """The limit and the peers that are installed."""
    sizes = bench.sizes
    return [
        Entrant(
            name=program.name,
            run=partial(
                bench.run,
                program,
                sizes.rows_slow if program.slow else sizes.rows,
                sink,
                threads=sizes.threads,
            ),
            note=f"on {sizes.rows_slow:,} rows, scaled" if program.slow else "",
        )
        for program in (programs.LIMIT, *bench.peers)
        if not program.missing and program.name not in bench.failures
    ]


def _absent(bench: Bench, peers: Iterable[Program]) -> dict[str, str]:
    """Programs that cannot be measured = why."""
    missing = {
        program.name: f"not installed ({', '.join(program.missing)})"
        for program in peers
        if program.missing
    }
    return {**missing, **bench.failures}


def _stopped_and_resumed(bench: Bench, sink: Sink, first: int) -> tuple[Measured, Measured]:
    """Stop a large run after *first* rows, then resume it; the resume, and a look at its status."""
    rows = bench.sizes.rows_large
    job = programs.job(bench.folder, operation="profiles", source=bench.customers(rows))
    with tempfile.TemporaryDirectory(dir=bench.folder) as runs:
        place = ("--runs-dir", runs)
        begun = bench.loader("run", job, "--first", str(first), *place, sink=sink)
        measured(Task(command=begun, rows=first, sink=sink, exit_code=STOPPED_EARLY))
        resume = bench.loader("resume", "last", *place, sink=sink)
        resumed = measured(Task(command=resume, rows=rows - first, sink=sink))
        status = _told(*programs.loader("status", "last", *place))
    return resumed, status


def _told(*command: str | Path) -> Measured:
    """Measure a command that sends nothing."""
    return measured(Task(command=command, rows=1))
