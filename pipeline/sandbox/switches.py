"""What the API leaves undocumented, and what an account decides, each a switch with a default.

One table, `SWITCHES`, is the whole list: `pipeline sandbox --help`, the command line and `Embedded`
are made from it. This file knows nothing of requests or state.
"""

from collections.abc import Mapping

from msgspec import Struct


class Switch(Struct, frozen=True, kw_only=True):
    """One decision. `values` lists what it may be; empty means text, which `says` describes."""

    name: str
    default: str
    values: tuple[str, ...] = ()
    says: str


def _choice(name: str, values: str, says: str) -> Switch:
    """Make a switch with one of *values*; the first is the default."""
    listed = tuple(values.split())
    return Switch(name=name, default=listed[0], values=listed, says=says)


def _text(name: str, default: str, says: str) -> Switch:
    return Switch(name=name, default=default, says=says)


ANY = "any"  # everything that is named exists
SWITCHES = (
    # The account. With the defaults all that is named exists: nothing need be prepared.
    _text("attributes", "", "FILE with the account's attributes, as GET /v1/attributes gives them"),
    _choice("strict", "no yes", "refuse attributes that nobody declared"),
    _text("audiences", ANY, "`any`, or the ids that exist (101,102); others are 404"),
    _text("campaigns", ANY, "`any`, or the ids that exist; others are 400"),
    _text("coupons", ANY, "`any`, or the values that exist; others are 404, or rejected by rules"),
    _text("catalogs", ANY, "`any`, or the ids that exist; others are 404"),
    _text("event-types", ANY, "`any`, or the event types that exist; others are 400"),
    _choice("effects", "none sample", "of rules: none, or per closed session a coupon and a code"),
    # The undocumented: API.md §11.1 to §11.10 in that order, then what came up since.
    _choice(
        "bulk-refusal",
        "whole partial",
        "a bad row in a bulk request: nothing is stored, or its neighbours are; still 400",
    ),
    _choice(
        "pointers",
        "indexed relative none",
        "errors of bulk bodies point at the row, into the row without its number, nowhere",
    ),
    _choice("errors-listed", "all first", "how many errors an answer lists"),
    _choice("too-many", "400 413", "more than 1000 rows"),
    _choice("duplicates", "accept refuse", "one key twice in a request: in order, or 400"),
    _choice(
        "unknown-profiles",
        "create refuse",
        "a reservation or a referral for an unknown profile makes it, or is refused",
    ),
    _choice("null", "unset keep refuse", "an attribute that is null: removed, kept, 400"),
    _choice("merge", "merge replace", "attributes of a profile not sent: kept, dropped"),
    _choice("silent", "yes no", "what is meant where `silent` is not sent"),
    _choice("key-reuse", "422 400 apply", "an idempotency key with other bytes"),
    _choice("key-errors", "forget keep", "error answers under an idempotency key"),
    _choice("second-erasure", "204 404", "erasing the same profile again"),
    _choice("v1", "served gone", "the three V1 routes"),
    _choice(
        "late-updates",
        "refuse ignore",
        "a session asked for what its state forbids (closed → closed): 400, or 200 and no change",
    ),
    _choice(
        "usage-limit",
        "required optional",
        "`usageLimit` of referrals for several advocates: required by today's official document",
    ),
    _choice(
        "referral-order",
        "shuffled kept",
        "order of the referrals in an answer: nobody promises that of the request",
    ),
    _choice("bearer", "refused accepted", "`Bearer` on updateCustomerProfileAudiences"),
    # The server.
    _choice("validate", "full light", "bulk profiles: schema and attributes, or shape and ids"),
    _text("body-bytes-max", "67108864", "a larger request body is 413; nobody documents a limit"),
    _text("requests-kept", "1000", "how many requests /_sandbox/requests remembers"),
    _text("data", "", "FOLDER that keeps the state over restarts"),
)


class Switches:
    """Every switch with its value. Unknown names and values are a ValueError."""

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        """Take *given*, the values that differ from the defaults."""
        self._values = {switch.name: switch.default for switch in SWITCHES}
        known = {switch.name: switch for switch in SWITCHES}
        for name, value in (given or {}).items():
            if (switch := known.get(name)) is None:
                raise ValueError(f"there is no switch {name!r}; there are {', '.join(known)}")
            if switch.values and value not in switch.values:
                raise ValueError(f"switch {name}: {value!r} is none of {', '.join(switch.values)}")
            self._values[name] = value
        self._listed = {
            name: frozenset(part.strip() for part in self._values[name].split(","))
            for name in (switch.name for switch in SWITCHES if switch.default == ANY)
        }

    def __getitem__(self, name: str) -> str:
        """Return the value of the switch *name*."""
        return self._values[name]

    def number(self, name: str) -> int:
        """Return the value of the switch *name* as a whole number, 0 or more."""
        value = self._values[name]
        if not (value.isascii() and value.isdigit()):
            raise ValueError(f"switch {name}: {value!r} is not a whole number")
        return int(value)

    def exists(self, name: str, value: object) -> bool:
        """Tell whether *value* is in the list of the switch *name*; `any` lists everything."""
        listed = self._listed[name]
        return ANY in listed or str(value) in listed

    def as_dict(self) -> dict[str, str]:
        """Return all names with their values."""
        return dict(self._values)
