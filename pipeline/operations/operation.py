"""What can be said of an operation of the API: the words in which `catalogue` is written.

Only shapes and enumerations live here; never behaviour, and never one operation in particular.
"""

import enum

from msgspec import Struct


class Kind(enum.StrEnum):
    """The JSON form of a value (API.md §2.6)."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    STRINGS = "list string"
    INTEGERS = "list integer"
    NUMBERS = "list number"
    TIMES = "list time"
    JSON = "json"
    """An object or list passed through as it came: JSON text in CSV, nested columns in Parquet."""


class Place(enum.StrEnum):
    """Where in a request a field goes."""

    PATH = "path"
    QUERY = "query"
    BODY = "body"
    """Beside the rows of a bulk request (constant for all of them), or the body of a single one."""
    ROW = "row"
    """In each element of the list that a bulk request carries."""
    LINE = "line"
    """In an element of `Operation.lines`, a list that several rows of one key make up: a cart."""


class Repeat(enum.StrEnum):
    """What sending the same request again does (DESIGN §4)."""

    SAFE = "safe"
    KEYED = "keyed"
    NEVER = "never"


class Shape(enum.StrEnum):
    """What an element of a bulk request's list is."""

    OBJECT = "object"
    SCALAR = "scalar"


class Missing(enum.StrEnum):
    """What a 404 means (DESIGN §5)."""

    REFUSE = "refuse"
    """What the request names is not there: its rows are refused."""
    ISOLATE = "isolate"
    """One of several things named is not there: look for the rows that name it."""
    DONE = "done"
    """What was to be removed is gone already."""
    STOP = "stop"
    """The route itself is gone: nothing of this job can be delivered."""


class Conflict(enum.StrEnum):
    """What a 409 means (API.md §2.7)."""

    RETRY = "retry"
    """Too many updates of one profile or session at the same time."""
    DONE = "done"
    """It exists already, where the answer says so: an earlier attempt has arrived."""


class Field(Struct, frozen=True, kw_only=True):
    """One field of an operation, by the name that the API's documentation gives it.

    A name that ends in `.*` is a family: `attributes.*` stands for every `attributes.<Name>`.
    Lengths count characters, of each element where the kind is a list.
    """

    name: str
    kind: Kind = Kind.STRING
    place: Place = Place.ROW
    required: bool = False
    at: str = ""
    """Dotted path in the body, or name in the query or path, where it is not `name`."""
    length_min: int | None = None
    length_max: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    elements_max: int | None = None
    constant: bool = False
    """Whether the rows of one request must agree on it although it stands in each of them."""
    needs: str = ""
    """Another list that must be sent, empty at least, as soon as this one is (API.md §3.11)."""
    only_with: str = ""
    """A flag that must be true where this is sent."""
    elements: "tuple[Field, ...]" = ()
    """Of a JSON list of objects: what each of them has. What else is in them is not looked at."""
    total_max: tuple[str, int] | None = None
    """Of a JSON list: a member, and what its values may add up to."""
    choices: tuple[str, ...] = ()
    pattern: str = ""
    default: str | int | bool | None = None
    aliases: tuple[str, ...] = ()
    about: str = ""

    @property
    def is_family(self) -> bool:
        """Whether the name stands for many: `attributes.*`."""
        return self.name.endswith(".*")

    @property
    def path(self) -> str:
        """Where it goes in the body (dotted), the query or the path."""
        return self.at or self.name


class AnswerField(Struct, frozen=True, kw_only=True):
    """One typed column that the results keep of an answer.

    `at`: dotted path; `[]` after a name walks a list, `[name=value]` those of its objects that have
    this value: `effects[effectType=rejectCoupon].props.value`. An object, or with `many` a list of
    objects, has `fields` and becomes a nested column; without them JSON is kept as its text.
    """

    name: str
    kind: Kind
    at: str
    fields: "tuple[AnswerField, ...]" = ()
    many: bool = False


