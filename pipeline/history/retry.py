"""Rows that did not arrive, chosen to be sent again: which, and never an old one over a new one.

Reads the folder of a run and those of its family; writes the chosen rows as a source that keeps
their numbers, and those in whose place others stand as parts that are set aside. Never sends.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from msgspec import Struct, field
from msgspec.structs import replace

from pipeline import durable, outcomes
from pipeline.config.job import Job
from pipeline.errors import JobError, RunError
from pipeline.history import family
from pipeline.history.family import Relative
from pipeline.ledger import Ledger
from pipeline.model import FILE, KEY, LINE, ROW, SOURCE, Aside, StagedPart, Status
from pipeline.parts import write_part
from pipeline.preparation import Preparation
from pipeline.run_folder import RunFolder
from pipeline.stages import results
from pipeline.stages.source import FAILURE_COLUMNS

ROWS_AT_ONCE = 50_000
EXAMPLES = 20
CANDIDATES = "candidates.parquet"
CHOSEN = "failures.parquet"
STATUSES = (*results.FAILED, Status.IN_DOUBT, Status.PENDING)
"""The statuses of rows that can be sent again."""
HTTP_DIGITS = 3


class Choice(Struct, frozen=True, kw_only=True):
    """Which rows are meant.

    `where`: a status (rejected, refused, failed, in_doubt), an HTTP status (404), or words of the
    error, in any case; "": all that were rejected, refused or failed. `in_doubt` confirms that rows
    in doubt, named by `where`, may arrive twice. `pending`: also those that were never sent.
    """

    where: str = ""
    limit: int | None = None
    in_doubt: bool = False
    pending: bool = False

    @property
    def statuses(self) -> tuple[Status, ...]:
        """The statuses to look among. Raises JobError for rows in doubt that are not confirmed."""
        doubt = Status.IN_DOUBT.value
        if self.in_doubt != (self.where == doubt):
            raise JobError(
                "rows in doubt may have arrived, and would then arrive twice",
                hint="first let `pipeline resume RUN` ask the API; `--in-doubt` confirms that they "
                "are sent all the same",
            )
        if self.where in {status.value for status in STATUSES}:
            return (Status(self.where),)
        return (*results.FAILED, *((Status.PENDING,) if self.pending else ()))

    @property
    def condition(self) -> pl.Expr:
        """What a row must be, beside its status, by the columns of a file of failures."""
        if not self.where or self.where in {status.value for status in STATUSES}:
            return pl.lit(True)
        if len(self.where) == HTTP_DIGITS and self.where.isdigit():
            return pl.col("_http_status") == int(self.where)
        words = pl.concat_str(
            "_error_title", pl.col("_reasons").list.join(" "), separator=" ", ignore_nulls=True
        )
        return words.str.to_lowercase().str.contains(self.where.lower(), literal=True)


class Chosen(Struct, frozen=True, kw_only=True):
    """What a retry comes to: rows to be sent, rows in whose place others stand, rows left alone."""

    parent: str
    rows: int
    superseded: int
    left: int
    """Lines that could not be read at all, and rows that another retry has sent and not settled."""
    reasons: pl.DataFrame
    """status, error_title, rows: of those to be sent, the most frequent first."""
    examples: pl.DataFrame
    """The first of them, as failures.parquet has them."""


class Selection(Struct, frozen=True, kw_only=True):
    """The rows chosen, by their numbers; `candidates` is the file that has them and others."""

    parent: Relative
    job: Job
    candidates: Path
    kept: pl.DataFrame
    """row, file."""
    superseded: pl.DataFrame
    """row, file, key, reason."""
    left: int = 0

    def told(self) -> Chosen:
        """Return what a person wants to know of it."""
        counts: list[pl.DataFrame] = []
        examples: list[pl.DataFrame] = []
        for rows in _read(self.candidates, self.kept):
            counts.append(rows.group_by("_status", "_error_title").agg(pl.len().alias("rows")))
            if sum(map(len, examples)) < EXAMPLES:
                examples.append(rows.head(EXAMPLES))
        counted = pl.concat(counts) if counts else pl.DataFrame(schema=_COUNTED)
        return Chosen(
            parent=self.parent.folder.id,
            rows=len(self.kept),
            superseded=len(self.superseded),
            left=self.left,
            reasons=counted.group_by(status="_status", error_title="_error_title")
            .agg(pl.col("rows").sum())
            .sort("rows", descending=True),
            examples=pl.concat(examples).head(EXAMPLES) if examples else pl.DataFrame(),
        )

    def spool(self, path: Path) -> None:
        """Write the rows to be sent to *path*, as a source. Raises StorageError."""

        def write(temporary: Path) -> None:
            schema = pq.read_schema(self.candidates)
            with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
                for rows in _read(self.candidates, self.kept):
                    writer.write_table(rows.to_arrow().cast(schema))

        durable.write_file(path, write)

    def set_aside(self, folder: RunFolder, ledger: Ledger) -> int:
        """Write down the superseded rows, with their results; return how many there are."""
        place = folder.place(Status.SUPERSEDED)
        if len(self.superseded):
            place.mkdir(mode=0o700, exist_ok=True)
        for number, rows in enumerate(_read(self.candidates, self.superseded), 1):
            file = f"superseded-{number:06}.parquet"
            shaped = _as_set_aside(rows, self.superseded)
            write_part(shaped, place / file)
            told = results.of_superseded(self.job.operation, shaped)
            write_part(told, folder.results / file)
            aside = Aside(status=Status.SUPERSEDED, file=file, rows=len(rows))
            ledger.stage(StagedPart(aside=(aside,)))
        return len(self.superseded)


_COUNTED = {"_status": pl.String, "_error_title": pl.String, "rows": pl.UInt32}


def select(parent: RunFolder, choice: Choice, job: Job | None, scratch: Path) -> Selection:
    """Choose rows of *parent* by *choice*; files that are needed meanwhile go to *scratch*.

    job: the mended one, else the parent's. Raises JobError for a choice that cannot be, or one of
    nothing; RunError while another retry of the same rows is not finished.
    """
    one = family.of(parent)
    begun = Job.from_json(one.manifest["job"])
    job = _job(begun, job)
    relatives = family.family(one)
    _check_unfinished(one, relatives)
    candidates = scratch / CANDIDATES
    if not _write_candidates(one, begun, choice.statuses, candidates):
        raise _nothing(one, choice)
    columns = ["_row", "_file", "_stage", "_status", "_http_status", "_error_title", "_reasons"]
    rows = pl.read_parquet(candidates, columns=columns).filter(choice.condition)
    readable = rows.filter(pl.col("_stage").ne_missing("source"))
    asked = readable.select(pl.col("_row").alias(ROW), pl.col("_file").alias(FILE))
    known = _Known(one=one, relatives=relatives, job=job, candidates=candidates, asked=asked)
    superseded, doubtful = known.superseded(), known.doubtful()
    both = [superseded.select(ROW, FILE), doubtful]
    kept = asked.join(pl.concat(both), on=[ROW, FILE], how="anti", maintain_order="left")
    if not len(kept) and not len(superseded):
        raise _nothing(one, choice)
    return Selection(
        parent=one,
        job=job,
        candidates=candidates,
        kept=kept.head(choice.limit) if choice.limit is not None else kept,
        superseded=superseded,
        left=len(rows) - len(readable) + len(doubtful),
    )


def _job(begun: Job, mended: Job | None) -> Job:
    """Return the job by which rows of *begun* are sent again."""
    if mended is None:
        return replace(begun, first=None)
    if mended.operation != begun.operation:
        raise JobError(
            f"the run was for {begun.operation.name}, the mended job is for "
            f"{mended.operation.name}",
            hint="a retry is for the same operation; start a new run for another",
        )
    return replace(mended, name=begun.name, runs_dir=begun.runs_dir)


def _check_unfinished(one: Relative, relatives: Sequence[Relative]) -> None:
    """Raise RunError while a retry that began from these rows may yet send some of them."""
    after = {relative.folder.id for relative in family.descendants(one)} - {one.folder.id}
    for other in relatives:
        if other.folder.id in after and family.is_unfinished(other):
            raise RunError(
                f"run {other.folder.id} has begun to send these rows and is not finished",
                hint=f"`pipeline resume {other.folder.path}` finishes it",
            )


def _nothing(one: Relative, choice: Choice) -> JobError:
    which = f'with "{choice.where}"' if choice.where else "rejected, refused or failed"
    return JobError(
        f"run {one.folder.id} has no rows {which} that can be sent again",
        hint=f"`pipeline status {one.folder.path}` shows what became of its rows",
    )


def _write_candidates(one: Relative, job: Job, statuses: Sequence[Status], path: Path) -> int:
    """Write the rows of *statuses* of a run to *path*, in the order of its source."""
    wanted = pl.col("status").is_in([status.value for status in statuses])
    origin = results.Origin(
        run=one.folder.id, files=one.files, is_text=one.manifest["source"].get("is_text")
    )
    with closing(Ledger.open(one.folder.ledger, readonly=True)) as ledger:
        rest = [
            frame.filter(wanted) for frame in outcomes.unwritten(one.folder, ledger, job.operation)
        ]
        parts = outcomes.parts(one.folder, ledger, rest)
        return results.write_failures(parts, path, origin=origin, statuses=statuses)


class _Known(Struct, kw_only=True):
    """What the family of a run knows of the rows that are asked for."""

    one: Relative
    relatives: Sequence[Relative]
    job: Job
    candidates: Path
    asked: pl.DataFrame
    _own: list[pl.DataFrame] = field(default_factory=list)

    def doubtful(self) -> pl.DataFrame:
        """Return row and file of those that another retry has sent, with an unknown end."""
        doubt = pl.col("status") == Status.IN_DOUBT.value
        return pl.concat(
            [self.asked.clear(), *(own.filter(doubt).select(ROW, FILE) for own in self._others())]
        )

    def superseded(self) -> pl.DataFrame:
        """Return row, file, key and the reason of those in whose place another row stands."""
        operation = self.job.operation
        delivered = pl.col("status") == Status.DELIVERED.value
        names = dict.fromkeys((operation.key, *operation.replaces))
        prepared = Preparation(replace(self.job, sources=(str(self.candidates),)))
        identities = pl.concat(list(prepared.identities(list(names))))
        mine = self.asked.join(identities, on=[ROW, FILE], how="left", maintain_order="left")
        found = [
            mine.join(own.filter(delivered), on=[ROW, FILE], how="semi").with_columns(
                pl.lit(f"it was delivered by run {run}").alias("reason")
            )
            for run, own in zip(self._other_runs(), self._others(), strict=True)
        ]
        if operation.replaces:
            found += self._replaced(mine)
        none = mine.clear().with_columns(pl.lit(None, pl.String).alias("reason"))
        return (
            pl.concat([none, *found])
            .unique([ROW, FILE], keep="first", maintain_order=True)
            .select(ROW, FILE, pl.col(operation.key).alias(KEY), "reason")
        )

    def _replaced(self, mine: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Yield the rows of *mine* whose values a later row has: of the source, or a later run."""
        operation = self.job.operation
        names = list(operation.replaces)
        keys = mine.select(names).drop_nulls().unique()
        place = results.place_of(self.one.files)
        mine = mine.with_columns(place.alias("\0place"))
        for other in self.relatives:
            came = family.arrived(other, keys, operation)
            later = came.with_columns(place.alias("\0later")).select(
                *names, "\0later", pl.col(ROW).alias("\0row"), pl.col(FILE).alias("\0file")
            )
            last = later.sort("\0later").unique(names, keep="last")
            after = mine.join(last, on=names).filter(pl.col("\0later") > pl.col("\0place"))
            words = pl.format("row {} of {} has the same key and came later", "\0row", "\0file")
            yield after.with_columns(words.alias("reason")).select(*_plain(mine), "reason")
        for other in family.later_runs(self.one):
            came = family.arrived(other, keys, operation).select(names).unique()
            words = pl.lit(f"run {other.folder.id} of this job has delivered its key since")
            after = mine.join(came, on=names, how="semi")
            yield after.with_columns(words.alias("reason")).select(*_plain(mine), "reason")

    def _other_runs(self) -> list[str]:
        mine = self.one.folder.id
        return [other.folder.id for other in self.relatives if other.folder.id != mine]

    def _others(self) -> list[pl.DataFrame]:
        """Return what other runs of the family have made of these rows: row, file, status."""
        if not self._own:
            self._own = [
                family.outcomes_of(other, self.asked, self.job.operation)
                for other in self.relatives
                if other.folder.id != self.one.folder.id
            ]
        return self._own


def _plain(rows: pl.DataFrame) -> list[str]:
    return [name for name in rows.columns if not name.startswith("\0")]


def _read(path: Path, wanted: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield those failures at *path* that *wanted* (row, file) names, in their order."""
    numbers = wanted.select(pl.col(ROW).alias("_row"), pl.col(FILE).alias("_file"))
    with durable.reading(path, OSError), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE):
            rows = pl.DataFrame(batch)
            found = rows.join(numbers, on=["_row", "_file"], how="semi", maintain_order="left")
            if len(found):
                yield found


def _as_set_aside(rows: pl.DataFrame, superseded: pl.DataFrame) -> pl.DataFrame:
    """Return failures as a part of rows set aside has them."""
    columns = [name for name in rows.columns if name not in FAILURE_COLUMNS]
    shaped = rows.select(
        pl.col("_row").alias(ROW),
        pl.col("_file").alias(FILE),
        pl.col("_line").alias(LINE),
        pl.col("_raw").alias("raw"),
        pl.struct(columns).alias(SOURCE),
    )
    return shaped.join(superseded, on=[ROW, FILE], how="left", maintain_order="left").select(
        ROW, FILE, LINE, KEY, pl.concat_list("reason").alias("reasons"), "raw", SOURCE
    )
