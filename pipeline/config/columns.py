"""What a job says of the operation's fields: `[columns]` and `[options]` against the catalogue.

Knows fields, kinds and constants; never the source: whether a column exists and an expression is
right is found where the mapping is compiled.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pipeline.config.column import Column, JsonValue
from pipeline.config.constants import ELEMENT, as_sent, expectation, fits
from pipeline.config.hints import closest
from pipeline.config.problems import Problems, shown
from pipeline.operations import Field, Kind, Operation

ORIGINS = ("column", "sql", "value")
_LISTS = tuple(ELEMENT)
_STRINGS = (Kind.STRING, Kind.STRINGS)
_NUMBERS = (Kind.INTEGER, Kind.NUMBER, Kind.INTEGERS, Kind.NUMBERS)
KINDS_OF: Mapping[str, tuple[Kind, ...]] = {
    "format": (Kind.TIME, Kind.TIMES),
    "separator": _LISTS,
    "length_max": _STRINGS,
    "pattern": _STRINGS,
    "min": _NUMBERS,
    "max": _NUMBERS,
}
"""The kinds that a key of a column's table has a meaning for."""


def real_name(name: str, operation: Operation) -> str:
    """Return the name by which the API knows the field *name*: its own where it is an alias."""
    target = operation.field(name)
    return name if target is None or target.is_family else target.name


def check(columns: object, options: object, operation: Operation, problems: Problems) -> None:
    """Tell *problems* all that is wrong with the two tables, as TOML has them.

    Whatever is not of the right type is passed over: the schema has told it.
    """
    columns = columns if isinstance(columns, Mapping) else {}
    options = options if isinstance(options, Mapping) else {}
    named = _named("columns", columns, operation, problems)
    for name, target in named.items():
        _check_column(name, _as_table(columns[name]), target, problems)
    for name, target in _named("options", options, operation, problems).items():
        _check_option(name, options[name], target, problems, operation)
        if real_name(name, operation) in {real_name(column, operation) for column in named}:
            problems.add(("options", name), "said twice: it is in columns too")


def make_columns(
    checked: Mapping[str, Mapping[str, Any]], operation: Operation, problems: Problems
) -> tuple[Column, ...]:
    """Return the columns of a table in which nothing was wrong, in the order of the table."""
    return tuple(_column(name, table, operation, problems) for name, table in checked.items())


def make_options(checked: Mapping[str, object], operation: Operation) -> dict[str, JsonValue]:
    """Return the constants of a table in which nothing was wrong, as the API takes them."""
    return {
        real_name(name, operation): as_sent(value, target, target.kind)
        for name, value in checked.items()
        if (target := operation.field(name))
    }


def _column(
    name: str, table: Mapping[str, Any], operation: Operation, problems: Problems
) -> Column:
    """Return one column; where the table names no origin, the source's column is named like it."""
    said = dict(table)
    if not set(ORIGINS) & set(said):
        said["column"] = name
    target = operation.field(name)
    if "value" in said and target:
        said["value"] = as_sent(said["value"], target, said.get("type", target.kind))
    return Column(field=real_name(name, operation), where=problems.where(("columns", name)), **said)


def _as_table(said: object) -> Mapping[str, Any]:
    return said if isinstance(said, Mapping) else {}


def _named(
    section: str, table: Mapping[str, object], operation: Operation, problems: Problems
) -> dict[str, Field]:
    """Return the field that each name of *table* means; tell of unknown ones and of repetitions."""
    found: dict[str, Field] = {}
    by_field: dict[str, str] = {}
    for name in table:
        target = operation.field(name)
        if target is None or (target.is_family and name in {target.name, target.name[:-1]}):
            known = ", ".join(_shown_name(f) for f in operation.fields)
            hint = closest(name, _candidates(name, operation))
            problems.add(
                (section, name), f"unknown field of {operation.name}{hint}; expected one of {known}"
            )
            continue
        first = by_field.setdefault(real_name(name, operation), name)
        if first != name:
            problems.add((section, name), f"said twice: {first} is another name of it")
        found[name] = target
    return found


def _shown_name(target: Field) -> str:
    return f"{target.name[:-1]}<Name>" if target.is_family else target.name


def _candidates(name: str, operation: Operation) -> Iterator[str]:
    """Yield the names that *name* may have meant, those of its own family among them."""
    for target in operation.fields:
        if not target.is_family:
            yield from (target.name, *target.aliases)
        elif (own := name.partition(".")[2]) not in {"", "*"}:
            yield target.name[:-1] + own


def _check_column(name: str, said: Mapping[str, Any], target: Field, problems: Problems) -> None:
    """Tell what in a column's table contradicts itself or the field."""
    path = ("columns", name)
    origins = [key for key in ORIGINS if key in said]
    if len(origins) > 1:
        problems.add(path, f"expected one of column, sql, value, got {' and '.join(origins)}")
    kind = _kind(said, target)
    if kind is None:
        return  # no type at all: the schema has told
    if target.kind is not Kind.JSON and kind is not target.kind:
        what = f'"{target.kind}", as the API has {target.name} (or no type at all)'
        problems.expected((*path, "type"), what, str(kind))
    elif "value" in said:
        _check_constant(name, said, target, problems)
    else:
        _check_demands(name, said, kind, problems)


def _kind(said: Mapping[str, Any], target: Field) -> Kind | None:
    try:
        return Kind(said.get("type", target.kind))
    except ValueError:
        return None


def _check_constant(name: str, said: Mapping[str, Any], target: Field, problems: Problems) -> None:
    kind = _kind(said, target) or target.kind
    for key in sorted(set(said) & {*KINDS_OF, "one_of", "required"}):
        problems.add(("columns", name, key), "says nothing about a constant: leave it out")
    _check_fit(("columns", name, "value"), said["value"], target, problems, kind)


def _check_demands(name: str, said: Mapping[str, Any], kind: Kind, problems: Problems) -> None:
    """Tell which demands on a column's values do not go with their kind, or with each other."""
    for key in sorted(set(said) & set(KINDS_OF)):
        if kind not in KINDS_OF[key]:
            types = " or ".join(f'"{one}"' for one in KINDS_OF[key])
            problems.add(("columns", name, key), f"goes with type = {types}, not with {kind}")
    least, most = said.get("min"), said.get("max")
    if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
        problems.expected(("columns", name, "max"), f"at least min = {shown(least)}", most)
    allowed = said.get("one_of")
    for place, value in enumerate(allowed if isinstance(allowed, Collection) else ()):
        if not fits(value, kind):
            problems.expected(("columns", name, "one_of", place), f"a value of type {kind}", value)


def _check_option(
    name: str, value: object, target: Field, problems: Problems, operation: Operation
) -> None:
    if target.name in {operation.key, *operation.lanes}:
        problems.add(("options", name), "tells rows apart: give it a column, not a constant")
    else:
        _check_fit(("options", name), value, target, problems, target.kind)


def _check_fit(
    path: tuple[str, ...], value: object, target: Field, problems: Problems, kind: Kind
) -> None:
    try:
        as_sent(value, target, kind)
    except ValueError:
        problems.expected(path, expectation(target, kind), value)
