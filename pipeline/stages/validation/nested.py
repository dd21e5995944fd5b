"""Lists of objects in one value: what is wrong with them, in words; pure.

Reads JSON text and nested columns alike. Goes through Python objects, value by value: only
operations that carry one row in a request take such lists, and a request costs more than this.
"""

import json
from collections.abc import Callable, Iterator

import orjson
import polars as pl

from pipeline.operations import Field, Kind

SHOWN_MAX = 80
"""Characters of a value that a reason quotes."""
TYPES: dict[Kind, tuple[type, ...]] = {
    Kind.STRING: (str,),
    Kind.INTEGER: (int,),
    Kind.NUMBER: (int, float),
    Kind.BOOLEAN: (bool,),
    Kind.JSON: (dict, list),
}
NAMES = {
    Kind.STRING: "a string",
    Kind.INTEGER: "an integer",
    Kind.NUMBER: "a number",
    Kind.BOOLEAN: "true or false",
    Kind.JSON: "an object or a list",
}


def faults_in(field: Field) -> Callable[[pl.Series], pl.Series]:
    """Return what maps values of *field* to the first thing wrong with each, or null."""

    def faults(values: pl.Series) -> pl.Series:
        lists = map(orjson.loads, _texts(values).drop_nulls().to_list())
        found = [next(_faults(field, value), None) for value in lists]
        everywhere = pl.Series(values.name, [None], pl.String).new_from_index(0, len(values))
        return everywhere.scatter(
            values.is_not_null().arg_true(), pl.Series(found, dtype=pl.String)
        )

    return faults


def _texts(values: pl.Series) -> pl.Series:
    if values.dtype == pl.Binary:
        return values.cast(pl.String)
    if not values.dtype.is_nested():
        return values
    wrapped = values.alias("").to_frame().to_struct().struct.json_encode()
    texts = wrapped.str.strip_prefix('{"":').str.head(-1)
    return pl.select(pl.when(values.is_not_null()).then(texts)).to_series()


def _faults(field: Field, value: object) -> Iterator[str]:
    if not isinstance(value, list):
        yield "is not a list"
        return
    if field.elements_max is not None and len(value) > field.elements_max:
        yield f"has more than {field.elements_max} elements"
    for place, element in enumerate(value, 1):
        if not isinstance(element, dict):
            yield f"element {place} is not an object"
            return
        yield from (f"element {place}: {fault}" for fault in _members(field, element))
    if field.total_max is not None:
        name, most = field.total_max
        if sum(element[name] for element in value if element.get(name)) > most:
            yield f"{name} of all elements adds up to more than {most}"


def _members(field: Field, element: dict[str, object]) -> Iterator[str]:
    for member in field.elements:
        own = element.get(member.path)
        if fault := _fault(member, own):
            shown = "" if own is None else f"{_cut(json.dumps(own, ensure_ascii=False))} "
            yield f"{member.path}: {shown}{fault}"


def _fault(member: Field, value: object) -> str:
    """Return what is wrong with one member of an object; a null counts as left out."""
    if value is None:
        return "is missing" if member.required else ""
    if not isinstance(value, TYPES[member.kind]) or (
        isinstance(value, bool) and member.kind is not Kind.BOOLEAN
    ):
        return f"is not {NAMES[member.kind]}"
    if isinstance(value, str) and member.length_min and len(value) < member.length_min:
        return "is empty" if member.length_min == 1 else f"is shorter than {member.length_min}"
    if isinstance(value, int | float) and member.minimum is not None and value < member.minimum:
        return f"is less than {member.minimum:.15g}"
    return ""


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"
