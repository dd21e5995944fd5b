"""The operations that carry many rows in one request, as the API has them; literals only.

A test holds each of them against the official OpenAPI document.
"""

from pipeline.operations import fields
from pipeline.operations.operation import (
    AnswerField,
    AnswerShape,
    Field,
    Kind,
    Missing,
    Operation,
    Place,
    Repeat,
    Shape,
)

PROFILES = Operation(
    name="profiles",
    id="updateCustomerProfilesV2",
    method="PUT",
    path="/v2/customer_profiles",
    summary="create or update customer profiles; no rules are run",
    source="API.md §3.12",
    fields=(fields.profile_id("integrationId"), fields.attributes(), fields.silent("yes")),
    key="integrationId",
    lanes=("integrationId",),
    repeat=Repeat.SAFE,
    success=(200, 204),
    rows_max=1000,
    envelope="customerProfiles",
    idempotency_key=True,
    replaces=("integrationId",),
    answer=AnswerShape(
        rows_at="integrationStates",
        match="customerProfile.integrationId",
        fields=(
            AnswerField(name="id", kind=Kind.INTEGER, at="customerProfile.id"),
            AnswerField(name="created", kind=Kind.STRING, at="customerProfile.created"),
        ),
    ),
    entity="CustomerProfile",
)

AUDIENCES = Operation(
    name="audiences",
    id="updateCustomerProfileAudiences",
    method="POST",
    path="/v2/customer_audiences",
    summary="add profiles to audiences, or take them out",
    source="API.md §3.10",
    fields=(
        fields.profile_id("profileIntegrationId", aliases=("integrationId",)),
        Field(
            name="audienceId",
            kind=Kind.INTEGER,
            required=True,
            minimum=1,
            about="the audience's id in the account",
        ),
        Field(
            name="action",
            choices=("add", "delete"),
            required=True,
            default="add",
            about="add to the audience, or delete from it",
        ),
    ),
    key="profileIntegrationId",
    lanes=("profileIntegrationId",),
    repeat=Repeat.SAFE,
    success=(200, 204),
    rows_max=1000,
    envelope="data",
    missing=Missing.ISOLATE,
    missing_names="audienceId",
    replaces=("profileIntegrationId", "audienceId"),
)

REFERRALS = Operation(
    name="referrals",
    id="createReferralsForMultipleAdvocates",
    method="POST",
    path="/v1/referrals_for_multiple_advocates",
    summary="create one referral code for each advocate of a campaign",
    source="API.md §3.3",
    fields=(
        fields.profile_id("advocateProfileIntegrationId", aliases=("integrationId",)),
        fields.CAMPAIGN,
        *fields.REFERRAL_LIMITS,
        Field(
            name="validCharacters",
            kind=Kind.STRINGS,
            place=Place.BODY,
            length_min=1,
            length_max=1,
            about="the characters that `#` of the pattern stands for",
        ),
        Field(
            name="referralPattern",
            place=Place.BODY,
            length_min=3,
            length_max=100,
            about="`#` is a random character: REF-###-###",
        ),
        fields.silent("no"),
    ),
    key="advocateProfileIntegrationId",
    lanes=("advocateProfileIntegrationId",),
    repeat=Repeat.NEVER,
    success=(200, 201, 204),
    rows_max=1000,
    envelope="advocateProfileIntegrationIds",
    shape=Shape.SCALAR,
    answer=AnswerShape(
        rows_at="data", match="advocateProfileIntegrationId", fields=fields.REFERRAL
    ),
    evidence=fields.CODES,
    entity="Referral",
)

RESERVATIONS = Operation(
    name="coupon-reservations",
    id="createCouponReservation",
    method="POST",
    path="/v1/coupon_reservations/{couponValue}",
    summary="reserve coupons for customers",
    source="API.md §3.1",
    fields=(
        fields.coupon_value("the coupon that is reserved"),
        fields.profile_id("integrationId"),
    ),
    key="integrationId",
    lanes=("couponValue", "integrationId"),
    repeat=Repeat.SAFE,
    success=(200, 201),
    rows_max=1000,
    envelope="integrationIDs",
    shape=Shape.SCALAR,
    answer=fields.RESERVED,
)

REMOVALS = Operation(
    name="coupon-reservation-removals",
    id="deleteCouponReservation",
    method="DELETE",
    path="/v1/coupon_reservations/{couponValue}",
    summary="take back reservations of coupons",
    source="API.md §3.4",
    fields=(
        fields.coupon_value("the coupon that is no longer reserved"),
        fields.profile_id("integrationId"),
    ),
    key="integrationId",
    lanes=("couponValue", "integrationId"),
    repeat=Repeat.SAFE,
    success=(200, 204),
    rows_max=1000,
    envelope="integrationIDs",
    shape=Shape.SCALAR,
    destructive=True,
)

CATALOG = Operation(
    name="catalog",
    id="syncCatalog",
    method="PUT",
    path="/v1/catalogs/{catalogId}/sync",
    summary="add, change or remove the articles of a catalog",
    source="API.md §6",
    fields=(
        Field(
            name="catalogId",
            kind=Kind.INTEGER,
            place=Place.PATH,
            required=True,
            minimum=1,
            about="the catalog's id in the account",
        ),
        Field(
            name="type",
            required=True,
            constant=True,
            default="ADD",
            choices=("ADD", "PATCH", "REMOVE"),
            about="what is done to the article; a request does one thing to all of its own",
        ),
        Field(
            name="sku", at="payload.sku", required=True, length_min=1, about="the article's number"
        ),
        Field(name="price", kind=Kind.NUMBER, at="payload.price", about="its price"),
        Field(
            name="product.name", at="payload.product.name", length_min=1, about="its product's name"
        ),
        Field(
            name="replaceIfExists",
            kind=Kind.BOOLEAN,
            at="payload.replaceIfExists",
            about="for ADD: replace an article that is there already",
        ),
        Field(
            name="createIfNotExists",
            kind=Kind.BOOLEAN,
            at="payload.createIfNotExists",
            about="for PATCH: add an article that is not there",
        ),
        Field(
            name="attributes.*",
            kind=Kind.JSON,
            at="payload.attributes.*",
            about="custom attributes, each by its name in the account",
        ),
    ),
    key="sku",
    lanes=("catalogId", "sku"),
    repeat=Repeat.SAFE,
    success=(200,),
    rows_max=1000,
    envelope="actions",
    replaces=("catalogId", "sku"),
    answer=AnswerShape(
        fields=(AnswerField(name="version", kind=Kind.INTEGER, at="version"),),
    ),
    entity="CartItem",
)
