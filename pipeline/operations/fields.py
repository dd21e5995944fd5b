"""The fields that several operations share, with the limits that API.md §2.4 and §3 give them.

Data only. A field is named as the API's documentation names it.
"""

from pipeline.operations.operation import AnswerField, AnswerShape, Field, Kind, Place

PROFILE_ID_LENGTH_MAX = 1000
"""API.md §2.4; one is the least, since an empty id would hit the collection (§2.2)."""
CODE_LENGTH_MAX = 100
USAGE_LIMIT_MAX = 999_999
INT64_MAX = 2**63 - 1


def profile_id(name: str, *, place: Place = Place.ROW, aliases: tuple[str, ...] = ()) -> Field:
    """Return the required field *name* that holds a profile's integration id."""
    return Field(
        name=name,
        place=place,
        required=True,
        length_min=1,
        length_max=PROFILE_ID_LENGTH_MAX,
        aliases=aliases,
        about="the profile's integration id",
    )


def attributes(place: Place = Place.ROW, *, required: bool = False) -> Field:
    """Return the family `attributes.*`; *required* sends an empty object where there are none."""
    return Field(
        name="attributes.*",
        kind=Kind.JSON,
        place=place,
        required=required,
        about="custom attributes, each by its name in the account",
    )


def silent(default: str) -> Field:
    """Return the option `silent`, always sent: its default has changed since (API.md §5)."""
    return Field(
        name="silent",
        place=Place.QUERY,
        choices=("yes", "no"),
        default=default,
        about="yes: a short answer; no: the answer says what was stored",
    )


def flag(name: str, about: str) -> Field:
    """Return the boolean option *name* of the query; not sent unless it is given."""
    return Field(name=name, kind=Kind.BOOLEAN, place=Place.QUERY, about=about)


def content(choices: str) -> Field:
    """Return the option `responseContent` with the values that *choices* lists."""
    return Field(
        name="responseContent",
        kind=Kind.STRINGS,
        place=Place.BODY,
        choices=tuple(choices.split()),
        at="/responseContent",
        about="what the answer tells beside the effects",
    )


def coupon_value(about: str) -> Field:
    """Return the coupon's code as a segment of the path."""
    return Field(name="couponValue", place=Place.PATH, required=True, length_min=4, about=about)


CAMPAIGN = Field(
    name="campaignId",
    kind=Kind.INTEGER,
    place=Place.BODY,
    required=True,
    minimum=1,
    about="the campaign that the referral belongs to",
)
REFERRAL_LIMITS = (
    Field(name="startDate", kind=Kind.TIME, place=Place.BODY, about="valid from"),
    Field(
        name="expiryDate", kind=Kind.TIME, place=Place.BODY, about="valid until; left out: for ever"
    ),
    Field(
        name="usageLimit",
        kind=Kind.INTEGER,
        place=Place.BODY,
        minimum=0,
        maximum=USAGE_LIMIT_MAX,
        default=0,
        about="how often a code can be used; 0: no limit",
    ),
    attributes(Place.BODY),
)
RESERVED = AnswerShape(
    fields=(
        AnswerField(name="couponId", kind=Kind.INTEGER, at="id"),
        AnswerField(name="campaignId", kind=Kind.INTEGER, at="campaignId"),
        AnswerField(name="reservationCounter", kind=Kind.NUMBER, at="reservationCounter"),
    )
)
REFERRAL = (
    AnswerField(name="code", kind=Kind.STRING, at="code"),
    AnswerField(name="id", kind=Kind.INTEGER, at="id"),
    AnswerField(name="usageCounter", kind=Kind.INTEGER, at="usageCounter"),
    AnswerField(name="batchId", kind=Kind.STRING, at="batchId"),
)
EFFECTS = (
    AnswerField(name="effectTypes", kind=Kind.STRINGS, at="effects[].effectType"),
    AnswerField(name="createdCoupons", kind=Kind.STRINGS, at="createdCoupons[].value"),
    AnswerField(name="createdReferrals", kind=Kind.STRINGS, at="createdReferrals[].code"),
)
STATE_V1 = AnswerShape(
    fields=(
        AnswerField(name="total", kind=Kind.NUMBER, at="session.total"),
        AnswerField(name="profileId", kind=Kind.INTEGER, at="profile.id"),
        AnswerField(name="effects", kind=Kind.JSON, at="event.effects"),
    )
)
DRY = flag("dry", "evaluate, and store nothing")
SESSION_STATES = ("open", "closed", "cancelled")
SESSION_CONTENT = (
    "customerSession customerProfile coupons triggeredCampaigns referral loyalty event "
    "awardedGiveaways ruleFailureReasons previousReturns campaignEligibility achievements"
)
PROFILE_CONTENT = (
    "customerProfile triggeredCampaigns loyalty event awardedGiveaways ruleFailureReasons "
    "campaignEligibility achievements"
)
FORCE = flag("forceCompleteEvaluation", "evaluate all campaigns; only with dry")
EVENT = (
    profile_id("profileId", place=Place.BODY),
    Field(name="type", place=Place.BODY, required=True, length_min=1, about="the event's type"),
    attributes(Place.BODY),
    Field(
        name="storeIntegrationId",
        place=Place.BODY,
        length_min=1,
        length_max=1000,
        about="the store's integration id",
    ),
    Field(
        name="evaluableCampaignIds",
        kind=Kind.INTEGERS,
        place=Place.BODY,
        about="the campaigns to evaluate; only with dry",
    ),
    Field(
        name="loyaltyCards",
        kind=Kind.STRINGS,
        place=Place.BODY,
        elements_max=1,
        length_min=4,
        length_max=108,
        about="the loyalty card that is used",
    ),
    content(PROFILE_CONTENT),
)
REJECTIONS = (
    AnswerField(
        name="rejectedCoupons",
        kind=Kind.STRINGS,
        at="effects[effectType=rejectCoupon].props.value",
    ),
    AnswerField(
        name="rejectionReasons",
        kind=Kind.STRINGS,
        at="effects[effectType=rejectCoupon].props.rejectionReason",
    ),
)
INVENTORY = AnswerShape(
    fields=(
        AnswerField(name="profile", kind=Kind.JSON, at="profile"),
        AnswerField(name="referrals", kind=Kind.JSON, at="referrals"),
        AnswerField(name="coupons", kind=Kind.JSON, at="coupons"),
        AnswerField(name="loyalty", kind=Kind.JSON, at="loyalty"),
        AnswerField(name="giveaways", kind=Kind.JSON, at="giveaways"),
        AnswerField(name="achievements", kind=Kind.JSON, at="achievements"),
    )
)
