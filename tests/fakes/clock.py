"""A clock that stands still until it is told, and does not wait."""

from dataclasses import dataclass

EPOCH = 1_790_000_000.0


@dataclass(slots=True)
class FixedClock:
    """`seconds` since the epoch; whoever sleeps moves it."""

    seconds: float = EPOCH

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
