"""What comes after an attempt: wait and try again, or settle; pure.

Time, chance and what was tried come in by argument. Knows nothing of connections, and never waits.
"""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from pipeline.model import Verdict
from pipeline.operations.operation import Repeat
from pipeline.transport.verdict import Judged, Judgement, Rule

HOUR_S = 3600.0
DOUBLINGS_MAX = 32
"""Every ceiling is reached long before; a float does not grow forever."""
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]*)?")


class Policy(Struct, frozen=True, kw_only=True):
    """How patient we are with one request; every limit has its reason."""

    attempts_max: int = 10
    """With the waits below about two minutes of refusals."""
    time_max_s: float = 15 * 60.0
    """Attempts and waits of one request together, pauses of the whole run not counted."""
    wait_s: float = 0.5
    """Ceiling of the first wait; it doubles from there. What is waited is a random share of it."""
    wait_max_s: float = 60.0
    retry_after_max_s: float = 5 * 60.0
    """A longer Retry-After is cut: asking too early once is better than a run that sleeps a day."""
    key_life_s: float = 23 * HOUR_S
    """How long a key is relied on. The API keeps it for 24 h (API.md §2.9); an hour is for clocks
    that differ and for the pauses of a run."""


class Tries(Struct, frozen=True, kw_only=True):
    """What has been tried of one request, the attempt that is judged included."""

    attempts: int
    perhaps_applied: bool
    """Of any attempt so far, an earlier process's included."""
    elapsed_s: float
    """Since the first attempt, by a clock that is never set back."""
    now: float
    """Seconds since the epoch, for a Retry-After that is a date."""
    key_age_s: float | None = None
    """Since the idempotency key was first sent; None: never. Negative: a clock was set back."""


class Wait(Struct, frozen=True, kw_only=True):
    """Try again after *seconds*, under a new idempotency key if it is to be fresh."""

    seconds: float
    fresh_key: bool = False


class Settle(Struct, frozen=True, kw_only=True):
    """The request has come to its verdict."""

    verdict: Verdict
    reason: str = ""


Step = Wait | Settle


def next_step(tries: Tries, judged: Judged, rule: Rule, policy: Policy, jitter: float) -> Step:
    """Say what comes after an attempt. *jitter* is from 0 up to 1. Pure; DESIGN §4 and §5."""
    match judged.judgement:
        case Judgement.DONE:
            return Settle(verdict=Verdict.DELIVERED)
        case Judgement.REFUSED:
            return Settle(verdict=Verdict.REFUSED, reason=judged.reason)
        case Judgement.TOO_LARGE:
            return Settle(verdict=Verdict.TOO_LARGE, reason=judged.reason)
        case Judgement.STOP:
            return given_up(Verdict.STOP, tries, rule, judged.reason)
        case Judgement.AGAIN | Judgement.PERHAPS:
            return _again(tries, judged, rule, policy, jitter)
        case _:
            assert_never(judged.judgement)


def given_up(verdict: Verdict, tries: Tries, rule: Rule, reason: str) -> Settle:
    """Settle as *verdict*; in doubt if perhaps applied and not harmless to repeat."""
    doubtful = tries.perhaps_applied and rule.repeat is not Repeat.SAFE
    return Settle(verdict=Verdict.IN_DOUBT if doubtful else verdict, reason=reason)


def _again(tries: Tries, judged: Judged, rule: Rule, policy: Policy, jitter: float) -> Step:
    if judged.judgement is Judgement.PERHAPS:
        tries = replace(tries, perhaps_applied=True)
    wait_s = pause(tries, judged.retry_after, policy, jitter)
    match rule.repeat:
        case Repeat.SAFE:
            forbidden = ""
        case Repeat.KEYED:
            forbidden = _key_trouble(tries.key_age_s, wait_s, policy)
        case Repeat.NEVER:
            forbidden = "not to be repeated" if tries.perhaps_applied else ""
        case _:
            assert_never(rule.repeat)
    spent = _spent(tries, wait_s, policy)
    if ending := forbidden or spent:
        return given_up(Verdict.FAILED, tries, rule, f"{judged.reason}; {ending}")
    # It is not known whether the API stores error answers under a key: a fresh one gets a fresh
    # answer. After a lost answer the same key gets the answer that was lost.
    return Wait(seconds=wait_s, fresh_key=judged.whole and rule.repeat is Repeat.SAFE)


def _spent(tries: Tries, wait_s: float, policy: Policy) -> str:
    if tries.attempts >= policy.attempts_max:
        return f"given up after {tries.attempts} attempts"
    if tries.elapsed_s + wait_s > policy.time_max_s:
        return f"given up after {tries.elapsed_s:.0f} s"
    return ""


def _key_trouble(age_s: float | None, wait_s: float, policy: Policy) -> str:
    """Say why a key must not be used once more after *wait_s*, or ""."""
    if age_s is None:
        return ""
    if age_s < 0:
        return "the clock was set back, so the age of the idempotency key is not known"
    if age_s + wait_s > policy.key_life_s:
        return f"the idempotency key is older than {policy.key_life_s / HOUR_S:.0f} h"
    return ""


def pause(tries: Tries, retry_after: str, policy: Policy, jitter: float) -> float:
    """Return the seconds to wait: exponential with full jitter, on top of what was asked for."""
    doublings = min(max(tries.attempts - 1, 0), DOUBLINGS_MAX)
    ceiling_s = min(policy.wait_s * 2.0**doublings, policy.wait_max_s)
    asked_s = min(asked_wait(retry_after, tries.now) or 0.0, policy.retry_after_max_s)
    return asked_s + jitter * ceiling_s


def asked_wait(retry_after: str, now: float) -> float | None:
    """Read a Retry-After, in seconds or as an HTTP date; None where there is none that can be read.

    A date in the past is 0.
    """
    text = retry_after.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
        return max(date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None
