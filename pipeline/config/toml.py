"""Job file and command line become one frozen `Job`; everything that is wrong is told at once.

What the command line (or the caller of `pipeline.load`) says is laid over the tables of the job
file before anything is checked: there is one check, and the command line wins.  Never opens a
source.
"""

import os
import re
import tomllib
import zoneinfo
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from pipeline.config import columns as columns_of
from pipeline.config import schema
from pipeline.config.constants import from_text
from pipeline.config.csv import CsvOptions
from pipeline.config.hints import closest
from pipeline.config.job import Delivery, Job, Limits
from pipeline.config.problems import Keys, Problems, dotted, shown
from pipeline.errors import JobError
from pipeline.operations import Operation, find, names

SUFFIX = ".toml"
EXAMPLES = "profiles, audiences, referrals"
LIMITS = ("max_rejected", "max_refused", "tolerate", "shrink_max", "empty")
FILE_BYTES_MAX = 1 << 20
"""A job file has some kilobytes; a bigger one is another file."""


class Overrides(Struct, frozen=True, kw_only=True):
    """What the command line, or the caller, says; None and empty: nothing. Paths are as given."""

    to: str | None = None
    """Name of the operation."""
    name: str | None = None
    columns: Mapping[str, object] = field(default_factory=dict)
    """Field of the API = column of the source, or what a table of `[columns]` says."""
    options: Mapping[str, object] = field(default_factory=dict)
    """As `[options]`; texts are read as what the field takes."""
    csv: Mapping[str, object] = field(default_factory=dict)
    """As `[csv]`: delimiter, encoding, …"""
    zone: str | None = None
    concurrency: int | str | None = None
    """A number of requests, or "adaptive"."""
    rate: float | str | None = None
    """Requests per second at most: 200, "200/s"."""
    max_share: float | str | None = None
    """Of what the API takes: 0.5, "50%"."""
    max_rejected: int | str | None = None
    max_refused: int | str | None = None
    tolerate: int | str | None = None
    shrink_max: int | str | None = None
    """How much smaller the source may be than that of the job's last finished run."""
    empty: str | None = None
    """Whether a source without rows is "ok" or an "error"."""
    runs_dir: str | os.PathLike[str] | None = None
    first: int | None = None
    """Load only so many rows, from the start."""


def job_from(what: Sequence[str | os.PathLike[str]], overrides: Overrides) -> Job:
    """Return the job that WHAT names: one job file, or one or more sources with `to`.

    Raises JobError with every problem.
    """
    sources = [os.fspath(one) for one in what]
    if not sources:
        raise JobError(
            "nothing to load", hint=f"name a job file, or sources and --to OPERATION: {EXAMPLES}, …"
        )
    job_files = [source for source in sources if source.endswith(SUFFIX)]
    if job_files and len(sources) > 1:
        raise JobError(
            f"{job_files[0]} is a job file, and stands alone",
            hint="it names its sources itself; load them one after the other",
        )
    if job_files:
        return load_job(Path(job_files[0]), overrides)
    if overrides.to is None:
        raise JobError(
            f"{sources[0]}: it is not said which operation its rows are for",
            hint=f"add --to OPERATION ({EXAMPLES}, …); or name a job file ({SUFFIX})",
        )
    return _resolve({"source": sources}, overrides, file=None)


def load_job(path: Path, overrides: Overrides) -> Job:
    """Return the job that the file at *path* describes, with *overrides* laid over it.

    Paths in the file are relative to it. Raises JobError with every problem.
    """
    return _resolve(_anchored(_read(path), path.parent), overrides, file=path)


def _read(path: Path) -> dict[str, Any]:
    """Return the tables of the file at *path*. Raises JobError: not there, or no TOML."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        near = closest(path.name, sorted(one.name for one in path.parent.glob(f"*{SUFFIX}")))
        why = getattr(error, "strerror", None) or str(error)
        raise JobError(f"{path}: the job file cannot be read: {why}{near}") from error
    if len(content) > FILE_BYTES_MAX:
        raise JobError(f"{path}: not a job file: it is longer than {FILE_BYTES_MAX} bytes")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise JobError(f"{path}, line {line}: not UTF-8", hint="save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        what, place = _syntax(str(error), content)
        raise JobError(f"{path}, {place}: not TOML: {what}") from error
    except (ValueError, RecursionError) as error:
        raise JobError(f"{path}: not TOML that can be read: {error}") from error


def _syntax(message: str, content: bytes) -> tuple[str, str]:
    """Split tomllib's "… (at line 3, column 5)" into what and where."""
    last = content.count(b"\n") + (not content.endswith(b"\n"))
    found = re.fullmatch(r"(.*) \(at (.*)\)", message, flags=re.DOTALL)
    if not found:
        return message, f"line {last}"
    return found[1], found[2].replace("end of document", f"line {last} (the end)")


