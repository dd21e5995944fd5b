"""One number that trouble lowers and calm raises, along a cubic; pure.

Flat where it fell, so that it stays just beneath; steep far from there. The number may be of places
or of requests a second: this file does not know which, nor what trouble is; it reads no clock.
"""

import math
from dataclasses import dataclass, replace

DECREASE = 0.95
"""A fall takes so much at least: it must be seen, and it is paid for until the number is back."""
COLLAPSE = 0.5
"""One fall leaves so much at least, whatever the evidence: the next may take more."""
SWELL = 0.2
"""In the horizon after that in which it came back it grows by so much more, slowly at first."""
BEYOND = 2.0
"""Horizons without trouble after which a search begins: the API is not what it was."""


@dataclass(frozen=True, slots=True)
class Climb:
    """`value` is the number; `peak` and `low` are where the last fall began and ended."""

    value: float
    searching: bool = True
    """Growing by a factor and not along the cubic: nothing is known yet of where trouble is."""
    quiet: int = 0
    """Answers since the last fall, of requests that had reached it."""
    peak: float = math.inf
    low: float = 0.0
    grew_at: float = 0.0


def fallen(climb: Climb, evidence: float, now: float) -> Climb:
    """Fall to what the *evidence* says can be taken: by a little at least, by half at most."""
    low = min(max(evidence, COLLAPSE * climb.value), DECREASE * climb.value)
    return Climb(low, searching=False, peak=climb.value, low=low, grew_at=now)


def risen(climb: Climb, horizon: float, now: float) -> Climb:
    """Rise for one more answer in peace; after *horizon* of them it is back where it fell."""
    quiet = climb.quiet + 1
    if climb.searching:
        return replace(climb, quiet=quiet)
    along = quiet / horizon
    if along > BEYOND:
        return replace(climb, quiet=quiet, searching=True, grew_at=now)
    rise = climb.peak - climb.low if along < 1.0 else SWELL * climb.peak
    value = max(climb.peak + rise * (along - 1.0) ** 3, climb.value)
    return Climb(value, False, quiet, climb.peak, climb.low, climb.grew_at)


def searched(climb: Climb, factor: float, now: float) -> Climb:
    """Grow by *factor*, where a search goes on."""
    return replace(climb, value=climb.value * factor, grew_at=now)
