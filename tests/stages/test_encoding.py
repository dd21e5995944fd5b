"""Bodies and targets to read, and what encoding refuses; its laws are among the properties."""

import json
from typing import Any

import polars as pl
import pytest

from pipeline.errors import InvariantBroken
from pipeline.model import Request
from pipeline.operations import Field, Kind, Operation, Place, Repeat, find
from pipeline.stages.encoding import to_bodies, to_json, to_requests, to_targets


def profiles() -> Operation:
    operation = find("profiles")
    assert operation is not None
    return operation


def one_by_one(*fields: Field, path: str = "/v9/things", wrap: str = "") -> Operation:
    return Operation(
        name="things",
        id="updateThing",
        method="PUT",
        path=path,
        summary="",
        source="here",
        fields=fields,
        key="id",
        lanes=("id",),
        repeat=Repeat.SAFE,
        success=(200,),
        wrap=wrap,
    )


def profile_rows(**attributes: Any) -> pl.DataFrame:
    columns = {f"attributes.{name}": values for name, values in attributes.items()}
    height = max((len(values) for values in attributes.values()), default=1)
    return pl.DataFrame(
        {"integrationId": [f"c{n}" for n in range(height)], **columns}
    ).with_columns(silent=pl.lit("yes"))


def test_a_batch_of_profiles_is_one_request() -> None:
    assert to_requests(profiles(), profile_rows(Tier=["gold", None], Spend=[12.5, 3.0])) == [
        Request(
            method="PUT",
            target="/v2/customer_profiles?silent=yes",
            body=b'{"customerProfiles":['
            b'{"integrationId":"c0","attributes":{"Tier":"gold","Spend":12.5}},'
            b'{"integrationId":"c1","attributes":{"Spend":3.0}}]}',
        )
    ]


def test_rows_behind_an_empty_chunk_are_sent_too() -> None:
    """By itself polars 2.1 writes no JSON of them; a filter by a series leaves such chunks."""
    rows = profile_rows(Tier=["a", "b", "c", "d"])
    kept = pl.Series([True, True, False, True])
    pieces = pl.concat([rows[:2], rows[2:3], rows[3:]], rechunk=False).filter(kept)
    single = find("profiles-one-by-one")
    assert single is not None
    for operation in (profiles(), single):
        assert to_requests(operation, pieces) == to_requests(operation, rows.filter(kept))


def test_no_rows_make_no_request() -> None:
    assert to_requests(profiles(), profile_rows(Tier=["gold"]).clear()) == []


def test_attributes_that_are_all_null_are_left_out() -> None:
    body = to_json(profiles(), profile_rows(Tier=[None, "gold"], Spend=[None, None]))
    assert json.loads(body)["customerProfiles"] == [
        {"integrationId": "c0"},
        {"integrationId": "c1", "attributes": {"Tier": "gold"}},
    ]


def test_a_profile_without_any_attribute_is_its_id() -> None:
    assert to_json(profiles(), profile_rows()) == b'{"customerProfiles":[{"integrationId":"c0"}]}'


def test_nulls_are_left_out_of_native_objects_and_kept_in_lists() -> None:
    address = {"street": None, "city": "Köln", "floors": [1, None]}
    body = to_json(profiles(), profile_rows(Where=[address, {"street": None}, None]))
    assert [p.get("attributes") for p in json.loads(body)["customerProfiles"]] == [
        {"Where": {"city": "Köln", "floors": [1, None]}},
        {"Where": {}},
        None,
    ]


def test_text_that_looks_like_a_null_stays() -> None:
    text = ',"Tier":null'
    body = to_json(profiles(), profile_rows(Tier=[text, None], Note=[text, text]))
    first = json.loads(body)["customerProfiles"][0]
    assert first["attributes"] == {"Tier": text, "Note": text}


def test_json_text_is_put_in_as_it_is() -> None:
    text = '{ "lat": 52.50,\n  "Tier": null, "by": "a \\"b\\"" }'
    rows = profile_rows(Where=[text, None], Tier=[None, "gold"], More=["[ ]", "1e2"])
    body = to_json(
        profiles(), rows.with_columns(pl.col("^attributes.(Where|More)$").cast(pl.Binary))
    )
    assert body.decode() == (
        '{"customerProfiles":[{"integrationId":"c0","attributes":{"Where":'
        + text
        + ',"More":[ ]}},'
        '{"integrationId":"c1","attributes":{"Tier":"gold","More":1e2}}]}'
    )


