"""People taken out of old runs: what an erasure in the API leaves behind on this disk.

A run's books must still add up, so a row of a forgotten person stays, with nothing in it but its
numbers and its status. Each file is replaced whole, and doing it again does the same: whatever
interrupts it, call it once more. Never the network; never a run that still has rows to send.
"""

import json
import re
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
from msgspec import Struct, field

from pipeline import durable, run_folder
from pipeline.config.column import Column
from pipeline.config.job import Job
from pipeline.errors import PipelineError, RunError
from pipeline.ledger import ROWS, SET_ASIDE, Ledger
from pipeline.ledger.scrub import scrub
from pipeline.model import BATCH, FILE, HEAD, KEY, LINE, ROW, SOURCE, Status
from pipeline.operations import Operation
from pipeline.parts import read_part, scan_part, write_part
from pipeline.run_folder import RunFolder
from pipeline.stages import mapping

THEIRS = "\0theirs"
NUMBERS = {ROW, FILE, LINE, BATCH, HEAD}
"""What a staged or rejected row keeps."""
BOOKS = {
    *("row", "source", "line", "status", "stage", "batch", "attempts", "http_status"),
    *("error_title", "sent_at", "finished_at"),
}
"""What a row of the results keeps."""
PERSONS = ("profileid", "profileintegrationid")
"""How the names of fields that name a person end, beside the key and the lanes."""
SPOKEN = ("text", "details", "what", "message")
"""Members of a line of the log that may quote what was sent or answered."""


class Purged(Struct, frozen=True, kw_only=True):
    """One run: how many rows of these people it had, or why it was left as it is."""

    folder: Path
    rows: int = 0
    left: str = ""


class Report(Struct, frozen=True, kw_only=True):
    """What became of each run, the newest first."""

    runs: tuple[Purged, ...]

    @property
    def rows(self) -> int:
        """Rows that were emptied, of all runs."""
        return sum(run.rows for run in self.runs)

    @property
    def left(self) -> tuple[Purged, ...]:
        """The runs that were left as they are."""
        return tuple(run for run in self.runs if run.left)


def purge(runs_dir: Path, keys: Collection[str], *, now: float) -> Report:
    """Empty the rows of the people *keys* (integration ids) in every run below *runs_dir*.

    Taken out are their rows of staged, rejected and results parts and of failures.parquet, answers
    and error texts in the ledger, lines of the log that quote them, lists and nested answers that
    name them, and, where such a row came from a spooled source, that source, which a staged run
    does not need. now: seconds since the epoch, for the lock. A run in use, with rows that are
    still to be sent, or of a newer version is left as it is, and the report says why.
    """
    wanted = sorted({key for key in keys if key})
    return Report(runs=tuple(_purged(run, wanted, now) for run in run_folder.all_runs(runs_dir)))


def _purged(folder: RunFolder, keys: list[str], now: float) -> Purged:
    try:
        with run_folder.held(folder.path, what="a purge", now=now):
            job = Job.from_json(folder.read_manifest()["job"])
            with closing(Ledger.open(folder.ledger, readonly=True)) as ledger:
                pending = ledger.totals().of(Status.PENDING)
                staged = ledger.fact(ROWS) is not None
            if pending or not staged:
                raise RunError("rows are still to be sent: resume it, or remove the folder")
            return Purged(folder=folder.path, rows=_Run(folder=folder, job=job, keys=keys).empty())
    except PipelineError as error:
        return Purged(folder=folder.path, left=str(error))


