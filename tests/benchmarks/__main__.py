"""`python -m tests.benchmarks`: measure the loader, print Markdown for the README.

Ratios are what counts: on a shared machine figures move by up to 1.8 × from run to run. Asserts no
speed. With `--quick` everything runs at small sizes: what is seen then is that it runs, and that
every row arrives. Exit code 1 when a program failed, 2 when the benchmark cannot begin.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path

from tests.benchmarks import programs, table
from tests.benchmarks.measure import ProgramFailed
from tests.benchmarks.sections import SECTIONS, Bench, Sizes
from tests.benchmarks.sink import SinkError, build

FULL = Sizes(
    rows=1_000_000,
    rows_slow=100_000,
    rows_large=10_000_000,
    rows_single=20_000,
    rounds=5,
    rounds_large=3,
    starts=7,
    latencies_ms=(0, 20),
    in_flight=64,
    threads=16,
)
QUICK = replace(
    FULL,
    rows=3500,
    rows_slow=1500,
    rows_large=10_000,
    rows_single=300,
    rounds=1,
    rounds_large=1,
    starts=1,
    latencies_ms=(0, 2),
)
TITLES = {
    "speed": "Whole runs, side by side",
    "growth": "Ten times the rows",
    "startup": "Start-up",
    "single": "Operations of one row",
}


def parser() -> argparse.ArgumentParser:
    """The command line; every size is an option."""
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    made.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; else all"
    )
    made.add_argument("--quick", action="store_true", help="small sizes: does everything run?")
    made.add_argument("--output", type=Path, metavar="FILE", help="write the Markdown there too")
    made.add_argument(
        "--peers",
        nargs="*",
        metavar="PEER",
        choices=[peer.file for peer in programs.PEERS],
        help=f"of {', '.join(peer.file for peer in programs.PEERS)}; else all",
    )
    for size in fields(Sizes):
        several = size.name == "latencies_ms"
        made.add_argument(
            f"--{size.name.replace('_', '-')}",
            type=int,
            nargs="+" if several else None,
            metavar="MS" if several else "N",
            help=f"default {getattr(FULL, size.name)}, quick {getattr(QUICK, size.name)}",
        )
    return made


def sizes(said: argparse.Namespace) -> Sizes:
    """What was asked for, over the defaults."""
    given = {
        size.name: value
        for size in fields(Sizes)
        if (value := getattr(said, size.name)) is not None
    }
    if "latencies_ms" in given:
        given["latencies_ms"] = tuple(given["latencies_ms"])
    return replace(QUICK if said.quick else FULL, **given)


def tell(bench: Bench, sections: Iterable[str], output: Path | None) -> int:
    """Print the tables of *sections*, each when it is measured; return the exit code."""
    texts: list[str] = []

    def say(text: str) -> None:
        texts.append(text)
        print(f"{text}\n", flush=True)
        if output is not None:
            output.write_text("\n\n".join(texts) + "\n")

    say(table.machine())
    try:
        for section in sections:
            say(f"### {TITLES[section]}\n\n{SECTIONS[section](bench)}")
    except ProgramFailed as error:
        print(f"the loader failed: {error}", file=sys.stderr)
        return 1
    return 1 if bench.failures else 0


def main(arguments: list[str] | None = None) -> int:
    """Measure what *arguments* ask for; return the exit code."""
    command = parser()
    said = command.parse_args(arguments)
    if unknown := set(said.sections) - set(SECTIONS):
        command.error(f"unknown section: {', '.join(sorted(unknown))}")
    peers = tuple(peer for peer in programs.PEERS if said.peers is None or peer.file in said.peers)
    with tempfile.TemporaryDirectory(prefix="pipeline-bench-") as name:
        folder = Path(name)
        try:
            bench = Bench(sizes=sizes(said), folder=folder, sink=build(folder), peers=peers)
        except SinkError as error:
            print(error, file=sys.stderr)
            return 2
        return tell(bench, said.sections or SECTIONS, said.output)


if __name__ == "__main__":
    sys.exit(main())
