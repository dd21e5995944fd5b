"""Laws of encoding: what a body says is what the rows say, for any rows, to the last bit.

What is expected is built here value by value, by plain Python. Compared is the text that Python
writes of both, keys sorted: so 1 is not 1.0, and -0.0 is not 0.0.
"""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.operations import Field, Kind, Operation, Place, Repeat, Shape, find
from pipeline.stages.encoding import text, to_batches, to_bodies, to_json, to_requests

BODY_FIELDS = (
    Field(name="campaignId", kind=Kind.INTEGER, place=Place.BODY),
    Field(name="highest", kind=Kind.NUMBER, place=Place.BODY, at="limits.usage.highest"),
    Field(name="cart", kind=Kind.JSON, place=Place.BODY, at="limits.cart"),
    Field(name="content", kind=Kind.STRINGS, place=Place.BODY, at="/content"),
)


def operation(**changes: Any) -> Operation:
    facts: dict[str, Any] = {
        "name": "made-up",
        "id": "madeUp",
        "method": "PUT",
        "path": "/v9/made/up",
        "summary": "",
        "source": "here",
        "key": "id",
        "lanes": (),
        "repeat": Repeat.SAFE,
        "success": (200,),
    }
    return Operation(**(facts | changes))


ATTRIBUTES = Field(name="attributes.*", kind=Kind.JSON)
OBJECTS = operation(
    rows_max=1000,
    envelope="rows",
    fields=(Field(name="id"), Field(name="depth", at="some.where"), ATTRIBUTES, *BODY_FIELDS),
)
SCALARS = operation(
    rows_max=1000, envelope="ids", shape=Shape.SCALAR, fields=(Field(name="id"), *BODY_FIELDS)
)
SINGLES = operation(
    wrap="session",
    fields=(
        Field(name="id", place=Place.BODY),
        Field(name="attributes.*", kind=Kind.JSON, place=Place.BODY, required=True),
        *BODY_FIELDS,
    ),
)

NAMES = st.one_of(st.sampled_from("a b id null cart é".split()), st.from_regex(r"\A[A-Za-z]\w*\Z"))
TEXT = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ['"', "\\", ',"a":null', '{"a":null}', "\0", '\0":true', "\u2028\x7f\x1b😀", "null"]
    ),
)
INT64 = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([1e300, 5e-324, -0.0, 1e16, 123456789012345680.0, 1e22, 0.1, 1.7e308]),
)
JSON_TEXTS = st.builds(
    lambda value, indent, ascii_only: json.dumps(value, indent=indent, ensure_ascii=ascii_only),
    st.recursive(
        st.one_of(st.none(), st.booleans(), INT64, FLOATS, TEXT),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)
        ),
        max_leaves=6,
    ),
    st.sampled_from([None, 1, "\t"]),
    st.booleans(),
).map(str.encode)

LEAVES: list[tuple[pl.DataType, st.SearchStrategy[Any]]] = [
    (pl.String(), TEXT),
    (pl.Int64(), INT64),
    (pl.Float64(), FLOATS),
    (pl.Boolean(), st.booleans()),
]
Typed = tuple[pl.DataType, st.SearchStrategy[Any]]


def in_list(of: Typed) -> Typed:
    return pl.List(of[0]), st.lists(st.one_of(st.none(), of[1]), max_size=3)


def in_struct(of: dict[str, Typed]) -> Typed:
    members = {name: st.one_of(st.none(), values) for name, (_, values) in of.items()}
    return pl.Struct({name: dtype for name, (dtype, _) in of.items()}), st.fixed_dictionaries(
        members
    )


NATIVE = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        inner.map(in_list), st.dictionaries(NAMES, inner, min_size=1, max_size=3).map(in_struct)
    ),
    max_leaves=4,
)
NESTED = NATIVE.filter(lambda typed: typed[0] != pl.String())
ANY = st.one_of(NATIVE, st.just((pl.Binary(), JSON_TEXTS)))
"""A type of an attribute, with its values; JSON text of an attribute has the type Binary."""


@st.composite
def columns(draw: st.DrawFn, height: int, typed: Typed) -> pl.Series:
    """A column with nulls anywhere, or nowhere, or nothing else."""
    dtype, values = typed
    nullable = draw(st.sampled_from([values, st.one_of(st.none(), values), st.none()]))
    return pl.Series(draw(st.lists(nullable, min_size=height, max_size=height)), dtype=dtype)


