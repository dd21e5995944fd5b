"""One number that trouble lowers and calm raises, along a cubic; pure.

Flat where it fell, so that it stays just beneath; steep far from there. The number may be of places
or of requests a second: this file does not know which, nor what trouble is; it reads no clock.
"""

import math

from msgspec import Struct
from msgspec.structs import replace

DECREASE = 0.95
"""A fall takes so much at least: it must be seen, and it is paid for until the number is back."""
COLLAPSE = 0.5
"""One fall leaves so much at least, whatever the evidence: the next may take more."""
OVERSHOT = 0.97
"""Trouble is heard late: where it began was below the number, but not by more than so much."""
SWELL = 0.2
"""In the horizon after that in which it came back it grows by so much more, slowly at first."""


class Climb(Struct, frozen=True):
    """`value` is the number; the last fall was from about `peak` to `low`."""

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
    peak = min(max(evidence, OVERSHOT * climb.value), climb.value)
    return Climb(low, searching=False, peak=peak, low=low, grew_at=now)


def risen(climb: Climb, horizon: float, now: float) -> Climb:
    """Rise for one more answer in peace; after *horizon* of them it is back where it fell."""
    quiet = climb.quiet + 1
    along = quiet / horizon
    rise = climb.peak - climb.low if along < 1.0 else SWELL * climb.peak
    value = max(climb.peak + rise * (along - 1.0) ** 3, climb.value)
    return Climb(value, False, quiet, climb.peak, climb.low, now)


def searched(climb: Climb, factor: float, now: float) -> Climb:
    """Grow by *factor*, where a search begins or goes on."""
    return replace(climb, value=climb.value * factor, searching=True, grew_at=now)
