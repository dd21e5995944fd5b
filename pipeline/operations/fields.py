"""The fields that several operations share, with the limits that API.md §2.4 and §3 give them.

Data only. A field is named as the API's documentation names it.
"""

from msgspec.structs import replace

from pipeline.operations.operation import AnswerField, AnswerShape, Evidence, Field, Kind, Place

PROFILE_ID_LENGTH_MAX = 1000
"""API.md §2.4; one is the least, since an empty id would hit the collection (§2.2)."""
CODE_LENGTH_MAX = 100
USAGE_LIMIT_MAX = 999_999
CART_LINES_MAX = 1000
CART_QUANTITY_MAX = 10_000
"""Of all lines of a cart together (API.md §3.14)."""


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


def flag(name: str, about: str, *, only_with: str = "") -> Field:
    """Return the boolean option *name* of the query; not sent unless it is given."""
    return Field(name=name, kind=Kind.BOOLEAN, place=Place.QUERY, only_with=only_with, about=about)


def content(choices: str, *, only_with: str = "") -> Field:
    """Return the option `responseContent` with the values that *choices* lists."""
    return Field(
        only_with=only_with,
        name="responseContent",
        kind=Kind.STRINGS,
        place=Place.BODY,
        choices=tuple(choices.split()),
        at="/responseContent",
        about="what the answer tells beside the effects",
    )


