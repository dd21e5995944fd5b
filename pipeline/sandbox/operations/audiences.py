"""Memberships of profiles in audiences (API.md §3.10)."""

from __future__ import annotations

from pipeline.sandbox.answers import Answer, Problem, Refused, stored
from pipeline.sandbox.call import Account, Call, Keys, Operation


def update_memberships(call: Call, account: Account) -> Answer:
    """Add profiles to audiences and take them out, in order; an added profile is made."""
    rows = call.body.get("data", ())
    unknown = [
        Problem(
            title="Unknown",
            details=f"Audience {row['audienceId']} does not exist",
            path=("data", index, "audienceId"),
        )
        for index, row in enumerate(rows)
        if not account.switches.exists("audiences", row["audienceId"])
    ]
    if unknown:
        raise Refused(404, "Audience not found", unknown)
    store = account.store
    for row in rows:
        if row["action"] == "add":
            store.join(store.profile(row["profileIntegrationId"]), row["audienceId"])
        elif (profile := store.profiles.get(row["profileIntegrationId"])) is not None:
            store.leave(profile, row["audienceId"])
    return stored(204)


def _ids(call: Call) -> Keys:
    return (("profile", [row["profileIntegrationId"] for row in call.body.get("data", ())]),)


OPERATIONS = (
    Operation(
        name="updateCustomerProfileAudiences",
        method="POST",
        path="/v2/customer_audiences",
        act=update_memberships,
        keys=_ids,
        aliases=("audiences",),
        rows="data",
    ),
)
