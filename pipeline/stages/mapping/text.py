"""Text → the kinds of the API, exactly: a cell becomes the value that it writes, or null.

Null means that the cell cannot be sent as that kind; why is for validation to say. Nothing is
trimmed, guessed or mended. Expressions only: never a frame, and never a name of a column.
"""

import polars as pl

from pipeline.operations import Kind
from pipeline.stages.mapping import times
from pipeline.stages.mapping.reading import ELEMENTS, Reading

EXACT_MAX = 2.0**53
"""Up to here a 64-bit float holds every integer."""
TRUE, FALSE = ("true", "True", "TRUE", "1"), ("false", "False", "FALSE", "0")

# Shapes of JSON arrays; what is inside the elements is looked at when they are read.
_STRING, _NUMBER, _SPACE = r'"(?:[^"\\]|\\.)*"', r"-?[0-9][0-9.eE+-]*", r"[ \t\r\n]*"
_ARRAY = r"^{s}\[{s}(?:{e}{s}(?:,{s}{e}{s})*)?\]{s}$"
STRING_ARRAY = _ARRAY.format(s=_SPACE, e=_STRING)
NUMBER_ARRAY = _ARRAY.format(s=_SPACE, e=_NUMBER)
ARRAY_START = rf"^{_SPACE}\["
NESTED_START = rf"^{_SPACE}[\[{{]"


def read(cell: pl.Expr, how: Reading) -> pl.Expr:
    """Read text as *how* wants it, in the dtype of its kind; null where it is not that."""
    if how.kind in ELEMENTS:
        return elements(cell, how)
    if how.kind is Kind.TIME:
        return time(cell, how)
    return READERS[how.kind](cell)


def string(cell: pl.Expr) -> pl.Expr:
    """Keep text as it is."""
    return cell


def integer(cell: pl.Expr) -> pl.Expr:
    """Read digits, with a sign or without, of 64 bits."""
    return cell.cast(pl.Int64, strict=False)


def boolean(cell: pl.Expr) -> pl.Expr:
    """Read the words of `TRUE` and of `FALSE`, and no others."""
    return pl.when(cell.is_in(TRUE)).then(True).when(cell.is_in(FALSE)).then(False)


def json(cell: pl.Expr) -> pl.Expr:
    """Keep the text of JSON objects and arrays, as Binary: it is sent as it stands, not quoted."""
    return pl.when(is_json(cell) & cell.str.contains(NESTED_START)).then(cell.cast(pl.Binary))


def time(cell: pl.Expr, how: Reading) -> pl.Expr:
    """Read a time: by the format that the job gives, or as it is usually written."""
    if how.format is None:
        return times.standard(cell, how.zone)
    return times.by_format(cell, how.format, how.zone)


def number(cell: pl.Expr) -> pl.Expr:
    """Read a number that JSON has: no NaN, no infinity, and no integer that would be rounded.

    Text is what Rust's `f64::from_str` takes: `1e3`, `+1`, `.5` and `5.` are numbers. An integer
    of more than 128 bits is null too: it cannot be shown to be exact.
    """
    value = cell.cast(pl.Float64, strict=False)
    long = pl.when(value.abs() >= EXACT_MAX).then(cell)  # the others are not read twice
    exact = long.cast(pl.Int128, strict=False) == value.cast(pl.Int128, strict=False)
    rounded = long.str.contains("^[+-]?[0-9]+$") & ~exact.fill_null(False)
    return pl.when(value.is_finite() & ~rounded.fill_null(False)).then(value)


def is_json(cell: pl.Expr) -> pl.Expr:
    """Say whether a cell is JSON, each by itself.

    `json_decode` would end the whole frame at the first bad cell. (A JSON null is "no" here.)
    """
    return cell.str.json_path_match("$").is_not_null()


def elements(cell: pl.Expr, how: Reading) -> pl.Expr:
    """Read a JSON array, or else elements between separators; null if one element cannot be."""
    kind = ELEMENTS[how.kind]
    quoted = kind in (Kind.STRING, Kind.TIME)
    array = cell.str.contains(STRING_ARRAY if quoted else NUMBER_ARRAY)
    if quoted:
        valid = pl.when(array & is_json(cell)).then(cell)
        found = valid.str.json_decode(pl.List(pl.String))
    else:
        found = pl.when(array).then(cell).str.extract_all(_NUMBER)
    texts = (
        pl.when(cell.str.contains(ARRAY_START)).then(found).otherwise(cell.str.split(how.separator))
    )
    one = Reading(kind=kind, zone=how.zone, format=how.format)
    values = texts.list.eval(read(pl.element(), one))
    return pl.when(~values.list.eval(pl.element().is_null()).list.any()).then(values)


READERS = {
    Kind.STRING: string,
    Kind.INTEGER: integer,
    Kind.NUMBER: number,
    Kind.BOOLEAN: boolean,
    Kind.JSON: json,
}
