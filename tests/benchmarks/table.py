"""Measurements as Markdown, ready for the README. Decides nothing, runs nothing."""

import datetime as dt
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from tests.benchmarks.measure import Measured, Pair

CPUS = Path("/proc/cpuinfo")
BYTES_PER_GB = 1024**3
PAIR_HEAD = (
    *("program", "rows/s", "loader's × (min – median – max)"),
    *("CPU s per million rows", "peak MB", "note"),
)


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; numbers stand right."""
    numbers = ["---" if name in ("program", "what", "note") else "--:" for name in head]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, numbers, *lines))


def span(values: Sequence[float], form: str = ".2f") -> str:
    """`minimum – median – maximum`; a single value stands alone."""
    if len(values) == 1:
        return f"{values[0]:{form}}"
    return " – ".join(f"{value:{form}}" for value in (min(values), median(values), max(values)))


def thousands(runs: Sequence[Measured]) -> str:
    return f"{median(run.rows_per_second for run in runs):,.0f}"


def costs(runs: Sequence[Measured]) -> tuple[str, str]:
    """Median CPU seconds per million rows, largest peak."""
    cpu_s = median(run.cpu_s_per_million_rows for run in runs)
    return f"{cpu_s:.1f}", f"{max(run.peak_mb for run in runs):.0f}"


def pairs_table(
    pairs: Mapping[str, list[Pair]], home: str, notes: Mapping[str, str], absent: Mapping[str, str]
) -> str:
    """One line for the loader, one for each it ran beside, one for each that did not run."""
    own = [pair.home for of_one in pairs.values() for pair in of_one]
    lines = [(home, thousands(own), "1", *costs(own), notes.get(home, ""))] if own else []
    for name, of_one in pairs.items():
        runs = [pair.other for pair in of_one]
        ratios = [pair.home.rows_per_second / pair.other.rows_per_second for pair in of_one]
        lines.append((name, thousands(runs), span(ratios), *costs(runs), notes.get(name, "")))
    lines += [(name, "", "", "", "", why) for name, why in absent.items() if name not in pairs]
    return table(PAIR_HEAD, lines)


def machine() -> str:
    """When and where: one sentence."""
    names = [
        line.partition(":")[2].strip()
        for line in (CPUS.read_text().splitlines() if CPUS.exists() else ())
        if line.startswith("model name")
    ]
    memory_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / BYTES_PER_GB
    return (
        f"Measured on {dt.datetime.now(dt.UTC):%Y-%m-%d}: "
        f"{os.cpu_count()} cores ({names[0] if names else platform.machine()}), "
        f"{memory_gb:.0f} GB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, polars {version('polars')}, "
        f"loader {version('talon-one-pipeline')}."
    )