def cart(elements: tuple[Field, ...]) -> tuple[Field, ...]:
    """Return the cart in its two forms: a list, and lines of it that rows have one by one."""
    return (
        Field(
            name="cartItems",
            kind=Kind.JSON,
            place=Place.BODY,
            elements_max=CART_LINES_MAX,
            elements=elements,
            total_max=("quantity", CART_QUANTITY_MAX),
            about="the cart: a list of objects, as the API has them",
        ),
        *(
            replace(element, name=f"cartItem.{element.name}", at=element.path, place=Place.LINE)
            for element in elements
            if element.kind is not Kind.JSON
        ),
        Field(
            name="cartItem.attributes.*",
            kind=Kind.JSON,
            place=Place.LINE,
            at="attributes.*",
            about="custom attributes of the line, each by its name in the account",
        ),
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
CODES = Evidence(
    look_up="inventories",
    by="integrationId",
    flags=("referrals",),
    found_at="referrals",
    unique="code",
    created="created",
    batch="batchId",
    about="campaignId",
    equal=("startDate", "expiryDate", "usageLimit", "attributes", "friendProfileIntegrationId"),
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
EVENT_V3_CONTENT = (
    "customerProfile triggeredCampaigns loyalty advancedEvent awardedGiveaways ruleFailureReasons"
)
EVALUABLE = Field(
    name="evaluableCampaignIds",
    kind=Kind.INTEGERS,
    place=Place.BODY,
    only_with="dry",
    about="the campaigns to evaluate",
)
STORE = Field(
    name="storeIntegrationId",
    place=Place.BODY,
    length_min=1,
    length_max=1000,
    about="the store's integration id",
)
LOYALTY_CARDS = Field(
    name="loyaltyCards",
    kind=Kind.STRINGS,
    place=Place.BODY,
    elements_max=1,
    length_min=4,
    length_max=108,
    pattern=r"^[A-Za-z0-9._%+@-]+$",
    about="the loyalty card that is used",
)
OWNER = Field(
    name="profileId",
    place=Place.BODY,
    length_max=PROFILE_ID_LENGTH_MAX,
    about="the profile's integration id; left out: anonymous",
)
SESSION_ID = Field(
    name="customerSessionId",
    place=Place.PATH,
    required=True,
    length_min=1,
    aliases=("sessionId",),
    about="the session's integration id",
)
SESSION_STATE = Field(
    name="state", place=Place.BODY, choices=SESSION_STATES, about="left out: as it is, or open"
)
EVENT_TYPE = Field(
    name="type", place=Place.BODY, required=True, length_min=1, about="the event's type"
)
EVENT = (
    profile_id("profileId", place=Place.BODY),
    EVENT_TYPE,
    attributes(Place.BODY),
    STORE,
    EVALUABLE,
    LOYALTY_CARDS,
)
EVENT_OPTIONS = (
    silent("yes"),
    DRY,
    flag("forceCompleteEvaluation", "evaluate all campaigns", only_with="dry"),
)
_NUMBERS_OF_A_LINE = ("weight", "height", "width", "length")
CART_V1 = (
    Field(name="sku", required=True, length_min=1, about="the article's number"),
    Field(name="quantity", kind=Kind.INTEGER, required=True, minimum=1, about="how many of it"),
    Field(name="price", kind=Kind.NUMBER, required=True, about="of one of it"),
    Field(name="name", required=True, length_min=1, about="what it is called"),
    Field(name="category", about="its category"),
    *(Field(name=name, kind=Kind.NUMBER, about="of one of it") for name in _NUMBERS_OF_A_LINE),
    Field(name="attributes", kind=Kind.JSON, about="custom attributes"),
)
CART = (
    Field(name="sku", required=True, length_min=1, about="the article's number"),
    Field(name="quantity", kind=Kind.INTEGER, required=True, minimum=1, about="how many of it"),
    Field(name="price", kind=Kind.NUMBER, about="of one of it; left out: the catalog's"),
    Field(name="name", about="what it is called"),
    *CART_V1[4:],
    Field(name="product", kind=Kind.JSON, about="its product: {name}"),
    Field(name="additionalCosts", kind=Kind.JSON, about="name → {price}"),
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


def _answer(kind: Kind, names: str) -> tuple[AnswerField, ...]:
    return tuple(AnswerField(name=name, kind=kind, at=name) for name in names.split())


INVENTORY = AnswerShape(
    fields=(
        AnswerField(
            name="profile",
            kind=Kind.JSON,
            at="profile",
            fields=(
                *_answer(Kind.INTEGER, "id closedSessions"),
                *_answer(Kind.STRING, "integrationId created lastActivity"),
                *_answer(Kind.NUMBER, "totalSales"),
                *_answer(Kind.JSON, "attributes"),
                AnswerField(name="audiences", kind=Kind.INTEGERS, at="audienceMemberships[].id"),
            ),
        ),
        AnswerField(
            name="referrals",
            kind=Kind.JSON,
            at="referrals",
            many=True,
            fields=(
                *_answer(Kind.INTEGER, "id campaignId usageCounter usageLimit"),
                *_answer(Kind.STRING, "code created startDate expiryDate batchId"),
                *_answer(Kind.STRINGS, "referredCustomers"),
                *_answer(Kind.JSON, "attributes"),
            ),
        ),
        AnswerField(
            name="coupons",
            kind=Kind.JSON,
            at="coupons",
            many=True,
            fields=(
                *_answer(Kind.INTEGER, "id campaignId usageCounter usageLimit"),
                *_answer(Kind.INTEGER, "profileRedemptionCount"),
                *_answer(Kind.STRING, "value state created startDate expiryDate batchId"),
                *_answer(Kind.NUMBER, "reservationCounter discountCounter discountRemainder"),
                *_answer(Kind.JSON, "attributes"),
            ),
        ),
        AnswerField(
            name="giveaways",
            kind=Kind.JSON,
            at="giveaways",
            many=True,
            fields=(
                *_answer(Kind.INTEGER, "id poolId"),
                *_answer(Kind.STRING, "code created startDate endDate"),
                *_answer(Kind.BOOLEAN, "used"),
                *_answer(Kind.JSON, "attributes"),
            ),
        ),
        AnswerField(
            name="achievements",
            kind=Kind.JSON,
            at="achievements",
            many=True,
            fields=(
                *_answer(Kind.INTEGER, "achievementId campaignId"),
                *_answer(Kind.STRING, "name title status startDate endDate completionDate"),
                *_answer(Kind.NUMBER, "progress target"),
            ),
        ),
        # Named by the account's programs: an object whose keys are data, so it stays text.
        AnswerField(name="loyalty", kind=Kind.JSON, at="loyalty"),
    )
)
