"""Referral codes, one by one and for many advocates (API.md §3.2, §3.3). Every call makes new codes."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

from pipeline.sandbox.answers import Answer, Problem, Refused, stored
from pipeline.sandbox.call import Account, Call, Keys, Operation
from pipeline.sandbox.store import rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

CHARACTERS = string.ascii_uppercase + string.digits  # the document's default
PATTERN = "########"  # [A] nothing says what the default is
CODE_LENGTH_MIN = 4  # of the schema `Referral`
KEPT = ("startDate", "expiryDate", "attributes")


def create_many(call: Call, account: Account) -> Answer:
    """Make one code for each advocate of the body; all of them share one `batchId`."""
    body = call.body
    advocates: Sequence[str] = body["advocateProfileIntegrationIds"]
    made = _create(account, body, advocates)
    if account.silent(call):
        return stored(204)
    if account.switches["referral-order"] == "shuffled":
        account.store.random().shuffle(made)
    return stored(201, {"totalResultSize": len(made), "data": made})


def create_one(call: Call, account: Account) -> Answer:
    """Make one code for one advocate, for one friend where the body names one."""
    body = call.body
    made = _create(account, body, [body["advocateProfileIntegrationId"]])[0]
    if "friendProfileIntegrationId" in body:
        made["friendProfileIntegrationId"] = body["friendProfileIntegrationId"]
    return stored(201, made)


def _create(
    account: Account, body: dict[str, Any], advocates: Sequence[str]
) -> list[dict[str, Any]]:
    store = account.store
    if not account.switches.exists("campaigns", body["campaignId"]):
        details = f"Campaign {body['campaignId']} does not exist"
        raise Refused(
            400, problems=[Problem(title="Unknown", details=details, path=("campaignId",))]
        )
    codes = _codes(account, body, len(advocates))
    for advocate in advocates:
        store.profile(advocate)
    kept = {name: body[name] for name in KEPT if name in body}
    created, batch = rfc3339(store.now), f"sandbox-{store.number}"
    made = [
        {
            "id": store.next_id("referral"),
            "created": created,
            "campaignId": body["campaignId"],
            "advocateProfileIntegrationId": advocate,
            "code": code,
            "usageCounter": 0,
            "usageLimit": body.get("usageLimit", 0),
            "batchId": batch,
            **kept,
        }
        for advocate, code in zip(advocates, codes, strict=True)
    ]
    for referral in made:
        store.referrals[referral["code"]] = referral
        store.referrals_of.setdefault(referral["advocateProfileIntegrationId"], []).append(
            referral["code"]
        )
    return made


def _codes(account: Account, body: dict[str, Any], count: int) -> list[str]:
    pattern = body.get("referralPattern", PATTERN)
    characters = "".join(body.get("validCharacters") or CHARACTERS)
    if len(pattern) < CODE_LENGTH_MIN:
        details = f"a code has at least {CODE_LENGTH_MIN} characters"
        raise Refused(
            400,
            problems=[Problem(title="Invalid pattern", details=details, path=("referralPattern",))],
        )
    codes = account.store.referral_codes(pattern, characters, count)
    if len(codes) < count:
        details = f"the pattern {pattern!r} has no {count} unused codes left"
        raise Refused(
            400, problems=[Problem(title="Exhausted", details=details, path=("referralPattern",))]
        )
    return codes


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
        keys=lambda call: (("profile", (call.body["advocateProfileIntegrationId"],)),),
        aliases=("referrals-one-by-one",),
    ),
)
