"""What each attempt passes: a place among those in flight, and a moment to leave.

The shell around `limit` and `pace`: it waits as they say, and tells them what came back. One for a
run; it knows nothing of retries, verdicts, rows, or how bytes travel.
"""

import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import anyio
from msgspec import Struct

from pipeline.clock import Clock
from pipeline.events import LimitChanged, Listener
from pipeline.model import Answer, Fault, Request
from pipeline.transport import limit as limits
from pipeline.transport import pace as paces
from pipeline.transport.limit import Heard, Tuning
from pipeline.transport.pace import Pace
from pipeline.transport.retry import Policy, asked_wait

TOO_FAST = 429
TROUBLE = frozenset({TOO_FAST, 502, 503, 504})
"""Statuses of an API, or a gateway before it, that has no time."""
SPARE = 8
"""Requests begun beyond those in flight: ready to leave, waiting to be tried again, or answered
and being written down."""
TICK_S = 0.0005
"""A shorter wait is not worth a timer; the pace makes up for it with the next request."""
LEAD_S = 0.1
"""A place is given so long before the moment to leave, for what must be written down first."""
TOLD_S = 1.0
"""What changes more often than this is told once."""
TOLD_SHARE = 0.2
"""Both numbers swing by a twentieth as a matter of course; that is not told."""


class Speed(Struct, frozen=True, kw_only=True):
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


class _Slot(Struct):
    """A place that is held for a while; a generator in its stead would take thrice as long."""

    enter: Callable[[], Awaitable[None]]
    leave: Callable[[], None]

    async def __aenter__(self) -> None:
        await self.enter()

    async def __aexit__(self, *raised: object) -> None:
        self.leave()


