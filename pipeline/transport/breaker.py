"""Whether anything gets through at all: pure state over all requests of a run.

Opens after many failures in a row, lets one probe through at a time after growing pauses, and gives
up in the end. Knows no request, and reads no clock.
"""

import enum

from msgspec import Struct
from msgspec.structs import replace

PROBES_MIN = 3
"""Failures before a run that never had an answer gives up: one lost packet is not a verdict."""
TICK_S = 0.001
"""Shorter is nothing: a float that has grown large cannot even hold it."""


class Sign(enum.StrEnum):
    """What an attempt says of the way to the API."""

    THROUGH = "through"
    """The API has taken or refused a request: it works."""
    ANSWERED = "answered"
    """Something answered, but not to the point: 429, 5xx, a page of HTML."""
    SILENT = "silent"
    """Nothing came back."""


class Patience(Struct, frozen=True, kw_only=True):
    """How long a run bears that nothing gets through."""

    failures_max: int = 8
    """In a row, over all requests; fewer than one request has attempts, so that a lone one outlives
    an outage as well."""
    pause_s: float = 1.0
    """The first pause; it doubles with each probe that fails."""
    pause_max_s: float = 30.0
    """Short enough that a handful of requests which the API never digests are found out, one probe
    after the other, before the run's patience ends."""
    give_up_s: float = 15 * 60.0
    unreachable_s: float = 10.0
    """Where nothing has ever come back, the address is wrong more often than the API is down."""


class Breaker(Struct, frozen=True, kw_only=True):
    """What the attempts so far say; times are of a clock that is never set back."""

    answered: bool = False
    """Whether anything has ever come back."""
    failures: int = 0
    """In a row, over all requests."""
    failing_since: float = 0.0
    pause_s: float = 0.0
    """0 while it is closed."""
    probe_at: float = 0.0
    last: str = ""
    """The last failure, as a sentence."""

    @property
    def is_open(self) -> bool:
        """Whether attempts must wait for a probe to succeed."""
        return self.pause_s > 0


HEALTHY = Breaker(answered=True)
"""What every attempt that gets through makes of it."""


class Go(Struct, frozen=True):
    """An attempt may be made."""


class Probe(Struct, frozen=True):
    """One attempt may be made, to see."""


class Pause(Struct, frozen=True):
    """No attempt for *seconds*."""

    seconds: float


class GiveUp(Struct, frozen=True):
    """No attempt any more in this run; *reason* is a sentence."""

    reason: str


Gate = Go | Probe | Pause | GiveUp


def learn(breaker: Breaker, sign: Sign, what: str, now: float, patience: Patience) -> Breaker:
    """Return the state after an attempt that ended at *now* with *what*."""
    if sign is Sign.THROUGH:
        return HEALTHY
    failed = replace(
        breaker,
        answered=breaker.answered or sign is Sign.ANSWERED,
        failures=breaker.failures + 1,
        failing_since=breaker.failing_since if breaker.failures else now,
        last=what,
    )
    if failed.failures < patience.failures_max or (failed.is_open and now < failed.probe_at):
        return failed  # not yet; or an attempt that was under way when it opened
    pause_s = min(failed.pause_s * 2 or patience.pause_s, patience.pause_max_s)
    return replace(failed, pause_s=pause_s, probe_at=now + pause_s)


def gate(breaker: Breaker, now: float, patience: Patience) -> Gate:
    """Say whether an attempt may be made at *now*."""
    if reason := _hopeless(breaker, now, patience):
        return GiveUp(reason)
    if not breaker.is_open:
        return Go()
    if now >= breaker.probe_at:
        return Probe()
    left_s = patience_left(breaker, now, patience)
    return Pause(max(min(breaker.probe_at - now, left_s or float("inf")), TICK_S))


def news(before: Breaker, after: Breaker, now: float, patience: Patience) -> str:
    """Return the sentence that a person should hear of a change, or "".

    The first pause goes unmentioned: many a hiccup is over when it ends.
    """
    was_told, is_told = (state.pause_s > patience.pause_s for state in (before, after))
    if is_told and not was_told:
        return (
            f"nothing gets through ({after.last}): the run pauses, tries again in "
            f"{after.pause_s:.0f} s, and then less and less often"
        )
    if was_told and not is_told:
        failing_s = now - before.failing_since
        return f"the API answers again, after {failing_s:.0f} s: the run goes on"
    return ""


def patience_left(breaker: Breaker, now: float, patience: Patience) -> float:
    """Return the seconds until the run may have to give up: no wait needs to be longer."""
    if not breaker.failures:
        return float("inf")
    bound_s = patience.give_up_s if breaker.answered else patience.unreachable_s
    left_s = bound_s - (now - breaker.failing_since)
    return left_s if left_s > TICK_S else 0.0


def _hopeless(breaker: Breaker, now: float, patience: Patience) -> str:
    if patience_left(breaker, now, patience):
        return ""
    if not breaker.answered and breaker.failures >= PROBES_MIN:
        return f"nothing has ever come back from the API: {breaker.last}"
    if breaker.answered and breaker.is_open:
        minutes = (now - breaker.failing_since) / 60
        return f"nothing has got through for {minutes:.0f} minutes; the last: {breaker.last}"
    return ""
