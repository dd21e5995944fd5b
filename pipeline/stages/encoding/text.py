"""Objects → JSON text. polars writes many rows at once; what it cannot do is done on the bytes.

* Nulls are left out. `,"name":null` cannot be part of a string: a quote inside one is escaped.
* JSON text is put in as it is, at marks that polars wrote in its place.
"""

import io
import json
from collections.abc import Iterator, Sequence
from itertools import chain

import polars as pl
from polars.datatypes import FloatType, IntegerType

from pipeline.errors import InvariantBroken
from pipeline.stages.encoding.objects import Body, Branch, Path

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


class Lists:
    """The rows of a frame as JSON arrays, of any slice of them: `[{…},{…}]`, or `[…]` of scalars.

    Raises InvariantBroken for a value that JSON does not have.
    """

    def __init__(self, body: Body, *, scalar: bool = False) -> None:
        self._objects = _frame(body)
        self._texts = () if scalar else tuple(_texts(body.members))
        self._nulls = _nulls(self._objects)
        self._is_scalar = scalar
        if scalar and self._objects.width != 1:
            raise InvariantBroken(
                f"a row is one value here, not {', '.join(body.members) or 'nothing'}"
            )

    def slice(self, start: int, stop: int) -> bytes:
        """Return the array of the rows from *start* up to, not including, *stop*."""
        objects = self._objects.slice(start, stop - start)
        sink = io.BytesIO()
        if self._is_scalar:
            objects.select(pl.all().implode().alias("")).write_json(sink)
            return sink.getvalue()[len(b'[{"":') : -len(b"}]")]
        objects.write_json(sink)
        texts = [text.slice(start, stop - start) for text in self._texts]
        return _with_texts(_without(self._nulls, sink.getvalue()), texts)


def each(body: Body) -> list[bytes]:
    """Return the JSON of each row's object."""
    objects = _frame(body)
    if not objects.width:
        return [b"{}"] * body.height
    sink = io.BytesIO()
    objects.write_ndjson(sink)
    lines = _without(_nulls(objects), sink.getvalue()).replace(b"\n", LINE_END)
    return _with_texts(lines, list(_texts(body.members))).split(LINE_END)[:-1]


def _frame(body: Body) -> pl.DataFrame:
    """Return *body* as a frame for polars to write: structs for objects, marks for JSON texts.

    In one piece: polars 2.1 does not write the rows that stand behind an empty chunk.
    """
    return _objects(body, body.members, ()).rechunk()


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


def _nulls(objects: pl.DataFrame) -> tuple[tuple[bytes, bytes], ...]:
    """Return what to replace by what in the text of *objects*, or of a slice, to leave nulls out.

    At any depth; in lists nulls stay. First members go last: only then are they followed by a
    member that stays, or by none.
    """
    nullable = [(first, series.name) for first, series in _members(objects) if series.null_count()]
    others = dict.fromkeys(name for first, name in nullable if not first)
    firsts = dict.fromkeys(name for first, name in nullable if first)
    ends = ((b",", b"{"), (b"}", b"{}"))
    return (
        *((b"," + member(name) + b"null", b"") for name in others),
        *((b"{" + member(name) + b"null" + end, left) for name in firsts for end, left in ends),
    )


def _without(nulls: Sequence[tuple[bytes, bytes]], body: bytes) -> bytes:
    for null, left in nulls:
        body = left.join(body.split(null))  # `replace` searches twice
    return body


def member(name: str) -> bytes:
    """Return the name of a member as it stands before its value: `"name":`."""
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


def _with_texts(body: bytes, texts: list[pl.Series]) -> bytes:
    """Put the JSON texts of the rows where their marks are."""
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
