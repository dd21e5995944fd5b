"""Typed columns (Parquet, Arrow, frames) → the kinds of the API, by dtype.

A pair of dtype and kind that would not keep each value exact, or that leaves a doubt about how it
should be written, is refused when the job is compiled (ValueError); a single value that cannot be
sent is null. Text goes the way of `text`. Expressions only.
"""

import polars as pl
from msgspec.structs import replace
from polars.datatypes import DataTypeClass

from pipeline.operations import Kind
from pipeline.stages.mapping import text, times
from pipeline.stages.mapping.reading import ELEMENTS, Reading

# Two hexadecimal digits a byte: the shape of UTF-8 (RFC 3629), no surrogates, nothing overlong.
_NEXT = "[89ab]."
UTF8_HEX = (
    rf"^(?:[0-7].|(?:c[2-9a-f]|d.){_NEXT}|e0[ab].{_NEXT}|e[1-9abcef](?:{_NEXT}){{2}}"
    rf"|ed[89].{_NEXT}|f0[9ab].(?:{_NEXT}){{2}}|f[123](?:{_NEXT}){{3}}|f48.(?:{_NEXT}){{2}})*$"
)
LISTS = {kind: of for of, kind in ELEMENTS.items()}


def natural(dtype: pl.DataType) -> Kind:
    """Return the kind that fits a column which nobody gave one: STRING for text and for nulls."""
    if dtype.is_integer():
        return Kind.INTEGER
    if dtype.is_numeric():
        return Kind.NUMBER
    if dtype.is_nested():
        inner = element(dtype)
        return LISTS.get(natural(inner), Kind.JSON) if inner is not None else Kind.JSON
    if dtype == pl.Boolean:
        return Kind.BOOLEAN
    return Kind.TIME if dtype in (pl.Date, pl.Datetime) else Kind.STRING


def read(cell: pl.Expr, dtype: pl.DataType, how: Reading) -> pl.Expr:
    """Read a column of *dtype* as *how* wants it. Raises ValueError where it cannot."""
    if dtype == pl.String:
        return text.read(cell, how)
    if dtype in (pl.Null, pl.Categorical, pl.Enum):
        return text.read(cell.cast(pl.String), how)
    if dtype == pl.Binary:
        return text.read(utf8(cell), how)
    readers = {
        Kind.STRING: string,
        Kind.INTEGER: integer,
        Kind.NUMBER: number,
        Kind.BOOLEAN: boolean,
        Kind.JSON: json,
    }
    if how.kind is Kind.TIME:
        return time(cell, dtype, how.zone)
    if how.kind in ELEMENTS:
        return elements(cell, dtype, how)
    return readers[how.kind](cell, dtype)


def utf8(cell: pl.Expr) -> pl.Expr:
    """Read bytes as UTF-8, null where they are not.

    The cast alone would end the frame at the first of those, even where it is masked by a null.
    """
    valid = cell.bin.encode("hex").str.contains(UTF8_HEX)
    return pl.when(valid).then(pl.when(valid).then(cell).otherwise(pl.lit(b"")).cast(pl.String))


