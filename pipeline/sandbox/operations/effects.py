"""What the rule engine of an account with hardly any rules answers (API.md §4.4).

Coupons and referral codes in a session are accepted or rejected; with the switch `effects=sample`
each closed session also makes a coupon and a referral code, and everything else a notification, so
that every kind of answer can be seen. Nothing here decides whether a request is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct, field

from pipeline.sandbox.call import Account
from pipeline.sandbox.store import APPLICATION_ID, CAMPAIGN_ID, Entity, rfc3339

COUPON_LENGTH_MIN = 4  # of the schema `Coupon`
SAMPLE_PATTERN = "FRIEND-####"
EMPTY: Mapping[str, Callable[[], Any]] = {  # parts of an answer that this account never fills
    "coupons": list,
    "triggeredCampaigns": list,
    "awardedGiveaways": list,
    "ruleFailureReasons": list,
    "previousReturns": list,
    "campaignEligibility": list,
    "achievements": list,
    "loyalty": lambda: {"cards": [], "programs": {}},
}


class Effects(Struct, frozen=True, kw_only=True):
    """What a run of the rules gave."""

    effects: list[Entity] = field(default_factory=list)
    coupons: list[Entity] = field(default_factory=list)
    referrals: list[Entity] = field(default_factory=list)

    def as_json(self) -> Entity:
        """Return the three keys that every answer with effects has."""
        return {
            "effects": self.effects,
            "createdCoupons": self.coupons,
            "createdReferrals": self.referrals,
        }


def none() -> Effects:
    """Return the effects of rules that did not run, or found nothing."""
    return Effects()


def effect(kind: str, **props: object) -> Entity:
    """Return one effect of *kind* with its *props*."""
    return {
        "campaignId": CAMPAIGN_ID,
        "rulesetId": 1,
        "ruleIndex": 0,
        "ruleName": "sandbox",
        "effectType": kind,
        "props": props,
    }


def content(wanted: Iterable[str], parts: Mapping[str, Callable[[], Any]]) -> Entity:
    """Return the *wanted* parts of an answer: made by *parts*, or else empty."""
    made = {**EMPTY, **parts}
    return {name: made[name]() for name in wanted if name in made}


def event(account: Account, kind: str, *, profile: str = "", session: str = "") -> Entity:
    """Return the built-in event of *kind* that this request is; it is told, not kept."""
    store = account.store
    found = {
        "id": store.number,
        "created": rfc3339(store.now),
        "applicationId": APPLICATION_ID,
        "type": kind,
        "attributes": {},
        "effects": [],
    }
    return (
        found
        | ({"profileId": profile} if profile else {})
        | ({"sessionId": session} if session else {})
    )


def judged(account: Account, session: Mapping[str, Any]) -> list[Entity]:
    """Return an effect for each coupon and for the referral code of *session*: taken or rejected.

    A bad code is no error: the answer is 200 with a rejection (API.md §4.4).
    """
    found = []
    for code in session.get("couponCodes", ()):
        if coupon_exists(account, code):
            found.append(effect("acceptCoupon", value=code))
        else:
            found.append(effect("rejectCoupon", value=code, rejectionReason="CouponNotFound"))
    if code := session.get("referralCode"):
        if code in account.store.referrals:
            found.append(effect("acceptReferral", value=code))
        else:
            found.append(effect("rejectReferral", value=code, rejectionReason="ReferralNotFound"))
    return found


def coupon_exists(account: Account, value: str) -> bool:
    """Tell whether the account has the coupon *value*: made by a rule, or listed by the switch."""
    if value in account.store.coupons:
        return True
    return len(value) >= COUPON_LENGTH_MIN and account.switches.exists("coupons", value)


def sample(account: Account, profile_id: str, *, closing: bool, dry: bool) -> Effects:
    """Return what the sample rules give: see the switch `effects`."""
    if account.switches["effects"] == "none":
        return none()
    store = account.store
    if not closing or dry or not profile_id:
        shown = effect("showNotification", notificationType="Info", title="Hello", body="sandbox")
        return Effects(effects=[shown])
    coupon = dict(store.coupon(f"THANKS-{store.number}"))
    codes = store.referral_codes(SAMPLE_PATTERN, "0123456789ABCDEF", 1)
    referrals = [referral(account, profile_id, code, usageLimit=0) for code in codes]
    created = effect("couponCreated", value=coupon["value"], profileId=profile_id)
    shared = [effect("referralCreated", value=code) for code in codes]
    return Effects(effects=[created, *shared], coupons=[coupon], referrals=referrals)


def referral(account: Account, advocate: str, code: str, **fields: object) -> Entity:
    """Make and keep the referral *code* of *advocate*, as the schema `Referral` has it."""
    store = account.store
    made: Entity = {
        "id": store.next_id("referral"),
        "created": rfc3339(store.now),
        "campaignId": CAMPAIGN_ID,
        "advocateProfileIntegrationId": advocate,
        "code": code,
        "usageCounter": 0,
        **fields,
    }
    store.referrals[code] = made
    store.own(advocate, made)
    return made
