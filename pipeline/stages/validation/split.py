"""Checks over a block: which rows are good, and every reason why the others are not.

Each check makes one bit a row; text is made for bad rows only. Never raises for data.
"""

from collections.abc import Sequence

import polars as pl
from msgspec import Struct

from pipeline.model import FILE, KEY, LINE, ROW, SOURCE
from pipeline.stages.validation.rules import Check, cell_of

REASONS, RAW = "reasons", "raw"


class Checked(Struct, frozen=True, kw_only=True):
    """A block, parted in two; each part keeps the order of the rows."""

    good: pl.DataFrame
    """row, file, line, key (String), the fields, source (struct of the columns as they came)."""
    rejected: pl.DataFrame
    """row, file, line, reasons (List(String), in the order of the checks), raw (String), source."""


def split(
    checks: Sequence[Check],
    *,
    rows: pl.DataFrame,
    fields: pl.DataFrame,
    cells: pl.DataFrame,
    key: str,
) -> Checked:
    """Part the rows of a block into good and rejected ones.

    rows: row, file, line, source. fields and cells: as mapped, named alike, one line for each of
    *rows*. key: the field that is the key of a row. A rejected row has at least one reason; `raw`
    is for lines that could not be parsed (see `unreadable`), and null here.
    """
    is_bad, reasons = _judge(checks, fields, cells)
    keys = fields.get_column(key).cast(pl.String).alias(KEY)
    good = rows[[ROW, FILE, LINE]].hstack([keys, *fields, rows.get_column(SOURCE)])
    if reasons.is_empty():  # nothing is copied
        return Checked(good=good, rejected=_without_reasons(rows.clear()))
    bad = _without_reasons(rows.filter(is_bad)).with_columns(reasons)
    return Checked(good=good.filter(~is_bad), rejected=bad)


def objections(
    checks: Sequence[Check], fields: pl.DataFrame, cells: pl.DataFrame
) -> tuple[str, ...]:
    """Return what the *checks* of these *fields* have against them: constants, before any row."""
    known = {*fields.columns, *map(cell_of, cells.columns)}
    concerned = [
        check
        for check in checks
        if check.field in fields.columns and known.issuperset(check.bad.meta.root_names())
    ]
    _, reasons = _judge(concerned, fields, cells)
    return tuple(reasons.explode(empty_as_null=False).to_list())


def unreadable(broken: pl.DataFrame, *, file: str, source: pl.DataType) -> pl.DataFrame:
    """Return lines that could not be parsed (row, line, reason, raw) as rejected rows of *file*.

    source: the dtype of the struct of columns, which are null here.
    """
    return broken.select(
        ROW,
        pl.lit(file).alias(FILE),
        LINE,
        pl.concat_list("reason").alias(REASONS),
        RAW,
        pl.lit(None, dtype=source).alias(SOURCE),
    )


def _without_reasons(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        ROW,
        FILE,
        LINE,
        pl.lit(None, dtype=pl.List(pl.String)).alias(REASONS),
        pl.lit(None, dtype=pl.String).alias(RAW),
        SOURCE,
    )


def _judge(
    checks: Sequence[Check], fields: pl.DataFrame, cells: pl.DataFrame
) -> tuple[pl.Series, pl.Series]:
    """Return which rows are bad, and for each of those, in order, its reasons."""
    # By hand: `rename` calls `cell_of` from a thread of polars, for each column twice.
    both = fields.hstack([cell.alias(cell_of(cell.name)) for cell in cells.iter_columns()])
    bad = {str(index): check.bad for index, check in enumerate(checks)}
    found = both.select(bit.any().alias(name) for name, bit in bad.items())
    hits = [bit for bit, hit in zip(bad, found.row(0), strict=True) if hit] if bad else []
    if not hits:
        none = pl.Series(REASONS, [], dtype=pl.List(pl.String))
        return pl.repeat(False, fields.height, eager=True), none
    bits = both.select(bad[hit].alias(hit) for hit in hits)
    is_bad = bits.select(pl.any_horizontal(hits).fill_null(False)).to_series()
    texts = cells.filter(is_bad).select(_text(column) for column in cells.iter_columns())
    texts = texts.with_row_index("index").hstack(fields.filter(is_bad))
    bits = bits.filter(is_bad)
    said = [
        texts.filter(bits[hit]).select("index", checks[int(hit)].reason.alias(REASONS))
        for hit in hits
    ]
    told = pl.concat(said).group_by("index", maintain_order=True).agg(REASONS).sort("index")
    return is_bad, told[REASONS]


def _text(column: pl.Series) -> pl.Expr:
    """Return the cells of a column as text for a person, by the name that reasons know."""
    cell = pl.col(column.name)
    if column.dtype.is_nested():
        text: pl.Expr = pl.when(cell.is_not_null()).then(pl.lit("[…]"))
    elif column.dtype == pl.Binary:
        text = cell.bin.encode("hex")
    else:
        text = cell.cast(pl.String)
    return text.alias(cell_of(column.name))
