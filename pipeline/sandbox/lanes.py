"""Who is in flight: three requests per profile or session, and how far requests overlap per key.

API.md §2.7: one is worked on, two wait, the next is refused. This file knows keys and nothing
else of a request; it never applies anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

IN_LANE_MAX = 3  # one worked on, two waiting
OVERLAPS_KEPT = 1000  # keys with an overlap that are named in /_sandbox/state


class LaneFull(Exception):
    """Raised when `key` has three requests already."""

    def __init__(self, key: str) -> None:
        """Name the *key*."""
        super().__init__(key)
        self.key = key


class Lanes:
    """The lanes of all keys; a lane lives as long as it has a request."""

    def __init__(self) -> None:
        """Start with no lane."""
        self._locks: dict[str, asyncio.Lock] = {}
        self._counts: dict[str, int] = {}

    @asynccontextmanager
    async def turn(self, keys: Sequence[str]) -> AsyncIterator[None]:
        """Wait for the turn in the lanes of those *keys* that have one. Raises LaneFull."""
        keys = sorted({key for key in keys if key.startswith(("profile:", "session:"))})
        for key in keys:
            if self._counts.get(key, 0) >= IN_LANE_MAX:
                raise LaneFull(key)
        for key in keys:
            self._counts[key] = self._counts.get(key, 0) + 1
        try:
            async with AsyncExitStack() as held:
                for key in keys:  # in one order for all, so that none waits for another in a ring
                    await held.enter_async_context(self._locks.setdefault(key, asyncio.Lock()))
                yield
        finally:
            for key in keys:
                self._counts[key] -= 1
                if not self._counts[key]:
                    del self._counts[key], self._locks[key]


class Overlaps:
    """How many requests with the same key were in flight at once, from body read to answer sent."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.now = self.now_max = 0
        self._in_flight: dict[str, int] = {}
        self.worst: dict[str, int] = {}  # key → most at once, where more than one

    @contextmanager
    def watch(self, keys: Sequence[str]) -> Iterator[None]:
        """Count this request as in flight with *keys* while the block runs."""
        keys = tuple(dict.fromkeys(keys))  # a key twice in a request is no overlap
        self.now += 1
        self.now_max = max(self.now_max, self.now)
        for key in keys:
            count = self._in_flight[key] = self._in_flight.get(key, 0) + 1
            if count > 1 and (key in self.worst or len(self.worst) < OVERLAPS_KEPT):
                self.worst[key] = max(count, self.worst.get(key, 0))
        try:
            yield
        finally:
            self.now -= 1
            for key in keys:
                self._in_flight[key] -= 1
                if not self._in_flight[key]:
                    del self._in_flight[key]
