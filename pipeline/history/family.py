"""A run and those that came after it: retries of its rows, and later runs of its job.

Says which rows others have taken care of, by looking up only the keys that are asked for. Reads
run folders; never writes, never decides what is done about it.
"""

import contextlib
import itertools
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import polars as pl
from msgspec import Struct

from pipeline import durable, outcomes, run_folder
from pipeline.errors import RunError
from pipeline.ledger import ROWS, Ledger
from pipeline.model import FILE, ROW, Status
from pipeline.operations import Operation
from pipeline.run_folder import RunFolder

TAKEN_OVER = "pending rows are taken over by"
"""Fact of a ledger: the run that sends the rows which this one has not sent."""
FINISHED = (0, 1)
"""Exit codes of runs that went to their end."""
BEGAN = "began"
"""Key of run.json: when the run began, to the microsecond; its name says it to the second."""
NAME_OF_SECOND = len("2026-11-23T02-00-00Z")
ARRIVED = (Status.DELIVERED.value, Status.IN_DOUBT.value)
"""Of a later row of a key: it has arrived, or it perhaps has, and will be sent again if not."""


class Relative(Struct, frozen=True, kw_only=True):
    """A run of the same origin, or of the same job."""

    folder: RunFolder
    manifest: dict[str, Any]

    @property
    def root(self) -> str:
        """The run whose source its rows stood in."""
        return str(self.manifest.get("root") or self.folder.id)

    @property
    def began(self) -> float:
        """When it began, in seconds since the epoch."""
        return float(self.manifest.get(BEGAN, 0))

    @property
    def files(self) -> tuple[str, ...]:
        """The files of that source, in order."""
        return tuple(self.manifest["source"]["files"])


def of(folder: RunFolder) -> Relative:
    """Return the run in *folder*. Raises RunError when there is none."""
    return Relative(folder=folder, manifest=folder.read_manifest())


def family(one: Relative) -> list[Relative]:
    """Return the runs of the same origin as *one*, itself too, the oldest first."""
    return [other for other in _not_before(one) if other.root == one.root]


def descendants(one: Relative) -> list[Relative]:
    """Return *one* and the retries of its rows, and theirs; the oldest first."""
    found = [one]
    for other in family(one):
        if other.manifest.get("parent") in {run.folder.id for run in found}:
            found.append(other)
    return found


def later_runs(one: Relative) -> list[Relative]:
    """Return runs of the same job and operation that began after the origin of *one*."""
    job = one.folder.path.parent
    root = find(one.root, one.folder) or one
    return [
        other
        for other in _not_before(one)
        if other.root != one.root
        and other.began > root.began
        and other.folder.path.parent == job
        and other.manifest["job"]["operation"] == one.manifest["job"]["operation"]
    ]


def rows_before(folder: RunFolder) -> int | None:
    """Return how many rows the last finished run of the same job had, before this one.

    None where there is none, and for a run that has the rows of another.
    """
    one = of(folder)
    if one.manifest.get("parent"):
        return None
    beside = run_folder.all_runs(folder.path.parents[1])
    runs = [run for run in beside if run.path.parent == folder.path.parent]
    for _, same_second in itertools.groupby(runs, key=lambda run: run.id[:NAME_OF_SECOND]):
        whole = [other for other in _readable(same_second) if _is_measure(other, one)]
        if whole:
            last = max(whole, key=lambda other: other.began)
            return int(last.manifest["summary"]["rows"])
    return None


def _is_measure(other: Relative, one: Relative) -> bool:
    """Say whether *other* went to its end before *one* began, with a source of its own."""
    summary = other.manifest.get("summary") or {}
    return (
        other.began < one.began
        and not other.manifest.get("parent")
        and other.manifest["job"]["operation"] == one.manifest["job"]["operation"]
        and summary.get("exit_code") in FINISHED
        and not summary.get("pending")
    )


def _not_before(one: Relative) -> list[Relative]:
    """Return the runs beside *one* that did not begin before its origin, the oldest first."""
    found = _readable(
        folder
        for folder in run_folder.all_runs(one.folder.path.parents[1])
        if folder.id[:NAME_OF_SECOND] >= one.root[:NAME_OF_SECOND]
    )
    return sorted(found, key=lambda relative: relative.began)


def _readable(folders: Iterable[RunFolder]) -> list[Relative]:
    """Return the runs in *folders*, but for those that cannot be read."""
    found = []
    for folder in folders:
        with contextlib.suppress(RunError):
            found.append(of(folder))
    return found


def find(run: str, beside: RunFolder) -> Relative | None:
    """Return the run called *run* in the same place as *beside*, or None."""
    for folder in run_folder.all_runs(beside.path.parents[1]):
        if folder.id == run:
            return of(folder)
    return None


def is_unfinished(one: Relative) -> bool:
    """Say whether *one* has rows that it may yet send."""
    with closing(Ledger.open(one.folder.ledger, readonly=True)) as ledger:
        begun = ledger.fact(ROWS) is None or ledger.totals().of(Status.PENDING)
        taken = ledger.fact(TAKEN_OVER)
    return bool(begun) and not (taken and find(taken, one.folder))


def outcomes_of(one: Relative, rows: pl.DataFrame, operation: Operation) -> pl.DataFrame:
    """Return row, file and status of those of *rows* (row, file) that *one* has an outcome for."""
    with closing(Ledger.open(one.folder.ledger, readonly=True)) as ledger:
        found = outcomes.settled(one.folder, ledger, operation)
        return _collected(found.join(rows.lazy(), on=[ROW, FILE], how="semi"), one)


def arrived(one: Relative, keys: pl.DataFrame, operation: Operation) -> pl.DataFrame:
    """Return row, file and key of the rows of *one* that arrived (or perhaps did).

    keys: a column of text for each field of `operation.replaces`; only these keys are looked up.
    """
    names = list(operation.replaces)
    with closing(Ledger.open(one.folder.ledger, readonly=True)) as ledger:
        staged = [one.folder.staged / file for file in ledger.files("staged")]
        if not staged:
            return keys.clear().with_columns(_no_rows())
        found = outcomes.settled(one.folder, ledger, operation)
        texts = (pl.col(name).cast(pl.String) for name in names)
        keyed = pl.scan_parquet(staged).select(ROW, FILE, *texts)
        keyed = keyed.join(keys.lazy(), on=names, how="semi")
        came = found.filter(pl.col("status").is_in(ARRIVED)).select(ROW, FILE)
        return _collected(keyed.join(came, on=[ROW, FILE], how="semi"), one)


def _no_rows() -> list[pl.Expr]:
    return [pl.lit(None, pl.UInt64).alias(ROW), pl.lit(None, pl.String).alias(FILE)]


def _collected(frame: pl.LazyFrame, one: Relative) -> pl.DataFrame:
    with durable.reading(one.folder.path, pl.exceptions.PolarsError):
        return frame.collect(engine="streaming")


__all__ = [
    "BEGAN",
    "TAKEN_OVER",
    "Relative",
    "arrived",
    "descendants",
    "family",
    "find",
    "is_unfinished",
    "later_runs",
    "of",
    "outcomes_of",
    "rows_before",
]
