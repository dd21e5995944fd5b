"""The three V1 operations, which today's document no longer has (API.md §3.8, §3.9, §3.13, §4.5).

Their schemas stand in `openapi_v1.json`, written from API.md. They answer with the V1 state:
session, profile and event together, effects as nested arrays inside the event.
"""

from __future__ import annotations

from typing import Any

from pipeline.sandbox.answers import Answer, read
from pipeline.sandbox.call import Account, Call, Keys, Operation
from pipeline.sandbox.operations import effects, events, profiles, sessions
from pipeline.sandbox.store import APPLICATION_ID, Entity, Profile


def track_event(call: Call, account: Account) -> Answer:
    """Keep one more event of a session; session and profile are made where they are missing."""
    dry, body, store = call.flag("dry"), call.body, account.store
    session = store.sessions.get(body["sessionId"])
    profile_id = body.get("profileId", "")
    if session is not None and session["profileId"] != profile_id:
        details = f"the session belongs to the profile {session['profileId']!r}"
        raise events.refused("Invalid", details, "profileId")
    if session is None:
        session = sessions.begun(account, body["sessionId"], profile_id)
        if not dry:
            sessions.settled(account, session, dry=False)
    event = events.kept(account, body, dry=dry)
    state = _state(_profile(account, profile_id), session, event)
    return Answer(status=201, body=read(state).body, stored=not dry)


def update_profile(call: Call, account: Account) -> Answer:
    """Update or create one profile; the rules always run."""
    store, profile_id = account.store, call.path["integrationId"]
    dry = call.flag("dry")
    profile = profiles.copy_of(store, profile_id) if dry else store.profile(profile_id)
    how = profiles.Merging.of(call, account)
    profiles.merge(profile, call.body.get("attributes", {}), how)
    profile.last_activity = store.now
    session = sessions.begun(account, "", profile_id)  # [A] empty: the answer must have one
    event = effects.event(account, "talon_profile_updated", profile=profile_id)
    return Answer(status=200, body=read(_state(profile, session, event)).body, stored=not dry)


def update_session(call: Call, account: Account) -> Answer:
    """Create or update a session from the V1 form: one coupon, nothing wrapped."""
    dry, session_id, body = call.flag("dry"), call.path["customerSessionId"], call.body
    before = None if dry else account.store.sessions.get(session_id)
    wish: dict[str, Any] = {**body, "cartItems": body.get("cartItems", [])}
    if "coupon" in body:
        wish["couponCodes"] = [body["coupon"]] if body["coupon"] else []
    if "referral" in body:
        wish["referralCode"] = body["referral"]
    session = sessions.changed(account, session_id, before, wish)
    if session is None:
        session, dry = dict(before or {}), True
    found = sessions.settled(account, session, dry=dry)
    kind = "talon_session_updated" if before else "talon_session_created"
    event = effects.event(account, kind, profile=session["profileId"], session=session_id)
    event["effects"] = [_nested(effect) for effect in found.effects]
    state = _state(_profile(account, session["profileId"]), session, event)
    return Answer(status=200, body=read(state).body, stored=not dry)


def _nested(effect: Entity) -> list[Any]:
    """Return *effect* as V1 told it: campaign, ruleset, rule, then name and values in a list."""
    numbers = [effect["campaignId"], effect["rulesetId"], effect["ruleIndex"]]
    return [*numbers, [effect["effectType"], *effect["props"].values()]]


def _state(profile: Profile, session: Entity, event: Entity) -> Entity:
    """Return what every V1 operation answers: the schema `IntegrationState` (API.md §4.5)."""
    return {
        "session": _old_session(session),
        "profile": profile.as_json(),
        "event": {
            "profileId": session["profileId"],
            "sessionId": session["integrationId"],
            **event,
        },
        "loyalty": {"cards": [], "programs": {}},
    }


def _profile(account: Account, profile_id: str) -> Profile:
    """Return the profile, or an empty one for an answer about nobody."""
    return account.store.profiles.get(profile_id) or Profile(profile_id, 0, account.store.now)


def _old_session(session: Entity) -> Entity:
    return {
        "integrationId": session["integrationId"],
        "created": session["created"],
        "applicationId": APPLICATION_ID,
        "profileId": session["profileId"],
        "coupon": session["coupon"],
        "referral": session["referral"],
        "state": session["state"],
        "cartItems": [{"name": line["sku"], "price": 0, **line} for line in session["cartItems"]],
        "identifiers": session["identifiers"],
        "total": session["total"],
        "attributes": session["attributes"],
        "firstSession": session["firstSession"],
        "discounts": {},
        "updateCount": session["updateCount"],
        "updated": session["updated"],
    }


def _event_keys(call: Call) -> Keys:
    session = ("session", [call.body["sessionId"]])
    profile_id = call.body.get("profileId")
    return (session, ("profile", [profile_id])) if profile_id else (session,)


OPERATIONS = (
    Operation(  # API.md §3.8
        name="trackEvent",
        method="POST",
        path="/v1/events",
        act=track_event,
        keys=_event_keys,
        aliases=("events-v1",),
        lanes=True,
        old=True,
    ),
    Operation(  # API.md §3.9
        name="updateCustomerProfile",
        method="PUT",
        path="/v1/customer_profiles/{integrationId}",
        act=update_profile,
        keys=lambda call: (("profile", [call.path["integrationId"]]),),
        aliases=("profiles-v1",),
        lanes=True,
        old=True,
    ),
    Operation(  # API.md §3.13
        name="updateCustomerSession",
        method="PUT",
        path="/v1/customer_sessions/{customerSessionId}",
        act=update_session,
        keys=sessions.keys,
        aliases=("sessions-v1",),
        lanes=True,
        old=True,
    ),
)
