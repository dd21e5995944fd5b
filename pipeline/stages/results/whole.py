"""Answers that speak of a request as a whole: parsed, walked along the record's paths, typed. Pure.

One answer is for one row, or for all rows of its request alike. A value that is not of its column's
type is null there, and nowhere else.
"""

import re
from collections.abc import Iterator
from typing import Any

import orjson

from pipeline.operations import AnswerField, Kind

INT64_MAX = 2**63 - 1
STEP = re.compile(r"(?P<name>[^.\[\]]+)(?P<list>\[(?:(?P<member>[^=\]]+)=(?P<wanted>[^\]]+))?\])?")
"""A step of a path: `props`, `effects[]`, `effects[effectType=rejectCoupon]`."""
SCALARS: dict[Kind, tuple[type, ...]] = {
    Kind.STRING: (str,),
    Kind.TIME: (str,),
    Kind.INTEGER: (int,),
    Kind.NUMBER: (int, float),
    Kind.BOOLEAN: (bool,),
}
ELEMENTS = {
    Kind.STRINGS: Kind.STRING,
    Kind.TIMES: Kind.TIME,
    Kind.INTEGERS: Kind.INTEGER,
    Kind.NUMBERS: Kind.NUMBER,
}


def parsed(answer: bytes) -> object:
    """Return the JSON of *answer*, or None where it is none."""
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError:
        return None


def value_of(field: AnswerField, answer: object) -> Any:  # noqa: ANN401 - as the field's kind has it
    """Return what *answer* says of *field*, in the type of its column, or None."""
    found = list(_walk(answer, STEP.finditer(field.at)))
    if field.kind in ELEMENTS:
        values = [_scalar(one, ELEMENTS[field.kind]) for one in _flat(found)]
        return values if found else None
    value = found[0] if found else None
    if field.kind is not Kind.JSON:
        return _scalar(value, field.kind)
    if not field.fields:
        return None if value is None else orjson.dumps(value).decode()
    if field.many:
        return [_object(field, one) for one in value] if isinstance(value, list) else None
    return _object(field, value)


def _object(field: AnswerField, value: object) -> dict[str, object] | None:
    if not isinstance(value, dict):
        return None
    return {one.name: value_of(one, value) for one in field.fields}


def _walk(value: object, steps: Iterator[re.Match[str]]) -> Iterator[object]:
    """Yield what stands at the end of *steps*: of each element where a step walks a list."""
    step = next(steps, None)
    if step is None:
        yield value
        return
    inner = value.get(step["name"]) if isinstance(value, dict) else None
    if inner is None:
        return
    if not step["list"]:
        yield from _walk(inner, steps)
        return
    rest = list(steps)
    elements = inner if isinstance(inner, list) else []
    yield [
        found
        for element in elements
        if step["member"] is None or _is(element, step["member"], step["wanted"])
        for found in _walk(element, iter(rest))
    ]


def _is(element: object, member: str, wanted: str) -> bool:
    return isinstance(element, dict) and element.get(member) == wanted


def _flat(found: list[object]) -> Iterator[object]:
    for value in found:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value


def _scalar(value: object, kind: Kind) -> object:
    if isinstance(value, bool) and kind is not Kind.BOOLEAN:
        return None
    if isinstance(value, int) and kind is Kind.INTEGER and abs(value) > INT64_MAX:
        return None
    return value if isinstance(value, SCALARS[kind]) else None
