"""What is counted: a test that proves *delivered once* stands on these numbers."""

from tests.sandbox.door import Desk, profiles
from tests.sandbox.speech import refer

BULK = "/v2/customer_profiles"


def test_each_application_of_a_key_is_counted_in_order() -> None:
    desk = Desk()
    for names in (("A", "B"), ("B",), ("B", "C", "B")):
        desk.ask("PUT", BULK, profiles(*names))
    assert dict(desk.engine.tally.histories("profile")) == {
        "A": (1, 1),
        "B": (4, 1, 2, 3, 3),
        "C": (1, 3),
    }
    assert desk.engine.tally.repeated["profile"] == 1


def test_the_count_goes_on_where_the_history_ends() -> None:
    desk = Desk()
    for _ in range(40):
        desk.ask("PUT", BULK, profiles("A"))
    (count, *numbers) = dict(desk.engine.tally.histories("profile"))["A"]
    assert (count, numbers) == (40, list(range(25, 41)))


def test_what_was_refused_read_or_replayed_is_not_applied() -> None:
    desk = Desk()
    desk.ask("PUT", BULK, profiles("A"), idempotency_key="k")
    desk.ask("PUT", BULK, profiles("A"), idempotency_key="k")
    desk.ask("PUT", BULK, profiles(""))
    desk.ask("GET", "/v1/customer_profiles/A/inventory")
    desk.ask("PUT", "/v2/customer_profiles/A?runRuleEngine=true&dry=true", {})
    assert dict(desk.engine.tally.histories("profile")) == {"A": (1, 1)}
    assert desk.engine.tally.operations == {"updateCustomerProfilesV2": {"applied": 1, "rows": 1}}


def test_every_key_of_a_request_is_counted() -> None:
    desk = Desk()
    refer(desk, "A", "B")
    desk.ask("POST", "/v1/coupon_reservations/CODE", {"integrationIDs": ["A", "C"]})
    wish = {"customerSession": {"profileId": "C"}}
    desk.ask("PUT", "/v2/customer_sessions/s", wish)
    event = {"type": "t", "profileId": "A", "integrationId": "e"}
    desk.ask("POST", "/v3/events", event)
    tally = desk.engine.tally
    counts = {
        kind: {key: count for key, (count, *_) in tally.histories(kind)}
        for kind in ("profile", "coupon", "session", "event")
    }
    assert counts == {
        "profile": {"A": 3, "B": 1, "C": 2},
        "coupon": {"CODE": 1},
        "session": {"s": 1},
        "event": {"e": 1},
    }
    assert tally.operations["createReferralsForMultipleAdvocates"]["rows"] == 2
