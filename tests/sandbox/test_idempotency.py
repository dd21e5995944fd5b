"""Idempotency keys: the same answer for 24 hours, on the operations that document them only."""

import pytest

from pipeline.sandbox import idempotency
from pipeline.sandbox.answers import Answer, Refused
from pipeline.sandbox.idempotency import Answered
from pipeline.sandbox.operations import OPERATIONS
from tests.sandbox.door import Desk, profiles

BULK = "/v2/customer_profiles?silent=no"
DAY_S = 24 * 3600
DOCUMENTED = {
    "updateCustomerSessionV2",
    "updateCustomerProfileV2",
    "updateCustomerProfilesV2",
    "trackEventV2",
}
EVENT = {"type": "viewed", "profileId": "A"}
BODIES = {
    "updateCustomerSessionV2": ("PUT", "/v2/customer_sessions/s", {"customerSession": {}}),
    "updateCustomerProfileV2": ("PUT", "/v2/customer_profiles/A", {"attributes": {"a": 1}}),
    "updateCustomerProfilesV2": ("PUT", "/v2/customer_profiles", profiles("A")),
    "trackEventV2": ("POST", "/v2/events", EVENT),
    "trackEvent": ("POST", "/v1/events", {**EVENT, "sessionId": "s", "attributes": {}}),
    "updateCustomerProfile": ("PUT", "/v1/customer_profiles/A", {}),
    "updateCustomerSession": ("PUT", "/v1/customer_sessions/s", {}),
    "createReferral": (
        "POST",
        "/v1/referrals",
        {"campaignId": 1, "advocateProfileIntegrationId": "A"},
    ),
    "createReferralsForMultipleAdvocates": (
        "POST",
        "/v1/referrals_for_multiple_advocates",
        {"campaignId": 1, "usageLimit": 0, "advocateProfileIntegrationIds": ["A"]},
    ),
    "createCouponReservation": ("POST", "/v1/coupon_reservations/CODE", {"integrationIDs": ["A"]}),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_repeat_is_applied_once_where_keys_are_documented_and_twice_elsewhere(name: str) -> None:
    desk = Desk()
    for _ in range(2):
        assert desk.ask(*BODIES[name], idempotency_key="k1").status < 300
    applied = desk.engine.tally.operations[name]["applied"]
    assert applied == (1 if name in DOCUMENTED else 2)
    assert desk.engine.answered.replays == (1 if name in DOCUMENTED else 0)


def test_the_table_marks_the_documented_operations() -> None:
    assert {one.name for one in OPERATIONS if one.idempotent} == DOCUMENTED


def test_a_replay_is_the_first_answer_whatever_came_between() -> None:
    desk = Desk()
    first = desk.ask("PUT", BULK, profiles("A", n=1), idempotency_key="k1")
    desk.ask("PUT", BULK, profiles("A", n=2))
    desk.now += DAY_S - 1
    assert desk.ask("PUT", BULK, profiles("A", n=1), idempotency_key="k1").body == first.body
    assert desk.engine.store.profiles["A"].attributes == {"n": 2}


def test_a_key_is_forgotten_after_a_day() -> None:
    desk = Desk()
    desk.ask("PUT", BULK, profiles("A", n=1), idempotency_key="k1")
    desk.ask("PUT", BULK, profiles("A", n=2))
    desk.now += DAY_S
    desk.ask("PUT", BULK, profiles("A", n=1), idempotency_key="k1")
    assert desk.engine.store.profiles["A"].attributes == {"n": 1}
    assert len(desk.engine.answered) == 1


@pytest.mark.parametrize(
    ("reuse", "status", "n"), [("422", 422, 1), ("400", 400, 1), ("apply", 200, 2)]
)
def test_the_same_key_with_other_bytes(reuse: str, status: int, n: int) -> None:
    desk = Desk(key_reuse=reuse)
    first = desk.ask("PUT", BULK, profiles("A", n=1), idempotency_key="k1")
    assert desk.ask("PUT", BULK, profiles("A", n=2), idempotency_key="k1").status == status
    assert desk.engine.store.profiles["A"].attributes == {"n": n}
    assert desk.engine.answered.conflicts == 1
    if reuse != "apply":  # the first answer stands
        again = desk.ask("PUT", BULK, profiles("A", n=1), idempotency_key="k1")
        assert again.body == first.body


def test_the_same_key_on_another_path_is_another_key() -> None:
    desk = Desk()
    for path in ("/v2/customer_profiles/A", "/v2/customer_profiles/B"):
        assert desk.ask("PUT", path, {"attributes": {"a": 1}}, idempotency_key="k1").status == 200
    assert len(desk.engine.store.profiles) == 2


@pytest.mark.parametrize(("errors", "status"), [("forget", 200), ("keep", 400)])
def test_error_answers_under_a_key(errors: str, status: int) -> None:
    desk = Desk(key_errors=errors)
    path, body = "/v2/customer_sessions/s", {"customerSession": {"state": "cancelled"}}
    assert desk.ask("PUT", path, body, idempotency_key="k1").status == 400
    desk.ask("PUT", path, {"customerSession": {}})
    assert desk.ask("PUT", path, body, idempotency_key="k1").status == status


def test_a_key_that_is_too_long_is_refused() -> None:
    desk = Desk()
    assert desk.ask("PUT", BULK, profiles("A"), idempotency_key="k" * 255).status == 200
    assert desk.ask("PUT", BULK, profiles("B"), idempotency_key="k" * 256).status == 400
    assert list(desk.engine.store.profiles) == ["A"]


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    answered = Answered(reuse="422", errors="forget")
    big = Answer(status=200, body=bytes(idempotency.BYTES_MAX // 3))
    for number in range(5):
        assert answered.remember(("PUT", "/", str(number)), b"", big, float(number))
    assert len(answered) == 3
    assert answered.replay(("PUT", "/", "1"), b"", 5.0) is None
    assert answered.replay(("PUT", "/", "2"), b"", 5.0) is big
    with pytest.raises(Refused):
        answered.replay(("PUT", "/", "2"), b"other", 5.0)
