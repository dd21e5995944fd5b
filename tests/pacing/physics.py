"""Servers that are nothing but physics: how long an answer takes, and what is refused.

Knows no client. Each keeps the moment at which each of its workers is free, and what it has taken
lately; time is given to it.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

TAKEN, TOO_FAST, FAILED = 204, 429, 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Physics:
    """What a server is like; None and 0: not so."""

    latency_s: float = 0.05
    spread: float = 0.0
    """Of the latency's logarithm, around a mean of `latency_s`: 1 is a slow tail."""
    workers: int | None = None
    """So many requests are worked on; the others wait in line."""
    knee: float | None = None
    """With so many in it, a request takes twice as long; `power`: how suddenly."""
    power: float = 2.0
    rate: float | None = None
    """Requests per second that are taken, over any `window_s`; beyond: 429."""
    window_s: float = 1.0
    at_once: int | None = None
    """Requests taken at a time; beyond: 429."""
    broken: float = 0.0
    """Share of requests that get a 503."""
    retry_after_s: float = 0.0
    refusal_s: float = 0.005
    """How quickly it says no."""


@dataclass(slots=True)
class Server:
    """Physics that change with time: the last that has begun holds."""

    phases: Mapping[float, Physics]
    random: random.Random
    busy: int = 0
    _recent: deque[float] = field(default_factory=deque)
    _free_at: list[float] = field(default_factory=list)

    def physics_at(self, now: float) -> Physics:
        return self.phases[max(at for at in self.phases if at <= now)]

    def arrive(self, now: float) -> tuple[float, int]:
        """Return how long the answer takes, and its status: TAKEN, TOO_FAST or FAILED."""
        now_is = self.physics_at(now)
        if now_is.broken and self.random.random() < now_is.broken:
            return now_is.refusal_s, FAILED
        if self._refuses(now_is, now):
            return now_is.refusal_s, TOO_FAST
        self.busy += 1
        took_s = now_is.latency_s
        if now_is.spread:
            took_s *= math.exp(self.random.gauss(-(now_is.spread**2) / 2, now_is.spread))
        if now_is.knee:
            took_s *= 1 + (self.busy / now_is.knee) ** now_is.power
        return took_s + self._waits(now_is, now, took_s), TAKEN

    def leave(self) -> None:
        """Take note that an answer has gone out."""
        self.busy -= 1

    def _waits(self, now_is: Physics, now: float, took_s: float) -> float:
        """Return how long a request stands in line before a worker is free for it."""
        if now_is.workers is None:
            return 0.0
        while self._free_at and self._free_at[0] <= now:
            heapq.heappop(self._free_at)
        ahead = len(self._free_at) - now_is.workers
        starts = now
        while ahead >= 0:  # with as many workers as ever, this is one step
            starts, ahead = heapq.heappop(self._free_at), ahead - 1
        heapq.heappush(self._free_at, starts + took_s)
        return starts - now

    def _refuses(self, now_is: Physics, now: float) -> bool:
        if now_is.at_once is not None and self.busy >= now_is.at_once:
            return True
        if now_is.rate is None:
            return False
        while self._recent and self._recent[0] <= now - now_is.window_s:
            self._recent.popleft()
        if len(self._recent) >= now_is.rate * now_is.window_s:
            return True
        self._recent.append(now)
        return False
