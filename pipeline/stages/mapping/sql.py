"""An expression of the job file → a polars expression over the source's columns.

`pl.sql_expr` takes expressions only: no queries, no functions that read. (`SQLContext` would open
any file.) What is refused here is refused before the first row is read.
"""

from collections.abc import Mapping

import polars as pl

SENTENCE_MAX = 500
"""A source can have so many columns that a list of them is no help."""


def parse(said: str, columns: Mapping[str, pl.DataType]) -> tuple[pl.Expr, pl.DataType]:
    """Return the expression that *said* means, and its dtype.

    It must give one value for each row, out of that row alone: the rows of other blocks are not
    there to be looked at. Raises ValueError with what is wrong.
    """
    rows = pl.LazyFrame(schema=dict(columns))
    try:
        expression = pl.sql_expr(said)
        if expression.meta.has_multiple_outputs():
            raise ValueError("it stands for several columns; name one")
        if not expression.meta.root_names():
            raise ValueError("it reads no column; a constant is written as { value = … }")
        found = rows.select(expression).collect()
        if not is_elementwise(expression, rows):
            raise ValueError("it needs other rows too (an aggregate or a window function)")
    except pl.exceptions.PolarsError as error:
        raise ValueError(sentence(error)) from error
    return expression, found.dtypes[0]


def is_elementwise(expression: pl.Expr, rows: pl.LazyFrame) -> bool:
    """Say whether each value comes from its own row only.

    Asked of the optimizer, which lets a slice through a selection when and only when that is so.
    (`meta.is_row_separable` says yes to `b - min(b)` in polars 2.1.)
    """
    return "SLICE" not in rows.select(expression).slice(1, 1).explain()


def sentence(error: Exception) -> str:
    """Return what polars says, on one line, cut, and without its plan and its advice."""
    said = str(error)
    for boilerplate in ("This error occurred", "Resolved plan", "You might want to try"):
        said = said.partition(boilerplate)[0]
    return " ".join(said.split())[:SENTENCE_MAX]
