"""What the sandbox refuses before it looks anything up, and in which words (API.md §2.10)."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sandbox import document
from pipeline.sandbox.operations import OPERATIONS
from tests.sandbox.door import Desk, Reply, profiles

REFERRALS = "/v1/referrals_for_multiple_advocates"
WRONG_BODIES = {
    "a list of no profiles": ("PUT", "/v2/customer_profiles", {"customerProfiles": {}}),
    "a profile without its id": ("PUT", "/v2/customer_profiles", {"customerProfiles": [{}]}),
    "an id that is a number": (
        "PUT",
        "/v2/customer_profiles",
        {"customerProfiles": [{"integrationId": 7}]},
    ),
    "an id that is empty": ("PUT", "/v2/customer_profiles", profiles("")),
    "an id that is too long": ("PUT", "/v2/customer_profiles", profiles("x" * 1001)),
    "attributes that are a list": (
        "PUT",
        "/v2/customer_profiles",
        {"customerProfiles": [{"integrationId": "A", "attributes": []}]},
    ),
    "the action of the prose, not of the enumeration": (
        "POST",
        "/v2/customer_audiences",
        {"data": [{"action": "remove", "profileIntegrationId": "A", "audienceId": 1}]},
    ),
    "an audience beyond int64": (
        "POST",
        "/v2/customer_audiences",
        {"data": [{"action": "add", "profileIntegrationId": "A", "audienceId": 2**63}]},
    ),
    "no advocates": (
        "POST",
        REFERRALS,
        {"campaignId": 1, "usageLimit": 0, "advocateProfileIntegrationIds": []},
    ),
    "a usage limit beyond its maximum": (
        "POST",
        REFERRALS,
        {"campaignId": 1, "usageLimit": 1_000_000, "advocateProfileIntegrationIds": ["A"]},
    ),
    "no usage limit, which the document requires": (
        "POST",
        REFERRALS,
        {"campaignId": 1, "advocateProfileIntegrationIds": ["A"]},
    ),
    "a pattern that is too short": (
        "POST",
        REFERRALS,
        {
            "campaignId": 1,
            "usageLimit": 0,
            "advocateProfileIntegrationIds": ["A"],
            "referralPattern": "##",
        },
    ),
    "a time without an offset": (
        "POST",
        "/v1/referrals",
        {
            "campaignId": 1,
            "advocateProfileIntegrationId": "A",
            "startDate": "2026-01-02T03:04:05",
        },
    ),
    "changes of audiences of which one side is missing": (
        "PUT",
        "/v2/customer_profiles/A",
        {"audiencesChanges": {"adds": [1]}},
    ),
    "a session that is not wrapped": ("PUT", "/v2/customer_sessions/s", {"state": "open"}),
    "a state that does not exist": (
        "PUT",
        "/v2/customer_sessions/s",
        {"customerSession": {"state": "paid"}},
    ),
    "a quantity of nothing": (
        "PUT",
        "/v2/customer_sessions/s",
        {"customerSession": {"cartItems": [{"sku": "S", "quantity": 0, "price": 1}]}},
    ),
    "six identifiers": (
        "PUT",
        "/v2/customer_sessions/s",
        {"customerSession": {"identifiers": list("abcdef")}},
    ),
    "an event without a type": ("POST", "/v2/events", {"profileId": "A"}),
    "an event without a profile, which only prose requires": ("POST", "/v2/events", {"type": "t"}),
    "a V3 event without its id": ("POST", "/v3/events", {"type": "t", "profileId": "A"}),
    "a V1 event without attributes": ("POST", "/v1/events", {"type": "t", "sessionId": "s"}),
    "a V1 cart without names": (
        "PUT",
        "/v1/customer_sessions/s",
        {"cartItems": [{"sku": "S", "quantity": 1, "price": 1}]},
    ),
    "reservations under the wrong name": (
        "POST",
        "/v1/coupon_reservations/CODE",
        {"integrationIds": ["A"]},
    ),
    "an action on a catalog without a SKU": (
        "PUT",
        "/v1/catalogs/1/sync",
        {"actions": [{"type": "ADD", "payload": {}}]},
    ),
}


@pytest.mark.parametrize("wrong", WRONG_BODIES)
def test_a_wrong_body_is_refused_and_nothing_is_stored(wrong: str) -> None:
    desk = Desk()
    reply = desk.ask(*WRONG_BODIES[wrong])
    assert (reply.status, reply.body["message"]) == (400, "The submitted data was invalid")
    assert all(error["title"] and "source" in error for error in reply.body["errors"])
    assert sum(desk.engine.store.counts().values()) == 0


@pytest.mark.parametrize("body", [b"", b"{", b'{"customerProfiles":[]', b"\xff", b'"\\ud800"'])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    assert Desk().ask("PUT", "/v2/customer_profiles", body).status == 400


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v2/customer_profiles?silent=maybe", "silent"),
        ("/v2/customer_profiles/A?runRuleEngine=1", "runRuleEngine"),
        ("/v2/customer_sessions/s?dry=true&now=tomorrow", "now"),
        ("/v2/customer_sessions/s?dry=true&now=2001-01-01T00:00:00Z", "now"),
        ("/v2/customer_sessions/s?now=2201-01-01T00:00:00Z", "now"),
    ],
)
def test_a_wrong_query_is_refused_by_its_name(path: str, name: str) -> None:
    body = {"customerSession": {}} if "sessions" in path else {}
    reply = Desk().ask("PUT", path, body)
    assert reply.status == 400
    assert [error["source"] for error in reply.body["errors"]] == [{"parameter": name}]


@pytest.mark.parametrize("word", ["true", "True", "TRUE"])
def test_booleans_of_both_clients_are_taken(word: str) -> None:
    reply = Desk().ask("PUT", f"/v2/customer_profiles/A?runRuleEngine={word}&dry={word}", {})
    assert reply.status == 200


def documented_style(reply: Reply) -> bool:
    return "StatusCode" in reply.body


@pytest.mark.parametrize(
    ("method", "path", "body", "with_status"),
    [
        ("PUT", "/v2/customer_profiles", {"customerProfiles": 1}, True),
        ("PUT", "/v2/customer_profiles/A", {"attributes": 1}, True),
        ("POST", REFERRALS, {}, True),
        ("POST", "/v2/events", {}, True),
        ("POST", "/v1/referrals", {}, False),
        ("PUT", "/v2/customer_sessions/s", {}, False),
        ("PUT", "/v1/catalogs/1/sync", {}, False),
    ],
)
def test_a_400_has_the_shape_that_its_operation_documents(
    method: str, path: str, body: object, with_status: bool
) -> None:
    reply = Desk().ask(method, path, body)
    assert reply.status == 400
    assert documented_style(reply) is with_status


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"customerProfiles": [{"integrationId": "A"}, {}]}, "/customerProfiles/1/integrationId"),
        (profiles("A", ""), "/customerProfiles/1/integrationId"),
    ],
)
def test_errors_point_at_the_row(body: object, pointer: str) -> None:
    assert Desk().ask("PUT", "/v2/customer_profiles", body).pointers == [pointer]


def test_a_pointer_into_a_session_is_that_of_the_documented_example() -> None:
    reply = Desk().ask("PUT", "/v2/customer_sessions/s", {"customerSession": {"state": "paid"}})
    assert (reply.titles, reply.pointers) == (["enum"], ["/state"])
    assert 'one of the following: "open", "closed"' in reply.body["errors"][0]["details"]


@pytest.mark.parametrize(
    ("method", "path", "make"),
    [
        ("PUT", "/v2/customer_profiles", lambda n: profiles(*map(str, range(n)))),
        (
            "POST",
            "/v2/customer_audiences",
            lambda n: {
                "data": [
                    {"action": "add", "profileIntegrationId": str(i), "audienceId": 1}
                    for i in range(n)
                ]
            },
        ),
        (
            "POST",
            REFERRALS,
            lambda n: {
                "campaignId": 1,
                "usageLimit": 0,
                "advocateProfileIntegrationIds": [str(i) for i in range(n)],
            },
        ),
        (
            "POST",
            "/v1/coupon_reservations/CODE",
            lambda n: {"integrationIDs": [str(i) for i in range(n)]},
        ),
    ],
)
def test_a_thousand_rows_are_taken_and_one_more_is_not(
    method: str, path: str, make: Callable[[int], object]
) -> None:
    desk = Desk()
    assert desk.ask(method, path, make(1000)).status in {201, 204}
    assert desk.ask(method, path, make(1001)).status == 400
    assert desk.engine.store.counts()["profiles"] == 1000


@given(st.text(st.characters(), min_size=1))
def test_any_text_is_an_id_and_comes_back_as_it_was(text: str) -> None:
    try:
        body = json.dumps(profiles(text, Name=text), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        body = json.dumps(profiles(text, Name=text)).encode()  # a lone surrogate: not JSON's
    desk = Desk()
    reply = desk.ask("PUT", "/v2/customer_profiles?silent=no", body)
    if reply.status == 400:
        assert any(0xD800 <= ord(letter) < 0xE000 for letter in text)
    else:
        found = reply.body["integrationStates"][0]["customerProfile"]
        assert (found["integrationId"], found["attributes"]) == (text, {"Name": text})


def test_every_operation_stands_in_a_document_with_its_method_and_path() -> None:
    described = {
        operation["operationId"]: (method.upper(), path)
        for name in ("openapi.json", "openapi_beyond.json")
        for path, methods in document._read(name)["paths"].items()
        for method, operation in methods.items()
    }
    assert {one.name: (one.method, one.path) for one in OPERATIONS} == described