def _anchored(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return *table* with its paths as seen from the working directory; the rest untouched."""

    def seen(path: object) -> object:
        if not isinstance(path, str) or path in {"", "-"} or "://" in path:
            return path
        joined = os.path.join(folder, path)  # noqa: PTH118 - Path would keep no trailing slash
        tidy = os.path.normpath(joined)
        return tidy if os.path.realpath(tidy) == os.path.realpath(joined) else joined

    anchored = dict(table)
    for key in {"source", "runs_dir"} & set(table):
        said = table[key]
        anchored[key] = [seen(path) for path in said] if isinstance(said, list) else seen(said)
    return anchored


def _laid_over(overrides: Overrides, operation: Operation | None) -> dict[str, Any]:
    """Return *overrides* in the form of a job file."""
    limits = {name: getattr(overrides, name) for name in LIMITS}
    said = {
        "operation": overrides.to,
        "name": overrides.name,
        "zone": overrides.zone,
        "runs_dir": None if overrides.runs_dir is None else os.fspath(overrides.runs_dir),
        "columns": dict(overrides.columns),
        "options": {name: _typed(name, v, operation) for name, v in overrides.options.items()},
        "csv": dict(overrides.csv),
        "delivery": {
            name: getattr(overrides, name) for name in ("concurrency", "rate", "max_share")
        },
        "limits": limits,
    }
    return {name: kept for name, value in said.items() if (kept := _without_none(value))}


def _without_none(value: object) -> object:
    if isinstance(value, dict):
        return {name: one for name, one in value.items() if one is not None}
    return value


def _typed(name: str, value: object, operation: Operation | None) -> object:
    """Return an option typed on a command line as what its field takes."""
    target = operation.field(name) if operation else None
    return from_text(value, target) if target and isinstance(value, str) else value


def _merged(
    said: dict[str, Any], over: dict[str, Any], operation: Operation | None
) -> tuple[dict[str, Any], dict[Keys, str]]:
    """Return *said* with *over* laid over it, and what came from *over*, by path.

    A field that *over* gives a column or a constant is forgotten in both tables of *said*, by
    whatever name it goes there.
    """

    def real(name: str) -> str:
        return columns_of.real_name(name, operation) if operation else name

    taken = {real(name) for key in ("columns", "options") for name in over.get(key, ())}
    merged, arguments = dict(said), dict[Keys, str]()
    for key in ("columns", "options"):
        if isinstance(said.get(key), dict):
            merged[key] = {n: v for n, v in said[key].items() if real(n) not in taken}
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.setdefault(key, {}), dict):
            merged[key] = merged[key] | value
            arguments |= {(key, name): _argument(key, name) for name in value}
        elif not isinstance(value, dict):
            merged[key] = value
            arguments[key,] = _argument(key)
    return merged, arguments


def _argument(*path: str) -> str:
    """Return what the command line and `pipeline.load` call the argument for *path*."""
    if path[0] in {"delivery", "limits"}:
        return path[1]
    return "to" if path == ("operation",) else dotted(path)


def _resolve(table: dict[str, Any], overrides: Overrides, *, file: Path | None) -> Job:
    """Check everything, then make the job. Raises JobError with every problem."""
    asked = overrides.to or table.get("operation")
    operation = find(asked) if isinstance(asked, str) else None
    said, arguments = _merged(table, _laid_over(overrides, operation), operation)
    arguments["first",] = "first"  # no key of a job file
    problems = Problems(file=str(file or ""), arguments=arguments)
    checked = schema.check(said, problems)
    _check_values(said, problems)
    if overrides.first is not None and overrides.first < 1:
        problems.add(("first",), f"expected a number of rows from 1, got {overrides.first}")
    if operation is None:
        _tell_operation(said, problems)
    else:
        columns_of.check(said.get("columns"), said.get("options"), operation, problems)
    hint = f"`pipeline operations {operation.name}` lists its fields" if operation else ""
    if problems.found or operation is None:
        raise problems.error(hint=hint)
    return _job(checked, operation, problems, overrides=overrides, file=file)


def _check_values(said: Mapping[str, Any], problems: Problems) -> None:
    """Tell what is missing or wrong beside the types of the keys."""
    if "source" not in said:
        problems.add(("source",), "is missing: expected a path, a glob, an address, or a list")
    zone = said.get("zone", "UTC")
    if not isinstance(zone, str) or zone in {"", "UTC"}:
        return
    zones = zoneinfo.available_timezones()  # none at all on a machine without the data
    if zones and zone not in zones:
        near = closest(zone, sorted(zones))
        problems.add(("zone",), f'expected a time zone such as Europe/Berlin, got "{zone}"{near}')


def _tell_operation(said: Mapping[str, Any], problems: Problems) -> None:
    if "operation" not in said:
        problems.add(("operation",), f"is missing: expected an operation, such as {EXAMPLES}")
        return
    asked = said["operation"]
    near = closest(asked, names()) if isinstance(asked, str) else ""
    problems.add(
        ("operation",), f"expected an operation, such as {EXAMPLES}; got {shown(asked)}{near}"
    )


def _job(
    checked: Mapping[str, Any],
    operation: Operation,
    problems: Problems,
    *,
    overrides: Overrides,
    file: Path | None,
) -> Job:
    """Return the job of tables in which nothing is wrong; what they leave out has its default."""
    runs_dir = checked.get("runs_dir")
    return Job(
        name=checked.get("name") or _default_name(operation, file),
        operation=operation,
        sources=checked["source"],
        columns=columns_of.make_columns(checked.get("columns", {}), operation, problems),
        csv=CsvOptions(**checked.get("csv", {})),
        options=columns_of.make_options(checked.get("options", {}), operation),
        zone=checked.get("zone", "UTC"),
        delivery=Delivery(**checked.get("delivery", {})),
        limits=Limits(**checked.get("limits", {})),
        runs_dir=None if runs_dir is None else Path(runs_dir),
        file=file,
        first=overrides.first,
    )


def _default_name(operation: Operation, file: Path | None) -> str:
    """Return the job file's name without its end, as a folder's name; else the operation's."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", file.stem).lstrip(".-")[:100] if file else ""
    return stem or operation.name
