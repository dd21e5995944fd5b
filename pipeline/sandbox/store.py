"""The state of the imitated account: all that the API keeps.

Everything is in memory and changed only by the functions in `operations/`, one request at a time:
nothing here waits or locks. Ids and codes follow from the seed and the order of the requests: the
same requests make the same state again. This file knows nothing of HTTP, faults or error bodies.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

Entity = dict[str, Any]
ACCOUNT_ID, APPLICATION_ID, CAMPAIGN_ID = 31, 1, 1  # of an account that has one of each
PROBES_MAX = 100_000  # codes tried for one referral before its pattern counts as exhausted


def rfc3339(seconds: float) -> str:
    """Return *seconds* since the epoch as the API writes times: UTC, microseconds, Z."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


class Profile:
    """One customer profile, slotted: a million with nine attributes each take 1.1 GB."""

    __slots__ = (
        "attributes",
        "audiences",
        "created",
        "id",
        "integration_id",
        "last_activity",
        "sales",
    )

    def __init__(self, integration_id: str, number: int, now: float) -> None:
        """Make the profile *integration_id*, the *number*th of the account, at *now*."""
        self.id, self.integration_id = number, integration_id
        self.created = self.last_activity = now
        self.attributes: Entity = {}
        self.audiences: set[int] | None = None
        self.sales: tuple[int, float] = (0, 0.0)  # closed sessions, their total

    def as_json(self) -> Entity:
        """Return the profile as the schema `CustomerProfile` has it."""
        return {
            "id": self.id,
            "created": rfc3339(self.created),
            "integrationId": self.integration_id,
            "attributes": self.attributes,
            "accountId": ACCOUNT_ID,
            "closedSessions": self.sales[0],
            "totalSales": self.sales[1],
            "loyaltyMemberships": [],
            "audienceMemberships": [
                {"id": audience, "name": f"Audience {audience}"}
                for audience in sorted(self.audiences or ())
            ],
            "lastActivity": rfc3339(self.last_activity),
            "sandbox": False,
        }


class Store:
    """All state of the account. `now` and `number` are those of the request being applied."""

    def __init__(self, seed: int) -> None:
        """Start empty; *seed* decides the codes that are made up."""
        self.seed, self.now, self.number = seed, 0.0, 0
        self.profiles: dict[str, Profile] = {}
        self.audiences: dict[str, Entity] = {}
        self.coupons: dict[str, Entity] = {}
        self.referrals: dict[str, Entity] = {}
        self.sessions: dict[str, Entity] = {}
        self.events: dict[str, Entity] = {}
        self.advanced_events: set[str] = set()
        self.catalogs: dict[str, Entity] = {}
        self.reservations: dict[str, dict[str, None]] = {}  # profiles by coupon, in order
        self.coupons_of: dict[str, dict[str, None]] = {}  # coupons by profile
        self.owned: dict[str, list[Entity]] = {}  # referrals, sessions, events by profile
        self.erased: set[str] = set()
        self._ids: dict[str, Iterator[int]] = {}

    def next_id(self, kind: str) -> int:
        """Return the next free id of *kind*, from 1."""
        return next(self._ids.setdefault(kind, itertools.count(1)))

    def profile(self, integration_id: str) -> Profile:
        """Return the profile *integration_id*; make it when it is not there."""
        profile = self.profiles.get(integration_id)
        if profile is None:
            profile = Profile(integration_id, len(self.profiles) + 1, self.now)  # none ever goes
            self.profiles[integration_id] = profile
        return profile

    def own(self, integration_id: str, entity: Entity) -> None:
        """Note that *entity* refers to the profile *integration_id*."""
        self.owned.setdefault(integration_id, []).append(entity)

    def coupon(self, value: str) -> Entity:
        """Return the coupon *value* as the schema `Coupon` has it; make it where it is missing."""
        coupon = self.coupons.get(value)
        if coupon is None:
            coupon = self.coupons[value] = {
                "id": self.next_id("coupon"),
                "created": rfc3339(self.now),
                "campaignId": CAMPAIGN_ID,
                "value": value,
                "usageLimit": 0,
                "usageCounter": 0,
                "reservationCounter": 0,
                "reservation": True,
                "isReservationMandatory": False,
                "implicitlyReserved": False,
                "attributes": {},
            }
        return coupon

    def join(self, profile: Profile, audience_id: int) -> None:
        """Put *profile* into the audience; nothing happens when it is there."""
        if profile.audiences is None:
            profile.audiences = set()
        if audience_id in profile.audiences:
            return
        profile.audiences.add(audience_id)
        new = {"id": audience_id, "name": f"Audience {audience_id}", "members": 0}
        self.audiences.setdefault(str(audience_id), new)["members"] += 1

    def leave(self, profile: Profile, audience_id: int) -> None:
        """Take *profile* out of the audience; nothing happens when it is not there."""
        if profile.audiences and audience_id in profile.audiences:
            profile.audiences.discard(audience_id)
            self.audiences[str(audience_id)]["members"] -= 1

    def random(self) -> random.Random:
        """Return the source of chance for the request that is being applied."""
        return random.Random(f"{self.seed}:{self.number}")

    def referral_codes(self, pattern: str, characters: str, count: int) -> list[str]:
        """Return *count* unused codes of *pattern*, `#` standing for one of *characters*.

        Fewer when the pattern has no more. Codes are unique in the account.
        """
        chance, codes = self.random(), dict[str, None]()
        room = len(characters) ** pattern.count("#")
        while len(codes) < count:
            start = chance.randrange(room)
            for step in range(min(room, PROBES_MAX)):
                code = _spell(pattern, characters, (start + step) % room)
                if code not in self.referrals and code not in codes:
                    codes[code] = None
                    break
            else:
                break
        return list(codes)

    def held(self, kind: str, keys: Iterable[str] | None) -> Iterator[tuple[str, Entity]]:
        """Yield (key, value as JSON) of those of *keys* that are there; of all when None."""
        table = self.tables()[kind]
        for key in list(table) if keys is None else keys:
            if (value := table.get(key)) is not None:
                yield key, value.as_json() if isinstance(value, Profile) else value

    def tables(self) -> dict[str, dict[str, Any]]:
        """Return what is held, by kind and key."""
        return {
            "profiles": self.profiles,
            "audiences": self.audiences,
            "coupons": self.coupons,
            "referrals": self.referrals,
            "sessions": self.sessions,
            "events": self.events,
            "catalogs": self.catalogs,
        }

    def counts(self) -> dict[str, int]:
        """Return how many there are of each kind."""
        counts = {kind: len(table) for kind, table in self.tables().items()}
        counts["memberships"] = sum(audience["members"] for audience in self.audiences.values())
        counts["reservations"] = sum(map(len, self.reservations.values()))
        return counts


def _spell(pattern: str, characters: str, index: int) -> str:
    """Return the *index*th code of *pattern*."""
    letters = []
    for letter in pattern:
        if letter == "#":
            index, digit = divmod(index, len(characters))
            letters.append(characters[digit])
        else:
            letters.append(letter)
    return "".join(letters)
