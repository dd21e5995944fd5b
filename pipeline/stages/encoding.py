"""The typed rows of a batch → the bytes of its requests. Pure: the same rows give the same bytes.

What goes where is read from the operation; nothing here is about one operation in particular.
Never: files, the network, the ledger, or why these rows make a batch.

polars writes the JSON of a whole batch at once; what it cannot do is done on the bytes:
* nulls are left out. `,"name":null` cannot be part of a string: a quote inside one is escaped;
* JSON text is put in as it is, at marks that polars wrote in its place.
"""

import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TypeAlias
from urllib.parse import quote

import polars as pl
from polars.datatypes import FloatType, IntegerType

from pipeline.errors import InvariantBroken
from pipeline.model import HEAD, Request
from pipeline.operations import Field, Kind, Operation, Place, Shape

Path: TypeAlias = tuple[str, ...]
Branch: TypeAlias = "dict[str, Branch | pl.Series]"
"""An object, member by member; a column of type Binary holds JSON text."""

IN_PATH, IN_QUERY = frozenset({Place.PATH}), frozenset({Place.QUERY})
BESIDE_ROWS, IN_ROWS = frozenset({Place.BODY}), frozenset({Place.ROW})
IN_BODY = BESIDE_ROWS | IN_ROWS
IN_LINES = frozenset({Place.LINE})
MARK = "\0"
"""Ends the name of a member whose JSON text is still to come; no field of the API has it."""
MARKED = b'\\u0000":true'
"""A mark as polars writes it: the end of the name, and the value that stands for a text."""
LINE_END = b"\0"
"""Between the bodies of single rows: never part of JSON, while JSON text may hold line breaks."""
JSON_TYPES = (pl.String, pl.Boolean, IntegerType, pl.Null, pl.Categorical, pl.Enum)
"""What polars writes as JSON has it, beside finite numbers, lists and structs of them."""
MISTAKABLE = (",", ":", "]", "}")
"""Where a name starts with one of these, `,"name":null` could be part of a string after all."""


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


def to_requests(operation: Operation, frame: pl.DataFrame) -> list[Request]:
    """Return the requests that carry the rows of *frame*, in the order of the rows.

    frame: a staged batch or a slice of one. A bulk operation makes one request of it, any other one
    per row, or per group of rows that HEAD begins; no rows, no request. A column of JSON text is of
    type Binary, or of type String where the field itself is of kind JSON; a member of a family may
    be a plain string. Idempotency keys are left empty. Raises InvariantBroken for what an earlier
    stage should have kept away: constants that differ, NaN, a type that JSON does not have, an
    empty value in the path.
    """
    bodies: Iterable[bytes | None]
    if frame.is_empty():
        return []
    if operation.bulk:
        target, body = to_targets(operation, frame.head(1)), to_json(operation, frame)
        return _requests(operation, target, [body])
    frame = _folded(operation, _completed(operation, frame))
    if any(field.place in IN_BODY for field in operation.fields):
        targets, bodies = to_targets(operation, frame), to_bodies(operation, frame)
    else:
        targets, bodies = to_targets(operation, frame), [None] * frame.height
    return _requests(operation, targets, bodies)


def _requests(
    operation: Operation, targets: Iterable[str], bodies: Iterable[bytes | None]
) -> list[Request]:
    return [
        Request(method=operation.method, target=target, body=body)
        for target, body in zip(targets, bodies, strict=True)
    ]


def to_json(operation: Operation, frame: pl.DataFrame) -> bytes:
    """Return the body of the bulk request that carries all rows of *frame*, one at least.

    The constants come first, then the list of the rows: `{"campaignId":7,…,"envelope":[…]}`.
    """
    _check_constants(operation, frame)
    body = _body(operation, frame.head(1), BESIDE_ROWS)
    rows = _body(operation, frame, IN_ROWS)
    if operation.shape is Shape.SCALAR:
        body.members[operation.envelope] = _scalars(rows.members)
        return _array(body)[1:-1]
    head = _array(body)[1:-2]
    comma = b"," if head != b"{" else b""
    return b"".join((head, comma, _member(operation.envelope), _array(rows), b"}"))


def to_bodies(operation: Operation, frame: pl.DataFrame) -> list[bytes]:
    """Return one JSON object per row of *frame*, for an operation that takes a row at a time."""
    return _each(_body(operation, frame, IN_BODY))


def _each(body: Body) -> list[bytes]:
    """Return the JSON of each row's object."""
    objects = _frame(body)
    if not objects.width:
        return [b"{}"] * body.height
    sink = io.BytesIO()
    objects.write_ndjson(sink)
    lines = _without_nulls(sink.getvalue(), objects).replace(b"\n", LINE_END)
    return _with_texts(lines, body).split(LINE_END)[:-1]


