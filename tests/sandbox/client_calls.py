"""The eleven operations as an official client calls them, old (9.0.0) or new (26.2).

    python client_calls.py ADDRESS STORY…      (the key in TALON_ONE_API_KEY)

Runs by itself, in whichever environment has the client: both generations import as `talon_one`, so
they cannot live in one. Prints one JSON object of what the client made of the answers. It knows
nothing of this project.
"""

import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

import talon_one

COUPON = "SUMMER25%OFF/ä b"
PROFILE = "A 1/é?%"


def connected(address: str) -> Any:
    """Return the API of the client, pointed at *address*."""
    key = os.environ["TALON_ONE_API_KEY"]
    name = "api_key_v1" if is_new() else "Authorization"
    configuration = talon_one.Configuration(
        host=address, api_key={name: key}, api_key_prefix={name: "ApiKey-v1"}
    )
    return talon_one.IntegrationApi(talon_one.ApiClient(configuration))


def is_new() -> bool:
    """Tell which generation this is: the new one is made of pydantic models."""
    return hasattr(talon_one.NewReferral, "model_fields")


def eleven(api: Any) -> dict[str, Any]:
    """Call each operation once, or as often as its story takes, and tell what came back."""
    t, told = talon_one, {}
    many_item = t.MultipleCustomerProfileIntegrationRequestItem
    many = t.MultipleCustomerProfileIntegrationRequest(
        customer_profiles=[
            many_item(integration_id=PROFILE, attributes={"Tier": "gold", "N": 1.5, "B": True}),
            many_item(integration_id="B", attributes={}),
        ]
    )
    answer = api.update_customer_profiles_v2(many, silent="no")
    told["profiles"] = [one.customer_profile.integration_id for one in answer.integration_states]
    api.update_customer_profiles_v2(many, silent="yes")
    one = t.CustomerProfileIntegrationRequestV2(
        attributes={"Language": "de"},
        audiences_changes=t.ProfileAudiencesChanges(adds=[2], deletes=[]),
        response_content=["customerProfile"],
    )
    answer = api.update_customer_profile_v2(PROFILE, one, run_rule_engine=True, dry=False)
    told["attributes"] = answer.customer_profile.attributes
    told["audiences"] = [a.id for a in answer.customer_profile.audience_memberships]
    action = t.CustomerProfileAudienceRequestItem
    actions = [action(action="add", profile_integration_id="B", audience_id=748)]
    api.update_customer_profile_audiences(t.CustomerProfileAudienceRequest(data=actions))
    referral = t.NewReferral(
        campaign_id=78,
        advocate_profile_integration_id="B",
        friend_profile_integration_id="F",
        start_date=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        usage_limit=1,
    )
    told["referral"] = api.create_referral(referral).friend_profile_integration_id
    referrals = t.NewReferralsForMultipleAdvocates(
        campaign_id=45,
        advocate_profile_integration_ids=["A", "B"],
        usage_limit=1,
        referral_pattern="REF-###-###",
    )
    answer = api.create_referrals_for_multiple_advocates(referrals, silent="no")
    told["codes"] = sorted(one.code[:4] for one in answer.data)
    told["advocates"] = sorted(one.advocate_profile_integration_id for one in answer.data)
    if is_new():  # the old one cannot read the 204 of a silent request
        api.create_referrals_for_multiple_advocates(referrals, silent="yes")
    name = "integration_ids" if is_new() else "integration_i_ds"
    reservations = t.CouponReservations(**{name: [PROFILE, "B"]})
    told["reserved"] = api.create_coupon_reservation(COUPON, reservations).reservation_counter
    found = api.get_reserved_customers(COUPON)
    told["reservers"] = [one.integration_id for one in found.data]
    removed = t.CouponReservations(**{name: ["B"]})
    api.delete_coupon_reservation(COUPON, removed)
    told["left"] = api.get_reserved_customers(COUPON).total_result_size
    told |= session_and_event(api)
    found = api.get_customer_inventory(
        PROFILE, profile=True, referrals=True, coupons=True, loyalty=True, giveaways=True
    )
    told["inventory"] = [found.profile.integration_id, [one.value for one in found.coupons]]
    api.delete_customer_data(PROFILE)
    found = api.get_customer_inventory(PROFILE, profile=True)
    told["erased"] = found.profile.attributes
    return told


def session_and_event(api: Any) -> dict[str, Any]:
    """Call the two operations that run rules."""
    t = talon_one
    session = t.NewCustomerSessionV2(
        profile_id=PROFILE,
        state="closed",
        coupon_codes=["SUMMER", "X"],
        cart_items=[t.CartItem(name="n", sku="S", quantity=2, price=9.5)],
        additional_costs={"shipping": t.AdditionalCost(price=9)},
    )
    wish = t.IntegrationRequest(
        customer_session=session, response_content=["customerSession", "customerProfile"]
    )
    dry = api.update_customer_session_v2("s 1", wish, dry=True)
    answer = api.update_customer_session_v2("s 1", wish, dry=False)
    event = t.IntegrationEventV2Request(
        profile_id=PROFILE, type="pageViewed", attributes={}, response_content=["event"]
    )
    if is_new():  # the old one cannot read the 204 here either
        api.track_event_v2(event, silent="yes", dry=False)
    tracked = api.track_event_v2(event, silent="no", dry=False)
    return {
        "dry": dry.customer_session.total,
        "total": answer.customer_session.total,
        "effects": [effect.effect_type for effect in answer.effects],
        "event": tracked.event.type,
    }


def errors(api: Any) -> dict[str, Any]:
    """Provoke what the API refuses, and tell the client's exception."""
    t, told = talon_one, {}

    def provoke(name: str, call: Any) -> None:
        try:
            call()
        except t.ApiException as error:
            told[name] = [type(error).__name__, error.status, json.loads(error.body)["message"]]

    item = t.MultipleCustomerProfileIntegrationRequestItem
    many = [item(integration_id=str(n), attributes={}) for n in range(1001)]
    request = t.MultipleCustomerProfileIntegrationRequest(customer_profiles=many)
    provoke("too many", lambda: api.update_customer_profiles_v2(request))
    provoke("unknown", lambda: api.get_customer_inventory("nobody"))
    late = t.IntegrationRequest(customer_session=t.NewCustomerSessionV2(state="cancelled"))
    provoke("transition", lambda: api.update_customer_session_v2("new", late))
    keys = api.api_client.configuration.api_key
    right = dict(keys)
    keys.update(dict.fromkeys(keys, "wrong"))
    provoke("key", lambda: api.get_customer_inventory("nobody"))
    keys.update(right)
    return told


def repeats(api: Any) -> dict[str, Any]:
    """Update a profile and create a referral over connections that are cut."""
    t, told = talon_one, {}
    calls = {
        "put": lambda: api.update_customer_profile_v2("A", t.CustomerProfileIntegrationRequestV2()),
        "post": lambda: api.create_referral(
            t.NewReferral(campaign_id=1, advocate_profile_integration_id="A", usage_limit=0)
        ),
    }
    for name, call in calls.items():
        try:
            call()
            told[name] = "answered"
        except Exception as error:  # noqa: BLE001 -- whatever the client makes of it
            told[name] = type(error).__module__.split(".")[0]
    return told


if __name__ == "__main__":
    stories = {"eleven": eleven, "errors": errors, "repeats": repeats}
    found = {name: stories[name](connected(sys.argv[1])) for name in sys.argv[2:]}
    print(json.dumps(found))  # noqa: T201 -- its product
