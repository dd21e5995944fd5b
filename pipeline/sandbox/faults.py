"""Faults: what goes wrong, how often, where, and from which request on.

    429:5% on profiles retry-after=2; cut-after:1%; latency:lognormal(80ms,0.5); rate:300/s

The language stands in `fault_language.py`, which makes a `Plan` of it. Each draw depends on the
seed, the rule, and how many requests the rule has seen, so that the same requests meet the same
faults. This file decides and `app.py` obeys; it knows nothing of state, or of what a request
means.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import Enum

import orjson
from msgspec import Struct, field

from pipeline.sandbox.answers import Answer

DELAY_MAX_S = 300.0  # no request waits longer, whatever is drawn
WORDS = {429: "Too many requests", 503: "Service unavailable"}  # [A] the API documents no text
PAGE = Answer(
    status=200,
    body=b"<!doctype html><title>Sign in</title><p>Please sign in to this network.",
    headers=((b"content-type", b"text/html"),),
)


class Kind(Enum):
    """What a fault does. The values are the words of the language."""

    STATUS = "status"
    CUT = "cut"
    TRUNCATE = "truncate"
    HTML = "html"
    EMPTY = "empty"
    LATENCY = "latency"
    SLOW = "slow-answer"


class Rule(Struct, frozen=True, kw_only=True):
    """One fault. `share` is a chance from 0 to 1, `delay` draws seconds; the rest is when."""

    text: str
    kind: Kind
    status: int = 0
    share: float = 1.0
    delay: Callable[[random.Random], float] | None = None
    per_second: float = 0.0  # above which it strikes
    operations: frozenset[str] = frozenset()  # all, when empty
    after: bool = False  # strikes when the request has been applied
    first: int = 1  # request that it may strike, of those it applies to
    count: int | None = None  # requests from there on
    every: int = 1
    times: int | None = None  # it strikes at most
    retry_after: str = ""


class Decision(Struct, frozen=True, kw_only=True):
    """What goes wrong with one request; without arguments: nothing."""

    delay_s: float = 0.0  # before it is applied
    slow_s: float = 0.0  # over which the answer trickles
    fault: str = ""  # the rule that struck
    strikes_before: bool = False  # the request is not applied
    cuts: bool = False  # no answer
    truncates: bool = False  # half an answer
    answer: Answer | None = None  # in place of the real one


class Plan(Struct):
    """The faults in force, and how often each has struck."""

    rules: tuple[Rule, ...] = ()
    seed: int = 0
    _seen: Counter[int] = field(default_factory=Counter)
    _struck: Counter[int] = field(default_factory=Counter)
    _recent: dict[int, deque[float]] = field(default_factory=dict)

    def struck(self, rule: Rule) -> int:
        """Return how often *rule* has struck."""
        return self._struck[self.rules.index(rule)]

    def draw(self, operation: str, now_s: float) -> Decision:
        """Decide for the next request of *operation*, which comes at *now_s*; the first fault wins.

        Latencies add up, and come on top of the fault.
        """
        waits = {Kind.LATENCY: 0.0, Kind.SLOW: 0.0}
        broken: Rule | None = None
        for index, rule in enumerate(self.rules):
            if rule.operations and operation not in rule.operations:
                continue
            self._seen[index] += 1
            if not self._strikes(index, rule, now_s):
                continue
            if rule.delay is not None:
                drawn = rule.delay(self._chance(index, "delay"))
                waits[rule.kind] += min(max(drawn, 0.0), DELAY_MAX_S)
            elif broken is None:
                broken = rule
            else:
                continue
            self._struck[index] += 1
        return _decided(broken, waits, now_s)

    def _strikes(self, index: int, rule: Rule, now_s: float) -> bool:
        place = self._seen[index] - rule.first
        if place < 0 or (rule.count is not None and place >= rule.count) or place % rule.every:
            return False
        if rule.times is not None and self._struck[index] >= rule.times:
            return False
        if rule.per_second:
            return self._too_fast(index, rule.per_second, now_s)
        return rule.share >= 1.0 or self._chance(index, "share").random() < rule.share

    def _too_fast(self, index: int, per_second: float, now_s: float) -> bool:
        recent = self._recent.setdefault(index, deque())
        while recent and recent[0] <= now_s - 1.0:
            recent.popleft()
        if len(recent) >= per_second:
            return True
        recent.append(now_s)
        return False

    def _chance(self, index: int, purpose: str) -> random.Random:
        return random.Random(f"{self.seed}:{index}:{purpose}:{self._seen[index]}")


def _decided(rule: Rule | None, waits: dict[Kind, float], now_s: float) -> Decision:
    delay_s, slow_s = waits[Kind.LATENCY], waits[Kind.SLOW]
    if rule is None:
        return Decision(delay_s=delay_s, slow_s=slow_s)
    return Decision(
        delay_s=delay_s,
        slow_s=slow_s,
        fault=rule.text,
        strikes_before=not rule.after,
        cuts=rule.kind is Kind.CUT,
        truncates=rule.kind is Kind.TRUNCATE,
        answer=_answer(rule, now_s),
    )


def _answer(rule: Rule, now_s: float) -> Answer | None:
    if rule.kind is Kind.HTML:
        return PAGE
    if rule.kind is Kind.EMPTY:
        return Answer(status=200)
    if rule.kind is not Kind.STATUS:
        return None
    told = {"message": WORDS.get(rule.status, "Internal server error"), "StatusCode": rule.status}
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if wait := rule.retry_after:
        if wait.startswith("date+"):
            moment = datetime.fromtimestamp(now_s + int(wait.removeprefix("date+")), UTC)
            wait = format_datetime(moment, usegmt=True)
        headers = ((b"retry-after", wait.encode()),)
    return Answer(status=rule.status, body=orjson.dumps(told), headers=headers)
