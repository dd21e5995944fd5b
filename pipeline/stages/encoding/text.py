"""Columns → JSON text, run together row by row: what is the same in all rows, then a column's text.

A member that may be missing is a piece of its own, with its name and its comma: null leaves out all
of it. Which pieces there are is found once for all frames of the same columns.
"""

from collections.abc import Container, Iterator, Sequence
from functools import lru_cache
from typing import Any

import polars as pl
import pyarrow as pa

from pipeline.batches import some_at_a_time
from pipeline.errors import InvariantBroken
from pipeline.octets import octets
from pipeline.operations import Kind, Operation, Place, Shape
from pipeline.stages.encoding import nested
from pipeline.stages.encoding.objects import (
    Column,
    Object,
    Route,
    columns_of,
    member,
    object_of,
)

SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
ESCAPES = {chr(code): f"\\u{code:04x}" for code in range(0x20)} | SHORT
"""What cannot stand in a string of JSON as it is (RFC 8259 §7), and what is written for it."""
TEXT_TYPES = (pl.String, pl.Categorical, pl.Enum)
"""What stands between quotes."""
ROWS_AT_ONCE, BYTES_AT_ONCE = 8_000, 8_000_000
"""Rows of as many batches are written together: some 2 MB of text, and never much more than the
frame takes that has them. A query costs as much as writing a thousand rows."""


def objects(operation: Operation, frame: pl.DataFrame, places: frozenset[Place]) -> pl.Series:
    """Return one JSON object per row, as String: of the columns of *frame* that go to *places*.

    Raises InvariantBroken for a value that JSON does not have.
    """
    columns, texts = _texts(operation, frame, places, _plain(operation, frame, places))
    written = texts.select(_object(operation, places, columns)).to_series()
    return written if columns else written.new_from_index(0, frame.height)


def elements(
    operation: Operation,
    frame: pl.DataFrame,
    places: frozenset[Place],
    spans: Sequence[tuple[int, int]],
) -> Iterator[memoryview]:
    """Yield what a JSON array of the rows of each span (start, stop) has in it: `{…},{…}`.

    Of an operation whose rows are scalars: `"…","…"`. Raises as `objects` does.
    """
    plain = _plain(operation, frame, places)
    for together in some_at_a_time(spans, _rows_in, rows=_rows_at_once(frame)):
        begin, end = together[0][0], together[-1][1]
        columns, texts = _texts(operation, frame.slice(begin, end - begin), places, plain)
        written = texts.select(_element(operation, places, columns)).to_series()
        starts, text = _buffers(written if columns else written.new_from_index(0, end - begin))
        view = memoryview(text)
        for start, stop in together:
            yield view[starts[start - begin] + 1 : starts[stop - begin]]  # but the first comma


