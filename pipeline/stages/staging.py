"""Batches to parts on disk: what will be sent is known, can be looked at, and never changes.

Gathers batches into parts of useful size and numbers them; the journey names each part in the
ledger once its files are durable. Knows files and frames; neither the ledger nor where rows come
from. Going through a staging again skips what is staged already, and checks that it is the same.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
from msgspec import Struct, field

from pipeline.batches import Batches
from pipeline.errors import LimitError
from pipeline.model import BATCH, Aside, StagedPart, Status
from pipeline.parts import Repeats, write_part

PART_ROWS = 25_000
"""Rows of a part: durable in some 10 ms; twice as many took 40 MB more at a peak (measured)."""
PART_BYTES = 32_000_000
"""In memory, about: a part of long rows has fewer."""
FIRST_PART_ROWS = 5_000
"""Of the first part: the delivery waits for nothing else."""
REJECTED_ROWS_MAX = 50_000
"""Rejected rows held back before they are written, so that few of them do not make many files."""
PARTS_BETWEEN_REJECTED = 10
"""At the latest after so many parts the rejected rows are written too."""


class Folders(Struct, frozen=True, kw_only=True):
    """Where parts go."""

    staged: Path
    rejected: Path
    results: Path


class Reached(Struct, frozen=True, kw_only=True):
    """How far a staging is, counted from the first row of the source."""

    rows: int = 0
    """Good rows, in batches."""
    rejected: int = 0
    batches: int = 0


class Before(Struct, frozen=True, kw_only=True):
    """What an interrupted staging left: (rows, first row) of each batch, rejected rows, parts.

    `since`: what lies before does not come again.
    """

    since: Reached = field(default_factory=Reached)
    batches: tuple[tuple[int, int], ...] = ()
    rejected_rows: int = 0
    parts: int = 0
    rejected_parts: int = 0


class Part(Struct, frozen=True, kw_only=True, eq=False):
    """A part that is complete, and not on disk yet."""

    named: StagedPart
    """What the ledger is to hear of it, once it is written."""
    rows: pl.DataFrame | None
    """Its good rows, where it has some."""
    files: tuple[tuple[pl.DataFrame, Path, Repeats], ...]

    def write(self) -> None:
        """Make it durable. Raises StorageError."""
        for frame, path, repeats in self.files:
            write_part(frame, path, repeats)


class Stager(Struct, kw_only=True):
    """Takes batches and rejected rows in order, and yields each part when it is complete."""

    folders: Folders
    before: Before = field(default_factory=Before)
    repeats: Repeats = field(default_factory=Repeats)
    """What the rows do not say twice."""
    _batches: list[Batches] = field(default_factory=list)
    _rejected: list[tuple[pl.DataFrame, pl.DataFrame]] = field(default_factory=list)
    _rows: int = 0
    """Of the batches that wait for their part; and their bytes, about."""
    _bytes: int = 0
    _batch: int = 0
    _good_seen: int = 0
    _rejected_seen: int = 0
    _parts: int = 0
    _rejected_parts: int = 0
    _parts_since: int = 0

    def __post_init__(self) -> None:
        self._parts, self._rejected_parts = self.before.parts, self.before.rejected_parts
        since = self.before.since
        self._batch, self._good_seen, self._rejected_seen = (
            since.batches,
            since.rows,
            since.rejected,
        )

    @property
    def reached(self) -> Reached:
        """What is durable, once the part that was yielded last is written and named.

        Rejected rows that wait for their part are not.
        """
        waiting = sum(len(rows) for rows, _ in self._rejected)
        rejected = max(self._rejected_seen, self.before.rejected_rows) - waiting
        return Reached(rows=self._good_seen - self._rows, rejected=rejected, batches=self._batch)

    def add(self, batches: Iterable[Batches]) -> Iterator[Part]:
        """Take the next batches; yield the parts that they complete."""
        for some in batches:
            known = self._recognised(some)
            self._batch += len(some.sizes)
            self._good_seen += len(some.rows)
            if known == len(some.sizes):
                continue
            self._batches.append(some.behind(known))
            self._rows += len(self._batches[-1].rows)
            self._bytes += int(self._batches[-1].rows.estimated_size())
            most = PART_ROWS if self._parts else FIRST_PART_ROWS
            if self._rows >= most or self._bytes >= PART_BYTES:
                yield self._part()

    def reject(self, rejected: pl.DataFrame, results: pl.DataFrame) -> Iterator[Part]:
        """Take rejected rows with their results, row by row the same; yield a part when due."""
        known = min(len(rejected), max(0, self.before.rejected_rows - self._rejected_seen))
        self._rejected_seen += len(rejected)
        if known < len(rejected):
            self._rejected.append((rejected[known:], results[known:]))
        if sum(len(rows) for rows, _ in self._rejected) >= REJECTED_ROWS_MAX:
            yield self._part(rejected=True)

    def close(self) -> Iterator[Part]:
        """Yield what is left. Raises LimitError when less came than was staged before."""
        fewer_batches = self._batch < len(self.before.batches)
        if fewer_batches or self._rejected_seen < self.before.rejected_rows:
            raise _changed()
        if self._batches or self._rejected:
            yield self._part(rejected=True)

    def _recognised(self, batches: Batches) -> int:
        """Return how many of *batches* are staged already. Raises LimitError if they are others."""
        known = self.before.batches[self._batch : self._batch + len(batches.sizes)]
        if known and known != batches.lines[: len(known)]:
            raise _changed()
        return len(known)

    def _part(self, *, rejected: bool = False) -> Part:
        self._parts_since += 1
        aside: tuple[Aside, ...] = ()
        files: list[tuple[pl.DataFrame, Path, Repeats]] = []
        if self._rejected and (rejected or self._parts_since >= PARTS_BETWEEN_REJECTED):
            self._parts_since = 0
            self._rejected_parts += 1
            file = f"rejected-{self._rejected_parts:06}.parquet"
            rows, results = (pl.concat(frames) for frames in zip(*self._rejected, strict=True))
            files += [(rows, self.folders.rejected / file, Repeats())]
            files += [(results, self.folders.results / file, Repeats())]
            aside = (Aside(status=Status.REJECTED, file=file, rows=len(rows)),)
            self._rejected = []
        batches, self._batches, self._rows, self._bytes = self._batches, [], 0, 0
        file, good = "", None
        if batches:
            self._parts += 1
            file, good = f"part-{self._parts:06}.parquet", _numbered(batches, self._batch)
            files += [(good, self.folders.staged / file, self.repeats)]
        lines = tuple(line for some in batches for line in some.lines)
        named = StagedPart(file=file, batches=lines, aside=aside)
        return Part(named=named, rows=good, files=tuple(files))


def _numbered(batches: list[Batches], last: int) -> pl.DataFrame:
    """Return *batches* as one frame with their numbers, up to *last*.

    At once: where hardly two rows agree, a batch has one row, and there are millions of them.
    """
    sizes = pl.Series([size for some in batches for size in some.sizes], dtype=pl.UInt32)
    first = last - len(sizes) + 1
    numbers = pl.int_range(first, last + 1, dtype=pl.UInt32, eager=True).alias(BATCH)
    rows = pl.concat([some.rows for some in batches])
    return rows.hstack([pl.select(numbers.repeat_by(sizes).explode()).to_series()])


def _changed() -> LimitError:
    return LimitError(
        "the source gives other batches than those staged before the interruption",
        hint="`pipeline push RUN` delivers what is staged; a new run starts from the source anew",
    )