def to_targets(operation: Operation, frame: pl.DataFrame) -> list[str]:
    """Return path and query for each row of *frame*, every value percent-encoded by itself.

    Options without a value are left out; the elements of a list are joined by commas (API.md §2.2).
    """
    segments = {
        route.field.path: [_segment(route.column, value) for value in series.to_list()]
        for route, series in _columns(operation, frame, IN_PATH)
    }
    options = [
        [_option(route.field.path, value) for value in series.to_list()]
        for route, series in _columns(operation, frame, IN_QUERY)
    ]
    literals_and_names = re.split(r"\{(.+?)\}", operation.path)
    if missing := set(literals_and_names[1::2]) - segments.keys():
        raise InvariantBroken(f"{operation.name}: no column for {', '.join(sorted(missing))}")
    parts = [
        segments[part] if index % 2 else [part] * frame.height
        for index, part in enumerate(literals_and_names)
    ]
    paths = map("".join, zip(*parts, strict=True))
    queries = ("&".join(filter(None, of_row)) for of_row in zip(*options, strict=True))
    if not options:
        return list(paths)
    return [f"{p}?{q}" if q else p for p, q in zip(paths, queries, strict=True)]


def _option(name: str, value: object) -> str:
    return "" if value is None else f"{name}={_quoted(value)}"


def _segment(column: str, value: object) -> str:
    """Return *value* as a segment of a path. It cannot be empty: that names the collection."""
    text = "" if value is None else _quoted(value)
    if not text:
        raise InvariantBroken(f"{column} is part of the path and is empty")
    # "." and ".." are resolved on the way, and then name something else.
    return text if text.strip(".") else text.replace(".", "%2E")


def _quoted(value: object) -> str:
    if isinstance(value, list):
        return ",".join(_quoted(element) for element in value)
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    return quote(text, safe="")


@lru_cache(maxsize=256)
def _routes(operation: Operation, columns: tuple[str, ...]) -> tuple[Route, ...]:
    """Return where each of *columns* goes, in their order; those that are not sent are left out."""
    fields = ((name, operation.field(name)) for name in columns)
    return tuple(
        Route(column=name, field=field, path=_path(operation, field, name))
        for name, field in fields
        if field is not None
    )


def _columns(
    operation: Operation, frame: pl.DataFrame, places: frozenset[Place]
) -> Iterator[tuple[Route, pl.Series]]:
    """Yield the columns of *frame* that go to one of *places*."""
    for route in _routes(operation, tuple(frame.columns)):
        if route.field.place in places:
            yield route, frame.get_column(route.column)


def _completed(operation: Operation, frame: pl.DataFrame) -> pl.DataFrame:
    """Return *frame* with an empty list where a row has no value in a field that another needs."""
    for field in operation.fields:
        if field.needs and field.name in frame.columns:
            empty = pl.lit([], dtype=frame.schema[field.name])
            beside = pl.col(field.needs) if field.needs in frame.columns else pl.lit(None)
            needed = pl.when(beside.is_null() & pl.col(field.name).is_not_null()).then(empty)
            frame = frame.with_columns(needed.otherwise(beside).alias(field.needs))
    return frame


def _folded(operation: Operation, frame: pl.DataFrame) -> pl.DataFrame:
    """Return one row per request: of the rows of a group, each a line of the list they make up.

    What the rows say beside their lines is the same in all of them, or said by some.
    """
    if HEAD not in frame.columns:
        return frame
    lines = pl.Series(operation.lines, _each(_body(operation, frame, IN_LINES)))
    own = [name for name in frame.columns if name != HEAD and name not in _lines(operation, frame)]
    grouped = frame.with_columns(lines.cast(pl.String)).group_by(
        pl.col(HEAD).cum_sum().alias(MARK), maintain_order=True
    )
    folded = grouped.agg(
        pl.col(own).drop_nulls().first(), pl.col(operation.lines).str.join(",")
    ).drop(MARK)
    array = pl.concat_str(pl.lit("["), operation.lines, pl.lit("]")).cast(pl.Binary)
    return folded.with_columns(array.alias(operation.lines))


def _lines(operation: Operation, frame: pl.DataFrame) -> set[str]:
    return {route.column for route, _ in _columns(operation, frame, IN_LINES)}


def _check_constants(operation: Operation, frame: pl.DataFrame) -> None:
    """Look once more, right before it is sent: a row under another's campaign cannot be undone."""
    for route, series in _columns(operation, frame, frozenset(Place)):
        if route.field in operation.constants and series.n_unique() > 1:
            raise InvariantBroken(f"{operation.name}: {route.column} differs within one request")


def _body(operation: Operation, frame: pl.DataFrame, places: frozenset[Place]) -> Body:
    """Arrange the columns of *frame* that go to *places* as the object that they make up."""
    members: Branch = {}
    kept = _kept(operation, places)
    for path in kept:
        _branch(members, path)
    for route, series in _columns(operation, frame, places):
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


