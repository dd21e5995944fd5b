"""When the next request may leave: evenly, one after the other, and not before the API asked; pure.

Times are of a clock that is never set back. Knows nothing of requests, and never waits.
"""

from msgspec import Struct

LATE_S_MAX = 0.01
"""Timers ring late, on a busy loop by several milliseconds: that much is made good with the next
requests, or a thousand a second would be eight hundred. After a longer pause nothing more is: there
is no burst to catch up."""


class Pace(Struct, frozen=True, kw_only=True):
    """The next moment at which a request may leave."""

    at: float = 0.0


def left(pace: Pace, interval_s: float, now: float) -> Pace:
    """Return the pace after a request left at *now*; the next comes *interval_s* later."""
    return Pace(at=max(pace.at, now - LATE_S_MAX) + interval_s)


def is_kept(pace: Pace, interval_s: float, now: float) -> bool:
    """Say whether a request that leaves at *now* has waited for the pace, and for nothing else."""
    return now - pace.at < max(interval_s, LATE_S_MAX) / 2


def asked(pace: Pace, until: float) -> Pace:
    """Return the pace after the API asked for quiet *until* then."""
    return Pace(at=max(pace.at, until))
