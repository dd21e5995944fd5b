"""What each operation does to the account, and that every answer has the documented shape."""

from typing import Any

import pytest

from pipeline.sandbox import document
from pipeline.sandbox.store import PROBES_MAX
from tests.sandbox.door import Desk, Reply, profiles

ADVOCATES = "/v1/referrals_for_multiple_advocates?silent=no"
COUPON = "/v1/coupon_reservations/SUMMER25%25OFF%2F%C3%A4%20b"
RESERVED = "/v1/coupon_reservations/customerprofiles/SUMMER25%25OFF%2F%C3%A4%20b"
CART = [{"sku": "S", "name": "shoe", "quantity": 2, "price": 9.5, "attributes": {"Colour": "red"}}]
EVERYTHING = [
    "customerSession",
    "customerProfile",
    "coupons",
    "triggeredCampaigns",
    "referral",
    "loyalty",
    "event",
    "awardedGiveaways",
    "ruleFailureReasons",
    "previousReturns",
    "campaignEligibility",
    "achievements",
]


def lenient(schema: Any) -> Any:
    """Return *schema* with `anyOf` for `oneOf`: the shapes of effects overlap in the document."""
    if isinstance(schema, list):
        return [lenient(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {"anyOf" if key == "oneOf" else key: lenient(one) for key, one in schema.items()}


def documented(operation: str, reply: Reply) -> Reply:
    """Return *reply* if it is what the document says *operation* may answer."""
    assert str(reply.status) in document.operations()[operation]["responses"], reply
    schema = document.answer_schema(operation, reply.status)
    if reply.status == 204 or schema is None:
        assert reply.body is None
    else:
        whole = {"components": document._components(), **schema}
        checker = document.jsonschema_rs.Draft202012Validator(lenient(whole), validate_formats=True)
        assert [error.message for error in checker.iter_errors(reply.body)] == []
    return reply


def session(desk: Desk, *, query: str = "", content: object = (), **wish: object) -> Reply:
    body = {"customerSession": wish, "responseContent": list(content)}
    return documented(
        "updateCustomerSessionV2", desk.ask("PUT", f"/v2/customer_sessions/s%201{query}", body)
    )


def refer(desk: Desk, *advocates: str, **more: object) -> Reply:
    body = {"campaignId": 45, "usageLimit": 1, "advocateProfileIntegrationIds": advocates, **more}
    reply = desk.ask("POST", ADVOCATES, body)
    return documented("createReferralsForMultipleAdvocates", reply)


def inventory(desk: Desk, profile: str, *flags: str) -> Reply:
    query = "&".join(f"{flag}=true" for flag in flags)
    path = f"/v1/customer_profiles/{profile}/inventory?{query}"
    return documented("getCustomerInventory", desk.ask("GET", path))


def test_profiles_are_made_and_their_attributes_merged() -> None:
    desk = Desk()
    for attributes in ({"a": 1, "b": 2}, {"b": 3}):
        reply = desk.ask("PUT", "/v2/customer_profiles?silent=no", profiles("A", "B", **attributes))
        documented("updateCustomerProfilesV2", reply)
    states = [one["customerProfile"] for one in reply.body["integrationStates"]]
    assert [one["integrationId"] for one in states] == ["A", "B"]
    assert states[0]["attributes"] == {"a": 1, "b": 3}
    assert desk.ask("PUT", "/v2/customer_profiles?silent=yes", profiles("A")).status == 204


def test_a_row_without_attributes_keeps_them() -> None:
    desk = Desk()
    desk.ask("PUT", "/v2/customer_profiles", profiles("A", a=1))
    desk.ask("PUT", "/v2/customer_profiles", {"customerProfiles": [{"integrationId": "A"}]})
    assert desk.engine.store.profiles["A"].attributes == {"a": 1}


def test_one_profile_changes_its_attributes_and_its_audiences() -> None:
    desk = Desk()
    changes = {"adds": [2, 7], "deletes": [7, 9]}
    body = {"attributes": {"a": 1}, "audiencesChanges": changes}
    told = {**body, "responseContent": ["customerProfile", "event", "loyalty", "achievements"]}
    reply = desk.ask("PUT", "/v2/customer_profiles/A%20%2F1?runRuleEngine=true", told)
    found = documented("updateCustomerProfileV2", reply).body
    assert found["customerProfile"]["integrationId"] == "A /1"
    assert found["customerProfile"]["attributes"] == {"a": 1}
    assert found["customerProfile"]["audienceMemberships"] == [{"id": 2, "name": "Audience 2"}]
    assert found["event"]["profileId"] == "A /1"
    assert desk.engine.store.counts()["memberships"] == 1


def test_response_content_needs_the_rule_engine() -> None:
    reply = Desk().ask("PUT", "/v2/customer_profiles/A", {"responseContent": ["event"]})
    assert reply.status == 400


def test_a_dry_profile_update_stores_nothing() -> None:
    desk = Desk()
    desk.ask("PUT", "/v2/customer_profiles/A", {"attributes": {"a": 1}})
    dry = "/v2/customer_profiles/A?runRuleEngine=true&dry=true"
    body = {
        "attributes": {"a": 2},
        "audiencesChanges": {"adds": [1], "deletes": []},
        "responseContent": ["customerProfile"],
    }
    found = documented("updateCustomerProfileV2", desk.ask("PUT", dry, body)).body
    assert found["customerProfile"]["attributes"] == {"a": 2}
    profile = desk.engine.store.profiles["A"]
    assert (profile.attributes, profile.audiences) == ({"a": 1}, None)
    assert desk.ask("PUT", dry.replace("/A", "/B"), body).status == 200
    assert "B" not in desk.engine.store.profiles
    without_rules = "/v2/customer_profiles/A?dry=true"  # dry only means something with rules
    desk.ask("PUT", without_rules, {"attributes": {"a": 3}})
    assert desk.engine.store.profiles["A"].attributes == {"a": 3}


def test_memberships_are_a_set_and_adding_makes_the_profile() -> None:
    desk = Desk()

    def change(*actions: tuple[str, str, int]) -> int:
        rows = [
            {"action": action, "profileIntegrationId": profile, "audienceId": audience}
            for action, profile, audience in actions
        ]
        reply = desk.ask("POST", "/v2/customer_audiences", {"data": rows})
        return documented("updateCustomerProfileAudiences", reply).status

    assert change(("add", "A", 1), ("add", "A", 1), ("add", "B", 1), ("delete", "C", 1)) == 204
    assert change(("add", "A", 2), ("delete", "A", 2), ("delete", "B", 1)) == 204
    store = desk.engine.store
    assert {key: store.profiles[key].audiences for key in store.profiles} == {"A": {1}, "B": set()}
    assert (store.audiences["1"]["members"], store.counts()["memberships"]) == (1, 1)


def test_each_advocate_gets_a_code_of_its_own_each_time() -> None:
    desk = Desk()
    first = refer(desk, "A", "B", referralPattern="REF-##", attributes={"c": "w"}).body
    second = refer(desk, "A", "B", referralPattern="REF-##").body
    made = [*first["data"], *second["data"]]
    assert first["totalResultSize"] == 2
    assert len({one["code"] for one in made}) == 4
    assert all(one["code"].startswith("REF-") and len(one["code"]) == 6 for one in made)
    assert len({one["batchId"] for one in made}) == 2
    codes = [one["code"] for one in inventory(desk, "A", "referrals").body["referrals"]]
    assert codes == [one["code"] for one in made if one["advocateProfileIntegrationId"] == "A"]


def test_the_order_of_referrals_is_not_that_of_the_request() -> None:
    ids = [str(number) for number in range(50)]
    answered = [
        [one["advocateProfileIntegrationId"] for one in refer(desk, *ids).body["data"]]
        for desk in (Desk(), Desk(referral_order="kept"))
    ]
    assert answered[0] != ids
    assert sorted(answered[0]) == sorted(ids)
    assert answered[1] == ids


def test_a_pattern_is_used_up_to_its_last_code_and_then_refused() -> None:
    desk = Desk()
    pattern = {"referralPattern": "CODE#", "validCharacters": ["X", "Y", "Z"]}
    made = [refer(desk, "A", **pattern).body["data"][0]["code"] for _ in range(3)]
    assert sorted(made) == ["CODEX", "CODEY", "CODEZ"]
    reply = refer(desk, "A", **pattern)
    assert (reply.status, reply.pointers) == (400, ["/referralPattern"])
    assert len(desk.engine.store.referrals) == 3
    assert refer(desk, "A", "B", referralPattern="####", validCharacters=["Q"]).status == 400
    assert PROBES_MAX > 36**3  # so that a small pattern is exhausted, not given up


def test_one_referral_names_its_friend_and_starts_when_told() -> None:
    desk = Desk()
    body = {
        "campaignId": 78,
        "advocateProfileIntegrationId": "A",
        "friendProfileIntegrationId": "F",
        "startDate": "2026-01-02T03:04:05+00:00",
        "usageLimit": 3,
    }
    found = documented("createReferral", desk.ask("POST", "/v1/referrals", body)).body
    assert body.items() <= found.items()
    assert "F" not in desk.engine.store.profiles


def test_a_coupon_is_reserved_once_per_profile_and_released() -> None:
    desk = Desk()
    ids = {"integrationIDs": ["A", "B", "A"]}
    for _ in range(2):
        made = documented("createCouponReservation", desk.ask("POST", COUPON, ids)).body
    assert (made["value"], made["reservationCounter"]) == ("SUMMER25%OFF/ä b", 2)
    listed = documented("getReservedCustomers", desk.ask("GET", RESERVED)).body
    assert [one["integrationId"] for one in listed["data"]] == ["A", "B"]
    assert [one["value"] for one in inventory(desk, "A", "coupons").body["coupons"]] == [
        "SUMMER25%OFF/ä b"
    ]
    release = desk.ask("DELETE", COUPON, {"integrationIDs": ["A", "nobody"]})
    assert documented("deleteCouponReservation", release).status == 204
    assert desk.ask("GET", RESERVED).body["totalResultSize"] == 1
    assert inventory(desk, "A", "coupons").body["coupons"] == []


def test_a_coupon_called_customerprofiles_is_a_coupon() -> None:
    desk = Desk()
    path = "/v1/coupon_reservations/customerprofiles"
    assert desk.ask("POST", path, {"integrationIDs": ["A"]}).body["value"] == "customerprofiles"


def test_no_coupon_is_shorter_than_four() -> None:
    desk = Desk()
    assert desk.ask("POST", "/v1/coupon_reservations/ABC", {"integrationIDs": []}).status == 404


def test_an_inventory_has_what_was_asked_for_and_no_more() -> None:
    desk = Desk()
    flags = ["profile", "referrals", "coupons", "loyalty", "giveaways", "achievements"]
    assert inventory(desk, "A", *flags).status == 404
    desk.ask("PUT", "/v2/customer_profiles", profiles("A"))
    assert inventory(desk, "A").body == {}
    assert list(inventory(desk, "A", "loyalty").body) == ["loyalty"]
    assert set(inventory(desk, "A", *flags).body) == set(flags)


def test_a_session_goes_from_open_to_closed_to_cancelled() -> None:
    desk = Desk()
    opened = session(desk, content=EVERYTHING, profileId="A", cartItems=CART).body
    assert opened["customerSession"]["state"] == "open"
    assert opened["customerSession"]["firstSession"] is True
    closed = session(desk, content=EVERYTHING, state="closed").body["customerSession"]
    assert (closed["id"], closed["updateCount"]) == (opened["customerSession"]["id"], 2)
    assert (closed["total"], closed["profileId"]) == (19.0, "A")
    profile = inventory(desk, "A", "profile").body["profile"]
    assert (profile["closedSessions"], profile["totalSales"]) == (1, 19.0)
    session(desk, state="cancelled")
    profile = inventory(desk, "A", "profile").body["profile"]
    assert (profile["closedSessions"], profile["totalSales"]) == (0, 0.0)


@pytest.mark.parametrize(
    ("states", "wanted"),
    [
        ((), "cancelled"),
        ((), "partially_returned"),
        (("closed",), "closed"),
        (("closed",), "open"),
        (("closed",), None),
        (("open",), "partially_returned"),
        (("open", "cancelled"), "open"),
        (("open", "cancelled"), "cancelled"),
    ],
)
def test_a_transition_that_is_not_listed_is_refused(
    states: tuple[str, ...], wanted: str | None
) -> None:
    desk = Desk()
    for state in states:
        assert session(desk, state=state).status == 200
    reply = session(desk, **({"state": wanted} if wanted else {}))
    assert (reply.status, reply.pointers) == (400, ["/state"])
    held = desk.engine.store.sessions.get("s 1")
    assert (held["state"] if held else None) == (states[-1] if states else None)


def test_an_update_keeps_what_is_not_sent_but_replaces_the_cart() -> None:
    desk = Desk()
    session(desk, profileId="A", cartItems=CART, attributes={"City": "Berlin"}, couponCodes=["XYZ"])
    bare = [{"sku": "S", "quantity": 1, "price": 1}]
    session(desk, cartItems=bare, attributes={"Street": "x"})
    held = desk.engine.store.sessions["s 1"]
    assert held["cartItems"] == bare
    assert held["attributes"] == {"City": "Berlin", "Street": "x"}
    assert (held["profileId"], held["couponCodes"]) == ("A", ["XYZ"])
    session(desk, couponCodes=[])
    assert desk.engine.store.sessions["s 1"]["couponCodes"] == []


def test_bad_coupons_and_codes_are_rejected_with_200() -> None:
    desk = Desk(coupons="GOOD1")
    code = refer(desk, "A").body["data"][0]["code"]
    for given, kind, reason in (
        ({"couponCodes": ["GOOD1"]}, "acceptCoupon", None),
        ({"couponCodes": ["BAD11"]}, "rejectCoupon", "CouponNotFound"),
        ({"couponCodes": [], "referralCode": code}, "acceptReferral", None),
        ({"couponCodes": [], "referralCode": "no"}, "rejectReferral", "ReferralNotFound"),
    ):
        (effect,) = session(desk, **given).body["effects"]
        assert (effect["effectType"], effect["props"].get("rejectionReason")) == (kind, reason)


def test_closing_a_session_redeems_its_coupons_and_its_code() -> None:
    desk = Desk()
    code = refer(desk, "A").body["data"][0]["code"]
    session(desk, profileId="F", couponCodes=["SUMMER"], referralCode=code, content=EVERYTHING)
    assert desk.engine.store.referrals[code]["usageCounter"] == 0
    found = session(desk, state="closed", content=["referral"]).body
    assert found["referral"]["referredCustomers"] == ["F"]
    assert desk.engine.store.referrals[code]["usageCounter"] == 1
    assert desk.engine.store.coupons["SUMMER"]["usageCounter"] == 1


def test_a_dry_session_is_answered_and_forgotten() -> None:
    desk = Desk()
    found = session(desk, query="?dry=true", content=EVERYTHING, profileId="A", cartItems=CART)
    assert found.body["customerSession"]["total"] == 19.0
    assert sum(desk.engine.store.counts().values()) == 0
    future = "?dry=true&now=2201-01-01T00%3A00%3A00%2B07%3A00"
    assert session(desk, query=future).status == 200


@pytest.mark.parametrize(
    ("cart", "pointer"),
    [
        ([{"sku": "S", "quantity": 1}], "/cartItems/0/price"),
        ([{"sku": "S", "quantity": 1, "price": 1}] * 1001, "/cartItems"),
        ([{"sku": "S", "quantity": 10_001, "price": 1}], "/cartItems"),
    ],
)
def test_a_cart_that_cannot_be_is_refused(cart: object, pointer: str) -> None:
    reply = session(Desk(), cartItems=cart)
    assert (reply.status, reply.pointers) == (400, [pointer])


def test_an_article_of_a_catalog_needs_no_price() -> None:
    desk = Desk()
    action = {"type": "ADD", "payload": {"sku": "S", "price": 3}}
    assert desk.ask("PUT", "/v1/catalogs/1/sync", {"actions": [action]}).status == 200
    assert session(desk, cartItems=[{"sku": "S", "quantity": 1}]).status == 200


def test_a_session_is_read_as_it_is() -> None:
    desk = Desk()
    assert desk.ask("GET", "/v2/customer_sessions/s%201").status == 400
    session(desk, profileId="A", couponCodes=["SUMMER"])
    found = documented("getCustomerSession", desk.ask("GET", "/v2/customer_sessions/s%201")).body
    assert found["customerSession"]["couponCodes"] == ["SUMMER"]


def test_with_the_sample_rules_a_closed_session_makes_a_coupon_and_a_code() -> None:
    desk = Desk(effects="sample")
    assert session(desk, profileId="A").body["effects"][0]["effectType"] == "showNotification"
    found = session(desk, state="closed").body
    assert [one["effectType"] for one in found["effects"]] == ["couponCreated", "referralCreated"]
    assert found["createdCoupons"][0]["value"] in desk.engine.store.coupons
    assert found["createdReferrals"][0]["code"] in desk.engine.store.referrals


def test_each_v2_event_is_one_more() -> None:
    desk = Desk()
    event = {"type": "viewed", "profileId": "A", "attributes": {"a": 1}}
    for _ in range(2):
        assert documented("trackEventV2", desk.ask("POST", "/v2/events", event)).status == 204
    told = {**event, "responseContent": ["event", "customerProfile"]}
    found = documented("trackEventV2", desk.ask("POST", "/v2/events?silent=no", told)).body
    assert (found["event"]["type"], found["event"]["attributes"]) == ("viewed", {"a": 1})
    assert found["customerProfile"]["integrationId"] == "A"
    assert desk.engine.store.counts()["events"] == 3


def test_a_v3_event_is_there_once() -> None:
    desk = Desk()
    event = {"type": "viewed", "profileId": "A", "integrationId": "e1"}
    told = {**event, "responseContent": ["advancedEvent"]}
    found = documented("trackEventV3", desk.ask("POST", "/v3/events?silent=yes", told)).body
    assert found["advancedEvent"]["integrationId"] == "e1"
    assert documented("trackEventV3", desk.ask("POST", "/v3/events", event)).status == 409
    assert desk.engine.store.counts()["events"] == 1
    missing = {**event, "integrationId": "e2", "connectedSessionId": "s 1"}
    assert desk.ask("POST", "/v3/events", missing).status == 400
    session(desk, state="closed")
    assert desk.ask("POST", "/v3/events", missing).status == 200


@pytest.mark.parametrize("path", ["/v2/events", "/v3/events"])
def test_a_dry_event_is_forgotten_and_only_it_may_force_evaluation(path: str) -> None:
    desk = Desk()
    event = {"type": "viewed", "profileId": "A", "integrationId": "e1"}
    forced = f"{path}?forceCompleteEvaluation=true&silent=no"
    assert desk.ask("POST", forced, event).status == 400
    assert desk.ask("POST", f"{forced}&dry=true", event).status == 200
    assert sum(desk.engine.store.counts().values()) == 0


def test_erasing_empties_all_attributes_and_keeps_the_profile() -> None:
    desk = Desk()
    desk.ask("PUT", "/v2/customer_profiles", profiles("A", "B", a=1))
    session(desk, profileId="A", cartItems=CART, attributes={"City": "Berlin"})
    event = {"type": "viewed", "profileId": "A", "attributes": {"a": 1}}
    desk.ask("POST", "/v2/events", event)
    refer(desk, "A", attributes={"a": 1})
    erased = desk.ask("DELETE", "/v1/customer_data/A")
    assert documented("deleteCustomerData", erased).status == 204
    store = desk.engine.store
    assert (store.profiles["A"].attributes, store.profiles["B"].attributes) == ({}, {"a": 1})
    assert store.sessions["s 1"]["attributes"] == {}
    assert "attributes" not in store.sessions["s 1"]["cartItems"][0]
    owned = [*store.events.values(), *store.referrals.values()]
    assert [one["attributes"] for one in owned] == [{}, {}]
    assert desk.ask("DELETE", "/v1/customer_data/nobody").status == 404


def test_a_v1_event_makes_session_and_profile_and_keeps_them_together() -> None:
    desk = Desk()
    event = {"type": "viewed", "sessionId": "s 1", "profileId": "A", "attributes": {"a": 1}}
    found = documented("trackEvent", desk.ask("POST", "/v1/events", event))
    assert (found.status, found.body["session"]["state"]) == (201, "open")
    assert found.body["event"]["attributes"] == {"a": 1}
    assert set(desk.engine.store.profiles) == {"A"}
    assert desk.ask("POST", "/v1/events", {**event, "profileId": "B"}).status == 400
    assert desk.ask("POST", "/v1/events", event).status == 201
    assert desk.ask("POST", "/v1/events?dry=true", {**event, "sessionId": "t"}).status == 201
    counts = desk.engine.store.counts()
    assert (counts["events"], counts["sessions"], counts["profiles"]) == (2, 1, 1)


def test_a_v1_profile_is_merged_and_answered_with_the_whole_state() -> None:
    desk = Desk()
    for attributes in ({"a": 1}, {"b": 2}):
        reply = desk.ask("PUT", "/v1/customer_profiles/A", {"attributes": attributes})
    assert documented("updateCustomerProfile", reply).body["profile"]["attributes"] == {
        "a": 1,
        "b": 2,
    }
    desk.ask("PUT", "/v1/customer_profiles/B?dry=true", {"attributes": {"a": 1}})
    assert set(desk.engine.store.profiles) == {"A"}


def test_a_v1_session_has_one_coupon_and_nested_effects() -> None:
    desk = Desk()
    body = {"profileId": "A", "coupon": "SUMMER", "referral": "no", "cartItems": CART, "total": 1}
    found = documented("updateCustomerSession", desk.ask("PUT", "/v1/customer_sessions/s", body))
    assert (found.body["session"]["coupon"], found.body["session"]["total"]) == ("SUMMER", 19.0)
    assert found.body["event"]["effects"] == [
        [1, 1, 0, ["acceptCoupon", "SUMMER"]],
        [1, 1, 0, ["rejectReferral", "no", "ReferralNotFound"]],
    ]
    closed = {"state": "closed"}
    assert desk.ask("PUT", "/v1/customer_sessions/s", closed).status == 200
    assert desk.ask("PUT", "/v1/customer_sessions/s", closed).status == 400


def catalog(desk: Desk, *actions: tuple[str, dict[str, Any]]) -> Reply:
    body = {"actions": [{"type": kind, "payload": wish} for kind, wish in actions]}
    return documented("syncCatalog", desk.ask("PUT", "/v1/catalogs/7/sync", body))


def articles(desk: Desk) -> dict[str, Any]:
    found: dict[str, Any] = desk.engine.store.catalogs["7"]["items"]
    return found


def test_a_catalog_adds_patches_and_removes() -> None:
    desk = Desk()
    assert (
        catalog(desk, ("ADD", {"sku": "S", "price": 3, "attributes": {"size": 44}})).body["version"]
        == 1
    )
    catalog(desk, ("PATCH", {"sku": "S", "attributes": {"colour": "red"}}))
    catalog(desk, ("PATCH", {"sku": "T", "price": 1, "createIfNotExists": True}))
    catalog(desk, ("ADD", {"sku": "S", "replaceIfExists": True, "attributes": {"size": 46}}))
    assert articles(desk)["S"] == {
        "sku": "S",
        "price": 3,
        "attributes": {"size": 46},
        "product": None,
    }
    adjustment = {"priceType": "p", "referenceId": "r", "price": 2}
    catalog(desk, ("ADD_PRICE_ADJUSTMENT", {"sku": "S", "adjustments": [adjustment]}))
    assert catalog(desk, ("REMOVE", {"sku": "T"})).body["version"] == 6
    assert list(articles(desk)) == ["S"]


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ([], ["44", "45", "46"]),
        ([{"attr": "size", "op": "GT", "value": "44"}], ["45", "46"]),
        (
            [{"attr": "size", "op": "GE", "value": 45}, {"attr": "size", "op": "LT", "value": 46}],
            ["45"],
        ),
        ([{"attr": "size", "op": "LE", "value": 44}], ["44"]),
        ([{"attr": "size", "op": "EQ", "value": 46}], ["46"]),
        ([{"attr": "size", "op": "IN", "value": "44,46"}], ["44", "46"]),
        ([{"attr": "size", "op": "GT", "value": "big"}], []),
        ([{"attr": "width", "op": "EQ", "value": 1}], []),
    ],
)
def test_filters_choose_the_articles(filters: list[dict[str, Any]], left: list[str]) -> None:
    desk = Desk()
    sizes = (44, 45, 46)
    catalog(desk, *(("ADD", {"sku": str(n), "attributes": {"size": n}}) for n in sizes))
    catalog(desk, ("PATCH_MANY", {"filters": filters, "price": 9}))
    assert [sku for sku, one in articles(desk).items() if one["price"] == 9] == left
    catalog(desk, ("REMOVE_MANY", {"filters": filters}))
    assert list(articles(desk)) == [str(n) for n in sizes if str(n) not in left]


