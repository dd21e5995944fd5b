"""Customer profiles: the bulk update, and what a profile owns (API.md §3.6, §3.12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.sandbox.answers import Answer, Refused, read, stored
from pipeline.sandbox.call import Account, Call, Keys, Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.sandbox.store import Profile


def update_many(call: Call, account: Account) -> Answer:
    """Update or create each profile of the body, in order; the rule engine never runs."""
    store = account.store
    updated = []
    for row in (call.body or {}).get("customerProfiles", ()):
        profile = store.profile(row["integrationId"])
        if "attributes" in row:
            merge(profile, row["attributes"], account)
        profile.last_activity = store.now
        updated.append(profile)
    if account.silent(call):
        return stored(204)
    return stored(
        200, {"integrationStates": [{"customerProfile": profile.as_json()} for profile in updated]}
    )


def merge(profile: Profile, attributes: Mapping[str, Any], account: Account) -> None:
    """Put *attributes* into *profile* as the switches `merge` and `null` say."""
    if account.switches["merge"] == "replace":
        profile.attributes = {}
    if None in attributes.values() and account.switches["null"] == "unset":
        profile.attributes.update(attributes)
        for name in [name for name, value in attributes.items() if value is None]:
            del profile.attributes[name]
    else:
        profile.attributes.update(attributes)


def inventory(call: Call, account: Account) -> Answer:
    """Return what belongs to one profile: only what was asked for (API.md §3.6)."""
    store = account.store
    integration_id = call.path["integrationId"]
    profile = store.profiles.get(integration_id)
    if profile is None:
        raise Refused(404, f"customer profile {integration_id!r} was not found")
    codes = store.referrals_of.get(integration_id, ())
    parts: dict[str, Any] = {
        "profile": profile.as_json,
        "referrals": lambda: [{**store.referrals[code], "referredCustomers": []} for code in codes],
        "coupons": list,
        "loyalty": lambda: {"cards": [], "programs": {}},
        "giveaways": list,
        "achievements": list,
    }
    return read({name: part() for name, part in parts.items() if call.flag(name)})


def _ids(call: Call) -> Keys:
    rows = (call.body or {}).get("customerProfiles", ())
    return (("profile", [row["integrationId"] for row in rows]),)


OPERATIONS = (
    Operation(  # API.md §3.12
        name="updateCustomerProfilesV2",
        method="PUT",
        path="/v2/customer_profiles",
        act=update_many,
        keys=_ids,
        aliases=("profiles",),
        rows="customerProfiles",
        idempotent=True,
    ),
    Operation(  # API.md §3.6
        name="getCustomerInventory",
        method="GET",
        path="/v1/customer_profiles/{integrationId}/inventory",
        act=inventory,
        keys=lambda call: (("profile", (call.path["integrationId"],)),),
        aliases=("inventories",),
    ),
)