def string(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Write an integer as text, in plain digits; of a number with decimals the text is a guess."""
    if dtype.is_integer() or scale(dtype) == 0:
        return cell.cast(pl.String)
    if dtype.is_float():
        raise ValueError(
            f"{shown(dtype)} cannot be sent as a string: 007 and 1e5 have lost their form already; "
            "export the column as text"
        )
    raise unfit(dtype, Kind.STRING)


def integer(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Read integers of 64 bits; of floats and decimals those that are whole."""
    if not dtype.is_numeric():
        raise unfit(dtype, Kind.INTEGER)
    value = cell.cast(pl.Int64, strict=False)
    if dtype.is_integer():
        return value
    whole = cell.abs() <= text.EXACT_MAX if dtype.is_float() else pl.lit(True)
    return pl.when(whole & (value.cast(dtype) == cell)).then(value)


def number(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Read numbers as 64-bit floats: no NaN, no infinity, no integer that would be rounded."""
    if not dtype.is_numeric():
        raise unfit(dtype, Kind.NUMBER)
    value = cell.cast(pl.Float64)
    if dtype.is_float():
        return pl.when(value.is_finite()).then(value)
    exact = value.abs() <= text.EXACT_MAX
    if dtype.is_integer() or scale(dtype) == 0:
        exact = value.cast(pl.Int128, strict=False) == cell.cast(pl.Int128, strict=False)
    return pl.when(exact).then(value)


def boolean(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Read booleans, and integers that are 0 or 1."""
    if dtype == pl.Boolean:
        return cell
    if dtype.is_integer():
        return pl.when(cell.is_in([0, 1])).then(cell == 1)
    raise unfit(dtype, Kind.BOOLEAN)


def time(cell: pl.Expr, dtype: pl.DataType, zone: str) -> pl.Expr:
    """Write dates and datetimes as RFC 3339."""
    if dtype not in (pl.Date, pl.Datetime):
        raise unfit(dtype, Kind.TIME)
    return times.native(cell, dtype, zone)


def elements(cell: pl.Expr, dtype: pl.DataType, how: Reading) -> pl.Expr:
    """Read a list element by element; null if one of them is null or cannot be sent."""
    inner = element(dtype)
    if inner is None:
        raise unfit(dtype, how.kind)
    one = replace(how, kind=ELEMENTS[how.kind])
    values = cell.cast(pl.List(inner)).list.eval(read(pl.element(), inner, one))
    return pl.when(~values.list.eval(pl.element().is_null()).list.any()).then(values)


def json(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Keep structs and lists as they are nested; null where there is a NaN or infinity in them."""
    if not dtype.is_nested():
        raise unfit(dtype, Kind.JSON)
    plain = nested(dtype)
    value = cell.cast(plain)
    return pl.when(~holds_no_number(value, plain).fill_null(False)).then(value)


def nested(dtype: pl.DataType) -> pl.DataType:
    """Return the dtype that a nested column is written in: what JSON has, and nothing else."""
    if isinstance(dtype, pl.Struct):
        return pl.Struct({f.name: nested(instance(f.dtype)) for f in dtype.fields})
    inner = element(dtype)
    if inner is not None:
        return pl.List(nested(inner))
    if isinstance(dtype, pl.Decimal):
        return pl.Float64()
    if dtype in (pl.Categorical, pl.Enum):
        return pl.String()
    if dtype.is_numeric() or dtype in (pl.String, pl.Boolean, pl.Null):
        return dtype
    raise ValueError(
        f"{shown(dtype)} inside a nested column cannot be sent as JSON; write it as text first"
    )


def holds_no_number(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Say whether there is a NaN or an infinity anywhere inside (JSON would say null)."""
    if dtype.is_float():
        return ~value.is_finite()
    if isinstance(dtype, pl.Struct):
        inside = [
            holds_no_number(value.struct.field(f.name), instance(f.dtype)) for f in dtype.fields
        ]
        return pl.any_horizontal(inside) if inside else pl.lit(False)
    if isinstance(dtype, pl.List):
        return value.list.eval(holds_no_number(pl.element(), instance(dtype.inner))).list.any()
    return value.is_null() & False


def element(dtype: pl.DataType) -> pl.DataType | None:
    """Return the dtype of the elements of a list or an array, None for another dtype."""
    return instance(dtype.inner) if isinstance(dtype, pl.List | pl.Array) else None


def instance(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    """Return a dtype that may have been named by its class as an instance."""
    return dtype() if isinstance(dtype, DataTypeClass) else dtype


def scale(dtype: pl.DataType) -> int | None:
    """Return how many decimals a decimal has, None for another dtype."""
    return dtype.scale if isinstance(dtype, pl.Decimal) else None


def unfit(dtype: pl.DataType, kind: Kind) -> ValueError:
    """Return the refusal of a pair that does not fit."""
    return ValueError(f'{shown(dtype)} cannot be sent as type "{kind}"; convert it with sql = "…"')


def shown(dtype: pl.DataType) -> str:
    """Name a dtype to people."""
    return f"a column of dtype {dtype}"