def test_json_text_with_line_breaks_stays_with_its_row() -> None:
    operation = one_by_one(
        Field(name="id", place=Place.BODY), Field(name="cart", kind=Kind.JSON, place=Place.BODY)
    )
    rows = pl.DataFrame({"id": ["a", "b"], "cart": ["[\n1,\n2\n]", None]})
    assert to_bodies(operation, rows) == [b'{"id":"a","cart":[\n1,\n2\n]}', b'{"id":"b"}']


def test_numbers_are_sent_to_the_last_bit() -> None:
    numbers = [0.1, 1e300, 5e-324, -0.0, 123456789012345680.0]
    sent = json.loads(to_json(profiles(), profile_rows(N=numbers)))["customerProfiles"]
    assert [p["attributes"]["N"].hex() for p in sent] == [n.hex() for n in numbers]
    whole = [2**63 - 1, -(2**63)]
    sent = json.loads(to_json(profiles(), profile_rows(N=whole)))["customerProfiles"]
    assert [p["attributes"]["N"] for p in sent] == whole


@pytest.mark.parametrize(
    "values",
    [[float("nan")], [1.0, float("inf")], [[1.0, float("-inf")]], [{"x": [{"y": float("nan")}]}]],
)
def test_a_number_that_json_cannot_say_is_refused(values: list[Any]) -> None:
    with pytest.raises(InvariantBroken, match=r"number that JSON cannot say"):
        to_json(profiles(), profile_rows(N=values))


@pytest.mark.parametrize("dtype", [pl.Date, pl.Datetime, pl.Decimal(10, 2), pl.Duration])
def test_a_type_that_json_does_not_have_is_refused(dtype: pl.DataType) -> None:
    rows = profile_rows(N=[None, None]).with_columns(pl.col("attributes.N").cast(dtype))
    with pytest.raises(InvariantBroken, match=r"N has values of type"):
        to_json(profiles(), rows)
    with pytest.raises(InvariantBroken, match=r"has values of type"):
        to_json(profiles(), rows.with_columns(pl.col("attributes.N").implode().over(pl.lit(1))))


def test_a_name_that_could_be_mistaken_for_text_is_refused() -> None:
    """`{"x,":":null"}` has `,":":null` in it, which is no member of that name."""
    with pytest.raises(InvariantBroken, match=r"name of a member"):
        to_json(profiles(), profile_rows(N=[{"a": 1, ":": None}]))


def test_constants_that_differ_are_refused() -> None:
    rows = profile_rows(N=[1, 2]).with_columns(silent=pl.Series(["yes", "no"]))
    with pytest.raises(InvariantBroken, match=r"silent differs within one request"):
        to_json(profiles(), rows)
    with pytest.raises(InvariantBroken, match=r"silent differs within one request"):
        to_json(profiles(), rows.with_columns(silent=pl.Series(["yes", None])))


def test_a_field_is_not_a_value_and_an_object_at_once() -> None:
    operation = one_by_one(Field(name="a", place=Place.BODY), Field(name="a.b", place=Place.BODY))
    with pytest.raises(InvariantBroken, match=r"a value and an object"):
        to_bodies(operation, pl.DataFrame({"a": ["x"], "a.b": ["y"]}))


def test_a_row_of_a_scalar_operation_is_one_value() -> None:
    referrals = find("referrals")
    assert referrals is not None
    rows = pl.DataFrame({"integrationId": ["a", "b"], "silent": ["no", "no"]})
    assert to_json(referrals, rows) == b'{"advocateProfileIntegrationIds":["a","b"]}'
    with pytest.raises(InvariantBroken, match=r"one value here, not nothing"):
        to_json(referrals, pl.DataFrame({"silent": ["no"]}))
    with pytest.raises(InvariantBroken, match=r"integrationId is null"):
        to_json(referrals, rows.with_columns(integrationId=pl.Series(["a", None])))


