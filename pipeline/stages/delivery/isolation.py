"""Which rows of a refused request to send again, and together with which; pure.

Bounded twice: by a budget of requests for each batch, and by a sample that recognises a batch in
which everything is bad for the same cause, in fewer than ten requests (DESIGN §5). What cannot be
isolated is given up by name, never dropped. Knows positions and causes; neither bodies nor HTTP.
"""

from collections.abc import Sequence

from msgspec import Struct, field

from pipeline.model import ApiError, Positions
from pipeline.stages.delivery.answers import Refusal, cause_of

REQUESTS_MAX = 256
"""Requests spent on one batch before the rest is given up: ten bad rows of a thousand that the
API does not name take about 200."""
HOPELESS_REQUESTS = 9
"""Requests after which a batch in which everything is bad is recognised: 1 for all of it, 1 for a
row and 1 for the others, `SAMPLE` rows alone and 1 for the others. Where each row can be tried
alone within as many, each is."""
NAMED_IN_A_ROW_MAX = 3
"""Refusals one after the other that name rows, nothing delivered, before the sample is tried."""
SAMPLE = 5
"""Parts of a request that are tried alone, from the first to the last, when one was not enough."""


class Trail(Struct, kw_only=True):
    """What the requests of one batch have come to so far."""

    requests: int = 0
    delivered_rows: int = 0
    refused_rows: int = 0
    causes: set[str] = field(default_factory=set)
    named_in_a_row: int = 0
    sampled: int = 0
    """Parts tried alone, by way of a sample."""
    hopeless: bool = False
    """Whether what the sample left over was refused too, with nothing delivered."""

    @property
    def uniform(self) -> bool:
        """Whether the sample and the others were refused for one cause, and nothing delivered."""
        return self.hopeless and not self.delivered_rows and len(self.causes) == 1

    @property
    def spent(self) -> bool:
        """Whether no further request may go to this batch."""
        return self.requests >= REQUESTS_MAX or self.uniform

    def delivered(self, rows: int) -> None:
        """Note that a request delivered *rows* rows."""
        self.delivered_rows += rows
        self.named_in_a_row = 0

    def refused(self, rows: int) -> None:
        """Note that *rows* rows have their verdict: refused."""
        self.refused_rows += rows


class Division(Struct, frozen=True, kw_only=True):
    """What becomes of a refused request: rows refused, with their errors; the rest again."""

    refused: tuple[tuple[Positions, ApiError], ...] = ()
    again: tuple[Positions, ...] = ()


def divide(positions: Positions, refusal: Refusal, trail: Trail) -> Division:
    """Divide a refused request of *positions*; updates *trail*. Every position is in the result."""
    trail.causes.add(cause_of(refusal.first))
    if refusal.everything:
        trail.refused(len(positions))
        return Division(refused=((positions, refusal.first),))
    places = tuple(positions)
    if not refusal.named:
        return Division(again=_narrowed([(place,) for place in places], trail))
    trail.named_in_a_row += 1
    trail.refused(len(refusal.named))
    refused = tuple(
        (Positions.of([places[index]]), error) for index, error in refusal.named.items()
    )
    rest = positions.without(places[index] for index in refusal.named)
    if trail.named_in_a_row < NAMED_IN_A_ROW_MAX or not rest:
        return Division(refused=refused, again=(rest,) if rest else ())
    trail.sampled = max(trail.sampled, 1)  # rows named are as good as a row tried alone
    return Division(refused=refused, again=_narrowed([(place,) for place in rest], trail))


def divide_by_value(groups: Sequence[Sequence[int]], error: ApiError, trail: Trail) -> Division:
    """Divide a request that was refused for one of several values; updates *trail*.

    groups: the places that share a value, and with it their fate. Of one group only, all is said.
    """
    trail.causes.add(cause_of(error))
    if len(groups) > 1:
        return Division(again=_narrowed(groups, trail))
    positions = _joined(groups)
    trail.refused(len(positions))
    return Division(refused=((positions, error),))


def _narrowed(parts: Sequence[Sequence[int]], trail: Trail) -> tuple[Positions, ...]:
    """Return what to send next, where one of *parts*, each good or bad as a whole, is bad.

    Halves, once something was delivered. Before that it may be that everything is bad, which
    halving would find out only at the end: then a part alone, and at the second time some more.
    """
    middle = (len(parts) + 1) // 2
    halves = _those_with_rows(_joined(parts[:middle]), _joined(parts[middle:]))
    if trail.delivered_rows:
        return halves
    if trail.requests + len(parts) <= HOPELESS_REQUESTS:
        return tuple(_joined([part]) for part in parts)
    if trail.sampled > 1:
        trail.hopeless = True
        return halves
    steps = SAMPLE - 1
    last = len(parts) - 1
    alone = {step * last // steps for step in range(SAMPLE)} if trail.sampled else {last // 2}
    trail.sampled += len(alone)
    others = [part for index, part in enumerate(parts) if index not in alone]
    return _those_with_rows(*(_joined([parts[index]]) for index in sorted(alone)), _joined(others))


def _joined(parts: Sequence[Sequence[int]]) -> Positions:
    return Positions.of(place for part in parts for place in part)


def _those_with_rows(*positions: Positions) -> tuple[Positions, ...]:
    return tuple(some for some in positions if some)
