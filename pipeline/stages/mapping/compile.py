"""The job's columns and the source's columns → a Mapping, or every reason why there is none.

Here is decided which field comes from where; how its cells are read, `text` and `native` know.
"""

import json
import re
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as ReadOnly

import polars as pl
from msgspec import Struct

from pipeline.config.column import Column, JsonValue
from pipeline.config.hints import closest
from pipeline.errors import JobError
from pipeline.operations import Field, Kind, Operation, Place
from pipeline.stages.mapping import limits, native, sql, times
from pipeline.stages.mapping.mapping import Mapping, Target
from pipeline.stages.mapping.reading import Reading

DELIMITERS = ";\t|"
"""What files of separated values are separated by, if not by commas."""
ATTRIBUTE = re.compile("[A-Za-z][A-Za-z0-9_]*")
"""What comes after the dot of `attributes.` (API.md §2.6)."""
SHOWN_MAX = 80


class Wish(Struct, frozen=True, kw_only=True):
    """One field that is to be sent, and where from."""

    name: str
    """The API's name of the field: an alias resolved, a member of a family by its own."""
    field: Field
    column: Column


class Source(Struct, frozen=True, kw_only=True):
    """What is known of a source when a mapping is compiled."""

    columns: ReadOnly[str, pl.DataType]
    zone: str
    null_values: tuple[str, ...]


def compile_mapping(
    wanted: Sequence[Column],
    operation: Operation,
    columns: ReadOnly[str, pl.DataType],
    *,
    zone: str = "UTC",
    null_values: tuple[str, ...] = (),
) -> Mapping:
    """Return how a block with *columns* becomes the fields of *operation*.

    wanted: what the job says, its options too (as columns with a `value`). A column named as a
    field, or as `attributes.<Name>`, needs no word; other columns are not sent. zone: of times
    without an offset. null_values: texts that mean "no value"; CSV has (""), typed formats none.
    Raises JobError, with all its problems at once.
    """
    source = Source(columns=columns, zone=zone, null_values=null_values)
    problems = [] if times.is_zone(zone) else [f'there is no time zone "{zone}"']
    wishes: dict[str, Wish] = {}
    targets: dict[str, Target] = {}
    for column in (*wanted, *unspoken(wanted, operation, columns)):
        try:
            wish = resolve(column, operation)
            if wishes.setdefault(wish.name, wish) is wish:
                targets[wish.name] = compile_target(wish, source)
            else:
                problems.append(f'columns."{column.field}": {wish.name} is mapped twice')
        except ValueError as refused:
            where = column.where or f'columns."{column.field}"'
            problems += [f"{where}: {fault}" for fault in str(refused).splitlines()]
    problems += [
        f"{field.name} is required, and nothing is mapped to it{closest(field.name, columns)}"
        for field in _required(operation, wishes)
        if field.name not in wishes
    ]
    if operation.lines in wishes and _has_lines(wishes):
        problems.append(f"{operation.lines} is mapped, and its lines too: one or the other")
    if problems:
        raise JobError(
            f"the mapping cannot work: {'; '.join(problems)}",
            hint=_uncut(columns) or f'"pipeline operations {operation.name}" lists the fields',
            problems=tuple(problems),
        )
    ordered = tuple(
        targets[wish.name]
        for field in operation.fields
        for wish in wishes.values()
        if wish.field is field
    )
    return Mapping(targets=ordered, present=_present(ordered, source))


def _uncut(columns: ReadOnly[str, pl.DataType]) -> str:
    """Return what to do where the one column of a source looks like many; "" where none does."""
    name = next(iter(columns), "")
    sign = next((sign for sign in DELIMITERS if sign in name), "")
    if len(columns) != 1 or not sign:
        return ""
    said = json.dumps(sign)
    return (
        f'the source has one column, "{_cut(name)}": is it separated by {said}? '
        f"Say delimiter = {said} under [csv], or --delimiter"
    )


def _required(operation: Operation, wishes: ReadOnly[str, Wish]) -> Iterator[Field]:
    """Yield the fields that must be mapped: those of lines only where there are lines at all."""
    with_lines = _has_lines(wishes)
    for field in operation.fields:
        is_meant = with_lines or field.place is not Place.LINE
        if field.required and is_meant and not field.is_family:
            yield field


def _has_lines(wishes: ReadOnly[str, Wish]) -> bool:
    return any(wish.field.place is Place.LINE for wish in wishes.values())


def resolve(column: Column, operation: Operation) -> Wish:
    """Find the field that *column* names. Raises ValueError where there is none."""
    field = operation.field(column.field)
    if field is None:
        names = [name for f in operation.fields for name in (f.name, *f.aliases)]
        hint = closest(column.field, names)
        raise ValueError(f'{operation.name} has no field "{column.field}"{hint}')
    own = column.field.removeprefix(field.name.removesuffix("*"))
    if field.is_family and not ATTRIBUTE.fullmatch(own):
        raise ValueError(
            f'"{own}" cannot be the name of an attribute: it is a letter, then letters, digits, _'
        )
    name = column.field if field.is_family else field.name
    return Wish(name=name, field=field, column=column)


