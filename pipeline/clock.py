"""Time comes in by argument: the one place that reads the machine's clocks."""

import datetime as dt
import time
from typing import Protocol

import anyio


class Clock(Protocol):
    """Tell the time and wait; `SystemClock` in production, a fake in tests."""

    def now(self) -> float:
        """Return seconds since the epoch, UTC: for what is written down."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back: for intervals."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait at least *seconds*."""
        ...


class SystemClock:
    """Read the clocks of this machine."""

    def now(self) -> float:
        """Return seconds since the epoch, UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds of a clock that is never set back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait in the running event loop."""
        await anyio.sleep(seconds)


def stamp(seconds: float) -> str:
    """Write *seconds* since the epoch as RFC 3339 in UTC, to the second: 2026-11-23T02:00:00Z."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
