"""The story of one row: its source, what was wrong with it, its requests and answers, its retries.

Reads the folder of a run and those of its retries; the requests from the ledger while it has them,
else from the results. Plain data, and lines for people. Never sends.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
from msgspec import Struct, field
from msgspec.structs import replace

from pipeline import durable, outcomes
from pipeline.clock import stamp
from pipeline.config.job import Job
from pipeline.errors import JobError
from pipeline.history import family
from pipeline.ledger import SET_ASIDE, Ledger
from pipeline.model import BATCH, FILE, KEY, LINE, ROW, SOURCE, BatchId, RequestLine, Status
from pipeline.operations import Operation
from pipeline.parts import scan_part
from pipeline.run_folder import RunFolder
from pipeline.stages.delivery.answers import TEXT_MAX

NOT_ANSWERS = frozenset({ROW, "source", LINE, KEY, BATCH})
"""Columns of the results that are told elsewhere in a story."""


class Told(Struct, frozen=True, kw_only=True):
    """One request that carried the row, as the ledger has it; times as RFC 3339."""

    rows: int
    state: str
    attempts: int
    sent_at: str
    finished_at: str
    http_status: int | None
    error: str
    idempotency_key: str
    answer: str
    """Its text, cut."""


class Story(Struct, frozen=True, kw_only=True):
    """What became of one row, in one run; `retries` are the stories of the same row after it."""

    run: str
    file: str
    row: int
    line: int | None
    status: str
    key: str | None = None
    batch: int | None = None
    cells: Mapping[str, Any] = field(default_factory=dict)
    """Columns of the source as they came; none where the line could not be parsed: see `raw`."""
    raw: str | None = None
    sent: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the API as they were staged; those without a value are not there."""
    reasons: tuple[str, ...] = ()
    requests: tuple[Told, ...] = ()
    outcome: Mapping[str, Any] = field(default_factory=dict)
    """The row of the results, when it is written: times, errors, and what the API answered."""
    retries: tuple["Story", ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield the story for a person, a fact a line."""
        where = f", line {self.line}" if self.line is not None else ""
        yield f"row {self.row} of {self.file}{where}: {self.status} (run {self.run})"
        yield from _table("source", self.cells)
        if self.raw is not None:
            yield f"  as it stood: {self.raw}"
        yield from (f"  reason: {reason}" for reason in self.reasons)
        if self.batch is not None:
            yield f"  batch {self.batch}, key {self.key}"
        yield from _table("sent", self.sent)
        for number, request in enumerate(self.requests, 1):
            yield from _request(number, request)
        yield from _table("outcome", self.outcome)
        for story in self.retries:
            yield ""
            yield from story.lines()


def tell(folder: RunFolder, row: int, source: str | None = None) -> Story:
    """Return the story of *row* in the run in *folder*; *source*: of which file.

    Raises JobError for a row that the run does not have, or has of several files.
    """
    runs = family.descendants(family.of(folder))
    found = _places(runs[0], row, source)
    if len(found) != 1:
        raise _unclear(runs[0], row, source, found)
    stories = [story for one in runs if (story := _story(one, row, found[0]))]
    return replace(stories[0], retries=tuple(stories[1:]))


def _unclear(one: family.Relative, row: int, source: str | None, found: Sequence[str]) -> JobError:
    if found:
        return JobError(
            f"more than one file of run {one.folder.id} has a row {row}",
            hint=f"say of which: {', '.join(found)}",
        )
    of = f" of {source}" if source else ""
    return JobError(
        f"run {one.folder.id} has no row {row}{of}",
        hint="rows are counted from 1, the header not counted; a run that was interrupted may not "
        "have read it yet",
    )


def _places(one: family.Relative, row: int, source: str | None) -> list[str]:
    """Return the files of which the run has *row*."""
    wanted = pl.col(ROW) == row
    if source is not None:
        wanted &= pl.col(FILE) == source
    found: dict[str, None] = {}
    for path in _parts(one.folder):
        with durable.reading(path, pl.exceptions.PolarsError):
            files = pl.scan_parquet(path).filter(wanted).select(FILE).collect()
        found |= dict.fromkeys(files.to_series())
    return list(found)


def _parts(folder: RunFolder) -> list[Path]:
    """Return every part with source rows: staged, and set aside."""
    with closing(Ledger.open(folder.ledger, readonly=True)) as ledger:
        return [
            folder.place(kind) / file
            for kind in ("staged", *SET_ASIDE)
            for file in ledger.files(kind)
        ]


def _story(one: family.Relative, row: int, file: str) -> Story | None:
    """Return what one run has of a row; None where it has nothing."""
    folder = one.folder
    operation = Job.from_json(one.manifest["job"]).operation
    is_it = (pl.col(ROW) == row) & (pl.col(FILE) == file)
    for path in _parts(folder):
        with durable.reading(path, pl.exceptions.PolarsError):
            found = scan_part(path).with_row_index("\0place").filter(is_it).collect()
        if len(found):
            return _told(folder, operation, found.row(0, named=True))
    return None


def _told(folder: RunFolder, operation: Operation, known: Mapping[str, Any]) -> Story:
    with closing(Ledger.open(folder.ledger, readonly=True)) as ledger:
        requests = _requests(ledger, known)
        outcome = _outcome(folder, ledger, operation, known)
    ours = {ROW, FILE, LINE, BATCH, KEY, SOURCE, "reasons", "raw", "head", "\0place"}
    sent = {name: v for name, v in known.items() if name not in ours and v is not None}
    return Story(
        run=folder.id,
        file=known[FILE],
        row=known[ROW],
        line=known[LINE],
        status=outcome.get("status", Status.PENDING.value),
        key=known.get(KEY),
        batch=known.get(BATCH),
        cells=known[SOURCE] or {},
        raw=known.get("raw"),
        sent=sent,
        reasons=tuple(known.get("reasons") or ()),
        requests=requests,
        outcome={
            name: value
            for name, value in outcome.items()
            if name not in NOT_ANSWERS and value is not None
        },
    )


def _requests(ledger: Ledger, known: Mapping[str, Any]) -> tuple[Told, ...]:
    """Return the requests that carried the row, from the first to the last part of a split."""
    batch = ledger.batch(BatchId(known[BATCH])) if known.get(BATCH) is not None else None
    if batch is None:
        return ()
    place = known["\0place"] - batch.start
    lines = [line for line in batch.requests if place in set(line.positions)]
    return tuple(_as_told(line) for line in sorted(lines, key=lambda one: -len(one.positions)))


def _as_told(line: RequestLine) -> Told:
    words = (line.error.title, line.error.details, line.error.pointer)
    return Told(
        rows=len(line.positions),
        state=line.state.value,
        attempts=line.attempts,
        sent_at=stamp(line.sent_at) if line.sent_at else "",
        finished_at=stamp(line.finished_at) if line.finished_at else "",
        http_status=line.http_status,
        error=": ".join(filter(None, words)),
        idempotency_key=line.idempotency_key,
        answer=(line.answer or b"")[:TEXT_MAX].decode(errors="replace"),
    )


def _outcome(
    folder: RunFolder, ledger: Ledger, operation: Operation, known: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the row's results: as written, else as the ledger has them so far."""
    is_it = (pl.col("row") == known[ROW]) & (pl.col("source") == known[FILE])
    for file in ledger.files("results"):
        path = folder.results / file
        with durable.reading(path, pl.exceptions.PolarsError):
            found = pl.scan_parquet(path).filter(is_it).collect()
        if len(found):
            return found.row(0, named=True)
    for frame in outcomes.unwritten(folder, ledger, operation):
        found = frame.filter(is_it)
        if len(found):
            return found.row(0, named=True)
    return {}


def _table(title: str, values: Mapping[str, Any]) -> Iterator[str]:
    if values:
        yield f"  {title}:"
        width = max(map(len, values))
        yield from (f"    {name:<{width}}  {_shown(value)}" for name, value in values.items())


def _shown(value: object) -> str:
    """Return *value* in one line: text as it is where it has one, else as JSON has it."""
    if isinstance(value, bool) or (isinstance(value, str) and len(value.splitlines()) > 1):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _request(number: int, request: Told) -> Iterator[str]:
    answered = f", HTTP {request.http_status}" if request.http_status else ""
    when = f", sent {request.sent_at}" if request.sent_at else ""
    rows = f"{request.rows:,} row{'s' if request.rows > 1 else ''}"
    yield (
        f"  request {number} of {rows}: {request.state}{answered}{when}, "
        f"{request.attempts} attempt{'' if request.attempts == 1 else 's'}"
    )
    if request.error:
        yield f"    {request.error}"
    if request.idempotency_key:
        yield f"    idempotency key {request.idempotency_key}"
    if request.answer:
        yield f"    answer {request.answer}"