def _array(body: Body) -> bytes:
    """Return `[{…},{…}]`: the object of each row, without nulls, with its JSON texts."""
    objects = _frame(body)
    sink = io.BytesIO()
    objects.write_json(sink)
    return _with_texts(_without_nulls(sink.getvalue(), objects), body)


def _frame(body: Body) -> pl.DataFrame:
    """Return *body* as a frame for polars to write: structs for objects, marks for JSON texts."""
    return _objects(body, body.members, ())


def _objects(body: Body, members: Branch, path: Path) -> pl.DataFrame:
    columns = []
    for name, member in members.items():
        if isinstance(member, dict):
            within = _objects(body, member, (*path, name))
            columns.append(_struct(name, within, kept=(*path, name) in body.kept))
        elif member.dtype == pl.Binary:
            columns.append(member.eq(member).alias(name + MARK))  # true, or null
        else:
            columns.append(member.alias(name))
    return pl.DataFrame(columns) if columns else pl.DataFrame(height=body.height)


def _struct(name: str, members: pl.DataFrame, *, kept: bool) -> pl.Series:
    """Return *members* as one column of objects; null where it is empty and not to be kept."""
    objects = members.to_struct(name)
    if kept or any(not series.null_count() for series in members.get_columns()):
        return objects
    filled = members.select(pl.any_horizontal(pl.all().is_not_null())).to_series()
    return pl.select(pl.when(filled).then(objects).alias(name)).to_series()


def _scalars(members: Branch) -> pl.Series:
    """Return the only member of all rows as one list."""
    values = list(members.values())
    if len(values) != 1 or not isinstance(values[0], pl.Series):
        raise InvariantBroken(f"a row is one value here, not {', '.join(members) or 'nothing'}")
    return values[0].implode()


def _without_nulls(body: bytes, objects: pl.DataFrame) -> bytes:
    """Take `"name":null` out of the objects of *body*, at any depth; in lists nulls stay.

    First members go last: only then are they followed by a member that stays, or by none.
    """
    nullable = [(first, series.name) for first, series in _members(objects) if series.null_count()]
    for name in dict.fromkeys(name for first, name in nullable if not first):
        body = body.replace(b"," + _member(name) + b"null", b"")
    for name in dict.fromkeys(name for first, name in nullable if first):
        null = b"{" + _member(name) + b"null"
        body = body.replace(null + b",", b"{").replace(null + b"}", b"{}")
    return body


def _member(name: str) -> bytes:
    if name.startswith(MISTAKABLE):
        raise InvariantBroken(f"{name!r} cannot be the name of a member")
    return json.dumps(name, ensure_ascii=False).encode() + b":"


def _members(objects: pl.DataFrame) -> Iterator[tuple[bool, pl.Series]]:
    """Yield every member of every object, at any depth: whether it is the first, and its values.

    Raises InvariantBroken for a value that JSON does not have; polars would write null for it.
    """
    for index, series in enumerate(objects.get_columns()):
        yield index == 0, series
        values, dtype = series, series.dtype
        while isinstance(dtype, pl.List | pl.Array):
            values = values.explode(empty_as_null=False)
            dtype = values.dtype
        if isinstance(dtype, pl.Struct):
            yield from _members(values.struct.unnest())
        elif isinstance(dtype, FloatType):
            if (values - values).sum() != 0:  # only what is not finite leaves something
                raise InvariantBroken(f"{series.name} has a number that JSON cannot say")
        elif not isinstance(dtype, JSON_TYPES):
            raise InvariantBroken(f"{series.name} has values of type {dtype}: not JSON")


def _with_texts(body: bytes, written: Body) -> bytes:
    """Put the JSON texts of the rows where their marks are."""
    texts = list(_texts(written.members))
    if not texts:
        return body
    wanted = _by_row(texts).drop_nulls().to_list()
    pieces = body.split(MARKED)
    if len(pieces) != len(wanted) + 1:
        raise InvariantBroken(f"{len(wanted)} JSON texts for {len(pieces) - 1} places")
    filled = ((b'":', text, piece) for text, piece in zip(wanted, pieces[1:], strict=True))
    return b"".join((pieces[0], *chain.from_iterable(filled)))


def _by_row(texts: list[pl.Series]) -> pl.Series:
    """Return the values of all columns one row after the other."""
    if len(texts) == 1:
        return texts[0]
    beside = pl.DataFrame([text.alias(str(index)) for index, text in enumerate(texts)])
    return beside.select(pl.concat_list(pl.all()).explode()).to_series()


def _texts(members: Branch) -> Iterator[pl.Series]:
    """Yield the columns of JSON text in the order in which a row's object has them."""
    for member in members.values():
        if isinstance(member, dict):
            yield from _texts(member)
        elif member.dtype == pl.Binary:
            yield member
