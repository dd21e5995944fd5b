"""Sessions and events, today's and V1: transitions, carts, effects, and what is kept of them."""

import pytest

from tests.sandbox.door import Desk
from tests.sandbox.speech import CART, EVERYTHING, documented, inventory, refer, session


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
    dry = desk.ask("PUT", "/v1/customer_profiles/A?dry=true", {"attributes": {"a": 3}})
    assert dry.body["profile"]["attributes"] == {"a": 3, "b": 2}
    desk.ask("PUT", "/v1/customer_profiles/B?dry=true", {"attributes": {"a": 1}})
    assert desk.engine.store.profiles["A"].attributes == {"a": 1, "b": 2}
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


def test_an_article_of_a_catalog_needs_no_price() -> None:
    desk = Desk()
    action = {"type": "ADD", "payload": {"sku": "S", "price": 3}}
    assert desk.ask("PUT", "/v1/catalogs/1/sync", {"actions": [action]}).status == 200
    assert session(desk, cartItems=[{"sku": "S", "quantity": 1}]).status == 200
