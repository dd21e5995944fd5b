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
        fields.EVENT_TYPE,
        fields.OWNER,
        fields.STORE,
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
    successor="events",
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
    successor="profiles-one-by-one",
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
        fields.SESSION_ID,
        fields.OWNER,
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
        fields.SESSION_STATE,
        *fields.cart(fields.CART_V1),
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
    successor="sessions",
    lines="cartItems",
    entity="CustomerSession",
)
