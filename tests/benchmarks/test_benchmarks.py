"""The benchmark at small sizes: everything runs, every row arrives. No test looks at a clock.

What is measured, and how quick it is, is for `make bench`.
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks import programs
from tests.benchmarks.__main__ import QUICK, tell
from tests.benchmarks.measure import ROOT, Measured, ProgramFailed, Task, measured
from tests.benchmarks.programs import Program
from tests.benchmarks.sections import Bench
from tests.benchmarks.sink import Sink

LINES = {
    "speed": {
        "the loader": 2,
        "the loader at 0 ms": 1,
        "reading and encoding alone": 2,
        "polars, json, one thread, requests": 2,
    },
    "growth": {
        "run of 3,500 rows": 1,
        "run of 10,000 rows": 1,
        "`resume` of 10,000 after 9,000": 1,
        "`status` of that run": 1,
    },
    "startup": {"`python -c pass`": 1, "`pipeline --help`": 1, "`pipeline run` of 10 rows": 1},
    "single": {
        "the loader": 1,
        "the HTTP client alone": 1,
        "requests in threads, row by row": 1,
    },
}
"""Section = what it measures, and in how many tables."""
INSTALLED = [program for program in (programs.LIMIT, *programs.PEERS) if not program.missing]


@pytest.mark.parametrize("section", LINES)
def test_a_section_runs_and_every_row_arrives(section: str, tmp_path: Path) -> None:
    output = tmp_path / "measured.md"
    peers = ("--peers", "one_thread")
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", section, "--quick", "--output", output, *peers],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split(" | ") for line in output.read_text().splitlines()]
    told = [line[0].removeprefix("| ") for line in lines if line[0].startswith("| ")]
    heads = {"program", "what", "---"}
    assert {what: told.count(what) for what in told if what not in heads} == LINES[section]
    assert output.read_text().strip() == done.stdout.strip()


@pytest.mark.parametrize("program", INSTALLED, ids=lambda program: program.file)
def test_a_program_delivers_every_row(program: Program, bench: Bench, sink: Sink) -> None:
    run = bench.run(program, 1500, sink, threads=2)
    assert run.rows == 1500
    assert (sink.arrived().rows, sink.arrived().requests) in {(1500, 2), (0, 0)}
    assert (sink.arrived().rows == 0) == (program is programs.LIMIT)


def test_the_limit_makes_the_bodies_that_the_loader_sends(bench: Bench, sink: Sink) -> None:
    bench.load(2500, sink)
    limit = programs.LIMIT.command(bench.customers(2500), sink.base_url, 2)
    made = subprocess.run(limit, capture_output=True, check=True).stdout
    assert int(made) == sink.arrived().bytes


def test_a_row_that_does_not_arrive_fails_the_program(bench: Bench, sink: Sink) -> None:
    command = programs.PEERS[1].command(bench.customers(3), sink.base_url, 1)
    with pytest.raises(ProgramFailed, match="3 of 4 rows arrived"):
        measured(Task(command=command, rows=4, sink=sink))


def test_a_program_that_fails_is_quoted() -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such file')"]
    with pytest.raises(ProgramFailed, match=r"exit code 1 after .* no such file"):
        measured(Task(command=command, rows=1))


def test_a_run_is_measured() -> None:
    command = [sys.executable, "-c", "sum(range(10**6)); bytearray(10**8)"]
    run = measured(Task(command=command, rows=50))
    assert run.seconds > 0
    assert run.cpu_s > 0
    assert run.peak_mb > 95
    assert run.rows_per_second == 50 / run.seconds


def test_costs_are_per_million_rows() -> None:
    run = Measured(rows=200_000, seconds=2, cpu_s=3, peak_mb=1)
    assert (run.rows_per_second, run.cpu_s_per_million_rows) == (100_000, 15)


def test_a_peer_that_is_not_there_or_fails_is_told_and_the_others_run(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    peers = (
        Program(name="of elsewhere", file="limit", needs=("no_such_module",)),
        Program(name="broken", file="no_such_file"),
    )
    crowd = Bench(
        sizes=replace(QUICK, latencies_ms=(0,)), folder=bench.folder, sink=bench.sink, peers=peers
    )
    assert tell(crowd, ["speed"], None) == 1
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert any(line.startswith("| reading and encoding alone | ") for line in lines)
    assert "| of elsewhere |  |  |  |  | not installed (no_such_module) |" in lines
    assert "| broken |  |  |  |  | failed |" in lines
    assert "no_such_file.py" in told.err


def test_a_loader_that_fails_ends_it_and_what_was_measured_is_kept(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = Bench(
        sizes=replace(QUICK, in_flight=-1), folder=bench.folder, sink=bench.sink, peers=()
    )
    output = tmp_path / "measured.md"
    assert tell(wrong, ["growth"], output) == 1
    assert "the loader failed: exit code 2" in capsys.readouterr().err
    assert output.read_text().startswith("Measured on ")


def test_without_a_compiler_nothing_begins(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--quick"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs a C compiler" in done.stderr
