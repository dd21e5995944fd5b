"""The API's answers as typed columns: JSON text in, a frame to join the results with out; pure.

An answer that lists rows is matched to them by the key that it names, never by its place (API.md
§3.3); any other is for all rows of its request. What cannot be read becomes nulls: the row was
delivered all the same.
"""

from collections.abc import Sequence

import orjson
import polars as pl
import pyarrow as pa
from polars.datatypes import DataTypeClass

from pipeline.model import KEY, RequestLine
from pipeline.operations import AnswerField, AnswerShape, Kind, Operation
from pipeline.stages.results import whole

LEAF = "_leaf"
DTYPES: dict[Kind, pl.DataType] = {
    Kind.STRING: pl.String(),
    Kind.TIME: pl.String(),
    Kind.INTEGER: pl.Int64(),
    Kind.NUMBER: pl.Float64(),
    Kind.BOOLEAN: pl.Boolean(),
    Kind.STRINGS: pl.List(pl.String()),
    Kind.TIMES: pl.List(pl.String()),
    Kind.INTEGERS: pl.List(pl.Int64()),
    Kind.NUMBERS: pl.List(pl.Float64()),
    Kind.JSON: pl.String(),
}
SCALARS: dict[DataTypeClass, tuple[type, ...]] = {
    pl.String: (str,),
    pl.Int64: (int,),
    pl.Float64: (int, float),
    pl.Boolean: (bool,),
}
"""What Python makes of the JSON values that fit a column."""


def dtype_of(field: AnswerField) -> pl.DataType:
    """Return the type of the results' column of *field*: nested where the field has fields."""
    if not field.fields:
        return DTYPES[field.kind]
    inner = pl.Struct({one.name: dtype_of(one) for one in field.fields})
    return pl.List(inner) if field.many else inner


def decode_answers(operation: Operation, leaves: Sequence[RequestLine]) -> pl.DataFrame:
    """Return the answers of *leaves*: leaf number, key, and the answer's fields.

    One row per row that an answer lists; or one per answer, without a key, where it lists none.
    """
    shape = operation.answer
    return _listed(shape, leaves) if shape.rows_at else _whole(shape, leaves)


def _whole(shape: AnswerShape, leaves: Sequence[RequestLine]) -> pl.DataFrame:
    numbered = [(number, line.answer) for number, line in enumerate(leaves) if line.answer]
    answers = [whole.parsed(answer) for _, answer in numbered]
    columns = [
        _column(field, [whole.value_of(field, one) for one in answers]) for field in shape.fields
    ]
    return pl.DataFrame([pl.Series(LEAF, [number for number, _ in numbered], pl.UInt32), *columns])


def _column(field: AnswerField, values: Sequence[object]) -> pl.Series:
    """Return the column of *values*; by Arrow: of lists polars makes a Series each."""
    empty = pl.Series(field.name, [], dtype_of(field))
    array = pa.array(values, empty.to_arrow(compat_level=pl.CompatLevel.oldest()).type)
    return pl.Series(field.name, array)


def _listed(shape: AnswerShape, leaves: Sequence[RequestLine]) -> pl.DataFrame:
    paths = {field.name: field.at for field in shape.fields} | {KEY: shape.match}
    dtypes = {field.name: dtype_of(field) for field in shape.fields} | {KEY: pl.String()}
    inner = _struct([(path.split("."), dtypes[name]) for name, path in paths.items()])
    outer = _struct([(shape.rows_at.split("."), pl.List(inner))])
    bodies = [(number, line.answer) for number, line in enumerate(leaves) if line.answer]
    texts = [body.decode(errors="replace") for _, body in bodies]
    numbers = pl.Series(LEAF, [number for number, _ in bodies], pl.UInt32)
    decoded = pl.DataFrame({LEAF: numbers, "answer": _decode(texts, outer)})
    rows = decoded.select(LEAF, _walk(pl.col("answer"), shape.rows_at).alias("answer"))
    rows = rows.explode("answer").filter(pl.col("answer").is_not_null())
    columns = [_walk(pl.col("answer"), path).alias(name) for name, path in paths.items()]
    return rows.select(LEAF, *columns).unique([LEAF, KEY], keep="first", maintain_order=True)


def _decode(texts: Sequence[str], dtype: pl.DataType) -> pl.Series:
    """Decode JSON *texts*, all at once; what cannot be read is null and spoils nothing else."""
    try:
        return pl.Series(texts, dtype=pl.String).str.json_decode(dtype)
    except pl.exceptions.PolarsError:
        if len(texts) == 1:
            return pl.Series([_fitted(_parsed(texts[0]), dtype)], dtype=dtype)
        return pl.concat([_decode([text], dtype) for text in texts])


def _parsed(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _fitted(value: object, dtype: pl.DataType | DataTypeClass) -> object:
    """Return *value* with null for what is not of *dtype*: one odd field takes no code with it."""
    match dtype:
        case pl.Struct() if isinstance(value, dict):
            return {one.name: _fitted(value.get(one.name), one.dtype) for one in dtype.fields}
        case pl.List() if isinstance(value, list):
            return [_fitted(one, dtype.inner) for one in value]
        case pl.Int64() if isinstance(value, int) and abs(value) > whole.INT64_MAX:
            return None
    return value if isinstance(value, SCALARS.get(dtype.base_type(), ())) else None


def _walk(start: pl.Expr, path: str) -> pl.Expr:
    for name in path.split("."):
        start = start.struct.field(name)
    return start


def _struct(paths: Sequence[tuple[list[str], pl.DataType]]) -> pl.Struct:
    """Return the nested struct that has each type at its path."""
    members: dict[str, list[tuple[list[str], pl.DataType]]] = {}
    for (first, *rest), dtype in paths:
        members.setdefault(first, []).append((rest, dtype))
    return pl.Struct(
        {
            name: inner[0][1] if not inner[0][0] else _struct(inner)
            for name, inner in members.items()
        }
    )
