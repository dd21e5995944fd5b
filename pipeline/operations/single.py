"""The operations that carry one row in a request, today's; literals only.

A test holds each of them against the official OpenAPI document.
"""

from pipeline.operations import fields
from pipeline.operations.operation import (
    AnswerField,
    AnswerShape,
    Conflict,
    Field,
    Kind,
    Missing,
    Operation,
    Place,
    Repeat,
)

REFERRALS_ONE_BY_ONE = Operation(
    name="referrals-one-by-one",
    id="createReferral",
    method="POST",
    path="/v1/referrals",
    summary="create a referral code, if need be for one friend alone",
    source="API.md §3.2",
    fields=(
        fields.CAMPAIGN,
        fields.profile_id(
            "advocateProfileIntegrationId", place=Place.BODY, aliases=("integrationId",)
        ),
        Field(
            name="friendProfileIntegrationId",
            place=Place.BODY,
            length_max=fields.PROFILE_ID_LENGTH_MAX,
            about="the only one who may use the code",
        ),
        *fields.REFERRAL_LIMITS,
    ),
    key="advocateProfileIntegrationId",
    lanes=("advocateProfileIntegrationId",),
    repeat=Repeat.NEVER,
    success=(200, 201),
    answer=AnswerShape(fields=fields.REFERRAL),
    evidence=fields.CODES,
    in_bulk="referrals",
    entity="Referral",
)

PROFILES_ONE_BY_ONE = Operation(
    name="profiles-one-by-one",
    id="updateCustomerProfileV2",
    method="PUT",
    path="/v2/customer_profiles/{integrationId}",
    summary="create or update customer profiles, with rules run and audiences changed",
    source="API.md §3.11",
    fields=(
        fields.profile_id("integrationId", place=Place.PATH),
        fields.attributes(Place.BODY),
        Field(
            name="audiencesChanges.adds",
            kind=Kind.INTEGERS,
            place=Place.BODY,
            needs="audiencesChanges.deletes",
            about="ids of audiences that the profile joins",
        ),
        Field(
            name="audiencesChanges.deletes",
            kind=Kind.INTEGERS,
            place=Place.BODY,
            needs="audiencesChanges.adds",
            about="ids of audiences that the profile leaves",
        ),
        fields.EVALUABLE,
        fields.content(fields.PROFILE_CONTENT, only_with="runRuleEngine"),
        fields.flag("runRuleEngine", "run the rules, and let their effects come true"),
        fields.flag("dry", "run the rules, and store nothing", only_with="runRuleEngine"),
    ),
    key="integrationId",
    lanes=("integrationId",),
    repeat=Repeat.KEYED,
    idempotency_key=True,
    success=(200,),
    answer=AnswerShape(fields=fields.EFFECTS),
    replaces=("integrationId",),
    in_bulk="profiles",
    entity="CustomerProfile",
)

SESSIONS = Operation(
    name="sessions",
    id="updateCustomerSessionV2",
    method="PUT",
    path="/v2/customer_sessions/{customerSessionId}",
    summary="create or update sessions with their carts; rules are run",
    source="API.md §3.14",
    fields=(
        fields.SESSION_ID,
        fields.OWNER,
        fields.SESSION_STATE,
        fields.STORE,
        Field(
            name="couponCodes",
            kind=Kind.STRINGS,
            place=Place.BODY,
            length_max=fields.CODE_LENGTH_MAX,
            about="the coupons that are redeemed; an empty list discards earlier ones",
        ),
        Field(
            name="referralCode",
            place=Place.BODY,
            length_max=fields.CODE_LENGTH_MAX,
            about="the referral code that is redeemed",
        ),
        fields.LOYALTY_CARDS,
        *fields.cart(fields.CART),
        Field(
            name="additionalCosts.*",
            kind=Kind.NUMBER,
            place=Place.BODY,
            at="additionalCosts.*.price",
            about="additional costs, each by its name in the account",
        ),
        Field(
            name="identifiers",
            kind=Kind.STRINGS,
            place=Place.BODY,
            elements_max=5,
            about="hashed identifiers of the customer",
        ),
        Field(
            name="experimentVariantAllocations",
            kind=Kind.JSON,
            place=Place.BODY,
            elements=(
                Field(name="experimentID", kind=Kind.INTEGER, required=True, about="its number"),
                Field(name="variantID", kind=Kind.INTEGER, required=True, about="its number"),
            ),
            about="list of {experimentID, variantID}",
        ),
        fields.EVALUABLE,
        fields.attributes(Place.BODY),
        fields.content(fields.SESSION_CONTENT),
        fields.DRY,
        Field(
            name="now",
            kind=Kind.TIME,
            place=Place.QUERY,
            only_with="dry",
            about="evaluate as of a time in the future",
        ),
    ),
    key="customerSessionId",
    lanes=("customerSessionId", "profileId"),
    repeat=Repeat.KEYED,
    idempotency_key=True,
    success=(200,),
    wrap="customerSession",
    lines="cartItems",
    answer=AnswerShape(
        fields=(
            AnswerField(name="id", kind=Kind.INTEGER, at="customerSession.id"),
            AnswerField(name="total", kind=Kind.NUMBER, at="customerSession.total"),
            *fields.EFFECTS,
            *fields.REJECTIONS,
        )
    ),
    replaces=("customerSessionId",),
    entity="CustomerSession",
)

