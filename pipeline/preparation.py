"""A row before the network: source → mapping → validation → batching; nothing is written or sent.

What `preview` and `validate` show and what `stage` writes is made here, so that they agree. The
same source and job give the same rows from any mark on, and from the same mark the same batches,
always: an interrupted staging relies on it.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice

import polars as pl
from msgspec import Struct
from msgspec.structs import replace

from pipeline.config.column import Column
from pipeline.config.job import Job
from pipeline.errors import JobError
from pipeline.model import FILE, ROW, SOURCE
from pipeline.parts import Repeats
from pipeline.stages import folding, mapping, results, validation
from pipeline.stages.batching import Batcher
from pipeline.stages.source import BEGINNING, Block, Source, Start, nothing_broken, open_source

BLOCK_ROWS = 16_000
"""Rows that are prepared together, at least: a block of the source has some ten thousand, and an
expression costs the same fraction of a millisecond however few rows it is given (measured)."""
BLOCKS_MAX = 8
"""Blocks of the source that are put together, at most: where rows are long, 8 MB of a CSV file."""


class Mark(Struct, frozen=True, kw_only=True):
    """Where some rows begin that were prepared together, and how many rows come before them."""

    start: Start = BEGINNING
    read: int = 0
    rejected: int = 0

    @property
    def good(self) -> int:
        """How many of the rows before are good."""
        return self.read - self.rejected


FIRST = Mark()


class Prepared(Struct, frozen=True, kw_only=True):
    """What some rows have come to, good and rejected, each in order; and the totals so far."""

    good: pl.DataFrame
    """row, file, line, key, the fields of the API, `source`; what `repeats` names is left out."""
    rejected: pl.DataFrame
    """row, file, line, reasons, raw, and `source` (null where the line could not be parsed)."""
    rejected_results: pl.DataFrame
    """The results of the rejected rows, row by row the same."""
    rows_read: int
    rows_rejected: int
    share_read: float | None
    mark: Mark | None
    """Where they begin; None where reading cannot begin there, for what it must know of before."""


class Preparation:
    """A job made ready to read its source.

    Raises JobError and InputError before any row is read: for files that are not there, columns
    that the mapping names and the source does not have, constants that the API would refuse.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.source: Source = open_source(job.sources, job.csv)
        self.mapping = mapping.compile_mapping(
            (*job.columns, *_options(job)),
            job.operation,
            self.source.columns,
            zone=job.zone,
            null_values=self._null_values,
        )
        self._groups = folding.Groups(operation=job.operation)
        self.folds = folding.is_folding(job.operation, tuple(self.mapping.schema))
        self.repeats = self._repeats()
        self.checks = tuple(self._checks())
        self._checks_of_printable = tuple(self._checks(printable=True))
        self._check_constants()

    def blocks(self, mark: Mark = FIRST, *, skip: int = 0) -> Iterator[Prepared]:
        """Yield what becomes of the rows of the source from *mark* on, in order.

        The first *skip* good rows are left out, but not out of the totals.
        """
        rows, rejected = mark.read, mark.rejected
        blocks = _together(self.source.blocks(mark.start))
        if self.folds:
            self._groups = folding.Groups(operation=self.job.operation)
            blocks = self._whole(blocks)
        for block in blocks:
            prepared = self._prepare(block, rows, rejected)
            rows, rejected = prepared.rows_read, prepared.rows_rejected
            skipped = min(skip, len(prepared.good))
            skip -= skipped
            yield replace(prepared, good=prepared.good[skipped:]) if skipped else prepared

    def identities(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield row, file and the fields *names*, as text, of every row that can be read."""
        known = [name for name in names if name in self.mapping.schema]
        for block in _together(self.source.blocks()):
            fields = [
                mapping.key_of(self.mapping, name, block.frame).cast(pl.String).alias(name)
                for name in known
            ]
            yield pl.DataFrame([block.row, *fields]).with_columns(
                pl.lit(block.file).alias(FILE),
                *(pl.lit(None, pl.String).alias(name) for name in names if name not in known),
            )

    def batcher(self) -> Batcher:
        """Return a batcher for the good rows of one reading."""
        return Batcher(self.job.operation)

    @property
    def nothing_rejected(self) -> pl.DataFrame:
        """The rejected rows of a source without any: the columns, and no row."""
        return validation.unreadable(nothing_broken(), file="", source=self._struct)

    @property
    def _null_values(self) -> tuple[str, ...]:
        return self.job.csv.null_values if self.source.is_text else ()

    def _repeats(self) -> Repeats:
        """Return what the good rows say twice; a null must have been one text, or always a null."""
        key, nulls = self.job.operation.key, self._null_values
        is_known = not nulls or (len(nulls) == 1 and not self.source.has_nulls)
        fields = {t.repeated: t.name for t in self.mapping.targets if t.repeated and is_known}
        return Repeats(
            key=key if self.mapping.schema[key] == pl.String else None,
            columns={name: fields.get(name) for name in self.source.columns},
            blank=nulls[0] if nulls else None,
        )

    @property
    def _struct(self) -> pl.Struct:
        return pl.Struct(dict(self.source.columns))

    def _checks(self, *, printable: bool = False) -> Iterator[validation.Check]:
        """Yield what is asked of each field by itself, then of some beside each other.

        printable: of a source that has no control character.
        """
        targets = self.mapping.targets
        alone = [
            check
            for target in targets
            for check in validation.rules(
                target.field,
                origin=target.origin,
                expects=target.expects,
                printable=printable and target.verbatim,
            )
        ]
        alone += [
            validation.only_with(t.field, flag, known=flag in self.mapping.schema)
            for t in targets
            if (flag := t.field.only_with)
        ]
        yield from alone
        if self.folds:
            yield from self._checks_of_groups(alone)

    def _checks_of_groups(self, alone: Sequence[validation.Check]) -> Iterator[validation.Check]:
        """Yield what is asked of rows that make one request: all of them are good, or none is."""
        key = self.job.operation.key
        fault = pl.col(validation.cell_of(folding.FAULT))
        whole = validation.Check(field=folding.FAULT, bad=fault.is_not_null(), reason=fault)
        tainted = folding.tainted([check.bad for check in (*alone, whole)])
        words = pl.lit(folding.SIBLING.format(key=key))
        yield from (whole, validation.Check(field=folding.FAULT, bad=tainted, reason=words))

    def _whole(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """Yield *blocks* cut elsewhere, so that rows which make one request stay together."""
        key, most = self.job.operation.key, folding.rows_max(self.job.operation)
        waiting: Block | None = None
        for block in blocks:
            if waiting is None or waiting.file != block.file:
                if waiting is not None:
                    yield waiting
                waiting = block
                continue
            keys = mapping.key_of(self.mapping, key, waiting.frame)
            count = folding.cut_before(keys, waiting.row, waiting.broken[ROW], rows_max=most)
            if count:
                yield _part(waiting, 0, count)
            waiting = _one([_part(waiting, count, len(keys)), block])
        if waiting is not None:
            yield waiting

    def _check_constants(self) -> None:
        constants = mapping.constants(self.mapping)
        faults = validation.objections(self.checks, constants.fields, constants.cells)
        if faults:
            raise JobError(
                f"constants of the job are not what the API takes: {'; '.join(faults)}",
                hint=f"`pipeline operations {self.job.operation.name}` lists the fields",
                problems=faults,
            )

    def _prepare(self, block: Block, rows: int, rejected: int) -> Prepared:
        operation = self.job.operation
        mapped = mapping.apply(self.mapping, block.frame)
        fields, cells = mapped.fields, mapped.cells
        if self.folds:
            place = folding.Surroundings(file=block.file, rows=block.row, broken=block.broken[ROW])
            fields, fault = self._groups.fold(fields, place)
            cells = cells.with_columns(fault)
        file = pl.Series(FILE, [block.file]).new_from_index(0, len(block.row))
        places = pl.DataFrame([block.row, file, block.line, block.frame.to_struct(SOURCE)])
        checked = validation.split(
            self._checks_of_printable if block.printable else self.checks,
            rows=places,
            fields=fields,
            cells=cells,
            key=operation.key,
        )
        bad, told = self._rejected(checked.rejected, block)
        return Prepared(
            good=self.repeats.left_out(checked.good),
            rejected=bad,
            rejected_results=told,
            rows_read=rows + len(block.frame) + len(block.broken),
            rows_rejected=rejected + len(bad),
            share_read=block.share_read,
            mark=None if self.folds else Mark(start=block.start, read=rows, rejected=rejected),
        )

    def _rejected(self, invalid: pl.DataFrame, block: Block) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the rejected rows of a block in order, unreadable ones too, and their results."""
        if invalid.is_empty() and block.broken.is_empty():
            return self._none_rejected
        unread = validation.unreadable(block.broken, file=block.file, source=self._struct)
        stages = ["validation"] * len(invalid) + ["source"] * len(unread)
        bad = pl.concat([invalid, unread]).with_columns(pl.Series("stage", stages, dtype=pl.String))
        bad = bad.sort(ROW, maintain_order=True) if len(unread) else bad
        told = results.of_rejected(self.job.operation, bad, stage=pl.col("stage"))
        return bad.drop("stage"), told

    @cached_property
    def _none_rejected(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        nothing = self.nothing_rejected
        return nothing, results.of_rejected(self.job.operation, nothing, stage=pl.lit(""))


def _together(blocks: Iterator[Block]) -> Iterator[Block]:
    """Yield *blocks* put together, to BLOCK_ROWS or so; never the first one, or of two files."""
    yield from islice(blocks, 1)
    waiting: list[Block] = []
    for block in blocks:
        if waiting and waiting[0].file != block.file:
            yield _one(waiting)
            waiting = []
        waiting.append(block)
        rows = sum(len(b.frame) + len(b.broken) for b in waiting)
        if rows >= BLOCK_ROWS or len(waiting) == BLOCKS_MAX:
            yield _one(waiting)
            waiting = []
    if waiting:
        yield _one(waiting)


def _one(blocks: Sequence[Block]) -> Block:
    if len(blocks) == 1:
        return blocks[0]
    return Block(
        file=blocks[0].file,
        frame=pl.concat([b.frame for b in blocks]),
        row=pl.concat([b.row for b in blocks]),
        line=pl.concat([b.line for b in blocks]),
        broken=pl.concat([b.broken for b in blocks]),
        share_read=blocks[-1].share_read,
        start=blocks[0].start,
        printable=all(b.printable for b in blocks),
    )


def _part(block: Block, start: int, stop: int) -> Block:
    """Return rows of *block*, with the broken ones from behind the row before up to the last."""
    after = block.row[start - 1] if start else 0
    is_within = pl.col(ROW) > after
    if stop < len(block.row):
        is_within &= pl.col(ROW) <= block.row[stop - 1]
    return replace(
        block,
        frame=block.frame[start:stop],
        row=block.row[start:stop],
        line=block.line[start:stop],
        broken=block.broken.filter(is_within),
    )


def _options(job: Job) -> Iterator[Column]:
    """Yield the job's options as constants of their fields."""
    for name, value in job.options.items():
        yield Column(field=name, value=value, where=f"options.{name}")