def unspoken(
    wanted: Sequence[Column], operation: Operation, columns: ReadOnly[str, pl.DataType]
) -> Iterator[Column]:
    """Yield what needs no word: columns called as a field, or else as its alias; then defaults.

    A column that the job names elsewhere is spoken of, and a field too.
    """
    used = {column.column for column in wanted}
    fields = {_full_name(column.field, operation) for column in wanted}
    for name in sorted(columns, key=lambda name: name != _full_name(name, operation)):
        full = _full_name(name, operation)
        if operation.field(name) and full not in fields and name not in used:
            fields.add(full)
            yield Column(field=name, column=name, where=f'column "{name}" of the source')
    for field in operation.fields:
        if field.default is not None and field.name not in fields:
            yield Column(field=field.name, value=field.default, where=f"{field.name} by default")


def compile_target(wish: Wish, source: Source) -> Target:
    """Compile one field. Raises ValueError with what is wrong, a line for each fault."""
    field, column = wish.field, wish.column
    cell, dtype, origin = _cell(column, source)
    free = field.is_family and field.kind is Kind.JSON  # then a member is of any type
    fitting = native.natural(dtype) if column.value is None else natural(column.value)
    kind = column.type or (fitting if free else field.kind)
    faults = limits.faults(field, column, kind)
    if kind is not field.kind and not free:
        faults.append(f'it is of type "{field.kind}" in the API, not "{kind}"')
    if faults:
        raise ValueError("\n".join(faults))
    how = Reading(kind=kind, zone=source.zone, format=column.format, separator=column.separator)
    value = native.read(pl.col(wish.name), dtype, how)
    if field.default is not None and not (field.required or column.required):
        empty = pl.col(wish.name).is_null()
        value = pl.when(empty).then(pl.lit(field.default)).otherwise(value)
    if column.value is not None:
        constant = pl.DataFrame({"": [0]}).select(cell.alias(wish.name)).select(value)
        if constant.to_series().has_nulls():
            raise ValueError(f"{_cut(repr(column.value))} is not {how.expects}")
    return Target(
        field=limits.merge(field, column, name=wish.name, kind=kind),
        origin=origin,
        expects=how.expects,
        cell=cell,
        value=value,
        dtype=pl.DataFrame(schema={wish.name: dtype}).select(value).dtypes[0],
        constant=column.value is not None,
    )


def _cell(column: Column, source: Source) -> tuple[pl.Expr, pl.DataType, str]:
    """Return the value as it comes, its dtype, and what to call its origin ("": as the field)."""
    if column.sql is not None:
        origin = f'sql "{_cut(column.sql)}"'
        try:
            cell, dtype = sql.parse(column.sql, source.columns)
        except ValueError as refused:
            raise ValueError(f"{origin}: {refused}") from refused
        return (_valued(cell, source) if dtype == pl.String else cell), dtype, origin
    if column.value is not None:
        return pl.lit(written(column.value)), pl.String(), "a constant"
    name = column.column or column.field
    if name not in source.columns:
        raise ValueError(f'the source has no column "{name}"{closest(name, source.columns)}')
    return pl.col(name), source.columns[name], "" if name == column.field else f'column "{name}"'


def written(value: JsonValue) -> str:
    """Return a constant as a cell of a text file would have it."""
    return value if isinstance(value, str) else json.dumps(value)


def natural(value: JsonValue) -> Kind:
    """Return the kind of a constant that nobody gave one."""
    if isinstance(value, list):
        kinds = {natural(one) for one in value}
        kinds = {Kind.NUMBER} if kinds == {Kind.INTEGER, Kind.NUMBER} else kinds
        return native.LISTS.get(kinds.pop(), Kind.JSON) if len(kinds) == 1 else Kind.JSON
    kinds_of = {str: Kind.STRING, bool: Kind.BOOLEAN, int: Kind.INTEGER, float: Kind.NUMBER}
    return kinds_of.get(type(value), Kind.JSON)


def _present(targets: Sequence[Target], source: Source) -> tuple[pl.Expr, ...]:
    """Return the text columns that are read, with nulls for the cells that mean "no value"."""
    read = {name for target in targets for name in target.cell.meta.root_names()}
    texts = [name for name, dtype in source.columns.items() if dtype == pl.String and name in read]
    return tuple(_valued(pl.col(name), source) for name in texts) if source.null_values else ()


def _valued(cell: pl.Expr, source: Source) -> pl.Expr:
    """Return *cell*, but null where it means "no value"."""
    if len(source.null_values) == 1:  # a comparison takes half as long
        return pl.when(cell != source.null_values[0]).then(cell)
    return pl.when(~cell.is_in(source.null_values)).then(cell) if source.null_values else cell


def _full_name(name: str, operation: Operation) -> str:
    """Return the API's name of the field called *name*, or *name* where there is none."""
    field = operation.field(name)
    return name if field is None or field.is_family else field.name


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"