def test_fields_go_under_the_wrap_unless_they_start_at_the_root() -> None:
    operation = one_by_one(
        Field(name="id", place=Place.PATH),
        Field(name="state", place=Place.BODY),
        Field(name="responseContent", kind=Kind.STRINGS, place=Place.BODY, at="/responseContent"),
        path="/v2/customer_sessions/{id}",
        wrap="customerSession",
    )
    rows = pl.DataFrame(
        {"id": ["s/1", "s2"], "responseContent": [["event"], ["event"]], "state": ["open", None]}
    )
    assert to_requests(operation, rows) == [
        Request(
            method="PUT",
            target="/v2/customer_sessions/s%2F1",
            body=b'{"customerSession":{"state":"open"},"responseContent":["event"]}',
        ),
        Request(
            method="PUT",
            target="/v2/customer_sessions/s2",
            body=b'{"customerSession":{},"responseContent":["event"]}',
        ),
    ]


def test_a_required_family_is_sent_even_when_it_has_no_member() -> None:
    operation = one_by_one(
        Field(name="type", place=Place.BODY),
        Field(name="attributes.*", kind=Kind.JSON, place=Place.BODY, required=True),
    )
    assert to_bodies(operation, pl.DataFrame({"type": ["seen"]})) == [
        b'{"attributes":{},"type":"seen"}'
    ]
    rows = pl.DataFrame({"type": ["seen"], "attributes.A": pl.Series([None], dtype=pl.Int64)})
    assert to_bodies(operation, rows) == [b'{"attributes":{},"type":"seen"}']


def test_a_member_of_a_family_can_be_an_object_of_its_own() -> None:
    costs = Field(name="costs.*", kind=Kind.NUMBER, place=Place.BODY, at="additionalCosts.*.price")
    rows = pl.DataFrame(
        {"costs.shipping": [4.9], "costs.gift": pl.Series([None], dtype=pl.Float64)}
    )
    assert to_bodies(one_by_one(costs), rows) == [b'{"additionalCosts":{"shipping":{"price":4.9}}}']


def test_a_body_without_any_value_is_an_empty_object_and_one_without_fields_is_none() -> None:
    identified = Field(name="id", place=Place.PATH)
    rows = pl.DataFrame({"id": ["a", "b"]})
    without = one_by_one(identified, path="/v9/things/{id}")
    assert [request.body for request in to_requests(without, rows)] == [None, None]
    with_body = one_by_one(identified, Field(name="x", place=Place.BODY), path="/v9/things/{id}")
    assert [request.body for request in to_requests(with_body, rows)] == [b"{}", b"{}"]


def test_targets_are_encoded_segment_by_segment() -> None:
    operation = one_by_one(
        Field(name="id", place=Place.PATH),
        Field(name="now", place=Place.QUERY),
        Field(name="dry", kind=Kind.BOOLEAN, place=Place.QUERY),
        Field(name="ids", kind=Kind.INTEGERS, place=Place.QUERY),
        Field(name="names", kind=Kind.STRINGS, place=Place.QUERY),
        path="/v9/things/{id}/inventory",
    )
    rows = pl.DataFrame(
        {
            "id": ["SUMMER25%OFF", "10$OFF_NOW", "é ?#", "..", "{id}"],
            "now": ["2026", None, "+:", None, None],
            "dry": [True, None, False, None, None],
            "ids": [[1, 2], None, None, None, None],
            "names": [["a,b", "c"], None, None, None, None],
        }
    )
    assert to_targets(operation, rows) == [
        "/v9/things/SUMMER25%25OFF/inventory?now=2026&dry=true&ids=1,2&names=a%2Cb,c",
        "/v9/things/10%24OFF_NOW/inventory",
        "/v9/things/%C3%A9%20%3F%23/inventory?now=%2B%3A&dry=false",
        "/v9/things/%2E%2E/inventory",
        "/v9/things/%7Bid%7D/inventory",
    ]


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_value_in_the_path_is_refused(value: str | None) -> None:
    operation = one_by_one(Field(name="id", place=Place.PATH), path="/v9/things/{id}")
    with pytest.raises(InvariantBroken, match=r"id is part of the path and is empty"):
        to_targets(operation, pl.DataFrame({"id": [value]}, schema={"id": pl.String}))


def test_a_path_without_its_column_is_refused() -> None:
    operation = one_by_one(Field(name="id", place=Place.PATH), path="/v9/things/{id}")
    with pytest.raises(InvariantBroken, match=r"no column for id"):
        to_targets(operation, pl.DataFrame({"other": ["x"]}))
