"""A field of an operation → the checks that its values must pass.

A check is an expression that is true for a bad row, and the words for it. The values stand in a
column called as the field, the cells that they were read from in one called `cell_of(field)`.
Never knows where a cell came from, nor which operation it is for.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import polars as pl
from msgspec import Struct

from pipeline.operations import Field, Kind, Place
from pipeline.stages.validation.nested import faults_in

SHOWN_MAX = 80
"""Characters of a value that a reason quotes."""
# Bytes that no one types and that terminals obey; tab, line feed and carriage return are text.
CONTROL = r"(?-u)[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
UNPRINTABLE = r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"

LISTS = {Kind.STRINGS, Kind.INTEGERS, Kind.NUMBERS, Kind.TIMES}
STRINGS = {Kind.STRING, Kind.STRINGS}
INTEGERS, NUMBERS = {Kind.INTEGER, Kind.INTEGERS}, {Kind.NUMBER, Kind.NUMBERS}

Test: TypeAlias = Callable[[pl.Expr], pl.Expr]


class Check(Struct, frozen=True, kw_only=True):
    """One way for a row to be bad."""

    field: str
    bad: pl.Expr
    """True for a bad row; null counts as false."""
    reason: pl.Expr
    """The sentence, over the cells of bad rows as text, and their values."""


def cell_of(field: str) -> str:
    """Name the column of the cells that the values of *field* were read from."""
    return f"\0cell of {field}"


def rules(
    field: Field, *, origin: str = "", expects: str = "", printable: bool = False
) -> tuple[Check, ...]:
    """Return the checks of one field, in the order in which their reasons are told.

    origin: what to call the place it came from (`column "tier"`), where its name does not say it.
    expects: what a cell that could not be read should have been (`a number`). printable: leave out
    the look for control characters, which costs as much as all the others.
    """
    name = f"{field.name} ({origin})" if origin else field.name
    value, cell = pl.col(field.name), pl.col(cell_of(field.name))
    unread = cell.is_not_null() & value.is_null()
    checks = [(unread, _shown(cell, name) + _misread(field, cell, expects))]
    if field.required or field.place is Place.PATH:
        empty = (value == "") if field.kind is Kind.STRING else pl.lit(False)
        checks.append((cell.is_null() | empty, pl.lit(f"{name}: is empty")))
    if field.place is Place.PATH and field.kind is Kind.STRING:
        # Servers and proxies resolve these two as parts of a path, however they are written.
        checks.append(
            (value.is_in([".", ".."]), _shown(cell, name) + pl.lit(" cannot be in a URL"))
        )
    for test, words in _tests(field, printable=printable):
        bad = value.list.eval(test(pl.element())).list.any() if field.kind in LISTS else test(value)
        checks.append((bad, _shown(cell, name) + pl.lit(f" {words}")))
    if field.elements:
        fault = value.map_batches(faults_in(field), return_dtype=pl.String)
        checks.append((fault.is_not_null(), pl.lit(f"{name}: ") + fault))
    elif field.elements_max is not None:
        many = value.list.len() > field.elements_max
        checks.append((many, pl.lit(f"{name}: has more than {field.elements_max} elements")))
    return tuple(Check(field=field.name, bad=bad, reason=reason) for bad, reason in checks)


def only_with(field: Field, flag: str, *, known: bool) -> Check:
    """Return the check that *field* comes only where *flag* is true; *known*: whether it is sent.

    *flag* is a field of its own, and false where it is not sent.
    """
    unset = ~pl.col(flag).fill_null(False) if known else pl.lit(True)
    words = pl.lit(f"{field.name}: is taken only with {flag} = true")
    return Check(field=field.name, bad=pl.col(field.name).is_not_null() & unset, reason=words)


def _tests(field: Field, *, printable: bool) -> Iterator[tuple[Test, str]]:
    """Yield what makes a value bad, or an element of a list, and the words that follow it."""
    if field.kind in STRINGS:
        if not printable:
            yield lambda v: v.str.contains(CONTROL), "has a control character"
        yield from _lengths(field)
    if field.kind in INTEGERS | NUMBERS:
        low, high = field.minimum, field.maximum
        if low is not None:
            yield lambda v: v < low, f"is less than {low:.15g}"
        if high is not None:
            yield lambda v: v > high, f"is more than {high:.15g}"
    if field.choices:
        allowed = _choices(field)
        yield lambda v: ~v.is_in(allowed), f"is not one of {_cut(', '.join(field.choices))}"
    if field.pattern and field.kind in STRINGS:
        yield lambda v: ~v.str.contains(field.pattern), f"does not match {field.pattern}"


def _lengths(field: Field) -> Iterator[tuple[Test, str]]:
    least, most = field.length_min, field.length_max
    if least is not None and not (least == 1 and field.required):  # "is empty" says that already
        yield lambda v: v.str.len_chars() < least, f"is shorter than {_characters(least)}"
    if most is not None:
        yield lambda v: v.str.len_chars() > most, f"is longer than {_characters(most)}"


def _choices(field: Field) -> list[str] | list[int] | list[float] | list[bool]:
    """Return the choices in the type of the values."""
    if field.kind in INTEGERS:
        return [int(choice) for choice in field.choices]
    if field.kind in NUMBERS:
        return [float(choice) for choice in field.choices]
    if field.kind is Kind.BOOLEAN:
        return [choice == "true" for choice in field.choices]
    return list(field.choices)


def _shown(cell: pl.Expr, name: str) -> pl.Expr:
    """Return `name: "cell"`; cut, and without what a terminal would obey."""
    plain = cell.str.slice(0, SHOWN_MAX).str.replace_all(UNPRINTABLE, "�")
    dots = pl.when(cell.str.len_chars() > SHOWN_MAX).then(pl.lit("…")).otherwise(pl.lit(""))
    return pl.concat_str(pl.lit(f'{name}: "'), plain, dots, pl.lit('"'))


def _misread(field: Field, cell: pl.Expr, expects: str) -> pl.Expr:
    """Return what follows a cell that could not be read, as exactly as its text tells."""
    plain = pl.lit(f" is not {expects}")
    digits = cell.str.contains("^[+-]?[0-9]+$")
    if field.kind is Kind.INTEGER:
        return pl.when(digits).then(pl.lit(" is not an integer of 64 bits")).otherwise(plain)
    if field.kind is not Kind.NUMBER:
        return plain
    inexact = ' cannot be sent exactly as a number; map it as type "integer" or "string"'
    comma = cell.str.contains(r"^[+-]?[0-9.]*,[0-9]+$")
    is_number = cell.cast(pl.Float64, strict=False).is_not_null()
    return (
        pl.when(digits)
        .then(pl.lit(inexact))
        .when(comma)
        .then(pl.lit(" is not a number: JSON has a decimal point, no comma"))
        .when(is_number)
        .then(pl.lit(" is not a number in JSON"))
        .otherwise(plain)
    )


def _characters(count: int) -> str:
    return f"{count} character{'' if count == 1 else 's'}"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"
