"""Values that a job writes itself: whether they fit the field of the API, and how they are sent.

Pure.  Knows fields and JSON values; never where in a job a value was said.
"""

import datetime as dt
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import TypeGuard

from pipeline.config.column import JsonValue
from pipeline.operations import Field, Kind

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
DEPTH_MAX = 32
"""Of lists and tables in one another."""
SWITCH = ("yes", "no")
"""The choices of an option that is a boolean by another name (API.md §2.3)."""

ELEMENT = {
    Kind.STRINGS: Kind.STRING,
    Kind.INTEGERS: Kind.INTEGER,
    Kind.NUMBERS: Kind.NUMBER,
    Kind.TIMES: Kind.TIME,
}
"""The kind of a list's elements, for the kinds that are lists."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_NOUNS = {
    Kind.STRING: "a string",
    Kind.INTEGER: "an integer",
    Kind.NUMBER: "a number",
    Kind.BOOLEAN: "true or false",
    Kind.TIME: "a time with its offset such as 2035-06-30T23:59:59Z",
    Kind.JSON: "a value that JSON has",
}


def as_sent(value: object, target: Field, kind: Kind) -> JsonValue:
    """Return *value* as the API takes it in *target*, read as *kind*.

    A boolean stands for yes and no where these are the choices; a date-time of TOML becomes its
    text. Raises ValueError when the value does not fit (null fits nowhere); `expectation` says
    what would. A pattern of the field is left to validation: it is written for another engine of
    regular expressions.
    """
    if kind in ELEMENT:
        if not isinstance(value, list | tuple) or len(value) > (target.elements_max or len(value)):
            raise ValueError("not a list, or too long a one")
        return [as_sent(one, target, ELEMENT[kind]) for one in value]
    if isinstance(value, bool) and target.choices == SWITCH:
        value = "yes" if value else "no"
    plain = _plain(value)
    if plain is None or not (fits(plain, kind) and _within(plain, target)):
        raise ValueError("does not fit")
    return plain


def fits(value: object, kind: Kind) -> bool:
    """Say whether *value* is of *kind* (or an element of it): 1 is no boolean, NaN no number."""
    kind = ELEMENT.get(kind, kind)
    return _FITS[kind](value)


def expectation(target: Field, kind: Kind) -> str:
    """Say what `as_sent` takes, for a message."""
    if target.choices == SWITCH:
        return "true or false (the API's yes or no)"
    if kind in ELEMENT:
        return f"a list, each element {expectation(target, ELEMENT[kind])}"
    if target.choices:
        return f"one of {', '.join(target.choices)}"
    limits = [
        f"{words} {limit}"
        for words, limit in (
            ("at least", target.minimum),
            ("at most", target.maximum),
            ("at least this many characters:", target.length_min),
            ("at most this many characters:", target.length_max),
        )
        if limit is not None
    ]
    return ", ".join([_NOUNS[kind], *limits])


def from_text(text: str, target: Field) -> object:
    """Return what *text*, typed on a command line for *target*, says; itself where it says nothing.

    A string is taken as it is (but for true and false of a switch), anything else read as JSON.
    """
    if target.choices == SWITCH:
        return {"true": True, "false": False}.get(text, text)
    if target.kind in {Kind.STRING, Kind.TIME}:
        return text
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value


def _plain(value: object, depth: int = DEPTH_MAX) -> JsonValue:
    """Return *value* with the times of TOML as text. Raises ValueError for what JSON has not."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.isoformat().replace("+00:00", "Z")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        value.encode()  # half a surrogate, from bytes that were no text, is a ValueError
        return value
    if isinstance(value, int | float) and _is_number(value):
        return value
    if isinstance(value, list | tuple) and depth:
        return [_plain(one, depth - 1) for one in value]
    if isinstance(value, Mapping) and depth:
        return {str(name): _plain(one, depth - 1) for name, one in value.items()}
    raise ValueError("not a value that JSON has")


def is_finite(value: object) -> TypeGuard[int | float]:
    """Whether *value* is a number, and no greater than a float can be."""
    try:
        return (
            isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        )
    except OverflowError:  # an integer of 400 digits
        return False


def _within(value: JsonValue, target: Field) -> bool:
    """Say whether *value* keeps to the choices, the range and the lengths of *target*."""
    if isinstance(value, str):
        longest = len(value) if target.length_max is None else target.length_max
        return (not target.choices or value in target.choices) and (
            (target.length_min or 0) <= len(value) <= longest
        )
    if isinstance(value, int | float) and not isinstance(value, bool):
        least = -math.inf if target.minimum is None else target.minimum
        return least <= value <= (math.inf if target.maximum is None else target.maximum)
    return True


def _is_integer(value: object) -> bool:
    return type(value) is int and INTEGER_MIN <= value <= INTEGER_MAX


def _is_number(value: object) -> bool:
    """Whether a 64-bit float, or an integer of 64 bits, holds *value* as it is."""
    return _is_integer(value) or (type(value) is float and math.isfinite(value))


def _is_time(value: object) -> bool:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return False
    try:
        dt.datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


_FITS: Mapping[Kind, Callable[[object], bool]] = {
    Kind.STRING: lambda value: isinstance(value, str),
    Kind.INTEGER: _is_integer,
    Kind.NUMBER: lambda value: _is_number(value) and float(str(value)) == value,
    Kind.BOOLEAN: lambda value: isinstance(value, bool),
    Kind.TIME: _is_time,
    Kind.JSON: lambda _: True,
}
