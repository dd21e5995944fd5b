"""A mapping, compiled: which field comes from where; and its application to a block.

Knows frames and expressions; never an operation by name, and never whether a value is allowed.
"""

from collections.abc import Iterable

import polars as pl
from msgspec import Struct

from pipeline.errors import JobError
from pipeline.operations import Field, Kind
from pipeline.stages.mapping.sql import sentence


class Target(Struct, frozen=True, kw_only=True):
    """One field that is sent, and where it comes from."""

    field: Field
    """The operation's field with the job's limits in it, by its full name (`attributes.Tier`)."""
    origin: str
    """For messages, where the name does not say it: `column "tier"`; else ""."""
    expects: str
    """What a cell must be, to follow "is not" in a message."""
    cell: pl.Expr
    """The value as it came, over the source's columns; null where there is none."""
    value: pl.Expr
    """The value as it is sent, over the column of cells; null where the cell cannot be."""
    dtype: pl.DataType
    constant: bool = False

    @property
    def name(self) -> str:
        """The name of the field, and of its column."""
        return self.field.name

    @property
    def verbatim(self) -> bool:
        """Whether what is sent is the text of one column, letter by letter."""
        return self.field.kind is Kind.STRING and self.cell.meta.is_column()

    @property
    def repeated(self) -> str | None:
        """The column of text that is sent as it stands, where there is one."""
        as_it_stands = self.cell.meta.is_column() and self.value.meta.is_column()
        return self.cell.meta.output_name() if as_it_stands and self.dtype == pl.String else None


class Mapping(Struct, frozen=True, kw_only=True):
    """All fields that are sent, in the order of the operation's."""

    targets: tuple[Target, ...]
    present: tuple[pl.Expr, ...] = ()
    """The source's text columns that are read, with null for the cells that mean "no value"."""

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """The dtype of each field: fixed by the job and the source's columns."""
        return {target.name: target.dtype for target in self.targets}


class Mapped(Struct, frozen=True, kw_only=True):
    """A block in the fields of the API: two frames of the same columns, named as the fields."""

    fields: pl.DataFrame
    """Typed as `Mapping.schema` says; null where nothing can be sent."""
    cells: pl.DataFrame
    """As they came; null where there is no value."""


def apply(mapping: Mapping, frame: pl.DataFrame) -> Mapped:
    """Map *frame*, the columns of a source, row by row and in order.

    Raises JobError when an expression of the job ends the frame (a CAST of what cannot be cast).
    """
    present = frame.with_columns(mapping.present)
    try:
        cells = _compute(present, ((t.name, t.cell) for t in mapping.targets))
    except pl.exceptions.PolarsError as error:
        raise _broken(mapping, present, error) from error
    fields = _compute(cells, ((t.name, t.value) for t in mapping.targets))
    return Mapped(fields=fields, cells=cells)


def key_of(mapping: Mapping, name: str, frame: pl.DataFrame) -> pl.Series:
    """Return what the field *name* alone is mapped to: the key of each row."""
    only = tuple(target for target in mapping.targets if target.name == name)
    return apply(Mapping(targets=only, present=mapping.present), frame).fields[name]


def constants(mapping: Mapping) -> Mapped:
    """Return the constants among the fields, as one row: what can be judged before any is read."""
    fixed = Mapping(targets=tuple(target for target in mapping.targets if target.constant))
    return apply(fixed, pl.DataFrame({"": [0]}))


def _compute(frame: pl.DataFrame, named: Iterable[tuple[str, pl.Expr]]) -> pl.DataFrame:
    """Return the *named* expressions, as long as the *frame* even where all are constants.

    Lazily, because only then parts that expressions share are computed once: half of the time.
    """
    columns = dict(named)
    return frame.lazy().with_columns(**columns).select(list(columns)).collect()


def _broken(mapping: Mapping, present: pl.DataFrame, error: Exception) -> JobError:
    """Name the field whose expression ended the frame."""
    for target in mapping.targets:
        try:
            present.select(target.cell)
        except pl.exceptions.PolarsError as cause:
            return JobError(
                f"{target.name} ({target.origin}) ends at a cell: {sentence(cause)}",
                hint="TRY_CAST makes such a cell empty; a column that is mapped with a type, "
                "without sql, rejects its row and goes on",
            )
    return JobError(f"the mapping cannot be applied: {sentence(error)}")
