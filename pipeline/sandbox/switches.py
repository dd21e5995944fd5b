"""What the API leaves undocumented, and what an account decides: each a switch with a stated default.

One table, `SWITCHES`, is the whole list: `pipeline sandbox --help`, the command line and `Embedded`
are made from it. The numbers refer to API.md: §11.n is its list of open questions. This file knows
nothing of requests or state.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One decision. `values` lists what it may be; empty means free text, which `says` describes."""

    name: str
    default: str
    values: tuple[str, ...] = ()
    says: str


SWITCHES = (
    # The account: with the defaults everything that is named exists, so that nothing need be prepared.
    Switch(
        name="attributes",
        default="",
        says="FILE with the account's attributes, as GET /v1/attributes gives them",
    ),
    Switch(
        name="strict",
        default="no",
        values=("no", "yes"),
        says="refuse attributes that nobody declared",
    ),
    Switch(
        name="audiences",
        default="any",
        says="`any`, or the ids that exist (101,102); others are 404",
    ),
    Switch(name="campaigns", default="any", says="`any`, or the ids that exist; others are 400"),
    Switch(name="coupons", default="any", says="`any`, or the values that exist; others are 404"),
    Switch(name="catalogs", default="any", says="`any`, or the ids that exist; others are 404"),
    Switch(
        name="event-types",
        default="any",
        says="`any`, or the event types that exist; others are 400",
    ),
    # The undocumented.
    Switch(
        name="bulk-refusal",
        default="whole",
        values=("whole", "partial"),
        says="a bad row in a bulk request: nothing is stored, or its neighbours are (400 either way; §11.1)",
    ),
    Switch(
        name="pointers",
        default="indexed",
        values=("indexed", "relative", "none"),
        says="errors of bulk bodies point at the row, into the row without its index, or nowhere (§11.2)",
    ),
    Switch(
        name="errors-listed",
        default="all",
        values=("all", "first"),
        says="how many errors are listed (§11.2)",
    ),
    Switch(
        name="too-many", default="400", values=("400", "413"), says="more than 1000 rows (§11.3)"
    ),
    Switch(
        name="duplicates",
        default="accept",
        values=("accept", "refuse"),
        says="one key twice in a request: taken in order, or 400 (§11.4)",
    ),
    Switch(
        name="unknown-profiles",
        default="create",
        values=("create", "refuse"),
        says="a reservation or referral for an unknown profile makes it, or is refused (§11.5)",
    ),
    Switch(
        name="null",
        default="unset",
        values=("unset", "keep", "refuse"),
        says="an attribute that is null: removed, stored as null, or `Invalid type` (§11.6)",
    ),
    Switch(
        name="merge",
        default="merge",
        values=("merge", "replace"),
        says="attributes of a profile that are not sent: kept, or dropped (§11.6)",
    ),
    Switch(
        name="silent",
        default="yes",
        values=("yes", "no"),
        says="what is meant when `silent` is not sent (§11.7)",
    ),
    Switch(
        name="key-reuse",
        default="422",
        values=("422", "400", "apply"),
        says="an idempotency key again with other bytes: refused, or applied as if new (§11.8)",
    ),
    Switch(
        name="key-errors",
        default="forget",
        values=("forget", "keep"),
        says="error answers under an idempotency key: not stored, or stored and replayed (§11.8)",
    ),
    Switch(
        name="second-erasure",
        default="204",
        values=("204", "404"),
        says="erasing the same profile again (§11.9)",
    ),
    Switch(
        name="v1", default="served", values=("served", "gone"), says="the three V1 routes (§11.10)"
    ),
    Switch(
        name="usage-limit",
        default="required",
        values=("required", "optional"),
        says="`usageLimit` of referrals for several advocates; the official document requires it",
    ),
    Switch(
        name="referral-order",
        default="shuffled",
        values=("shuffled", "kept"),
        says="order of the referrals in an answer; nobody promises the order of the request",
    ),
    Switch(
        name="bearer",
        default="refused",
        values=("refused", "accepted"),
        says="`Authorization: Bearer` on updateCustomerProfileAudiences, as the oldest reference had it (§2.1)",
    ),
    # The server.
    Switch(
        name="validate",
        default="full",
        values=("full", "light"),
        says="bulk profiles against the whole schema and the attributes, or only their shape and ids",
    ),
    Switch(
        name="requests-kept", default="1000", says="how many requests /_sandbox/requests remembers"
    ),
    Switch(name="data", default="", says="FOLDER that keeps the state over restarts"),
)


class Switches:
    """Every switch with its value; `switches["null"]`. Unknown names and values are a ValueError."""

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        """Take *given*, the values that differ from the defaults."""
        self._values = {switch.name: switch.default for switch in SWITCHES}
        known = {switch.name: switch for switch in SWITCHES}
        for name, value in (given or {}).items():
            if (switch := known.get(name)) is None:
                msg = f"the sandbox has no switch {name!r}; it has {', '.join(sorted(known))}"
                raise ValueError(msg)
            if switch.values and value not in switch.values:
                msg = f"sandbox switch {name}: {value!r} is none of {', '.join(switch.values)}"
                raise ValueError(msg)
            self._values[name] = value

    def __getitem__(self, name: str) -> str:
        """Return the value of the switch *name*."""
        return self._values[name]

    def numbers(self, name: str) -> int:
        """Return the value of the switch *name* as a whole number."""
        try:
            return int(self._values[name])
        except ValueError:
            msg = f"sandbox switch {name}: {self._values[name]!r} is not a whole number"
            raise ValueError(msg) from None

    def exists(self, name: str, value: object) -> bool:
        """Tell whether *value* is in the list that the switch *name* holds; `any` has everything."""
        listed = self._values[name]
        return listed == "any" or str(value) in {part.strip() for part in listed.split(",")}

    def as_dict(self) -> dict[str, str]:
        """Return all names with their values."""
        return dict(self._values)