def _rows_at_once(frame: pl.DataFrame) -> int:
    """Return how many rows of *frame* are to be written together: fewer where they are long."""
    row_bytes = int(frame.estimated_size()) // frame.height + 1
    return min(ROWS_AT_ONCE, BYTES_AT_ONCE // row_bytes)


def _rows_in(span: tuple[int, int]) -> int:
    return span[1] - span[0]


class _Pieces:
    """What a text is put together from, in every row."""

    def __init__(self, literal: str = "") -> None:
        self._literal = literal  # what comes next and is the same in all rows
        self._pieces: list[pl.Expr] = []

    def add(self, literal: str) -> None:
        self._literal += literal

    def add_value(self, column: Column) -> None:
        """Add the text of a column without a null."""
        quote = '"' if column.quoted else ""
        self.add(quote)
        self.add_text(pl.col(column.name))
        self.add(quote)

    def add_text(self, text: pl.Expr) -> None:
        """Add a text that differs from row to row; null is nothing."""
        if self._literal:
            self._pieces.append(pl.lit(self._literal))
        self._literal = ""
        self._pieces.append(text)

    def run_together(self) -> pl.Expr:
        """Return the whole text of each row."""
        last = [pl.lit(self._literal)] if self._literal or not self._pieces else []
        return pl.concat_str(*self._pieces, *last, ignore_nulls=True)


@lru_cache(maxsize=256)
def _object(operation: Operation, places: frozenset[Place], columns: tuple[Column, ...]) -> pl.Expr:
    pieces = _Pieces()
    _write(pieces, object_of(operation, places, columns))
    return pieces.run_together()


@lru_cache(maxsize=256)
def _element(
    operation: Operation, places: frozenset[Place], columns: tuple[Column, ...]
) -> pl.Expr:
    """Return the element of an array that a row is, with a comma before it."""
    pieces = _Pieces(",")
    if operation.shape is Shape.SCALAR:
        pieces.add_value(_only(columns))
    else:
        _write(pieces, object_of(operation, places, columns))
    return pieces.run_together()


def _only(columns: tuple[Column, ...]) -> Column:
    """Return the one column that an operation whose rows are scalars has."""
    names = ", ".join(column.name for column in columns) or "nothing"
    if len(columns) != 1:
        raise InvariantBroken(f"a row is one value here, not {names}")
    if columns[0].nullable:
        raise InvariantBroken(f"a row is one value here, and {names} is null")
    return columns[0]


def _write(pieces: _Pieces, of: Object) -> None:
    """Add an object.

    The comma between two members goes with the one that may be missing: it stands on the side of
    one that never is.
    """
    pieces.add("{")
    first = next((n for n, value in enumerate(of.members.values()) if _is_certain(value)), None)
    if first is None:
        pieces.add_text(_inside(of).str.slice(1))
    else:
        for index, (name, value) in enumerate(of.members.items()):
            before = ("," if index > first else "") + member(name)
            _write_member(pieces, before, value, "," if index < first else "")
    pieces.add("}")


def _write_member(pieces: _Pieces, before: str, value: Object | Column, after: str) -> None:
    """Add a member with what stands before and after it, or nothing where it is missing."""
    if _is_certain(value):
        pieces.add(before)
        if isinstance(value, Object):
            _write(pieces, value)
        else:
            pieces.add_value(value)
        pieces.add(after)
        return
    if isinstance(value, Object):
        inside = _inside(value)
        text = pl.when(inside != "").then(inside.str.slice(1)).otherwise(None)
        opening, closing = "{", "}"
    else:
        text = pl.col(value.name)
        opening = closing = '"' if value.quoted else ""
    pieces.add_text(pl.concat_str(pl.lit(before + opening), text, pl.lit(closing + after)))


def _inside(of: Object) -> pl.Expr:
    """Return what an object has between its braces, behind a comma; each member may be missing."""
    pieces = _Pieces()
    for name, value in of.members.items():
        _write_member(pieces, "," + member(name), value, "")
    return pieces.run_together()


def _is_certain(value: Object | Column) -> bool:
    """Whether a member is in every row."""
    if isinstance(value, Object):
        return value.kept or any(_is_certain(below) for below in value.members.values())
    return not value.nullable


def _texts(
    operation: Operation, frame: pl.DataFrame, places: frozenset[Place], plain: Container[str]
) -> tuple[tuple[Column, ...], pl.DataFrame]:
    """Return the columns that go to *places*, and the JSON of their values.

    Of text without its quotes; of numbers what polars makes text of by itself. Nothing has to be
    escaped in the columns *plain*.
    """
    columns, texts = [], []
    for route, values in columns_of(operation, frame, places):
        is_text = _is_text(route, values)
        if values.dtype.is_nested():
            text = nested.to_texts(values)
        elif route.column in plain or (values.dtype == pl.String and not is_text):
            text = values
        elif is_text:
            text = values.cast(pl.String).str.replace_many(ESCAPES)
        elif values.dtype == pl.Binary:
            text = values.cast(pl.String)
        else:
            nested.check(values)
            text = values
        columns.append(Column(route.column, is_text, bool(values.null_count())))
        texts.append(text.alias(route.column))
    return tuple(columns), pl.DataFrame(texts)


def _is_text(route: Route, values: pl.Series) -> bool:
    is_json = route.field.kind is Kind.JSON and not route.field.is_family
    return values.dtype in TEXT_TYPES and not is_json


def _plain(operation: Operation, frame: pl.DataFrame, places: frozenset[Place]) -> frozenset[str]:
    """Return the columns of text that stand between quotes as they are; most of them do."""
    return frozenset(
        route.column
        for route, values in columns_of(operation, frame, places)
        if values.dtype == pl.String and _is_text(route, values) and _is_plain(values)
    )


def _is_plain(texts: pl.Series) -> bool:
    content = _buffers(texts)[1]
    if not content.size:
        return True
    lowest: Any = octets(content).min()
    written = content.to_pybytes()  # a copy, and still a fraction of comparing it byte by byte
    return lowest >= ord(" ") and b'"' not in written and b"\\" not in written


def _buffers(texts: pl.Series) -> tuple[memoryview, pa.Buffer]:
    """Return where each of *texts* begins and the last one ends, and their bytes in one piece."""
    array = texts.to_arrow(compat_level=pl.CompatLevel.oldest())  # or they lie anywhere
    _, offsets, text = array.buffers()
    return memoryview(offsets).cast("q"), text
