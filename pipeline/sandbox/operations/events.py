"""Custom events of today: V2, and V3 whose events have an id of their own (API.md §6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.sandbox.answers import Answer, Problem, Refused, read
from pipeline.sandbox.call import Account, Call, Keys, Operation
from pipeline.sandbox.operations import effects
from pipeline.sandbox.store import APPLICATION_ID, Entity, rfc3339


def track_v2(call: Call, account: Account) -> Answer:
    """Keep one more event; every call does. `profileId` is required by the document's prose."""
    if not call.body.get("profileId"):
        raise refused("required", "profileId is required", "profileId")
    return _track(call, account, "event")


def track_v3(call: Call, account: Account) -> Answer:
    """Keep an event under its own id, once: 409 when it is there (the document's words)."""
    store, body = account.store, call.body
    if body["integrationId"] in store.advanced_events:
        raise Refused(409, f"An advanced event {body['integrationId']!r} already exists")
    if (session_id := body.get("connectedSessionId")) is not None:
        session = store.sessions.get(session_id)
        if session is None or session["state"] != "closed":
            raise refused("Invalid", "the connected session is not closed", "connectedSessionId")
    answer = _track(call, account, "advancedEvent")
    if answer.stored:
        store.advanced_events.add(body["integrationId"])
    return answer


def _track(call: Call, account: Account, part: str) -> Answer:
    dry, body = call.flag("dry"), call.body
    if call.flag("forceCompleteEvaluation") and not dry:
        details = "forceCompleteEvaluation needs dry=true"
        problem = Problem(title="Unusable", details=details, parameter="forceCompleteEvaluation")
        raise Refused(400, problems=[problem])
    event = kept(account, body, dry=dry)
    if account.silent(call) and part == "event":  # V3 documents no 204
        return Answer(status=204, stored=not dry)
    profile = account.store.profiles.get(body["profileId"])
    parts: dict[str, Callable[[], Any]] = {part: lambda: event}
    if profile:
        parts["customerProfile"] = profile.as_json
    found = effects.sample(account, body["profileId"], closing=False, dry=dry)
    content = {**found.as_json(), **effects.content(body.get("responseContent", ()), parts)}
    return Answer(status=200, body=read(content).body, stored=not dry)


def kept(account: Account, body: Mapping[str, Any], *, dry: bool) -> Entity:
    """Return the event in *body*, as the schema `Event` has it; unless *dry*, keep it.

    Makes the profile where it is new. Raises Refused 400 for a type that nobody declared.
    """
    store = account.store
    if not account.switches.exists("event-types", body["type"]):
        raise refused("Unknown", f"The event type {body['type']!r} is not defined", "type")
    event: Entity = {
        "id": 0,
        "created": rfc3339(store.now),
        "applicationId": APPLICATION_ID,
        "type": body["type"],
        "attributes": body.get("attributes", {}),
        "effects": [],
    }
    named = ("profileId", "storeIntegrationId", "sessionId", "integrationId", "connectedSessionId")
    event |= {name: body[name] for name in named if body.get(name)}
    if not dry:
        event["id"] = store.next_id("event")
        store.events[str(event["id"])] = event
        if profile_id := event.get("profileId"):
            store.profile(profile_id).last_activity = store.now
            store.own(profile_id, event)
    return event


def refused(title: str, details: str, name: str) -> Refused:
    """Refuse an event for its field *name*."""
    return Refused(400, problems=[Problem(title=title, details=details, path=(name,))])


def _profile(call: Call) -> Keys:
    profile_id = call.body.get("profileId")
    return (("profile", [profile_id]),) if profile_id else ()


def _event_and_profile(call: Call) -> Keys:
    return (("event", [call.body["integrationId"]]), *_profile(call))


OPERATIONS = (
    Operation(
        name="trackEventV2",
        method="POST",
        path="/v2/events",
        act=track_v2,
        keys=_profile,
        aliases=("events",),
        lanes=True,
        idempotent=True,
    ),
    Operation(
        name="trackEventV3",
        method="POST",
        path="/v3/events",
        act=track_v3,
        keys=_event_and_profile,
        aliases=("events-v3",),
        lanes=True,
    ),
)
