"""The account's attributes: what is declared is checked, and told by GET /v1/attributes."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.sandbox import document
from pipeline.sandbox.attributes import Catalogue
from tests.sandbox.door import Desk, Reply, profiles

DECLARED: list[dict[str, Any]] = [
    {"entity": "CustomerProfile", "name": "Name", "type": "string"},
    {"entity": "CustomerProfile", "name": "Age", "type": "number"},
    {"entity": "CustomerProfile", "name": "Vip", "type": "boolean"},
    {"entity": "CustomerProfile", "name": "Since", "type": "time"},
    {"entity": "CustomerProfile", "name": "Home", "type": "location"},
    {"entity": "CustomerProfile", "name": "Tags", "type": "(list string)"},
    {"entity": "CustomerProfile", "name": "Sizes", "type": "(list number)"},
    {"entity": "CustomerProfile", "name": "Visits", "type": "(list time)"},
    {
        "entity": "CustomerProfile",
        "name": "Tier",
        "type": "string",
        "suggestions": ["gold", "silver"],
        "restrictedBySuggestions": True,
    },
    {"entity": "CustomerSession", "name": "City", "type": "string"},
    {"entity": "CartItem", "name": "Colour", "type": "string"},
    {"entity": "Referral", "name": "Channel", "type": "string"},
    {"entity": "Event", "eventType": "viewed", "name": "Url", "type": "string"},
    {"entity": "Event", "name": "Any", "type": "number"},
]
GOOD = {
    "Name": ["", "Zoë", "x" * 10_000],
    "Age": [0, -1.5, 1e300, 2**70],
    "Vip": [True, False],
    "Since": ["2026-01-21T15:04:05+07:00", "2026-01-21T15:04:05.123456Z"],
    "Home": [{"lat": 1.5, "lng": 2}],
    "Tags": [[], ["a", "b"]],
    "Sizes": [[1, 2.5]],
    "Visits": [["2026-01-21T15:04:05Z"]],
    "Tier": ["gold"],
}
BAD = {
    "Name": [1, True, ["a"], {}],
    "Age": ["1", True, [1]],
    "Vip": ["true", 1, 0],
    "Since": ["2026-01-21", "2026-01-21T15:04:05", "2026-02-30T00:00:00Z", 1700000000],
    "Home": ["Berlin", [1, 2]],
    "Tags": ["a", [1], [None]],
    "Sizes": [["1"], 1],
    "Visits": [["2026-01-21"]],
    "Tier": [7],
}


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "attributes.json"
    path.write_text(json.dumps({"totalResultSize": len(DECLARED), "data": DECLARED}))
    return str(path)


def updated(desk: Desk, **attributes: object) -> Reply:
    return desk.ask("PUT", "/v2/customer_profiles", profiles("A", **attributes))


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in GOOD.items() for v in vs])
def test_a_value_of_the_declared_type_is_taken(file: str, name: str, value: object) -> None:
    assert updated(Desk(attributes=file), **{name: value}).status == 204


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in BAD.items() for v in vs])
def test_a_value_of_another_type_is_refused_in_the_documented_words(
    file: str, name: str, value: object
) -> None:
    reply = updated(Desk(attributes=file), **{name: value})
    assert (reply.status, reply.titles) == (400, ["Invalid type"])
    assert reply.pointers[0].startswith(f"/customerProfiles/0/attributes/{name}")
    assert f'Value of "{name}" attribute (' in reply.body["errors"][0]["details"]


def test_a_closed_list_is_closed(file: str) -> None:
    reply = updated(Desk(attributes=file), Tier="bronze")
    assert reply.titles == ["enum"]
    details = 'Tier must be one of the following: "gold", "silver"'
    assert reply.body["errors"][0]["details"] == details


def test_unknown_names_pass_unless_strict(file: str) -> None:
    assert updated(Desk(attributes=file), Hat=1).status == 204
    reply = updated(Desk(attributes=file, strict="yes"), Hat=1, Name="x", Shoe=2)
    assert (reply.status, reply.titles) == (400, ["Unknown", "Unknown"])
    details = 'The attribute "Hat" is not defined on CustomerProfile entities.'
    assert details in [error["details"] for error in reply.body["errors"]]


def test_strict_without_a_catalogue_refuses_every_attribute() -> None:
    assert updated(Desk(strict="yes"), Name="x").status == 400
    assert updated(Desk(strict="yes")).status == 204


@pytest.mark.parametrize(
    ("method", "path", "body", "pointer"),
    [
        ("PUT", "/v2/customer_profiles/A", {"attributes": {"Hat": 1}}, "/attributes/Hat"),
        ("PUT", "/v1/customer_profiles/A", {"attributes": {"Hat": 1}}, "/attributes/Hat"),
        (
            "PUT",
            "/v2/customer_sessions/s",
            {"customerSession": {"attributes": {"Hat": 1}}},
            "/attributes/Hat",
        ),
        (
            "PUT",
            "/v2/customer_sessions/s",
            {
                "customerSession": {
                    "cartItems": [
                        {"sku": "S", "quantity": 1, "price": 1, "attributes": {"Colour": 3}}
                    ]
                }
            },
            "/cartItems/0/attributes/Colour",
        ),
        (
            "POST",
            "/v1/referrals",
            {"campaignId": 1, "advocateProfileIntegrationId": "A", "attributes": {"Hat": 1}},
            "/attributes/Hat",
        ),
        (
            "POST",
            "/v2/events",
            {"type": "viewed", "profileId": "A", "attributes": {"Url": 1}},
            "/attributes/Url",
        ),
        (
            "POST",
            "/v2/events",
            {"type": "bought", "profileId": "A", "attributes": {"Url": "x"}},
            "/attributes/Url",
        ),
        (
            "PUT",
            "/v1/catalogs/1/sync",
            {"actions": [{"type": "ADD", "payload": {"sku": "S", "attributes": {"Hat": 1}}}]},
            "/actions/0/payload/attributes/Hat",
        ),
    ],
)
def test_attributes_are_checked_wherever_they_stand(
    file: str, method: str, path: str, body: object, pointer: str
) -> None:
    reply = Desk(attributes=file, strict="yes").ask(method, path, body)
    assert (reply.status, reply.pointers) == (400, [pointer])


def test_an_attribute_of_one_event_type_is_known_for_that_type(file: str) -> None:
    desk = Desk(attributes=file, strict="yes")
    event = {"type": "viewed", "profileId": "A", "attributes": {"Url": "x", "Any": 1}}
    assert desk.ask("POST", "/v2/events", event).status == 204


@pytest.mark.parametrize(
    ("null", "status", "kept"),
    [("unset", 204, {"Age": 1}), ("keep", 204, {"Age": 1, "Name": None}), ("refuse", 400, None)],
)
def test_null_is_what_the_switch_says(file: str, null: str, status: int, kept: object) -> None:
    desk = Desk(attributes=file, null=null)
    assert updated(desk, Name="x", Age=1).status == 204
    assert updated(desk, Name=None).status == status
    if kept is not None:
        assert desk.engine.store.profiles["A"].attributes == kept


def test_light_validation_leaves_the_attributes_alone(file: str) -> None:
    assert updated(Desk(attributes=file, strict="yes", validate="light"), Hat=1).status == 204
    body = {"customerProfiles": [{"integrationId": 7}]}
    assert Desk(validate="light").ask("PUT", "/v2/customer_profiles", body).status == 400


def test_the_catalogue_comes_in_pages(file: str) -> None:
    desk = Desk(attributes=file)
    names = []
    for skip in range(0, len(DECLARED), 5):
        page = desk.ask("GET", f"/v1/attributes?pageSize=5&skip={skip}").body
        assert page["totalResultSize"] == len(DECLARED)
        assert document.validator(document.answer_schema("getAttributes", 200)).is_valid(page)
        names += [one["name"] for one in page["data"]]
    assert names == [one["name"] for one in DECLARED]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("entity=CartItem", ["Colour"]),
        ("type=time", ["Since"]),
        ("search=si", ["Since", "Sizes", "Visits"]),
        ("entity=Event&sort=name", ["Any", "Url"]),
        ("entity=Event&sort=-name", ["Url", "Any"]),
        ("kind=builtin", []),
    ],
)
def test_the_catalogue_can_be_asked_for_a_part(file: str, query: str, expected: list[str]) -> None:
    page = Desk(attributes=file).ask("GET", f"/v1/attributes?{query}").body
    assert [one["name"] for one in page["data"]] == expected


@pytest.mark.parametrize("query", ["pageSize=0", "pageSize=1001", "skip=-1", "skip=x", "pageSize="])
def test_a_page_that_cannot_be_is_refused(query: str) -> None:
    assert Desk().ask("GET", f"/v1/attributes?{query}").status == 400


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '[{"name": "A"}]', '[{"name": "A", "type": "colour"}]']
)
def test_a_file_that_is_no_catalogue_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "attributes.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"attributes\.json"):
        Catalogue.read(str(path), strict=False, nulls=True)