class AnswerShape(Struct, frozen=True, kw_only=True):
    """How the answer to a request speaks of its rows.

    `rows_at`: dotted path of the list with one object per row ("" where the answer is about the
    only row of a request, or equally about all rows). `match`: path within such an object that
    equals the row's key; answers are matched by it and never by position (API.md §3.3).
    """

    fields: tuple[AnswerField, ...] = ()
    rows_at: str = ""
    match: str = ""


class Evidence(Struct, frozen=True, kw_only=True):
    """Where the API can be asked whether it has applied a row that is in doubt (DESIGN §4)."""

    look_up: str
    """Name of the operation that reads what belongs to a key."""
    by: str
    """Its field for the key."""
    flags: tuple[str, ...]
    """Its fields that must be true."""
    found_at: str
    """Of its answer: the list of what belongs to the key."""
    unique: str
    """Of an element of it: what no two of them share; also a field of the results."""
    created: str
    """Of an element: the time at which it was made."""
    batch: str
    """Of an element: what those that one request has made share; "" where it is not given."""
    about: str
    """Constant of the request that an element must agree on to be looked at."""
    equal: tuple[str, ...]
    """Further constants of the request that it must agree on to be the one."""


class Operation(Struct, frozen=True, kw_only=True):
    """Everything that the stages, the tests and the documentation know of an operation."""

    name: str
    """What users type."""
    id: str
    """The operationId of the official document."""
    method: str
    path: str
    """Template with `{field}` segments."""
    summary: str
    source: str
    """Where the facts stand, e.g. "API.md §3.12"."""
    fields: tuple[Field, ...]
    key: str
    """The field that results call the row's key."""
    lanes: tuple[str, ...]
    """Fields of which no two requests in flight may share a value."""
    repeat: Repeat
    success: tuple[int, ...]
    rows_max: int = 1
    """Rows per request; above one it is a bulk operation."""
    envelope: str = ""
    """The body's list that holds the rows of a bulk operation."""
    shape: Shape = Shape.OBJECT
    idempotency_key: bool = False
    """Whether the operation documents the Idempotency-Key header (API.md §2.9)."""
    missing: Missing = Missing.REFUSE
    missing_names: str = ""
    """For Missing.ISOLATE: the field whose values a 404 may speak of."""
    conflict: Conflict = Conflict.RETRY
    answer: AnswerShape = AnswerShape()
    evidence: Evidence | None = None
    """How a doubt is settled by asking; None: it cannot be."""
    replaces: tuple[str, ...] = ()
    """Fields: a later row of equal values takes the place of an earlier one; none: never."""
    destructive: bool = False
    """Whether it removes what cannot be brought back: it asks first."""
    retired: bool = False
    """Whether today's document no longer has it (V1)."""
    successor: str = ""
    """Name of the operation that came after a retired one."""
    in_bulk: str = ""
    """Name of the faster operation that does the same for many rows."""
    entity: str = ""
    """Whose attributes `attributes.*` are, as GET /v1/attributes names it."""
    wrap: str = ""
    """Object of the body that holds a single-row operation's fields, unless they say otherwise."""
    lines: str = ""
    """The field, a list, that rows of one key make up together: the cart of a session."""

    @property
    def bulk(self) -> bool:
        """Whether one request carries many rows."""
        return self.rows_max > 1

    @property
    def constants(self) -> tuple[Field, ...]:
        """The fields that all rows of one bulk request must agree on; none for a single-row one."""
        if not self.bulk:
            return ()
        return tuple(f for f in self.fields if f.constant or f.place is not Place.ROW)

    @property
    def unique(self) -> tuple[str, ...]:
        """The fields whose values may not repeat within one request."""
        rows = {f.name for f in self.fields if f.place is Place.ROW}
        return tuple(lane for lane in self.lanes if lane in rows) if self.bulk else ()

    def field(self, name: str) -> Field | None:
        """Return the field called *name*, the family it belongs to, or None."""
        for candidate in self.fields:
            if name in (candidate.name, *candidate.aliases):
                return candidate
        for candidate in self.fields:
            if candidate.is_family and name.startswith(candidate.name[:-1]):
                return candidate
        return None