@pytest.mark.parametrize(
    "actions",
    [
        [("ADD", {"sku": "N"}), ("REMOVE", {"sku": "S"})],
        [("ADD", {"sku": "N"}), ("ADD", {"sku": "N"})],
        [("ADD", {"sku": "N"}), ("ADD", {"sku": "S"})],
        [("PATCH", {"sku": "S"}), ("PATCH", {"sku": "N"})],
        [("ADD_PRICE_ADJUSTMENT", {"sku": "N", "adjustments": []})],
    ],
)
def test_a_catalog_does_all_actions_or_none(actions: list[tuple[str, dict[str, Any]]]) -> None:
    desk = Desk()
    catalog(desk, ("ADD", {"sku": "S", "price": 3}))
    before = {**articles(desk)}
    assert catalog(desk, *actions).status == 400
    assert articles(desk) == before


@pytest.mark.parametrize(
    ("switches", "expected"), [({}, 200), ({"catalogs": "1,2"}, 404), ({"catalogs": "7"}, 200)]
)
def test_a_catalog_exists_as_the_account_says(switches: dict[str, str], expected: int) -> None:
    assert catalog(Desk(**switches), ("REMOVE", {"sku": "S"})).status == expected


@pytest.mark.parametrize("catalog_id", ["x", "-1", "1.5"])
def test_the_id_of_a_catalog_is_a_number(catalog_id: str) -> None:
    action = {"type": "REMOVE", "payload": {"sku": "S"}}
    reply = Desk().ask("PUT", f"/v1/catalogs/{catalog_id}/sync", {"actions": [action]})
    assert reply.status == 400


def test_the_same_requests_and_seed_make_the_same_account() -> None:
    desks = [Desk(1), Desk(1), Desk(2)]
    for desk in desks:
        refer(desk, "A", "B")
    codes = [list(desk.engine.store.referrals) for desk in desks]
    assert codes[0] == codes[1] != codes[2]
