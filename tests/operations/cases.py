"""One small source for each operation: what is loaded, and what the results must say of it.

`before`: loaded first, by other operations. `rows`: cells as a CSV file has them; `typed`: the
columns that are of another type in Parquet. `results`: columns of the results, row by row.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ANY = object()
"""A result that is there, whatever it is."""
COUPON = "10$OFF %/é"
CART = [
    {"sku": "A", "quantity": 2, "price": 9.5, "name": "é"},
    {"sku": "B", "quantity": 1, "price": 1},
]
LINE = {"name": "n", "sku": "A", "quantity": 2, "price": 9.5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    name: str
    rows: Sequence[Mapping[str, str]]
    results: Mapping[str, Sequence[object]]
    typed: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    before: Sequence[tuple[str, Sequence[Mapping[str, str]]]] = ()
    requests: int = 1


def ids(*values: str, name: str = "integrationId") -> list[dict[str, str]]:
    return [{name: value} for value in values]


CASES = (
    Case(
        name="profiles",
        rows=[{"integrationId": "007", "attributes.Spend": "1.5"}, {"integrationId": "b/é %"}],
        typed={"attributes.Spend": [1.5, None]},
        options={"silent": False},
        results={"key": ["007", "b/é %"], "id": [1, 2], "created": [ANY, ANY]},
    ),
    Case(
        name="audiences",
        rows=[
            {"profileIntegrationId": "a", "audienceId": "5", "action": "add"},
            {"profileIntegrationId": "b", "audienceId": "5", "action": "delete"},
        ],
        typed={"audienceId": [5, 5]},
        results={"key": ["a", "b"], "http_status": [204, 204]},
    ),
    Case(
        name="referrals",
        rows=[
            {"advocateProfileIntegrationId": "a", "campaignId": "1", "validCharacters": "X|Y"},
            {"advocateProfileIntegrationId": "a", "campaignId": "2", "validCharacters": "X|Y"},
            {"advocateProfileIntegrationId": "b", "campaignId": "1", "validCharacters": "X|Y"},
        ],
        typed={"campaignId": [1, 2, 1], "validCharacters": [["X", "Y"]] * 3},
        results={"code": [ANY] * 3, "id": [ANY] * 3, "usageCounter": [0] * 3, "batchId": [ANY] * 3},
        requests=2,
    ),
    Case(
        name="coupon-reservations",
        rows=[
            {"couponValue": COUPON, "integrationId": "a"},
            {"couponValue": "SUMMER10", "integrationId": "a"},
            {"couponValue": COUPON, "integrationId": "b"},
            {"couponValue": "WINTER10", "integrationId": "b"},
        ],
        results={
            "status": ["delivered"] * 3 + ["refused"],
            "http_status": [201, 201, 201, 404],
            "couponId": [1, 2, 1, None],
            "campaignId": [ANY, ANY, ANY, None],
            "reservationCounter": [2.0, 1.0, 2.0, None],
        },
        requests=3,
    ),
    Case(
        name="coupon-reservation-removals",
        before=[("coupon-reservations", [{"couponValue": COUPON, "integrationId": "a"}])],
        rows=[{"couponValue": COUPON, "integrationId": "a"}],
        results={"key": ["a"], "http_status": [204]},
    ),
    Case(
        name="referrals-one-by-one",
        rows=[
            {
                "advocateProfileIntegrationId": "a",
                "campaignId": "1",
                "friendProfileIntegrationId": "b",
                "expiryDate": "2035-01-01",
                "attributes.Channel": "web",
            },
            {"advocateProfileIntegrationId": "a", "campaignId": "1"},
        ],
        results={"http_status": [201, 201], "code": [ANY, ANY], "id": [1, 2]},
        requests=2,
    ),
    Case(
        name="profiles-one-by-one",
        rows=[
            {"integrationId": "a/1", "audiencesChanges.adds": "5|6", "runRuleEngine": "true"},
            {"integrationId": "b", "audiencesChanges.deletes": "5", "runRuleEngine": "false"},
            {"integrationId": "c", "runRuleEngine": "", "attributes.Tier": "gold"},
        ],
        typed={
            "audiencesChanges.adds": [[5, 6], None, None],
            "audiencesChanges.deletes": [None, [5], None],
            "runRuleEngine": [True, False, None],
        },
        results={"status": ["delivered"] * 3, "effectTypes": [[], [], []]},
        requests=3,
    ),
    Case(
        name="sessions",
        rows=[
            {
                "customerSessionId": "s 1",
                "profileId": "a",
                "state": "closed",
                "couponCodes": "SUMMER10|NOPE",
                "cartItems": json.dumps(CART),
                "additionalCosts.shipping": "4",
            },
            {"customerSessionId": "s2", "state": "open", "cartItems": "[]"},
        ],
        typed={
            "couponCodes": [["SUMMER10", "NOPE"], None],
            "cartItems": [CART, []],
            "additionalCosts.shipping": [4.0, None],
        },
        options={"responseContent": ["customerSession"]},
        results={
            "id": [1, 2],
            "total": [24.0, 0.0],
            "effectTypes": [
                ["acceptCoupon", "rejectCoupon", "couponCreated", "referralCreated"],
                ["showNotification"],
            ],
            "createdCoupons": [[ANY], []],
            "createdReferrals": [[ANY], []],
            "rejectedCoupons": [["NOPE"], []],
            "rejectionReasons": [["CouponNotFound"], []],
        },
        requests=2,
    ),
    Case(
        name="events-v1",
        rows=[
            {"sessionId": "s1", "profileId": "a", "type": "seen", "attributes.URL": "x"},
            {"sessionId": "s2", "type": "seen"},
        ],
        results={"http_status": [201, 201], "total": [0.0, 0.0], "effects": ["[]", "[]"]},
        requests=2,
    ),
    Case(
        name="profiles-v1",
        rows=[{"integrationId": "é/1", "attributes.Tier": "gold"}, {"integrationId": "b"}],
        results={"http_status": [200, 200], "profileId": [1, 2]},
        requests=2,
    ),
    Case(
        name="sessions-v1",
        rows=[
            {
                "customerSessionId": "s1",
                "profileId": "a",
                "coupon": "SUMMER10",
                "cartItems": json.dumps([LINE]),
                "identifiers": "h1|h2",
                "total": "19",
            }
        ],
        typed={"cartItems": [[LINE]], "identifiers": [["h1", "h2"]], "total": [19.0]},
        results={"http_status": [200], "total": [19.0], "profileId": [ANY], "effects": [ANY]},
    ),
    Case(
        name="erasures",
        before=[("profiles", ids("a"))],
        rows=ids("a", "nobody"),
        results={"status": ["delivered"] * 2, "http_status": [204, 404]},
        requests=2,
    ),
    Case(
        name="inventories",
        before=[
            ("profiles", [{"integrationId": "a", "attributes.Tier": "gold"}]),
            ("coupon-reservations", [{"couponValue": COUPON, "integrationId": "a"}]),
            ("referrals-one-by-one", [{"integrationId": "a", "campaignId": "7"}]),
        ],
        rows=ids("a", "nobody"),
        options={"profile": True, "coupons": True, "referrals": True},
        results={
            "status": ["delivered", "refused"],
            "http_status": [200, 404],
            "profile": [ANY, None],
            "coupons": [ANY, None],
            "referrals": [ANY, None],
            "loyalty": [None, None],
        },
        requests=2,
    ),
    Case(
        name="reserved-customers",
        before=[
            (
                "coupon-reservations",
                [
                    {"couponValue": COUPON, "integrationId": "a"},
                    {"couponValue": COUPON, "integrationId": "b"},
                ],
            )
        ],
        rows=ids(COUPON, "SUMMER10", name="couponValue"),
        results={"customers": [2, 0], "integrationIds": [["a", "b"], []]},
        requests=2,
    ),
    Case(
        name="events",
        rows=[
            {"profileId": "a", "type": "seen", "silent": "no", "attributes.N": "1"},
            {"profileId": "a", "type": "seen", "silent": "yes", "attributes.N": "2"},
        ],
        typed={"attributes.N": [1, 2]},
        results={"http_status": [200, 204], "effectTypes": [["showNotification"], None]},
        requests=2,
    ),
    Case(
        name="events-v3",
        rows=[
            {"integrationId": "e/1", "profileId": "a", "type": "seen"},
            {"integrationId": "e2", "profileId": "a", "type": "seen"},
            {"integrationId": "e/1", "profileId": "a", "type": "seen"},
        ],
        results={
            "status": ["delivered"] * 3,
            "http_status": [200, 200, 409],
            "effectTypes": [["showNotification"], ["showNotification"], None],
        },
        requests=3,
    ),
    Case(
        name="catalog",
        rows=[
            {"catalogId": "1", "sku": "A", "type": "ADD", "price": "2.5", "product.name": "n"},
            {"catalogId": "1", "sku": "B", "type": "ADD", "price": "1", "product.name": ""},
            {"catalogId": "1", "sku": "A", "type": "REMOVE", "price": "", "product.name": ""},
        ],
        typed={"catalogId": [1, 1, 1], "price": [2.5, 1.0, None]},
        results={"status": ["delivered"] * 3, "version": [1, 1, 2]},
        requests=2,
    ),
)
