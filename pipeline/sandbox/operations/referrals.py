"""Referral codes, one by one and for many advocates. Every call makes new codes.

API.md §3.2, §3.3.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

from pipeline.sandbox.answers import Answer, Problem, Refused, stored
from pipeline.sandbox.call import Account, Call, Keys, Operation
from pipeline.sandbox.operations import effects
from pipeline.sandbox.store import Entity

CHARACTERS = string.ascii_uppercase + string.digits  # the document's default
PATTERN = "########"  # [A] nothing says what the default is
CODE_LENGTH_MIN = 4  # of the schema `Referral`
KEPT = ("startDate", "expiryDate", "attributes", "friendProfileIntegrationId")


def create_many(call: Call, account: Account) -> Answer:
    """Make one code for each advocate of the body; all of them share one `batchId`."""
    made = _create(account, call.body, call.body["advocateProfileIntegrationIds"])
    if account.silent(call):
        return stored(204)
    if account.switches["referral-order"] == "shuffled":
        account.store.random().shuffle(made)
    return stored(201, {"totalResultSize": len(made), "data": made})


def create_one(call: Call, account: Account) -> Answer:
    """Make one code for one advocate, for one friend where the body names one."""
    return stored(201, _create(account, call.body, [call.body["advocateProfileIntegrationId"]])[0])


def _create(account: Account, body: dict[str, Any], advocates: Sequence[str]) -> list[Entity]:
    store = account.store
    if not account.switches.exists("campaigns", body["campaignId"]):
        raise _refused("Unknown", f"Campaign {body['campaignId']} does not exist", "campaignId")
    account.insist_on_profiles(advocates, status=400)
    codes = _codes(account, body, len(advocates))
    for advocate in advocates:
        store.profile(advocate)
    fields = {name: body[name] for name in KEPT if name in body}
    fields |= {
        "campaignId": body["campaignId"],
        "usageLimit": body.get("usageLimit", 0),
        "batchId": f"sandbox-{store.number}",
    }
    return [
        effects.referral(account, advocate, code, **fields)
        for advocate, code in zip(advocates, codes, strict=True)
    ]


def _codes(account: Account, body: dict[str, Any], count: int) -> list[str]:
    pattern = body.get("referralPattern", PATTERN)
    characters = "".join(body.get("validCharacters") or CHARACTERS) or CHARACTERS
    if len(pattern) < CODE_LENGTH_MIN:
        details = f"a code has at least {CODE_LENGTH_MIN} characters"
        raise _refused("Invalid pattern", details, "referralPattern")
    codes = account.store.referral_codes(pattern, characters, count)
    if len(codes) < count:
        details = f"the pattern {pattern!r} has no {count} unused codes left"
        raise _refused("Exhausted", details, "referralPattern")
    return codes


def _refused(title: str, details: str, name: str) -> Refused:
    return Refused(400, problems=[Problem(title=title, details=details, path=(name,))])


def _advocates(call: Call) -> Keys:
    return (("profile", call.body["advocateProfileIntegrationIds"]),)


OPERATIONS = (
    Operation(  # API.md §3.3
        name="createReferralsForMultipleAdvocates",
        method="POST",
        path="/v1/referrals_for_multiple_advocates",
        act=create_many,
        keys=_advocates,
        aliases=("referrals",),
        rows="advocateProfileIntegrationIds",
    ),
    Operation(  # API.md §3.2
        name="createReferral",
        method="POST",
        path="/v1/referrals",
        act=create_one,
        keys=lambda call: (("profile", [call.body["advocateProfileIntegrationId"]]),),
        aliases=("referrals-one-by-one",),
    ),
)