ERASURES = Operation(
    name="erasures",
    id="deleteCustomerData",
    method="DELETE",
    path="/v1/customer_data/{integrationId}",
    summary="erase all data of customers, for ever and in all Applications",
    source="API.md §3.5",
    fields=(fields.profile_id("integrationId", place=Place.PATH),),
    key="integrationId",
    lanes=("integrationId",),
    repeat=Repeat.SAFE,
    success=(200, 204),
    missing=Missing.DONE,
    destructive=True,
)

INVENTORIES = Operation(
    name="inventories",
    id="getCustomerInventory",
    method="GET",
    path="/v1/customer_profiles/{integrationId}/inventory",
    summary="read what customers have: coupons, referrals, loyalty, giveaways",
    source="API.md §3.6",
    fields=(
        fields.profile_id("integrationId", place=Place.PATH),
        *(
            fields.flag(name, f"with the customer's {what}")
            for name, what in (
                ("profile", "profile"),
                ("referrals", "referral codes"),
                ("coupons", "coupons"),
                ("loyalty", "loyalty cards and programs"),
                ("giveaways", "giveaways"),
                ("achievements", "achievements"),
            )
        ),
    ),
    key="integrationId",
    lanes=(),
    repeat=Repeat.SAFE,
    success=(200,),
    answer=fields.INVENTORY,
)

RESERVED_CUSTOMERS = Operation(
    name="reserved-customers",
    id="getReservedCustomers",
    method="GET",
    path="/v1/coupon_reservations/customerprofiles/{couponValue}",
    summary="read for whom coupons are reserved",
    source="API.md §3.7",
    fields=(fields.coupon_value("the coupon that is asked about"),),
    key="couponValue",
    lanes=(),
    repeat=Repeat.SAFE,
    success=(200,),
    answer=AnswerShape(
        fields=(
            AnswerField(name="customers", kind=Kind.INTEGER, at="totalResultSize"),
            AnswerField(name="integrationIds", kind=Kind.STRINGS, at="data[].integrationId"),
        )
    ),
)

EVENTS = Operation(
    name="events",
    id="trackEventV2",
    method="POST",
    path="/v2/events",
    summary="track events; rules are run",
    source="API.md §6",
    fields=(*fields.EVENT, fields.content(fields.PROFILE_CONTENT), *fields.EVENT_OPTIONS),
    key="profileId",
    lanes=("profileId",),
    repeat=Repeat.KEYED,
    idempotency_key=True,
    success=(200, 204),
    answer=AnswerShape(fields=fields.EFFECTS),
    entity="Event",
)

EVENTS_V3 = Operation(
    name="events-v3",
    id="trackEventV3",
    method="POST",
    path="/v3/events",
    summary="track events by an id of their own: one that is there already is not tracked again",
    source="API.md §6",
    fields=(
        Field(
            name="integrationId",
            place=Place.BODY,
            required=True,
            length_min=1,
            about="the event's own id, unique for ever",
        ),
        *fields.EVENT,
        fields.content(fields.EVENT_V3_CONTENT),
        Field(
            name="connectedSessionId",
            place=Place.BODY,
            length_min=1,
            about="the closed session that the event belongs to",
        ),
        *fields.EVENT_OPTIONS,
    ),
    key="integrationId",
    lanes=("integrationId", "profileId"),
    repeat=Repeat.SAFE,
    success=(200, 204),
    conflict=Conflict.DONE,
    answer=AnswerShape(fields=fields.EFFECTS),
    entity="Event",
)
