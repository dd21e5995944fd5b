"""Columns of lists and objects → JSON text. polars writes them; nulls go from what it wrote.

`,"name":null` cannot be part of a string: a quote inside one is escaped.
"""

from collections.abc import Iterator

import polars as pl
from polars.datatypes import FloatType, IntegerType

from pipeline.errors import InvariantBroken
from pipeline.stages.encoding.objects import member

JSON_TYPES = (pl.String, pl.Boolean, IntegerType, pl.Null, pl.Categorical, pl.Enum)
"""What has a text in JSON, beside finite numbers, lists and structs of them."""
MISTAKABLE = (",", ":", "]", "}")
"""Where a name starts with one of these, `,"name":null` could be part of a string after all."""


def check(values: pl.Series) -> None:
    """Raise InvariantBroken for a value that JSON does not have; polars would write null for it."""
    if isinstance(values.dtype, FloatType):
        if (values - values).sum() != 0:  # only what is not finite leaves something
            raise InvariantBroken(f"{values.name} has a number that JSON cannot say")
    elif not isinstance(values.dtype, JSON_TYPES):
        raise InvariantBroken(f"{values.name} has values of type {values.dtype}: not JSON")


def to_texts(values: pl.Series) -> pl.Series:
    """Return the JSON of each of *values*, lists or structs; null for null.

    Without the nulls that are members of an object; in lists nulls stay. Raises as `check` does.
    """
    texts = pl.DataFrame([values.alias("value")]).to_struct().struct.json_encode()
    for null, left in _nulls(values):
        texts = texts.str.replace_all(null, left, literal=True)
    inside = texts.str.strip_prefix('{"value":').str.head(-1)
    return inside.zip_with(values.is_not_null(), pl.Series([None], dtype=pl.String))


def _nulls(values: pl.Series) -> Iterator[tuple[str, str]]:
    """Yield what to replace by what in the text of *values* to leave nulls out, at any depth.

    First members go last: only then are they followed by a member that stays, or by none.
    """
    nullable = [(first, series.name) for first, series in _members(values) if series.null_count()]
    for name in dict.fromkeys(name for first, name in nullable if not first):
        yield f",{_member(name)}null", ""
    for name in dict.fromkeys(name for first, name in nullable if first):
        yield f"{{{_member(name)}null,", "{"
        yield f"{{{_member(name)}null}}", "{}"


def _member(name: str) -> str:
    if name.startswith(MISTAKABLE):
        raise InvariantBroken(f"{name!r} cannot be the name of a member")
    return member(name)


def _members(values: pl.Series) -> Iterator[tuple[bool, pl.Series]]:
    """Yield every member of every object in *values*: whether it is the first, and its values."""
    while isinstance(values.dtype, pl.List | pl.Array):
        values = values.explode(empty_as_null=False)
    if not isinstance(values.dtype, pl.Struct):
        check(values)
        return
    for index, series in enumerate(values.struct.unnest().get_columns()):
        yield index == 0, series
        yield from _members(series)
