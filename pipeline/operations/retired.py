"""The operations that today's document no longer has (V1); literals only.

Their facts come from API.md §3.8, §3.9 and §3.13: no document and no client can confirm them.
"""

from pipeline.operations import fields
from pipeline.operations.operation import (
    Field,
    Kind,
    Missing,
    Operation,
    Place,
    Repeat,
)

EVENTS_V1 = Operation(
    name="events-v1",
    id="trackEvent",
    method="POST",
    path="/v1/events",
    summary="track events of sessions, as it was done before 2023",
    source="API.md §3.8",
    fields=(
        Field(
            name="sessionId",
            place=Place.BODY,
            required=True,
            length_min=1,
            about="the session's integration id",
        ),
        Field(name="type", place=Place.BODY, required=True, length_min=1, about="the event's type"),
        Field(
            name="profileId",
            place=Place.BODY,
            length_max=fields.PROFILE_ID_LENGTH_MAX,
            about="the profile's integration id; left out: anonymous",
        ),
        fields.attributes(Place.BODY, required=True),
        fields.DRY,
    ),
    key="sessionId",
    lanes=("sessionId", "profileId"),
    repeat=Repeat.NEVER,
    success=(200, 201),
    missing=Missing.STOP,
    answer=fields.STATE_V1,
    retired=True,
    entity="Event",
)

PROFILES_V1 = Operation(
    name="profiles-v1",
    id="updateCustomerProfile",
    method="PUT",
    path="/v1/customer_profiles/{integrationId}",
    summary="create or update customer profiles, as it was done before 2021; rules are run",
    source="API.md §3.9",
    fields=(
        fields.profile_id("integrationId", place=Place.PATH),
        fields.attributes(Place.BODY),
        fields.DRY,
    ),
    key="integrationId",
    lanes=("integrationId",),
    repeat=Repeat.SAFE,
    success=(200, 201),
    missing=Missing.STOP,
    answer=fields.STATE_V1,
    replaces=("integrationId",),
    retired=True,
    in_bulk="profiles",
    entity="CustomerProfile",
)

SESSIONS_V1 = Operation(
    name="sessions-v1",
    id="updateCustomerSession",
    method="PUT",
    path="/v1/customer_sessions/{customerSessionId}",
    summary="create or update sessions, as it was done before 2021; rules are run",
    source="API.md §3.13",
    fields=(
        Field(
            name="customerSessionId",
            place=Place.PATH,
            required=True,
            length_min=1,
            aliases=("sessionId",),
            about="the session's integration id",
        ),
        Field(
            name="profileId",
            place=Place.BODY,
            length_max=fields.PROFILE_ID_LENGTH_MAX,
            about="the profile's integration id; left out: anonymous",
        ),
        Field(
            name="coupon",
            place=Place.BODY,
            length_max=fields.CODE_LENGTH_MAX,
            about="the coupon that is redeemed",
        ),
        Field(
            name="referral",
            place=Place.BODY,
            length_max=fields.CODE_LENGTH_MAX,
            about="the referral code that is redeemed",
        ),
        Field(
            name="state",
            place=Place.BODY,
            choices=fields.SESSION_STATES,
            about="left out: as it is, or open",
        ),
        Field(
            name="cartItems",
            kind=Kind.JSON,
            place=Place.BODY,
            elements_max=1000,
            about="the cart: a list of {name, sku, quantity, price, …}",
        ),
        Field(name="identifiers", kind=Kind.STRINGS, place=Place.BODY, about="of the customer"),
        Field(name="total", kind=Kind.NUMBER, place=Place.BODY, about="what the cart comes to"),
        fields.attributes(Place.BODY),
        fields.DRY,
    ),
    key="customerSessionId",
    lanes=("customerSessionId", "profileId"),
    repeat=Repeat.NEVER,
    success=(200, 201),
    missing=Missing.STOP,
    answer=fields.STATE_V1,
    replaces=("customerSessionId",),
    retired=True,
    entity="CustomerSession",
)
