"""A scripted network and a virtual clock: what an exchange meets, and when, said in one line."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import anyio
import trio

from pipeline.model import Answer, Fault, Request

EPOCH = 1_790_000_000.0


@dataclass(slots=True)
class VirtualClock:
    """trio's clock as ours; `wall_offset` is what someone did to the wall clock."""

    wall_offset: float = 0.0

    def now(self) -> float:
        return EPOCH + trio.current_time() + self.wall_offset

    def monotonic(self) -> float:
        return trio.current_time()

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)


def result(word: str) -> Answer | Fault:
    """`200` or `429:7` an answer (with its Retry-After), `cut` a lost one, `refused` none sent."""
    match word:
        case "cut":
            return Fault(what="the connection broke", sent=True)
        case "refused":
            return Fault(what="127.0.0.1 cannot be reached", sent=False)
        case _:
            status, _, retry_after = word.partition(":")
            return Answer(status=int(status), body=b"{}", retry_after=retry_after)


@dataclass(slots=True)
class ScriptedSend:
    """Answer attempt after attempt as the script says; its last word forever.

    `took_s` is how long an attempt takes; `sent` has the moment and the key of each.
    """

    script: str
    took_s: float = 0.0
    sent: list[tuple[float, str]] = field(default_factory=list)
    in_flight_max: int = 0
    _in_flight: int = 0
    _words: Iterator[str] | None = None

    async def __call__(self, request: Request) -> Answer | Fault:
        self.sent.append((trio.current_time(), request.idempotency_key))
        self._words = self._words or iter(self.script.split())
        self._in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self._in_flight)
        try:
            await anyio.sleep(self.took_s)
        finally:
            self._in_flight -= 1
        return result(next(self._words, self.script.split()[-1]))

    @property
    def keys(self) -> list[str]:
        return [key for _, key in self.sent]
