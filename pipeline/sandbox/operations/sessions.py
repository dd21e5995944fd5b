"""Customer sessions: a cart on its way from open to closed or cancelled (API.md §3.14).

`changed` is what an update makes of a session, `settled` what follows from it; the V1 form in
`old.py` uses both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline.sandbox.answers import Answer, Problem, Refused, read
from pipeline.sandbox.call import Account, Call, Keys, Operation
from pipeline.sandbox.operations import effects
from pipeline.sandbox.store import APPLICATION_ID, Entity, rfc3339

TRANSITIONS: Mapping[str, tuple[str, ...]] = {  # those of this operation; the document has more
    "": ("open", "closed"),
    "open": ("open", "closed", "cancelled"),
    "closed": ("cancelled",),
    "partially_returned": ("cancelled",),
    "cancelled": (),
}
CART_LINES_MAX = 1000  # both limits stand in prose only
QUANTITY_MAX = 10_000  # of all of them together
REPLACED = (  # what is sent stands in place of what was there; the rest is kept
    "profileId",
    "storeIntegrationId",
    "couponCodes",
    "referralCode",
    "loyaltyCards",
    "cartItems",  # with their attributes: those not sent again are gone
    "additionalCosts",
    "identifiers",
    "experimentVariantAllocations",
)


def update(call: Call, account: Account) -> Answer:
    """Create or update a session; `dry` looks at the body alone and stores nothing."""
    _check_now(call, account)
    dry, session_id = call.flag("dry"), call.path["customerSessionId"]
    known = account.store.sessions.get(session_id)
    before = None if dry else known
    session = changed(account, session_id, before, call.body["customerSession"])
    if session is None:  # see the switch `late-updates`
        session, dry = dict(before or {}), True
    kind = "talon_session_updated" if before else "talon_session_created"
    found = settled(account, session, dry=dry)
    body = {**found.as_json(), **_content(call, account, session, kind)}
    return Answer(status=200, body=read(body).body, stored=not dry)


def _content(call: Call, account: Account, session: Entity, kind: str) -> Entity:
    profile_id, store = session["profileId"], account.store
    parts: dict[str, Callable[[], Any]] = {
        "customerSession": lambda: session,
        "event": lambda: effects.event(
            account, kind, profile=profile_id, session=session["integrationId"]
        ),
    }
    if profile := store.profiles.get(profile_id):
        parts["customerProfile"] = profile.as_json
    if referral := store.referrals.get(session.get("referralCode", "")):
        parts["referral"] = lambda: {"referredCustomers": [], **referral}
    return effects.content(call.body.get("responseContent", ()), parts)


def changed(
    account: Account, session_id: str, before: Entity | None, wish: Mapping[str, Any]
) -> Entity | None:
    """Return the session after the update *wish*; a new value, nothing is stored.

    None when it may not change any more and the switch `late-updates` says to ignore that.
    Raises Refused 400 for a transition that does not exist, and for a cart that cannot be.
    """
    state = before["state"] if before else ""
    wanted = wish.get("state") or "open"  # the document's default
    if wanted not in TRANSITIONS[state]:
        if before and account.switches["late-updates"] == "ignore":
            return None
        details = f"a session that is {state or 'new'} cannot become {wanted}"
        raise _refused("Invalid transition", details, "state")
    _check_cart(account, wish.get("cartItems", ()))
    session = dict(before) if before else _new(account, session_id)
    session.update({name: wish[name] for name in REPLACED if name in wish})
    session["attributes"] = {**session["attributes"], **wish.get("attributes", {})}
    session["state"] = wanted
    session["updated"] = rfc3339(account.store.now)
    session["updateCount"] += 1
    session["firstSession"] = _is_first(account, session)
    return session | _derived(session)


def begun(account: Account, session_id: str, profile_id: str) -> Entity:
    """Return a session that begins with nothing in it; it is not stored."""
    session = _new(account, session_id) | {"profileId": profile_id, "updateCount": 1}
    return session | {"updated": session["created"]} | _derived(session)


def settled(account: Account, session: Entity, *, dry: bool) -> effects.Effects:
    """Return the effects of *session*; unless *dry*, keep it and what follows from its state."""
    judged = effects.judged(account, session)
    if not dry:
        _keep(account, session)
    closing = session["state"] == "closed"
    sample = effects.sample(account, session["profileId"], closing=closing, dry=dry)
    return effects.Effects(
        effects=judged + sample.effects, coupons=sample.coupons, referrals=sample.referrals
    )


def _keep(account: Account, session: Entity) -> None:
    store, profile_id = account.store, session["profileId"]
    known = store.sessions.get(session["integrationId"])
    was_state, was_profile = (known["state"], known["profileId"]) if known else ("", "")
    session["id"] = session["id"] or store.next_id("session")
    if known is None:
        known = store.sessions[session["integrationId"]] = session
    else:  # stays the same object: its profile's list of what it owns refers to it
        known.update(session)
    if profile_id:
        profile = store.profile(profile_id)
        profile.last_activity = store.now
        if profile_id != was_profile:
            store.own(profile_id, known)
        sign = {("open", "closed"): 1, ("", "closed"): 1, ("closed", "cancelled"): -1}.get(
            (was_state, session["state"]), 0
        )
        profile.sales = (profile.sales[0] + sign, profile.sales[1] + sign * session["total"])
    if session["state"] == "closed":
        _redeem(account, session)


def _redeem(account: Account, session: Entity) -> None:
    for code in session.get("couponCodes", ()):
        if effects.coupon_exists(account, code):
            account.store.coupon(code)["usageCounter"] += 1
    referral = account.store.referrals.get(session.get("referralCode", ""))
    if referral is not None:
        referral["usageCounter"] += 1
        referral.setdefault("referredCustomers", []).append(session["profileId"])


def _new(account: Account, session_id: str) -> Entity:
    return {
        "id": 0,  # until it is kept
        "created": rfc3339(account.store.now),
        "integrationId": session_id,
        "applicationId": APPLICATION_ID,
        "profileId": "",
        "state": "open",
        "couponCodes": [],
        "referralCode": "",
        "loyaltyCards": [],
        "cartItems": [],
        "additionalCosts": {},
        "identifiers": [],
        "attributes": {},
        "firstSession": False,
        "updateCount": 0,
    }


def _is_first(account: Account, session: Entity) -> bool:
    """Tell whether the profile of *session* has no other one."""
    owned = account.store.owned.get(session["profileId"], ())
    others = (e for e in owned if "cartItems" in e)
    return all(other["integrationId"] == session["integrationId"] for other in others)


def _derived(session: Entity) -> Entity:
    """Return what follows from the rest; `coupon` and `referral` are demanded, not explained."""
    cart, coupons = session["cartItems"], session["couponCodes"]
    goods = sum(line.get("price", 0) * line["quantity"] for line in cart)
    costs = sum(cost["price"] for cost in session["additionalCosts"].values())
    line_costs = sum(
        cost["price"] for line in cart for cost in line.get("additionalCosts", {}).values()
    )
    return {
        "coupon": coupons[0] if coupons else "",
        "referral": session["referralCode"],
        "total": round(goods + costs + line_costs, 6),
        "cartItemTotal": round(goods, 6),
        "additionalCostTotal": round(costs, 6),
        "cartItemAdditionalCostTotal": round(line_costs, 6),
    }


def _check_cart(account: Account, cart: Sequence[Mapping[str, Any]]) -> None:
    if len(cart) > CART_LINES_MAX:
        raise _refused("maxItems", f"a session holds at most {CART_LINES_MAX} items", "cartItems")
    if sum(line["quantity"] for line in cart) > QUANTITY_MAX:
        raise _refused("maximum", f"quantities add up to more than {QUANTITY_MAX}", "cartItems")
    catalogs = account.store.catalogs.values()
    for index, line in enumerate(cart):
        if "price" in line or any(line["sku"] in catalog["items"] for catalog in catalogs):
            continue
        details = f"item {line['sku']!r} is part of no catalog, so it needs a price"
        raise _refused("required", details, "cartItems", index, "price")


def _check_now(call: Call, account: Account) -> None:
    """Refuse `now` outside a dry run, and a `now` that is past: prose of the document."""
    if (now := call.query.get("now")) is None:
        return
    moment = datetime.fromisoformat(now)
    if not call.flag("dry") or moment <= datetime.fromtimestamp(account.store.now, UTC):
        details = "now must be in the future, and needs dry=true"
        raise Refused(400, problems=[Problem(title="Unusable", details=details, parameter="now")])


def _refused(title: str, details: str, *path: str | int) -> Refused:
    """Point into the session, as the documented examples do (API.md §2.10)."""
    problem = Problem(title=title, details=details, path=path)
    return Refused(400, problems=[problem])


def read_one(call: Call, account: Account) -> Answer:
    """Return one session with the effects of its present state; one that is not there is 400."""
    session = account.store.sessions.get(call.path["customerSessionId"])
    if session is None:
        raise Refused(400, f"Session {call.path['customerSessionId']!r} was not found")
    return read({"customerSession": session, "effects": effects.judged(account, session)})


def keys(call: Call) -> Keys:
    """Return the session, and its profile where the body names one."""
    session = ("session", [call.path["customerSessionId"]])
    wish = (call.body or {}).get("customerSession", call.body or {})
    profile_id = wish.get("profileId")
    return (session, ("profile", [profile_id])) if profile_id else (session,)


OPERATIONS = (
    Operation(
        name="updateCustomerSessionV2",
        method="PUT",
        path="/v2/customer_sessions/{customerSessionId}",
        act=update,
        keys=keys,
        aliases=("sessions",),
        lanes=True,
        idempotent=True,
    ),
    Operation(
        name="getCustomerSession",
        method="GET",
        path="/v2/customer_sessions/{customerSessionId}",
        act=read_one,
        keys=keys,
        aliases=("session-reads",),
    ),
)
