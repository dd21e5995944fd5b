"""Sources whose outcome is known beforehand: what is rejected, what is refused, and what must hold.

Each row can be recognised in the body of a request: its mark. Knows the API's fields and the
sandbox's account (`ACCOUNT`); never how a run went.
"""

import csv
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.model import Status

DELIVERED, REFUSED, REJECTED = Status.DELIVERED, Status.REFUSED, Status.REJECTED
AUDIENCES, CAMPAIGNS = range(101, 141), (1, 2, 3)
COUPONS, RESERVED_FOR_OTHERS = ("COUPON1", "COUPON2", "COUPON3"), ("other1", "other2")
ABSENT = "9999"
"""An audience, a campaign and a coupon that do not exist."""
JOINED, NEVER = "2024-01-31T00:00:00Z", "never"
HOT_KEYS, HOT_SHARE, BAD_SHARE = 40, 0.08, 0.02
Mark = tuple[str, ...]
Line = tuple[Mark, list[str], Status]
"""A row before it is written: its mark, its cells, and what must become of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One source. Row n of it is `lines[n - 1]`."""

    operation: str
    head: tuple[str, ...]
    lines: tuple[Line, ...]
    key: int = 0
    """The column of the key."""
    ordered: tuple[int, ...] = (0,)
    """The columns that name what is changed: rows that agree on them are applied in file order."""
    columns: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    before: tuple[tuple[str, str, object], ...] = ()
    """Requests that make the account what it is before the run: method, path, body."""

    def write(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(self.head)
            writer.writerows(cells for _, cells, _ in self.lines)

    def keyed(self, number: int) -> str:
        """Return the key of row *number*."""
        return self.lines[number - 1][1][self.key]

    def expected(self, number: int) -> Status:
        return self.lines[number - 1][2]

    def changes(self, number: int) -> tuple[str, ...]:
        """Return what row *number* changes."""
        return tuple(self.lines[number - 1][1][column] for column in self.ordered)

    def good(self) -> list[int]:
        """Return the rows that must be delivered."""
        return [row for row in range(1, len(self.lines) + 1) if self.expected(row) is DELIVERED]

    def rows_of(self) -> dict[Mark, list[int]]:
        """Return the rows that have each mark, in order."""
        found: dict[Mark, list[int]] = {}
        for number, (mark, _, _) in enumerate(self.lines, 1):
            found.setdefault(mark, []).append(number)
        return found


SEQ = {"attributes.Seq": {"column": "attributes.Seq", "type": "integer"}}


def profiles(rows: int, seed: int) -> Case:
    """Profiles with the number of their row; some profiles come again and again."""
    chance = random.Random(seed)

    def line(number: int) -> Line:
        key, status = _key(chance, number), _status(chance)
        seq = f"{number}x" if status is REJECTED else str(number)
        joined = NEVER if status is REFUSED else JOINED
        return (str(number),), [key, seq, joined], status

    head = ("integrationId", "attributes.Seq", "attributes.Joined")
    return Case(operation="profiles", head=head, lines=_lines(rows, line), columns=SEQ)


def audiences(rows: int, seed: int) -> Case:
    """Profiles that join and leave audiences: each does either to one audience at most once."""
    chance, moves = random.Random(seed), dict[str, list[tuple[str, str]]]()

    def line(number: int) -> Line:
        key, status = _key(chance, number), _status(chance)
        if key not in moves:
            moves[key] = [(str(one), what) for one in AUDIENCES for what in ("add", "delete")]
            chance.shuffle(moves[key])
        audience, action = moves[key].pop()
        audience = {REFUSED: ABSENT, REJECTED: "none"}.get(status, audience)
        mark = (key, audience, action)
        return mark, [key, audience, action], status

    head = ("profileIntegrationId", "audienceId", "action")
    return Case(operation="audiences", head=head, lines=_lines(rows, line))


def referrals(rows: int, seed: int) -> Case:
    """Advocates in several campaigns, some of them twice in one, and a campaign that is not."""
    chance = random.Random(seed)

    def line(number: int) -> Line:
        key, status = _key(chance, number), _status(chance)
        campaign = str(chance.choice(CAMPAIGNS))
        campaign = {REFUSED: ABSENT, REJECTED: "none"}.get(status, campaign)
        return (key, campaign), [key, campaign], status

    head = ("advocateProfileIntegrationId", "campaignId")
    return Case(operation="referrals", head=head, lines=_lines(rows, line))


def sessions(rows: int, seed: int) -> Case:
    """Sessions, opened and later closed, of customers who have several at a time."""
    chance, opened = random.Random(seed), list[tuple[str, str]]()

    def line(number: int) -> Line:
        status, state = _status(chance), "open"
        if opened and chance.random() < 0.3:
            (session, profile), state = opened.pop(0), "closed"
        else:
            session, profile = f"s{number}", _key(chance, number)
            opened.append((session, profile))
        seq = f"{number}x" if status is REJECTED else str(number)
        joined = NEVER if status is REFUSED else JOINED
        return (str(number),), [session, profile, state, seq, joined], status

    head = ("customerSessionId", "profileId", "state", "attributes.Seq", "attributes.Joined")
    return Case(operation="sessions", head=head, lines=_lines(rows, line), columns=SEQ)


def removals(rows: int, seed: int) -> Case:
    """Reservations to take back, some of them twice; others must stay."""
    chance = random.Random(seed)

    def line(number: int) -> Line:
        key, status = _key(chance, number), _status(chance)
        coupon = chance.choice(COUPONS)
        coupon = {REFUSED: ABSENT, REJECTED: ""}.get(status, coupon)
        return (coupon, key), [coupon, key], status

    lines = _lines(rows, line)
    reserved: dict[str, list[str]] = {coupon: [*RESERVED_FOR_OTHERS] for coupon in COUPONS}
    for (coupon, key), _, status in lines:
        if status is DELIVERED:
            reserved[coupon].append(key)
    return Case(
        operation="coupon-reservation-removals",
        head=("couponValue", "integrationId"),
        key=1,
        ordered=(0, 1),
        lines=lines,
        before=tuple(
            ("POST", f"/v1/coupon_reservations/{coupon}", {"integrationIDs": keys})
            for coupon, keys in reserved.items()
        ),
    )


def inventories(rows: int, seed: int) -> Case:
    """Customers to be read, some of them again and again, and some who are not there."""
    chance = random.Random(seed)

    def line(number: int) -> Line:
        key, status = _key(chance, number), _status(chance)
        key = {REFUSED: f"absent{number}", REJECTED: ""}.get(status, key)
        return (key,), [key], status

    lines = _lines(rows, line)
    known = [
        {"integrationId": key, "attributes": {"Seq": number}}
        for number, ((key,), _, status) in enumerate(lines)
        if status is DELIVERED
    ]
    return Case(
        operation="inventories",
        head=("integrationId",),
        lines=lines,
        options={"profile": True},
        before=(("PUT", "/v2/customer_profiles", {"customerProfiles": known}),),
    )


CASES: Mapping[str, Callable[[int, int], Case]] = {
    case.__name__: case
    for case in (profiles, audiences, referrals, sessions, removals, inventories)
}
"""At most a thousand rows of the last two, whose account is made by single requests."""


def account(folder: Path) -> dict[str, str]:
    """Return the sandbox's options that make the account of the cases; writes into *folder*."""
    attributes = folder / "attributes.json"
    declared = [
        {"entity": entity, "name": "Joined", "type": "time"}
        for entity in ("CustomerProfile", "CustomerSession")
    ]
    attributes.write_text(json.dumps(declared))
    return {
        "attributes": str(attributes),
        "audiences": ",".join(map(str, AUDIENCES)),
        "campaigns": ",".join(map(str, CAMPAIGNS)),
        "coupons": ",".join(COUPONS),
        "requests-kept": "100000",
    }


def marks_in(request: Mapping[str, Any]) -> list[Mark]:
    """Return the marks of the rows that *request*, as the sandbox has seen it, carried."""
    body = json.loads(request["body"] or "{}")
    match request["operation"]:
        case "updateCustomerProfilesV2":
            return [(str(one["attributes"]["Seq"]),) for one in body["customerProfiles"]]
        case "updateCustomerProfileAudiences":
            return [
                (one["profileIntegrationId"], str(one["audienceId"]), one["action"])
                for one in body["data"]
            ]
        case "createReferralsForMultipleAdvocates":
            advocates = body["advocateProfileIntegrationIds"]
            return [(advocate, str(body["campaignId"])) for advocate in advocates]
        case "updateCustomerSessionV2":
            return [(str(body["customerSession"]["attributes"]["Seq"]),)]
        case "deleteCouponReservation":
            coupon = request["path"].rpartition("/")[2]
            return [(coupon, key) for key in body["integrationIDs"]]
        case other:
            raise LookupError(other)


def _lines(rows: int, line: Callable[[int], Line]) -> tuple[Line, ...]:
    return tuple(line(number) for number in range(1, rows + 1))


def _key(chance: random.Random, number: int) -> str:
    return f"hot{chance.randrange(HOT_KEYS)}" if chance.random() < HOT_SHARE else f"p{number}"


def _status(chance: random.Random) -> Status:
    return chance.choices((DELIVERED, REFUSED, REJECTED), (1 - 2 * BAD_SHARE, *[BAD_SHARE] * 2))[0]
