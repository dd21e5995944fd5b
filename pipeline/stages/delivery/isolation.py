"""Which rows of a refused request to send again, and together with which; pure.

Bounded twice: by a budget of requests for each batch, and by a sample that recognises a batch in
which everything is bad for the same cause. What cannot be isolated is given up by name, never
dropped. Knows positions and causes; neither bodies nor HTTP.
"""

from dataclasses import dataclass, field

from pipeline.model import ApiError, Positions
from pipeline.stages.delivery.answers import Refusal, cause_of

REQUESTS_MAX = 256
"""Requests spent on one batch before the rest is given up: ten bad rows of a thousand that the
API does not name take about 200."""
NAMED_IN_A_ROW_MAX = 6
"""Refusals one after the other that name rows, nothing delivered, before the sample is tried."""
SAMPLE_ROWS = 3
"""First, last and middle row of a request are tried alone."""
SAMPLE_ROWS_MIN = 9
"""Fewer rows are quicker halved than sampled."""


@dataclass(slots=True, kw_only=True)
class Trail:
    """What the requests of one batch have come to so far."""

    requests: int = 0
    delivered_rows: int = 0
    refused_rows: int = 0
    causes: set[str] = field(default_factory=set)
    named_in_a_row: int = 0
    sampled: bool = False

    @property
    def uniform(self) -> bool:
        """Whether a sample was refused, every row for the same cause, and nothing delivered."""
        return (
            self.sampled
            and not self.delivered_rows
            and self.refused_rows >= SAMPLE_ROWS
            and len(self.causes) == 1
        )

    @property
    def spent(self) -> bool:
        """Whether no further request may go to this batch."""
        return self.requests >= REQUESTS_MAX or self.uniform

    def delivered(self, rows: int) -> None:
        """Note that a request delivered *rows* rows."""
        self.delivered_rows += rows
        self.named_in_a_row = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """What becomes of a refused request: rows refused, with their errors; the rest again."""

    refused: tuple[tuple[Positions, ApiError], ...] = ()
    again: tuple[Positions, ...] = ()


def divide(positions: Positions, refusal: Refusal, trail: Trail) -> Division:
    """Divide a refused request of *positions*; updates *trail*. Every position is in the result."""
    trail.causes.add(cause_of(refusal.first))
    if refusal.everything:
        trail.refused_rows += len(positions)
        return Division(refused=((positions, refusal.first),))
    places = tuple(positions)
    if refusal.named:
        trail.named_in_a_row += 1
        trail.refused_rows += len(refusal.named)
        refused = tuple(
            (Positions.of([places[index]]), error) for index, error in refusal.named.items()
        )
        rest = positions.without(places[index] for index in refusal.named)
        again = _sample(rest, trail) if trail.named_in_a_row >= NAMED_IN_A_ROW_MAX else (rest,)
        return Division(refused=refused, again=tuple(part for part in again if part))
    return Division(again=_sample(positions, trail))


def _sample(positions: Positions, trail: Trail) -> tuple[Positions, ...]:
    """Return what to send next: three rows alone before the rest, where that may save requests."""
    if trail.sampled or trail.delivered_rows or len(positions) < SAMPLE_ROWS_MIN:
        return positions.halves() if len(positions) > 1 else (positions,)
    trail.sampled = True
    places = tuple(positions)
    chosen = (places[0], places[-1], places[len(places) // 2])
    return (*(Positions.of([place]) for place in chosen), positions.without(chosen))
