"""Which column becomes which member: columns arranged as one JSON object per row."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import polars as pl

from pipeline.errors import InvariantBroken
from pipeline.operations import Field, Kind, Operation, Place

Path: TypeAlias = tuple[str, ...]
Branch: TypeAlias = "dict[str, Branch | pl.Series]"
"""An object, member by member; a column of type Binary holds JSON text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One JSON object per row: its members, and the objects in it that are sent even when empty."""

    members: Branch
    kept: tuple[Path, ...]
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
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


def body_of(operation: Operation, frame: pl.DataFrame, places: frozenset[Place]) -> Body:
    """Arrange the columns of *frame* that go to *places* as the object that they make up."""
    members: Branch = {}
    kept = _kept(operation, places)
    for path in kept:
        _branch(members, path)
    for route, series in columns_of(operation, frame, places):
        is_text = route.field.kind is Kind.JSON and not route.field.is_family
        column = series.cast(pl.Binary) if is_text and series.dtype == pl.String else series
        _branch(members, route.path[:-1])[route.path[-1]] = column
    return Body(members=members, kept=kept, height=frame.height)


@lru_cache(maxsize=256)
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


def _branch(members: Branch, path: Iterable[str]) -> Branch:
    """Return the object at *path*, made where it is missing."""
    for name in path:
        below = members.setdefault(name, {})
        if not isinstance(below, dict):
            raise InvariantBroken(f"{name} is a value and an object at once")
        members = below
    return members
