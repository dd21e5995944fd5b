"""Whatever rows come, every body and query that would be sent is one that the document allows.

Rows are drawn from the records: good ones, of which none may be rejected, and spoiled ones, of
which whatever is still sent must be right all the same. Nothing is sent.
"""

import csv
import datetime as dt
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.batches import one_by_one
from pipeline.config.toml import Overrides, job_from
from pipeline.model import Request
from pipeline.operations import OPERATIONS, Field, Kind, Operation, Place, find
from pipeline.preparation import Preparation, Prepared
from pipeline.sandbox import document
from pipeline.stages.encoding import to_requests
from tests.contract import schemas

EACH = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
CHARACTERS = st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"])
DAYS = st.dates(dt.date(2030, 1, 1), dt.date(2030, 12, 31))
TIMES = st.builds(lambda day, time: f"{day.isoformat()}T{time.isoformat()}Z", DAYS, st.times())
SPOILED = st.sampled_from(
    ["", " ", "-1", "0", "x", "1e5", "NaN", "true", "[]", "[1]", "{}", "null", "12,5", "é" * 1001]
)
ATTRIBUTES = ("Tier", "Spend")


def texts(field: Field) -> st.SearchStrategy[str]:
    least = max(field.length_min or 1, 1)
    most = min(field.length_max or 20, 20)
    if field.pattern:
        return st.text("AZaz09._%+@-", min_size=least, max_size=most)
    plain = st.text(CHARACTERS, min_size=least, max_size=max(most, least))
    if field.place is Place.PATH:
        return plain.filter(lambda text: text not in {".", ".."})  # no URL can carry them
    return plain


def numbers(field: Field) -> st.SearchStrategy[str]:
    low = int(field.minimum or 0)
    return st.integers(low, int(field.maximum or 2**53)).map(str)


def lists(one: st.SearchStrategy[Any], field: Field) -> st.SearchStrategy[str]:
    return st.lists(one, max_size=min(field.elements_max or 4, 4)).map(json.dumps)


def objects(field: Field) -> st.SearchStrategy[str]:
    """A JSON list of objects with all that they must have, and some of what they may."""
    kinds = {
        Kind.STRING: st.text(CHARACTERS, min_size=1, max_size=8),
        Kind.INTEGER: st.integers(1, 5),
        Kind.NUMBER: st.floats(0, 1e6, allow_nan=False),
        Kind.JSON: st.just({}),
    }
    members = {member.path: kinds[member.kind] for member in field.elements}
    must = {m.path for m in field.elements if m.required}
    own = {name: one for name, one in members.items() if name != "product"}
    optional = {name: one for name, one in own.items() if name not in must}
    needed = {name: one for name, one in own.items() if name in must}
    return st.lists(st.fixed_dictionaries(needed, optional=optional), min_size=1, max_size=4).map(
        json.dumps
    )


ONE_OF = {Kind.STRINGS: Kind.STRING, Kind.INTEGERS: Kind.INTEGER}


def good(field: Field) -> st.SearchStrategy[str]:
    """A cell that the API takes for *field*."""
    one = ONE_OF.get(field.kind)
    if field.choices:
        chosen = st.sampled_from(field.choices)
        return st.lists(chosen, max_size=3, unique=True).map("|".join) if one else chosen
    if one:
        numbered = one is Kind.INTEGER
        return lists(st.integers(1, 2**53) if numbered else texts(field), field)
    simple = {
        Kind.STRING: texts,
        Kind.INTEGER: numbers,
        Kind.NUMBER: numbers,
        Kind.BOOLEAN: lambda _: st.sampled_from(["true", "false"]),
        Kind.TIME: lambda _: TIMES,
        Kind.JSON: lambda f: objects(f) if f.elements else st.just('{"a": [1, "x"]}'),
    }
    return simple[field.kind](field)


def columns(operation: Operation) -> dict[str, Field]:
    """The columns of a source of *operation*: its fields, and two members of each family."""
    found = {}
    for field in operation.fields:
        if field.place is Place.LINE:
            continue
        if not field.is_family:
            found[field.name] = field
        for name in ATTRIBUTES if field.is_family else ():
            kind = Kind.STRING if field.kind is Kind.JSON else field.kind
            found[field.name.replace("*", name)] = Field(name=name, kind=kind)
    return found


