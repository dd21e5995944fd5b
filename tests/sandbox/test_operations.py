"""What each operation does to the account, and that its answers have the documented shape."""

from pipeline.sandbox.store import PROBES_MAX
from tests.sandbox.door import Desk, profiles
from tests.sandbox.speech import CART, documented, inventory, refer, session

COUPON = "/v1/coupon_reservations/SUMMER25%25OFF%2F%C3%A4%20b"
RESERVED = "/v1/coupon_reservations/customerprofiles/SUMMER25%25OFF%2F%C3%A4%20b"


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


def test_the_same_requests_and_seed_make_the_same_account() -> None:
    desks = [Desk(1), Desk(1), Desk(2)]
    for desk in desks:
        refer(desk, "A", "B")
    codes = [list(desk.engine.store.referrals) for desk in desks]
    assert codes[0] == codes[1] != codes[2]