@st.composite
def frames(draw: st.DrawFn, *, constant: tuple[str, ...] = ()) -> pl.DataFrame:
    """Staged rows with any of the fields, in any order; those in *constant* agree."""
    height = draw(st.integers(1, 6))
    types: dict[str, Typed] = {
        "id": (pl.String(), TEXT),
        "depth": draw(st.sampled_from(LEAVES)),
        "campaignId": (pl.Int64(), INT64),
        "highest": (pl.Float64(), FLOATS),
        "cart": draw(st.one_of(NESTED, st.just((pl.String(), JSON_TEXTS.map(bytes.decode))))),
        "content": in_list((pl.String(), TEXT)),
        **{f"attributes.{name}": draw(ANY) for name in draw(st.sets(NAMES, max_size=4))},
    }
    used = draw(st.permutations([n for n in types if n == "id" or draw(st.booleans())]))
    made = [draw(columns(1 if n in constant else height, types[n])).alias(n) for n in used]
    made = [s.new_from_index(0, height) if s.name in constant else s for s in made]
    return pl.DataFrame(made).with_columns(source=pl.struct(note=pl.lit("never sent")))


CONSTANT = ("campaignId", "highest", "cart", "content")


def values(frame: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Each row as Python has it, the JSON texts read, without the fields that are null."""
    texts = {n for n, dtype in frame.schema.items() if dtype == pl.Binary}
    texts |= {n for n in ("cart",) if frame.schema.get(n) == pl.String}
    for row in frame.drop("source").iter_rows(named=True):
        sent = {name: value for name, value in row.items() if value is not None}
        yield {n: json.loads(v) if n in texts else bare(v) for n, v in sent.items()}


def bare(value: Any) -> Any:
    """A native value without the members that are null; elements of lists stay."""
    if isinstance(value, dict):
        return {name: bare(member) for name, member in value.items() if member is not None}
    return [bare(element) for element in value] if isinstance(value, list) else value


def attributes(row: dict[str, Any]) -> dict[str, Any]:
    prefix = "attributes."
    return {n.removeprefix(prefix): value for n, value in row.items() if n.startswith(prefix)}


def constants(row: dict[str, Any]) -> dict[str, Any]:
    limits = {"usage": {"highest": row["highest"]}} if "highest" in row else {}
    limits |= {"cart": row["cart"]} if "cart" in row else {}
    body = {name: row[name] for name in ("campaignId", "content") if name in row}
    return body | ({"limits": limits} if limits else {})


def same(body: bytes, expected: Any) -> None:
    assert json.dumps(json.loads(body), sort_keys=True) == json.dumps(expected, sort_keys=True)


@given(frames(constant=CONSTANT))
def test_a_bulk_body_says_what_the_rows_say(frame: pl.DataFrame) -> None:
    rows = list(values(frame))
    listed = [
        ({"id": row["id"]} if "id" in row else {})
        | ({"some": {"where": row["depth"]}} if "depth" in row else {})
        | ({"attributes": attributes(row)} if attributes(row) else {})
        for row in rows
    ]
    same(to_json(OBJECTS, frame), {**constants(rows[0]), "rows": listed})


@given(frames(constant=CONSTANT))
def test_a_bulk_body_of_scalars_lists_them(frame: pl.DataFrame) -> None:
    frame = frame.with_columns(pl.col("id").fill_null("none"))
    ids = frame["id"].to_list()
    same(to_json(SCALARS, frame), {**constants(next(values(frame))), "ids": ids})


@given(frames())
def test_a_single_row_is_an_object_in_its_wrap(frame: pl.DataFrame) -> None:
    bodies = to_bodies(SINGLES, frame)
    assert len(bodies) == frame.height
    for body, row in zip(bodies, values(frame), strict=True):
        session = constants(row) | {"attributes": attributes(row)}
        session |= {"id": row["id"]} if "id" in row else {}
        content = {"content": session.pop("content")} if "content" in session else {}
        same(body, {"session": session, **content})


@given(frames(constant=CONSTANT), st.data())
def test_the_same_rows_give_the_same_bytes(frame: pl.DataFrame, data: st.DataObject) -> None:
    """However they lie in memory: as a slice of a batch, in pieces, or as a frame of their own."""
    frame = frame.with_columns(pl.col("id").fill_null("none"))
    start = data.draw(st.integers(0, frame.height - 1))
    part = frame.slice(start, data.draw(st.integers(1, frame.height - start)))
    alone = pl.DataFrame(part.to_dict(as_series=False), schema=part.schema)
    in_pieces = pl.concat([alone.slice(n, 1) for n in range(alone.height)], rechunk=False)
    for made_up in (OBJECTS, SCALARS, SINGLES):
        assert to_requests(made_up, part) == to_requests(made_up, alone)
        assert to_requests(made_up, part) == to_requests(made_up, in_pieces)
    whole = to_bodies(SINGLES, frame)
    assert to_bodies(SINGLES, part) == whole[start : start + part.height]


@given(frames(constant=CONSTANT), st.data())
def test_batches_written_together_have_the_bytes_that_each_has_alone(
    frame: pl.DataFrame, data: st.DataObject
) -> None:
    """Whether they touch or not, and wherever those end that are written together."""
    frame = frame.with_columns(pl.col("id").fill_null("none"))
    ends = sorted(data.draw(st.sets(st.integers(0, frame.height), min_size=2)))
    spans = data.draw(
        st.lists(st.sampled_from([*pairwise(ends)]), unique=True, min_size=1).map(sorted)
    )
    at_once = data.draw(st.integers(0, frame.height))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "ROWS_AT_ONCE", at_once)
        for made_up in (OBJECTS, SCALARS):
            together = list(to_batches(made_up, frame, spans))
            alone = [frame[start:stop] for start, stop in spans]
            assert together == [one for part in alone for one in to_requests(made_up, part)]


ID = st.text(min_size=1, max_size=8)
IN_PATH = operation(
    path="/v9/things/{id}/parts/{part}",
    fields=(
        Field(name="id", place=Place.PATH),
        Field(name="number", kind=Kind.INTEGER, place=Place.PATH, at="part"),
        Field(name="dry", kind=Kind.BOOLEAN, place=Place.QUERY),
        Field(name="at", place=Place.QUERY, at="now"),
    ),
)
QUERY = st.lists(
    st.tuples(ID, INT64, st.sampled_from([None, True, False]), st.none() | TEXT), min_size=1
)


@given(QUERY)
def test_a_target_can_be_read_back(rows: list[tuple[str, int, bool | None, str | None]]) -> None:
    schema = {"id": pl.String, "number": pl.Int64, "dry": pl.Boolean, "at": pl.String}
    requests = to_requests(IN_PATH, pl.DataFrame(rows, schema=schema, orient="row"))
    for request, (name, number, dry, at) in zip(requests, rows, strict=True):
        assert request.body is None
        assert request.target.isascii()
        path, _, query = request.target.partition("?")
        segments = path.split("/")
        assert not {".", ".."} & set(segments)
        assert [unquote(s) for s in segments] == ["", "v9", "things", name, "parts", str(number)]
        sent = {} if dry is None else {"dry": "true" if dry else "false"}
        sent |= {} if at is None else {"now": at}
        options = [option.split("=") for option in query.split("&")] if query else []
        assert {name: unquote(value) for name, value in options} == sent


PROFILES, AUDIENCES, REFERRALS = (find(name) for name in ("profiles", "audiences", "referrals"))


@given(st.lists(st.tuples(TEXT, st.none() | TEXT, st.none() | FLOATS), min_size=1, max_size=6))
def test_profiles_as_the_catalogue_has_them(
    rows: list[tuple[str, str | None, float | None]],
) -> None:
    schema = {
        "integrationId": pl.String,
        "attributes.Tier": pl.String,
        "attributes.Spend": pl.Float64,
    }
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(silent=pl.lit("yes"))
    assert PROFILES is not None
    (request,) = to_requests(PROFILES, frame)
    assert (request.method, request.target) == ("PUT", "/v2/customer_profiles?silent=yes")
    profiles: list[dict[str, Any]] = [{"integrationId": key} for key, _, _ in rows]
    for profile, (_, tier, spend) in zip(profiles, rows, strict=True):
        if tier is not None or spend is not None:
            profile["attributes"] = bare({"Tier": tier, "Spend": spend})
    assert request.body is not None
    same(request.body, {"customerProfiles": profiles})


@given(st.lists(TEXT, min_size=1, max_size=6), st.none() | TEXT, st.integers(1, 2**63 - 1))
def test_referrals_as_the_catalogue_has_them(
    ids: list[str], wave: str | None, campaign: int
) -> None:
    frame = pl.DataFrame({"integrationId": ids}).with_columns(
        pl.lit(campaign).alias("campaignId"),
        pl.lit(wave, dtype=pl.String).alias("attributes.Wave"),
        pl.lit(None, dtype=pl.String).alias("expiryDate"),
        silent=pl.lit("no"),
    )
    assert REFERRALS is not None
    (request,) = to_requests(REFERRALS, frame)
    assert request.target == "/v1/referrals_for_multiple_advocates?silent=no"
    assert request.body is not None
    expected = {"campaignId": campaign, "advocateProfileIntegrationIds": ids}
    same(request.body, expected | ({} if wave is None else {"attributes": {"Wave": wave}}))


@given(st.lists(st.tuples(TEXT, INT64), min_size=1, max_size=6))
def test_audiences_as_the_catalogue_has_them(rows: list[tuple[str, int]]) -> None:
    frame = pl.DataFrame(
        rows, schema={"integrationId": pl.String, "audienceId": pl.Int64}, orient="row"
    )
    assert AUDIENCES is not None
    (request,) = to_requests(AUDIENCES, frame.with_columns(action=pl.lit("add")))
    assert (request.method, request.target) == ("POST", "/v2/customer_audiences")
    assert request.body is not None
    changes = [
        {"profileIntegrationId": key, "audienceId": number, "action": "add"} for key, number in rows
    ]
    same(request.body, {"data": changes})
