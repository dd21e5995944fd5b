"""What the job asks of a field's values, merged into what the API asks: the narrower holds.

Data in, data out: no frames but to try a pattern.
"""

from math import isfinite
from typing import TypeVar

import polars as pl
from msgspec.structs import replace

from pipeline.config.column import Column
from pipeline.operations import Field, Kind
from pipeline.stages.mapping.reading import ELEMENTS

Number = TypeVar("Number", int, float)
INT64_END = 2**63
NUMERIC = (Kind.INTEGER, Kind.NUMBER)


def merge(field: Field, column: Column, *, name: str, kind: Kind) -> Field:
    """Return *field*, called *name* and of *kind*, with the limits of *column* in it.

    A family lends its members its limits, but not that it is required.
    """
    own = choices(column)
    return replace(
        field,
        name=name,
        kind=kind,
        required=column.required or (field.required and not field.is_family),
        length_max=_least(field.length_max, column.length_max),
        minimum=_most(field.minimum, column.minimum),
        maximum=_least(field.maximum, column.maximum),
        choices=tuple(c for c in own if not field.choices or c in field.choices) or field.choices,
        pattern=column.pattern or field.pattern,
    )


def choices(column: Column) -> tuple[str, ...]:
    """Return the values that the job allows, as text; true and false as JSON has them."""
    return tuple(str(c).lower() if isinstance(c, bool) else str(c) for c in column.one_of)


def faults(field: Field, column: Column, kind: Kind) -> list[str]:
    """Return what is wrong with the limits of *column*, for a value of *kind*."""
    one = ELEMENTS.get(kind, kind)
    found = []
    if one is not Kind.STRING and (column.length_max is not None or column.pattern is not None):
        found.append(f'length_max and pattern are for strings, and this is of type "{kind}"')
    if one not in NUMERIC and (column.minimum is not None or column.maximum is not None):
        found.append(f'min and max are for numbers, and this is of type "{kind}"')
    if one is Kind.JSON and column.one_of:
        found.append(f'one_of is not for type "{kind}"')
    if one is not Kind.TIME and column.format is not None:
        found.append(f'format is for type "time", and this is of type "{kind}"')
    if one in NUMERIC:
        strange = [c for c in choices(column) if not _is_of(c, one)]
        found += [f'one_of: "{c}" is not of type "{one}"' for c in strange]
    strange = [c for c in choices(column) if field.choices and c not in field.choices]
    found += [f'one_of: the API takes {", ".join(field.choices)}, not "{c}"' for c in strange]
    if column.pattern is not None:
        found += _pattern_faults(field, column.pattern)
    return found


def _pattern_faults(field: Field, pattern: str) -> list[str]:
    if field.pattern:
        return [f"pattern: the API has one for this field already: {field.pattern}"]
    try:
        pl.Series([""]).str.contains(pattern)
    except pl.exceptions.PolarsError:
        return [f"pattern: not a regular expression: {pattern}"]
    return []


def _is_of(text: str, kind: Kind) -> bool:
    try:
        return abs(int(text)) < INT64_END if kind is Kind.INTEGER else isfinite(float(text))
    except ValueError:
        return False


def _least(*limits: Number | None) -> Number | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _most(*limits: Number | None) -> Number | None:
    return max((limit for limit in limits if limit is not None), default=None)
