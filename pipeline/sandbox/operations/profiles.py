"""Customer profiles: bulk and single updates, the inventory, erasure.

API.md §3.5, §3.6, §3.11, §3.12.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from pipeline.sandbox.answers import Answer, Problem, Refused, read, stored
from pipeline.sandbox.call import Account, Call, Keys, Operation
from pipeline.sandbox.operations import effects
from pipeline.sandbox.store import Profile, Store


def update_many(call: Call, account: Account) -> Answer:
    """Update or create each profile of the body, in order; the rule engine never runs."""
    store, how, now = account.store, Merging.of(call, account), account.store.now
    rows = call.body.get("customerProfiles", ())
    known = store.profiles.get
    for row in rows:  # the one loop that must be quick: a million rows in three seconds
        profile = known(row["integrationId"]) or store.profile(row["integrationId"])
        profile.last_activity = now
        if attributes := row.get("attributes"):
            merge(profile, attributes, how)
    if store.erased:
        store.erased.difference_update(row["integrationId"] for row in rows)
    if account.silent(call):
        return stored(204)
    profiles = (store.profiles[row["integrationId"]] for row in rows)
    states = [{"customerProfile": profile.as_json()} for profile in profiles]
    return stored(200, {"integrationStates": states})


def update_one(call: Call, account: Account) -> Answer:
    """Update or create one profile and its memberships; rules run, and count, when asked for.

    `dry` only means something with `runRuleEngine=true`; then nothing is stored.
    """
    runs = call.flag("runRuleEngine")
    content = call.body.get("responseContent", ())
    if content and not runs:
        details = "responseContent cannot be used when runRuleEngine is false"
        raise Refused(400, problems=[Problem(title="Unusable", details=details, path=CONTENT)])
    changes = call.body.get("audiencesChanges", {})
    unknown = [
        one for one in changes.get("adds", ()) if not account.switches.exists("audiences", one)
    ]
    if unknown:
        details = f"Audience {unknown[0]} does not exist"  # no 404 is documented here
        raise Refused(400, problems=[Problem(title="Unknown", details=details, path=ADDS)])
    integration_id = call.path["integrationId"]
    dry = runs and call.flag("dry")
    profile = (
        copy_of(account.store, integration_id) if dry else account.store.profile(integration_id)
    )
    merge(profile, call.body.get("attributes", {}), Merging.of(call, account))
    profile.last_activity = account.store.now
    if not dry:
        account.store.erased.discard(integration_id)
        for audience in changes.get("adds", ()):
            account.store.join(profile, audience)
        for audience in changes.get("deletes", ()):
            account.store.leave(profile, audience)
    found = effects.none()
    parts = {
        "customerProfile": profile.as_json,
        "event": lambda: effects.event(account, "talon_profile_updated", profile=integration_id),
    }
    body = {**found.as_json(), **effects.content(content, parts)}
    return Answer(status=200, body=read(body).body, stored=not dry)


CONTENT, ADDS = ("responseContent",), ("audiencesChanges", "adds")


def copy_of(store: Store, integration_id: str) -> Profile:
    """Return a copy of a profile that is not stored, for a dry run; an empty one for a new id."""
    known = store.profiles.get(integration_id)
    profile = Profile(integration_id, known.id if known else 0, store.now)
    if known:
        profile.attributes, profile.created = dict(known.attributes), known.created
        profile.audiences, profile.sales = known.audiences, known.sales
    return profile


class Merging(Struct, frozen=True, kw_only=True):
    """How the attributes of one request are put into profiles: see the switches `merge`, `null`."""

    keeps: bool  # what is not sent
    unsets: bool  # what is null

    @classmethod
    def of(cls, call: Call, account: Account) -> Merging:
        """Return how those of *call* are."""
        return cls(
            keeps=account.switches["merge"] == "merge",
            unsets=account.switches["null"] == "unset" and call.nulls,
        )


def merge(profile: Profile, attributes: dict[str, Any], how: Merging) -> None:
    """Put *attributes*, which are the profile's from here on, into *profile*."""
    if how.keeps and profile.attributes:
        profile.attributes.update(attributes)
    else:
        profile.attributes = attributes
    if how.unsets and None in attributes.values():
        for name in [name for name, value in attributes.items() if value is None]:
            del profile.attributes[name]


def inventory(call: Call, account: Account) -> Answer:
    """Return what belongs to one profile: only what was asked for."""
    store, integration_id = account.store, call.path["integrationId"]
    profile = _known(store, integration_id)
    owned = store.owned.get(integration_id, ())
    parts: dict[str, Callable[[], Any]] = {
        "profile": profile.as_json,
        "referrals": lambda: [_referral(entity) for entity in owned if "code" in entity],
        "coupons": lambda: [
            {**store.coupon(value), "profileRedemptionCount": 0, "state": "active"}
            for value in store.coupons_of.get(integration_id, ())
        ],
        "loyalty": lambda: {"cards": [], "programs": {}},
        "giveaways": list,
        "achievements": list,
    }
    return read({name: part() for name, part in parts.items() if call.flag(name)})


def _referral(referral: Mapping[str, Any]) -> dict[str, Any]:
    return {"referredCustomers": [], **referral}


def erase(call: Call, account: Account) -> Answer:
    """Empty the attributes of a profile and of all that refers to it; the profile itself stays."""
    store, integration_id = account.store, call.path["integrationId"]
    profile = _known(store, integration_id)
    if integration_id in store.erased and account.switches["second-erasure"] == "404":
        raise Refused(404, f"The data of customer profile {integration_id!r} is erased already")
    profile.attributes = {}
    for entity in store.owned.get(integration_id, ()):
        entity["attributes"] = {}
        for line in entity.get("cartItems", ()):
            line.pop("attributes", None)
    store.erased.add(integration_id)
    return stored(204)


def _known(store: Store, integration_id: str) -> Profile:
    profile = store.profiles.get(integration_id)
    if profile is None:
        raise Refused(404, f"Customer profile {integration_id!r} was not found")
    return profile


def _in_path(call: Call) -> Keys:
    return (("profile", [call.path["integrationId"]]),)


def _in_body(call: Call) -> Keys:
    return (("profile", [row["integrationId"] for row in call.body.get("customerProfiles", ())]),)


OPERATIONS = (
    Operation(  # API.md §3.12
        name="updateCustomerProfilesV2",
        method="PUT",
        path="/v2/customer_profiles",
        act=update_many,
        keys=_in_body,
        aliases=("profiles",),
        rows="customerProfiles",
        idempotent=True,
    ),
    Operation(  # API.md §3.11
        name="updateCustomerProfileV2",
        method="PUT",
        path="/v2/customer_profiles/{integrationId}",
        act=update_one,
        keys=_in_path,
        aliases=("profiles-one-by-one",),
        lanes=True,
        idempotent=True,
    ),
    Operation(  # API.md §3.6
        name="getCustomerInventory",
        method="GET",
        path="/v1/customer_profiles/{integrationId}/inventory",
        act=inventory,
        keys=_in_path,
        aliases=("inventories",),
    ),
    Operation(  # API.md §3.5
        name="deleteCustomerData",
        method="DELETE",
        path="/v1/customer_data/{integrationId}",
        act=erase,
        keys=_in_path,
        aliases=("erasures",),
    ),
)
