"""The state of the imitated account: profiles, audiences, referrals, and what else the API keeps.

Everything is in memory and changed only by the functions in `operations/`, one request at a time, so
nothing here waits or locks. This file knows nothing of HTTP, faults or error bodies. Ids are given
out in order, so that the same requests in the same order make the same state.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

Attributes = dict[str, Any]
ACCOUNT_ID = 31  # of the examples in the official document


def rfc3339(seconds: float) -> str:
    """Return *seconds* since the epoch as the API writes times: UTC, microseconds, Z."""
    return (
        datetime.fromtimestamp(seconds, UTC)
        .isoformat(timespec="microseconds")
        .replace("+00:00", "Z")
    )


class Profile:
    """One customer profile. Slotted and small: there may be millions."""

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
        self.attributes: Attributes = {}
        self.audiences: set[int] | None = None
        self.sales: tuple[int, float] = (0, 0.0)  # closed sessions, their total

    def as_json(self) -> dict[str, Any]:
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
    """All state of the account. `now` is set by the caller before each request."""

    def __init__(self, seed: int) -> None:
        """Start empty; *seed* decides the codes that are made up."""
        self.seed = seed
        self.now = 0.0
        self.number = 0  # of the request that is being applied
        self.profiles: dict[str, Profile] = {}
        self.audiences: dict[int, int] = {}  # members of each
        self.referrals: dict[str, dict[str, Any]] = {}  # by code
        self.referrals_of: dict[str, list[str]] = {}  # codes by advocate
        self._ids = {
            kind: itertools.count(1)
            for kind in ("profile", "referral", "coupon", "session", "event")
        }

    def next_id(self, kind: str) -> int:
        """Return the next free id of *kind*."""
        return next(self._ids[kind])

    def profile(self, integration_id: str) -> Profile:
        """Return the profile *integration_id*; make it when it is not there."""
        profile = self.profiles.get(integration_id)
        if profile is None:
            profile = Profile(integration_id, self.next_id("profile"), self.now)
            self.profiles[integration_id] = profile
        return profile

    def random(self) -> random.Random:
        """Return the source of chance for the request that is being applied."""
        return random.Random(f"{self.seed}:{self.number}")

    def counts(self) -> dict[str, int]:
        """Return how many there are of each kind."""
        return {
            "profiles": len(self.profiles),
            "audiences": len(self.audiences),
            "memberships": sum(self.audiences.values()),
            "referrals": len(self.referrals),
        }

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds that `held` can show."""
        return ("profiles", "referrals")

    def held(self, kind: str, keys: Iterable[str] | None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (key, value as JSON) of each of *keys* of *kind* that is there; of all when None."""
        if kind == "profiles":
            for key in list(self.profiles) if keys is None else keys:
                if key in self.profiles:
                    yield key, self.profiles[key].as_json()
        else:
            for key in list(self.referrals) if keys is None else keys:
                if key in self.referrals:
                    yield key, self.referrals[key]

    def join(self, profile: Profile, audience: int) -> None:
        """Put *profile* into *audience*; nothing happens when it is there."""
        members = profile.audiences
        if members is None:
            members = profile.audiences = set()
        if audience not in members:
            members.add(audience)
            self.audiences[audience] = self.audiences.get(audience, 0) + 1

    def leave(self, profile: Profile, audience: int) -> None:
        """Take *profile* out of *audience*; nothing happens when it is not there."""
        if profile.audiences and audience in profile.audiences:
            profile.audiences.discard(audience)
            self.audiences[audience] -= 1

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


PROBES_MAX = 100_000  # codes tried for one referral before its pattern counts as exhausted


def _spell(pattern: str, characters: str, index: int) -> str:
    letters = []
    for letter in pattern:
        if letter == "#":
            index, digit = divmod(index, len(characters))
            letters.append(characters[digit])
        else:
            letters.append(letter)
    return "".join(letters)
