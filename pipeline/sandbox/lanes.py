"""Who is in flight: three requests per profile or session, and how far requests overlap per key.

API.md §2.7: one is worked on, two wait, the next is refused. This file knows keys and nothing else of
a request; it never applies anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

IN_LANE_MAX = 3  # one worked on, two waiting
OVERLAPS_KEPT = 1000  # keys with an overlap that are named in /_sandbox/state


class LaneFull(Exception):
    """Raised when a key has three requests already."""


class Lanes:
    """The lanes of all keys; a lane lives as long as it has a request."""

    def __init__(self, lane_max: int = IN_LANE_MAX) -> None:
        """Let *lane_max* requests into each lane."""
        self._lane_max = lane_max
        self._counts: dict[str, int] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def turn(self, keys: tuple[str, ...]) -> AsyncIterator[None]:
        """Wait for this request's turn in the lanes of *keys*, in the order given by their names."""
        keys = tuple(sorted(set(keys)))
        if any(self._counts.get(key, 0) >= self._lane_max for key in keys):
            raise LaneFull
        for key in keys:
            self._counts[key] = self._counts.get(key, 0) + 1
        held: list[asyncio.Lock] = []
        try:
            for key in keys:
                lock = self._locks.setdefault(key, asyncio.Lock())
                await lock.acquire()
                held.append(lock)
            yield
        finally:
            for lock in held:
                lock.release()
            for key in keys:
                self._counts[key] -= 1
                if not self._counts[key]:
                    del self._counts[key]
                    self._locks.pop(key, None)


class Overlaps:
    """How many requests with the same key were in flight at once, from body read to answer sent."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.now = self.now_max = 0
        self._in_flight: dict[str, int] = {}
        self.worst: dict[str, int] = {}  # key → most at once, where more than one

    @contextmanager
    def watch(self, keys: list[str]) -> Iterator[None]:
        """Count this request as in flight with *keys* while the block runs."""
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