@st.composite
def rows(draw: st.DrawFn, operation: Operation) -> tuple[list[dict[str, str]], set[int]]:
    """Rows of cells, and the numbers of those that are good."""
    fields = columns(operation)
    made, are_good = [], set()
    for number in range(1, draw(st.integers(1, 6)) + 1):
        row = {}
        for name, field in fields.items():
            if field.required or draw(st.booleans()):
                row[name] = draw(good(field))
        for name, field in (*fields.items(), *fields.items()):  # a flag may need another one
            if field.only_with and row.get(field.only_with) != "true":
                row.pop(name, None)
        if draw(st.integers(0, 3)) == 0:
            row[draw(st.sampled_from(list(fields)))] = draw(SPOILED)
        else:
            are_good.add(number)
        made.append(row)
    return made, are_good


def prepared(operation: Operation, path: Path) -> tuple[list[Prepared], list[Request]]:
    preparation = Preparation(job_from([str(path)], Overrides(to=operation.name)))
    blocks, batcher = list(preparation.blocks()), preparation.batcher()
    made = [batches for block in blocks for batches in batcher.add(block.good)]
    batches = one_by_one([*made, *batcher.close()])
    return blocks, [request for batch in batches for request in to_requests(operation, batch)]


def check(operation: Operation, request: Request) -> None:
    """Hold one request against the document."""
    schema = schemas.body_of(operation.id)
    assert (schema is None) == (request.body is None)
    if schema is not None:
        body = json.loads(request.body or b"")
        errors = [str(e) for e in document.validator(schema).iter_errors(body)]
        assert not errors, body
    split = urlsplit(request.target)
    queries = document.query_schemas(operation.id)
    for name, value in parse_qsl(split.query, keep_blank_values=True):
        typed = json.loads(value) if queries[name]["type"] == "boolean" else value
        assert document.validator(queries[name]).is_valid(typed), name
    assert ("silent" in queries) == ("silent=" in split.query)
    segments = split.path.split("/")
    assert len(segments) == len(operation.path.split("/"))
    assert all(unquote(segment) for segment in segments[1:])


@EACH
@given(data=st.data())
@settings(max_examples=12)
def test_every_body_is_valid_and_no_good_row_is_rejected(
    operation: Operation, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    made, are_good = data.draw(rows(operation))
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(columns(operation)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(made)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    blocks, requests = prepared(operation, path)
    rejected = pl.concat([block.rejected for block in blocks])
    told = rejected.filter(pl.col("row").is_in(list(are_good)))
    assert told["reasons"].to_list() == []
    assert requests or len(rejected) == len(made)
    for request in requests:
        check(operation, request)


LINE = {"sku": "A", "quantity": 2, "price": 1.5, "name": "é", "attributes": {"Color": "red"}}


@pytest.mark.parametrize("name", ["sessions", "sessions-v1"])
@pytest.mark.parametrize(
    "write",
    [
        lambda frame, path: frame.write_parquet(path),
        lambda frame, path: frame.write_ndjson(path),
    ],
    ids=["parquet", "ndjson"],
)
def test_a_native_cart_is_valid_too(
    name: str, write: Callable[[pl.DataFrame, Path], None], tmp_path: Path
) -> None:
    operation = find(name)
    assert operation is not None
    path = (
        tmp_path
        / f"carts.{'parquet' if write.__code__.co_names[0] == 'write_parquet' else 'ndjson'}"
    )
    frame = pl.DataFrame(
        {"customerSessionId": ["s 1/é", "s2"], "cartItems": [[LINE, LINE | {"sku": "B"}], [LINE]]}
    )
    write(frame, path)
    _, requests = prepared(operation, path)
    assert len(requests) == 2
    for request in requests:
        check(operation, request)
    body = json.loads(requests[0].body or b"")
    cart = body.get("customerSession", body)["cartItems"]
    assert cart == [LINE, LINE | {"sku": "B"}]
