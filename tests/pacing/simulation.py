"""A server with physics and a client with a limit, event by event: a minute in a split second.

Knows the policy (`limit`, `pace`) and nothing of what carries it out; `test_throttle.py` sees that
the real exchange fares as this one. A refused request is tried again as `retry` has it.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pipeline.transport import limit as limits
from pipeline.transport.limit import Heard, Limit, Tuning
from pipeline.transport.pace import Pace, asked, is_kept, left
from pipeline.transport.retry import Policy
from pipeline.transport.throttle import SPARE, TICK_S
from tests.pacing.physics import FAILED, TAKEN, Server

Learn = Callable[[Limit, Heard, Tuning], Limit]
RETRIES = Policy()


@dataclass(slots=True)
class Fixed:
    """A number that somebody chose. It hears a Retry-After, too."""

    places: int
    pace: Pace = field(default_factory=Pace)
    limit: float = 0.0

    def leaves_at(self) -> float:
        return self.pace.at

    def sent(self, now: float) -> bool:
        """Note nothing: it does not pace."""
        del now
        return False

    def heard(self, heard: Heard) -> None:
        if heard.pause_s:
            self.pace = asked(self.pace, heard.at + heard.pause_s)


class Adaptive:
    """The policy; *learn* and *tuning* are there to be broken, *rate* is what a user may set."""

    def __init__(
        self,
        tuning: Tuning | None = None,
        *,
        learn: Learn = limits.learn,
        rate: float | None = None,
    ) -> None:
        self.tuning, self.learn, self.rate = tuning or Tuning(), learn, rate
        self.state = limits.begin(self.tuning)
        self.pace = Pace()

    @property
    def places(self) -> int:
        return limits.places(self.state, self.tuning)

    @property
    def limit(self) -> float:
        return self.state.used(self.tuning)

    def leaves_at(self) -> float:
        return self.pace.at

    def sent(self, now: float) -> bool:
        own_s = limits.interval_s(self.state, self.tuning)
        asked_s = 1 / self.rate if self.rate else 0.0
        paced = own_s > asked_s and is_kept(self.pace, own_s, now)
        self.pace = left(self.pace, max(own_s, asked_s), now)
        return paced

    def heard(self, heard: Heard) -> None:
        self.state = self.learn(self.state, heard, self.tuning)
        if heard.pause_s:
            self.pace = asked(self.pace, heard.at + heard.pause_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What happened: when requests left, were taken and were refused; the limit at each answer."""

    seconds: float
    sent: list[float]
    taken: list[float]
    refused: list[float]
    limits: list[tuple[float, float]]
    in_flight_max: int

    @property
    def refused_share(self) -> float:
        return len(self.refused) / max(len(self.taken) + len(self.refused), 1)

    def taken_between(self, since: float, until: float) -> int:
        return sum(since <= at < until for at in self.taken)

    def limits_between(self, since: float, until: float) -> list[float]:
        return [limit for at, limit in self.limits if since <= at < until]


@dataclass(slots=True)
class _Attempt:
    number: int = 1
    sent_at: float = 0.0
    in_flight: int = 0
    paced: bool = False
    status: int = TAKEN


def run(server: Server, client: Fixed | Adaptive, seconds: float, *, seed: int = 0) -> Run:
    """Send as much as *client* lets through for *seconds*; there is always more to send."""
    scene = _Scene(server=server, client=client, random=random.Random(seed))
    scene.wake(0.0)
    for now in scene.moments(seconds):
        scene.pump(now)
    return Run(
        seconds=seconds,
        sent=scene.sent,
        taken=scene.taken,
        refused=scene.refused,
        limits=scene.limits,
        in_flight_max=scene.in_flight_max,
    )


@dataclass(slots=True)
class _Scene:
    """Requests that are begun: in flight, waiting to be tried again, or ready."""

    server: Server
    client: Fixed | Adaptive
    random: random.Random
    sent: list[float] = field(default_factory=list)
    taken: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    limits: list[tuple[float, float]] = field(default_factory=list)
    in_flight_max: int = 0
    _in_flight: int = 0
    _begun: int = 0
    _ready: deque[_Attempt] = field(default_factory=deque)
    _woken_at: float = -1.0
    _events: list[tuple[float, int, str, _Attempt]] = field(default_factory=list)
    _counter: int = 0

    def moments(self, seconds: float) -> Iterator[float]:
        """Yield each moment at which something may leave, with what came before it done."""
        while self._events and self._events[0][0] <= seconds:
            now, _, what, attempt = heapq.heappop(self._events)
            if what == "answer":
                self._answered(attempt, now)
            elif what == "again":
                self._ready.append(attempt)
            yield now

    def wake(self, at: float) -> None:
        self._woken_at = at
        self._at(at, "wake", _Attempt())

    def pump(self, now: float) -> None:
        """Let leave what may: one after the other, as the door of the throttle does."""
        while self._in_flight < self.client.places and self._has_one():
            at = self.client.leaves_at()
            if at - now > TICK_S:
                if not now < self._woken_at <= at:
                    self.wake(at)
                return
            self._leave(self._ready.popleft(), now)

    def _has_one(self) -> bool:
        if not self._ready and self._begun < self.client.places + SPARE:
            self._begun += 1
            self._ready.append(_Attempt())
        return bool(self._ready)

    def _leave(self, attempt: _Attempt, now: float) -> None:
        self._in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self._in_flight)
        self.sent.append(now)
        attempt.paced = self.client.sent(now)
        took_s, attempt.status = self.server.arrive(now)
        attempt.sent_at, attempt.in_flight = now, self._in_flight
        self._at(now + took_s, "answer", attempt)

    def _answered(self, attempt: _Attempt, now: float) -> None:
        self._in_flight -= 1
        pause_s = 0.0
        if attempt.status == TAKEN:
            self.server.leave()
            self._begun -= 1
            self.taken.append(now)
        else:
            pause_s = self.server.physics_at(now).retry_after_s
            self.refused.append(now)
            ceiling_s = min(RETRIES.wait_s * 2.0 ** (attempt.number - 1), RETRIES.wait_max_s)
            again = _Attempt(number=attempt.number + 1)
            self._at(now + pause_s + self.random.random() * ceiling_s, "again", again)
        self.client.heard(
            Heard(
                sent_at=attempt.sent_at,
                at=now,
                in_flight=attempt.in_flight,
                paced=attempt.paced,
                trouble=attempt.status != TAKEN,
                failed=attempt.status == FAILED,
                pause_s=pause_s,
            )
        )
        self.limits.append((now, self.client.limit))

    def _at(self, when: float, what: str, attempt: _Attempt) -> None:
        self._counter += 1
        heapq.heappush(self._events, (when, self._counter, what, attempt))