class Throttle:
    """How many requests are in flight, and when the next may leave.

    For each attempt: `slot`, in it `moment`, and then `send` at once. *inner* makes the attempt.
    """

    def __init__(
        self,
        *,
        inner: Callable[[Request], Awaitable[Answer | Fault]],
        clock: Clock,
        tell: Listener,
        speed: Speed,
    ) -> None:
        self.inner = inner
        self.clock = clock
        self.tell = tell
        self.speed = speed
        self.in_flight = 0
        """Places that are taken, by those that wait for their moment, too."""
        self._ahead = 0
        """Requests that have a place, and have not left; of these, those that wait for nothing …"""
        self._waiting = 0
        """… but their moment."""
        self._tuning = Tuning(share=speed.share)
        self._limit = limits.begin(self._tuning)
        self.places = speed.fixed or limits.places(self._limit, self._tuning)
        """Requests that may be in flight now."""
        self._pace = Pace()
        self._own_s = 0.0
        """What the limit wants between two requests; and what the job wants."""
        self._asked_s = 1.0 / speed.rate if speed.rate else 0.0
        self._door, self._gate = anyio.Lock(fast_acquire=True), anyio.Lock(fast_acquire=True)
        self._freed = anyio.Event()
        self._told = self._found()
        self._told_at = -math.inf
        self._why = ""
        """What made it fall."""

    def at_once(self) -> int:
        """Return how many requests are worth having begun: those in flight, and some to spare."""
        return self.places + SPARE

    def slot(self) -> AbstractAsyncContextManager[None]:
        """Wait in turn for a place, until the moment to leave is near; hold it through the block.

        What must be written down before a request leaves is written now, and never long before.
        """
        return _Slot(self._enter, self._leave)

    def crowded(self) -> bool:
        """Say whether whoever wants a slot now, and in it a moment, has to wait for either."""
        return self._is_full() or self._is_early()

    async def moment(self) -> None:
        """Wait for the moment to leave, in turn."""
        self._waiting += 1
        try:
            if self._is_early():
                async with self._gate:
                    while (wait_s := self._moment_s()) > 0.0:
                        await self.clock.sleep(wait_s)
        finally:
            self._waiting -= 1
            self._ahead -= 1

    async def send(self, request: Request) -> Answer | Fault:
        """Make an attempt, in a slot, and learn from what comes back and when."""
        sent_at, in_flight = self.clock.monotonic(), self.in_flight - self._waiting
        own_s = self._own_s
        paced = own_s > self._asked_s and paces.is_kept(self._pace, own_s, sent_at)
        self._pace = paces.left(self._pace, max(own_s, self._asked_s), sent_at)
        result = await self.inner(request)
        asked_s = _asked_s(result, self.clock)
        now = self.clock.monotonic()
        if asked_s:
            self._pace = paces.asked(self._pace, now + asked_s)
        if self.speed.fixed is None:
            heard = Heard(
                sent_at=sent_at,
                at=now,
                in_flight=in_flight,
                paced=paced,
                trouble=_is_trouble(result),
                failed=isinstance(result, Fault) or result.status != TOO_FAST,
                pause_s=asked_s,
            )
            self._learn(heard, result)
        return result

    async def _enter(self) -> None:
        """Take a place in turn. Who finds nobody before him, and nothing to wait for, goes in."""
        if self._is_full():
            async with self._door:
                while (wait_s := self._turn_s()) > 0.0:
                    await self._wait(wait_s)
        self.in_flight += 1
        self._ahead += 1

    def _leave(self) -> None:
        """Give the place back."""
        self.in_flight -= 1
        self._freed.set()

    async def _wait(self, wait_s: float) -> None:
        """Wait so long; where that is infinite, until somebody leaves or there are more places."""
        if wait_s < math.inf:
            await self.clock.sleep(wait_s)
        else:
            self._freed = anyio.Event()
            await self._freed.wait()

    def _is_full(self) -> bool:
        """Say whether whoever wants a place has to wait for it, or behind another who does."""
        return self._door.locked() or self._turn_s() > 0.0

    def _is_early(self) -> bool:
        """Say whether whoever has a place has to wait for the moment, or behind another."""
        return self._gate.locked() or self._moment_s() > 0.0

    def _turn_s(self) -> float:
        """Return how long it is until a moment is near for one more; infinite without a place."""
        if self.in_flight >= self.places:
            return math.inf
        before_s = self._ahead * max(self._own_s, self._asked_s)
        return self._pace.at + before_s - LEAD_S - self.clock.monotonic()

    def _moment_s(self) -> float:
        """Return how long it is until the next may leave; 0 where that is not worth a timer."""
        wait_s = self._pace.at - self.clock.monotonic()
        return wait_s if wait_s > (0.0 if self._asked_s else TICK_S) else 0.0

    def _learn(self, heard: Heard, result: Answer | Fault) -> None:
        self._limit = limits.learn(self._limit, heard, self._tuning)
        places = limits.places(self._limit, self._tuning)
        if places > self.places:
            self._freed.set()
        self.places, self._own_s = places, limits.interval_s(self._limit, self._tuning)
        if self._limit.fell_at == heard.at:
            self._why = _trouble(result)
        if heard.at - self._told_at >= TOLD_S:
            self._tell(self._found(), heard.at)

    def _found(self) -> tuple[float, float | None]:
        pace = self._limit.pace
        return self._limit.places.value, None if pace is None else pace.value

    def _tell(self, found: tuple[float, float | None], now: float) -> None:
        """Tell of numbers that are quite other ones."""
        pairs = [(new, old) for new, old in zip(found, self._told, strict=True) if new != old]
        if not any(old is None or abs((new or 0.0) - old) > TOLD_SHARE * old for new, old in pairs):
            return
        more = all(old is not None and (new or 0.0) > old for new, old in pairs)
        why = "all that was sent was taken" if more else self._why
        self._told, self._told_at = found, now
        rate = None if found[1] is None else round(found[1], 1)
        self.tell(LimitChanged(limit=self.places, rate=rate, why=why))


def _is_trouble(result: Answer | Fault) -> bool:
    """Whether the API had no time: whoever gives no answer at all is taken to have had none."""
    return isinstance(result, Fault) or result.status in TROUBLE


def _asked_s(result: Answer | Fault, clock: Clock) -> float:
    """Return for how long the API asked not to be asked."""
    if isinstance(result, Fault) or result.status not in TROUBLE:
        return 0.0
    asked_s = asked_wait(result.retry_after, clock.now()) or 0.0
    return min(asked_s, Policy().retry_after_max_s)


def _trouble(result: Answer | Fault) -> str:
    if isinstance(result, Fault):
        return result.what
    return f"status {result.status}" if result.status in TROUBLE else "answers come later and later"
