"""The literals: one `Operation` for each operation that the loader knows; nothing else.

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
    entity="Referral",
)

OPERATIONS: tuple[Operation, ...] = (PROFILES, AUDIENCES, REFERRALS)
"""Every operation, in the order in which they are listed to people."""


def names() -> tuple[str, ...]:
    """Return what an operation may be called: every name, then every operationId."""
    return tuple(o.name for o in OPERATIONS) + tuple(o.id for o in OPERATIONS)


def find(name: str) -> Operation | None:
    """Return the operation called *name*, by its name or its operationId, or None."""
    return next((o for o in OPERATIONS if name in (o.name, o.id)), None)
