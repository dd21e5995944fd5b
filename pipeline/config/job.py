"""The job as resolved: frozen values that every later room reads, and their form in run.json.

No secret is in a job, so that it can be kept and shown.  Never knows TOML or the command
line: `toml` makes jobs, this file says what they are.
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self

from msgspec import Struct, field
from msgspec.structs import asdict

from pipeline.config.column import Column, JsonValue
from pipeline.config.csv import CsvOptions
from pipeline.config.speed import ADAPTIVE
from pipeline.errors import RunError
from pipeline.operations import Kind, Operation, find

__all__ = ["Allowance", "Column", "Delivery", "Job", "JsonValue", "Limits", "runs_dir"]

PERCENT_MAX = 100
STANDARD_INPUT = "-"
"""The source that is standard input."""


class Allowance(Struct, frozen=True, kw_only=True):
    """How many bad rows are all right: a number of *rows*, or a *percent* of all; one of the two.

    A percentage is kept in decimals, so that 29 of 100 rows are exactly 29 %.
    """

    rows: int | None = None
    percent: Decimal | None = None

    def __post_init__(self) -> None:
        if (self.rows is None) == (self.percent is None):
            raise ValueError("an allowance is a number of rows or a percentage")

    @classmethod
    def parse(cls, said: object) -> Self:
        """Read 10, "10" or "1.5%". Raises ValueError for anything else."""
        text = str(said).strip() if isinstance(said, int | str) else ""
        if re.fullmatch(r"[0-9]{1,18}", text):
            return cls(rows=int(text))
        if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,9})? ?%", text):
            percent = Decimal(text.removesuffix("%").strip())
            if percent <= PERCENT_MAX:
                return cls(percent=percent)
        raise ValueError('neither a number of rows nor a share such as "1%"')

    def allows(self, bad: int, total: int) -> bool:
        """Say whether *bad* of *total* rows are within the allowance; none is always within."""
        if self.rows is not None:
            return bad <= self.rows
        return self.percent is not None and bad * PERCENT_MAX <= self.percent * total

    def __str__(self) -> str:
        return f"{self.percent}%" if self.rows is None else str(self.rows)

    def to_json(self) -> int | str:
        """Return what `parse` reads: a number, or a text such as "1%"."""
        return str(self) if self.rows is None else self.rows


class Delivery(Struct, frozen=True, kw_only=True):
    """How requests are sent."""

    concurrency: int | Literal["adaptive"] = ADAPTIVE
    """Requests in flight at most; "adaptive": as many as the API takes."""
    rate: float | None = None
    """Requests per second at most, evenly; None: no such limit."""
    max_share: float = 1.0
    """How much is used of what is found; a number in `concurrency` is used as it stands."""
    attempts_max: int = 10
    timeout_s: float = 60.0


class Limits(Struct, frozen=True, kw_only=True):
    """How many bad rows stop a run, and how many leave it a success; None: no such limit."""

    max_rejected: Allowance | None = None
    max_refused: Allowance | None = None
    tolerate: Allowance | None = None
    shrink_max: Allowance | None = None
    """By how much a source may be smaller than that of the job's last finished run."""
    empty: str = "error"
    """Whether a source without rows is "ok" or an "error"."""


class Job(Struct, frozen=True, kw_only=True):
    """What is to be done, complete: nothing is looked up anywhere else from here on."""

    name: str
    """Of the folder that holds its runs; one run of a name at a time."""
    operation: Operation
    sources: tuple[str, ...]
    """Paths (relative ones as seen from the working directory), globs, addresses, or "-"."""
    columns: tuple[Column, ...] = ()
    """What the job says of fields; a column of the source that is named like one needs no word."""
    csv: CsvOptions = field(default_factory=CsvOptions)
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    """Constants for every row, by field: checked, and as the API takes them."""
    zone: str = "UTC"
    """Time zone (IANA) of times without an offset."""
    delivery: Delivery = field(default_factory=Delivery)
    limits: Limits = field(default_factory=Limits)
    runs_dir: Path | None = None
    """Where runs are kept, if the job or the command line says; see `runs_dir`."""
    file: Path | None = None
    first: int | None = None
    """Only so many rows, from the start."""

    def to_json(self) -> dict[str, Any]:
        """Return the job as JSON values, for run.json; `from_json` makes the same job of them."""
        plain: dict[str, Any] = json.loads(json.dumps(self, default=_plain))
        return plain

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Job":
        """Return the job that `to_json` wrote. Raises RunError for what it cannot have written."""
        try:
            return _job(kept)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"the job kept with this run cannot be read: {error}",
                hint="continue the run with the version of pipeline that began it",
            ) from error


def _plain(value: object) -> object:
    """Return *value* closer to JSON: an operation by its name, a value as its fields."""
    if isinstance(value, Operation):
        return value.name
    if isinstance(value, Allowance):
        return value.to_json()
    if isinstance(value, Struct):
        return asdict(value)
    return str(value)


def _job(kept: Mapping[str, Any]) -> Job:
    operation = find(kept["operation"])
    if operation is None:
        raise ValueError(f"there is no operation {kept['operation']!r}")
    csv: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in kept["csv"].items()
    }
    limits: dict[str, Any] = {
        name: v if v is None or name == "empty" else Allowance.parse(v)
        for name, v in kept["limits"].items()
    }
    return Job(
        **{
            **kept,
            "operation": operation,
            "sources": tuple(kept["sources"]),
            "columns": tuple(_column(column) for column in kept["columns"]),
            "csv": CsvOptions(**csv),
            "delivery": Delivery(**kept["delivery"]),
            "limits": Limits(**limits),
            "runs_dir": _path(kept["runs_dir"]),
            "file": _path(kept["file"]),
        }
    )


def _column(kept: Mapping[str, Any]) -> Column:
    kind = kept["type"]
    return Column(**{**kept, "type": kind and Kind(kind), "one_of": tuple(kept["one_of"])})


def _path(kept: str | None) -> Path | None:
    return None if kept is None else Path(kept)


def runs_dir(chosen: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the absolute folder that holds all runs (DESIGN §10).

    *chosen*: what the command line or the job says; else PIPELINE_RUNS_DIR, else `runs` in the
    working directory.
    """
    return Path(chosen or environ.get("PIPELINE_RUNS_DIR") or "runs").absolute()
