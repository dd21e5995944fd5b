"""Which column becomes which member: columns arranged as one JSON object per row."""

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import polars as pl
from msgspec import Struct, field

from pipeline.errors import InvariantBroken
from pipeline.operations import Field, Operation, Place

Path: TypeAlias = tuple[str, ...]


class Column(NamedTuple):
    """What must be known of a column to write it."""

    name: str
    quoted: bool
    """Whether its texts stand between quotes."""
    nullable: bool
    """Whether one of its values is null."""


class Object(Struct, kw_only=True, eq=False):
    """One JSON object per row, member by member."""

    members: dict[str, "Object | Column"] = field(default_factory=dict)
    kept: bool = False
    """Whether it is sent even when it is empty."""


class Route(Struct, frozen=True, kw_only=True):
    """A column that is sent: its field, and the names from the root of the body to its value."""

    column: str
    field: Field
    path: Path


@lru_cache(maxsize=256)
def _routes(operation: Operation, columns: tuple[str, ...]) -> tuple[Route, ...]:
    """Return where each of *columns* goes, in their order; those that are not sent are left out."""
    fields = ((name, operation.field(name)) for name in columns)
    return tuple(
        Route(column=name, field=field, path=_path(operation, field, name))
        for name, field in fields
        if field is not None
    )


def columns_of(
    operation: Operation, frame: pl.DataFrame, places: frozenset[Place]
) -> Iterator[tuple[Route, pl.Series]]:
    """Yield the columns of *frame* that go to one of *places*."""
    for route in _routes(operation, tuple(frame.columns)):
        if route.field.place in places:
            yield route, frame.get_column(route.column)


def object_of(
    operation: Operation, places: frozenset[Place], columns: tuple[Column, ...]
) -> Object:
    """Arrange *columns*, which go to *places*, as the object that they make up.

    Raises InvariantBroken where a field is a value and an object at once.
    """
    root = Object(kept=True)
    for path in _kept(operation, places):
        _within(root, path).kept = True
    routes = _routes(operation, tuple(column.name for column in columns))
    for column, route in zip(columns, routes, strict=True):
        _within(root, route.path[:-1]).members[route.path[-1]] = column
    return root


def member(name: str) -> str:
    """Return the name of a member as it stands before its value: `"name":`."""
    return json.dumps(name, ensure_ascii=False) + ":"


def _kept(operation: Operation, places: frozenset[Place]) -> tuple[Path, ...]:
    """Return the objects that are sent even when nothing is in them."""
    families = (
        _path(operation, field, "")[:-1]
        for field in operation.fields
        if field.is_family and field.required and field.place in places
    )
    return (*([_wrap(operation)] if Place.BODY in places else []), *families)


def _wrap(operation: Operation) -> Path:
    return (operation.wrap,) if operation.wrap and not operation.bulk else ()


def _path(operation: Operation, field: Field, column: str) -> Path:
    """Return where the value of *column* goes: the names from the root of the body to it."""
    name = column.removeprefix(field.name[:-1])
    parts = tuple(name if p == "*" else p for p in field.path.removeprefix("/").split("."))
    whole = field.path.startswith("/") or field.place is Place.LINE
    return parts if whole else _wrap(operation) + parts


def _within(root: Object, path: Iterable[str]) -> Object:
    """Return the object at *path*, made where it is missing."""
    for name in path:
        below = root.members.setdefault(name, Object())
        if not isinstance(below, Object):
            raise InvariantBroken(f"{name} is a value and an object at once")
        root = below
    return root
