"""Coupon reservations: make, remove, list (API.md §3.1, §3.4, §3.7)."""

from __future__ import annotations

from pipeline.sandbox.answers import Answer, Refused, read, stored
from pipeline.sandbox.call import Account, Call, Keys, Operation
from pipeline.sandbox.operations import effects


def reserve(call: Call, account: Account) -> Answer:
    """Reserve one coupon for many profiles; one that has it already keeps it, and counts once."""
    store, value = account.store, _known(call, account)
    ids = call.body["integrationIDs"]
    account.insist_on_profiles(ids, status=404)
    reserved = store.reservations.setdefault(value, {})
    for integration_id in ids:
        store.profile(integration_id)
        reserved[integration_id] = None
        store.coupons_of.setdefault(integration_id, {})[value] = None
    coupon = store.coupon(value)
    coupon["reservationCounter"] = len(reserved)
    return stored(201, coupon)


def release(call: Call, account: Account) -> Answer:
    """Remove the reservations of one coupon for many profiles; who has none loses none."""
    store, value = account.store, _known(call, account)
    reserved = store.reservations.setdefault(value, {})
    for integration_id in call.body["integrationIDs"]:
        reserved.pop(integration_id, None)
        store.coupons_of.get(integration_id, {}).pop(value, None)
    store.coupon(value)["reservationCounter"] = len(reserved)
    return stored(204)


def reserved_by(call: Call, account: Account) -> Answer:
    """List the profiles that have the coupon reserved."""
    store = account.store
    ids = store.reservations.get(_known(call, account), ())
    profiles = [store.profiles[integration_id].as_json() for integration_id in ids]
    return read({"totalResultSize": len(profiles), "data": profiles})


def _known(call: Call, account: Account) -> str:
    value = call.path["couponValue"]
    if not effects.coupon_exists(account, value):
        raise Refused(404, f"Coupon {value!r} was not found")
    return value


def _keys(call: Call) -> Keys:
    return (("coupon", [call.path["couponValue"]]), ("profile", call.body["integrationIDs"]))


OPERATIONS = (
    Operation(  # API.md §3.1
        name="createCouponReservation",
        method="POST",
        path="/v1/coupon_reservations/{couponValue}",
        act=reserve,
        keys=_keys,
        aliases=("coupon-reservations",),
        rows="integrationIDs",
    ),
    Operation(  # API.md §3.4
        name="deleteCouponReservation",
        method="DELETE",
        path="/v1/coupon_reservations/{couponValue}",
        act=release,
        keys=_keys,
        aliases=("coupon-reservation-removals",),
        rows="integrationIDs",
    ),
    Operation(  # API.md §3.7
        name="getReservedCustomers",
        method="GET",
        path="/v1/coupon_reservations/customerprofiles/{couponValue}",
        act=reserved_by,
        keys=lambda call: (("coupon", [call.path["couponValue"]]),),
        aliases=("reserved-customers",),
    ),
)
