"""Answers that speak of a request as a whole: parsed, walked along the record's paths, typed. Pure.

One answer is for one row, or for all rows of its request alike. A value that is not of its column's
type is null there, and nowhere else.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson
from msgspec import Struct

from pipeline.operations import AnswerField, Kind

INT64_MAX = 2**63 - 1
STEP = re.compile(r"(?P<name>[^.\[\]]+)(?P<list>\[(?:(?P<member>[^=\]]+)=(?P<wanted>[^\]]+))?\])?")
Path = tuple["Step", ...]
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


class Step(Struct, frozen=True, kw_only=True):
    """A step of a path: `props`, `effects[]`, `effects[effectType=rejectCoupon]`."""

    name: str
    many: bool
    """Whether a list stands there, of which each element is walked …"""
    member: str | None
    wanted: str | None
    """… that has this in that member, where one is named."""


def parsed(answer: bytes) -> object:
    """Return the JSON of *answer*, or None where it is none."""
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError:
        return None


def value_of(field: AnswerField, answer: object) -> Any:  # noqa: ANN401 - as the field's kind has it
    """Return what *answer* says of *field*, in the type of its column, or None."""
    found = list(_walk(answer, _path(field.at)))
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


@cache
def _path(text: str) -> Path:
    return tuple(
        Step(
            name=one["name"],
            many=one["list"] is not None,
            member=one["member"],
            wanted=one["wanted"],
        )
        for one in STEP.finditer(text)
    )


def _walk(value: object, path: Path) -> Iterator[object]:
    """Yield what stands at the end of *path*: of each element where a step walks a list."""
    if not path:
        yield value
        return
    step, rest = path[0], path[1:]
    inner = value.get(step.name) if isinstance(value, dict) else None
    if inner is None:
        return
    if not step.many:
        yield from _walk(inner, rest)
        return
    elements = inner if isinstance(inner, list) else []
    yield [
        found for element in elements if _is_wanted(element, step) for found in _walk(element, rest)
    ]


def _is_wanted(element: object, step: Step) -> bool:
    if step.member is None:
        return True
    return isinstance(element, dict) and element.get(step.member) == step.wanted


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
    if isinstance(value, int) and kind is Kind.NUMBER:
        return float(value)
    return value if isinstance(value, SCALARS[kind]) else None
