"""What each attempt passes: a place among those in flight, and a moment to leave.

The shell around `limit` and `pace`: it waits as they say, and tells them what came back. One for a
run; it knows nothing of retries, verdicts, rows, or how bytes travel.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from pipeline.clock import Clock
from pipeline.events import LimitChanged, Listener
from pipeline.model import Answer, Fault, Request
from pipeline.transport import limit as limits
from pipeline.transport import pace as paces
from pipeline.transport.limit import Heard, Limit, Tuning
from pipeline.transport.pace import Pace
from pipeline.transport.retry import Policy, asked_wait

TROUBLE = frozenset({429, 502, 503, 504})
"""Statuses of an API, or a gateway before it, that has no time."""
SPARE = 4
"""Requests begun beyond those in flight: encoded and ready, or waiting to be tried again."""
TICK_S = 0.0005
"""A shorter wait is not worth a timer; the pace makes up for it with the next request."""
TOLD_S = 1.0
"""What changes more often than this is told once."""
TOLD_SHARE = 0.2
"""The limit swings by a tenth as a matter of course; that is not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What the job says of speed."""

    fixed: int | None = None
    """Requests in flight; None: as many as the API takes."""
    rate: float | None = None
    """Requests per second at most, evenly."""
    share: float = 1.0
    """Of what the API takes."""

    @property
    def ceiling(self) -> int:
        """Requests in flight at most, whatever is found."""
        return self.fixed or limits.CEILING


@dataclass(slots=True, kw_only=True, eq=False)
class Throttle:
    """How many requests are in flight, and when the next may leave."""

    inner: Callable[[Request], Awaitable[Answer | Fault]]
    clock: Clock
    tell: Listener
    speed: Speed = field(default_factory=Speed)
    in_flight: int = field(default=0, init=False)
    _tuning: Tuning = field(init=False)
    _limit: Limit = field(init=False)
    _pace: Pace = field(default_factory=Pace, init=False)
    _door: anyio.Lock = field(default_factory=anyio.Lock, init=False)
    _freed: anyio.Event = field(default_factory=anyio.Event, init=False)
    _free_since: float = field(default=-math.inf, init=False)
    """When there was last no place free."""
    _told: float = field(init=False)
    _told_at: float = field(default=-math.inf, init=False)

    def __post_init__(self) -> None:
        self._tuning = Tuning(share=self.speed.share)
        self._limit = limits.begin(self._tuning)
        self._told = self._limit.value

    @property
    def places(self) -> int:
        """Requests that may be in flight now."""
        return self.speed.fixed or limits.places(self._limit, self._tuning)

    def at_once(self) -> int:
        """Return how many requests are worth having begun: those in flight, and some to spare."""
        return self.speed.fixed or self.places + SPARE

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a place and a moment to leave, in turn; hold the place until the block ends."""
        async with self._door:
            await self._turn()
            self._pace = paces.left(self._pace, self._interval_s(), self.clock.monotonic())
            self.in_flight += 1
        try:
            yield
        finally:
            if self.in_flight >= self.places:
                self._free_since = self.clock.monotonic()
            self.in_flight -= 1
            self._freed.set()

    async def send(self, request: Request) -> Answer | Fault:
        """Make an attempt, in a slot, and learn from what comes back and when."""
        sent_at, in_flight = self.clock.monotonic(), self.in_flight
        result = await self.inner(request)
        asked_s = _asked_s(result, self.clock.now())
        now = self.clock.monotonic()
        if asked_s:
            self._pace = paces.asked(self._pace, now + asked_s)
        if self.speed.fixed is None:
            heard = Heard(
                sent_at=sent_at,
                at=now,
                in_flight=in_flight,
                trouble=_is_trouble(result),
                pause_s=asked_s,
            )
            self._learn(heard, result)
        return result

    async def _turn(self) -> None:
        """Wait until a place is free, has rested, and the pace allows it."""
        while True:
            if self.in_flight >= self.places:
                self._freed = anyio.Event()
                await self._freed.wait()
                continue
            now = self.clock.monotonic()
            wait_s = max(self._pace.at, self._free_since + self._rest_s()) - now
            if wait_s <= (0.0 if self.speed.rate else TICK_S):
                return
            await self.clock.sleep(wait_s)

    def _rest_s(self) -> float:
        return 0.0 if self.speed.fixed else limits.rest_s(self._limit, self._tuning)

    def _interval_s(self) -> float:
        asked_s = 1.0 / self.speed.rate if self.speed.rate else 0.0
        if self.speed.fixed:
            return asked_s
        return max(asked_s, limits.interval_s(self._limit, self._tuning))

    def _learn(self, heard: Heard, result: Answer | Fault) -> None:
        before, self._limit = self._limit.value, limits.learn(self._limit, heard, self._tuning)
        after = self._limit.value
        if after > before:
            self._freed.set()
        far = abs(after - self._told) > TOLD_SHARE * self._told
        if far and heard.at - self._told_at >= TOLD_S:
            why = "all that was sent was taken" if after > self._told else _trouble(result)
            self._told, self._told_at = after, heard.at
            self.tell(LimitChanged(limit=round(after, 1), why=why))


def _is_trouble(result: Answer | Fault) -> bool:
    """Whether the API had no time: whoever gives no answer at all is taken to have had none."""
    return isinstance(result, Fault) or result.status in TROUBLE


def _asked_s(result: Answer | Fault, now: float) -> float:
    """Return for how long the API asked not to be asked."""
    if isinstance(result, Fault) or result.status not in TROUBLE:
        return 0.0
    return min(asked_wait(result.retry_after, now) or 0.0, Policy().retry_after_max_s)


def _trouble(result: Answer | Fault) -> str:
    if isinstance(result, Fault):
        return result.what
    return f"status {result.status}" if result.status in TROUBLE else "answers come later and later"