class _Run(Struct, kw_only=True):
    folder: RunFolder
    job: Job
    keys: list[str]
    rows: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={FILE: pl.String, ROW: pl.UInt64})
    )
    batches: set[int] = field(default_factory=set)

    def empty(self) -> int:
        """Take the people out of every file, and return how many rows were theirs."""
        named = {path: self._named(path) for path in _parts(self.folder.staged)}
        aside = [path for kind in SET_ASIDE for path in _parts(self.folder.place(kind))]
        named |= {path: self._named_in_source(path) for path in aside}
        for path, theirs in named.items():
            self._note(path, theirs)
        # What the rows are found by goes last, so that an interrupted purge can be made again.
        for path in _parts(self.folder.results):
            self._clean_results(path)
        if len(self.rows):
            self._drop_failures()
            for path in self.folder.spooled.glob("*"):
                path.unlink()
            (self.folder.path / "report.html").unlink(missing_ok=True)
        scrub(self.folder.ledger, sorted(self.batches))
        self._clean_log()
        for path, theirs in named.items():
            _blank(path, theirs)
        return len(self.rows)

    def _named(self, path: Path) -> pl.Expr:
        """Return which rows of a staged part name one of the people."""
        people = {KEY, *_people(self.job.operation)}
        columns = [name for name in scan_part(path).collect_schema() if name in people]
        return pl.any_horizontal(pl.col(columns).cast(pl.String).is_in(self.keys))

    def _named_in_source(self, path: Path) -> pl.Expr:
        """Return which rows of a rejected part name one, by the columns as they came."""
        source = read_part(path, [SOURCE])[SOURCE].struct.unnest()
        options = [Column(field=name, value=said) for name, said in self.job.options.items()]
        compiled = mapping.compile_mapping(
            (*self.job.columns, *options),
            self.job.operation,
            dict(source.schema),
            zone=self.job.zone,
        )
        people = [t for t in compiled.targets if t.name in _people(self.job.operation)]
        cells = [source.select(t.cell.cast(pl.String).is_in(self.keys)).to_series() for t in people]
        named = pl.any_horizontal([pl.lit(cell) for cell in cells] or [pl.lit(False)])
        return named | pl.col("raw").str.contains_any(self.keys)

    def _note(self, path: Path, named: pl.Expr) -> None:
        theirs = read_part(path).filter(named.fill_null(False))
        self.rows = pl.concat([self.rows, theirs.select(FILE, ROW)])
        if BATCH in theirs.columns:
            self.batches |= set(theirs[BATCH])

    def _clean_results(self, path: Path) -> None:
        """Empty what results say of their rows, and take them out of what is said of others."""
        frame = read_part(path)
        theirs = self.rows.select(pl.col(FILE).alias("source"), ROW, pl.lit(True).alias(THEIRS))
        marked = frame.join(theirs.unique(), on=["source", ROW], how="left", maintain_order="left")
        marked = marked.with_columns(
            pl.col(THEIRS).fill_null(False) | pl.col(KEY).is_in(self.keys).fill_null(False)
        )
        cleaned = marked.with_columns(_without([n for n in frame.columns if n not in BOOKS])).drop(
            THEIRS
        )
        answers = [name for name in frame.columns if name not in {*BOOKS, KEY}]
        cleaned = cleaned.with_columns(self._forgotten(cleaned[name]) for name in answers)
        if not cleaned.equals(frame):
            write_part(cleaned, path)

    def _forgotten(self, answers: pl.Series) -> pl.Expr:
        """Return a column of answers without those that name one of the people."""
        column = pl.col(answers.name)
        if answers.dtype == pl.List(pl.String):
            element = pl.element()
            return column.list.eval(element.filter(~element.is_in(self.keys)))
        quoted = [json.dumps(key, ensure_ascii=False) for key in self.keys]
        if answers.dtype.is_nested():
            text = pl.struct(column).struct.json_encode()
        elif answers.dtype == pl.String:
            text = pl.concat_str(pl.lit('"'), column, pl.lit('"'))
        else:
            return column
        return pl.when(~text.str.contains_any(quoted)).then(column).alias(answers.name)

    def _drop_failures(self) -> None:
        path = self.folder.failures
        if not path.exists():
            return
        frame = read_part(path)
        theirs = self.rows.select(pl.col(FILE).alias("_file"), pl.col(ROW).alias("_row"))
        left = frame.join(theirs, on=["_file", "_row"], how="anti", maintain_order="left")
        metadata = pl.read_parquet_metadata(path)
        metadata.pop("ARROW:schema", None)
        if len(left):
            durable.write_file(path, lambda file: left.write_parquet(file, metadata=metadata))
        else:
            path.unlink()

    def _clean_log(self) -> None:
        """Drop the lines that quote one of the people."""
        if not self.folder.log.exists() or not self.keys:
            return
        said = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, self.keys)) + r")(?!\w)")
        lines = self.folder.log.read_text(errors="replace").splitlines(keepends=True)
        kept = [line for line in lines if not any(said.search(text) for text in _spoken(line))]
        if len(kept) < len(lines):
            durable.write_atomically(self.folder.log, "".join(kept).encode())


def _parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def _blank(path: Path, named: pl.Expr) -> None:
    """Leave nothing in the rows of a staged or rejected part but their numbers."""
    frame = read_part(path).with_columns(named.fill_null(False).alias(THEIRS))
    if not frame[THEIRS].any():
        return
    gone = [name for name in frame.columns if name not in {*NUMBERS, "reasons", THEIRS}]
    if "reasons" in frame.columns:
        reasons = pl.when(~pl.col(THEIRS)).then("reasons").otherwise(pl.lit(["purged"]))
        frame = frame.with_columns(reasons.alias("reasons"))
    write_part(frame.with_columns(_without(gone)).drop(THEIRS), path)


def _people(operation: Operation) -> set[str]:
    named = {f.name for f in operation.fields if f.name.lower().endswith(PERSONS)}
    return named | {operation.key, *operation.lanes}


def _without(columns: list[str]) -> list[pl.Expr]:
    """Return *columns*, null in the rows that are marked as theirs."""
    return [pl.when(~pl.col(THEIRS)).then(pl.col(name)).alias(name) for name in columns]


def _spoken(line: str) -> list[str]:
    try:
        said: dict[str, Any] = json.loads(line)
    except ValueError:
        return [line]
    return [str(said[name]) for name in SPOKEN if said.get(name)]
