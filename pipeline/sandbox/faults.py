"""Faults as a small language: what goes wrong, how often, where, and from which request on.

    429:5% on profiles retry-after=2; cut-after:1%; latency:lognormal(80ms,0.5); rate:300/s

A rule is WHAT[:HOW], then in any order `on OPERATION[,OPERATION]`, `before` or `after` (it was applied),
`from=N`, `for=N`, `every=N`, `times=N`, `retry-after=SECONDS`, `status=CODE`. WHAT and HOW:

    400…599:SHARE      that status; retried answers carry no body of the API's where 5xx
    cut-before:SHARE   the connection is cut, nothing was applied        (`cut` is the same)
    cut-after:SHARE    the connection is cut, it was applied             (`lost` is the same)
    truncate:SHARE     half of the answer, then cut; it was applied
    html:SHARE         200 with a proxy's page in place of the answer; not applied
    empty:SHARE        200 without a body, where the API has another answer; not applied
    latency:TIME       each answer takes that long; 80ms, 2s, uniform(10ms,50ms), lognormal(80ms,0.5)
    slow-answer:TIME   the answer's bytes trickle for that long
    rate:N/s           429 beyond N requests in a second
    brown-out          503 for all (with `from` and `for`)

SHARE is 5% or 0.05; without it, always. OPERATION is an operationId or a short name (`profiles`).
Every draw depends on the seed, the rule and the request's number only, so that a run can be repeated.
This file decides; `app.py` obeys. It knows nothing of state or bodies.
"""

from __future__ import annotations

import random
import re
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

Point = Literal["before", "after"]
SHARED = ("cut-before", "cut-after", "truncate", "html", "empty", "brown-out")
SAME = {"cut": "cut-before", "lost": "cut-after"}
APPLIED_BY_DEFAULT = ("cut-after", "truncate")
LATENCY_MAX_S = 300.0  # no request waits longer, whatever is drawn
RETRY_AFTER = re.compile(r"\d{1,6}|[A-Za-z0-9,: ]{1,40}")
TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")
DRAWN = re.compile(r"(uniform|lognormal|exponential)\(([^()]+)\)")


class FaultSyntaxError(ValueError):
    """Raised for a fault that cannot be read; the message names it and shows the language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One fault. `share` is a chance in 0..1; `delay` draws seconds; the rest says where and when."""

    text: str
    what: str
    status: int = 0
    share: float = 1.0
    delay: Callable[[random.Random], float] | None = None
    per_second: float = 0.0
    operations: frozenset[str] = frozenset()
    point: Point = "before"
    first: int = 1
    count: int | None = None
    every: int = 1
    times: int | None = None
    retry_after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What shall go wrong with one request; the default is nothing."""

    delay_s: float = 0.0
    what: str = ""
    status: int = 0
    point: Point = "before"
    retry_after: str = ""
    slow_s: float = 0.0


@dataclass(slots=True)
class Plan:
    """The faults in force. `aliases` gives the operationIds of each short name."""

    rules: tuple[Rule, ...] = ()
    seed: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    _recent: deque[float] = field(default_factory=deque)
    _seen: Counter[int] = field(default_factory=Counter)

    def draw(self, operation: str, now_s: float) -> Decision:
        """Decide for the next request of *operation* at the monotonic time *now_s*."""
        delay_s = slow_s = 0.0
        broken: Rule | None = None
        for index, rule in enumerate(self.rules):
            if rule.operations and operation not in rule.operations:
                continue
            self._seen[index] += 1
            if not self._strikes(index, rule, now_s):
                continue
            if rule.delay is not None:
                drawn = min(rule.delay(self._chance(index, "delay")), LATENCY_MAX_S)
                delay_s, slow_s = (
                    (delay_s + drawn, slow_s)
                    if rule.what == "latency"
                    else (delay_s, slow_s + drawn)
                )
            elif broken is None:
                broken = rule
            else:
                continue
            self.hits[rule.text] += 1
        if broken is None:
            return Decision(delay_s=delay_s, slow_s=slow_s)
        return Decision(
            delay_s=delay_s,
            slow_s=slow_s,
            what=broken.what,
            status=broken.status,
            point=broken.point,
            retry_after=broken.retry_after,
        )

    def _strikes(self, index: int, rule: Rule, now_s: float) -> bool:
        seen = self._seen[index]
        if seen < rule.first or (rule.count is not None and seen >= rule.first + rule.count):
            return False
        if (seen - rule.first) % rule.every:
            return False
        if rule.times is not None and self.hits[rule.text] >= rule.times:
            return False
        if rule.per_second:
            return self._too_fast(rule.per_second, now_s)
        return rule.share >= 1.0 or self._chance(index, "share").random() < rule.share

    def _too_fast(self, per_second: float, now_s: float) -> bool:
        while self._recent and self._recent[0] <= now_s - 1.0:
            self._recent.popleft()
        if len(self._recent) >= per_second:
            return True
        self._recent.append(now_s)
        return False

    def _chance(self, index: int, purpose: str) -> random.Random:
        return random.Random(f"{self.seed}:{index}:{purpose}:{self._seen[index]}")


def parse(text: str, names: Mapping[str, Collection[str]], seed: int = 0) -> Plan:
    """Read *text* into a Plan; *names* gives the operationIds that a name after `on` stands for."""
    rules = [_rule(part.strip(), names) for part in text.split(";") if part.strip()]
    return Plan(rules=tuple(rules), seed=seed)


def _rule(text: str, names: Mapping[str, Collection[str]]) -> Rule:
    # "on a, b" is one word: spaces after commas go first
    what_how, *words = re.sub(
        r",\s+", ",", re.sub(r"\(([^)]*)\)", lambda m: m[0].replace(" ", ""), text)
    ).split()
    what, _, how = what_how.partition(":")
    what = SAME.get(what, what)
    given = {**_head(text, what, how), **_words(text, words, names)}
    given.setdefault("point", "after" if what in APPLIED_BY_DEFAULT else "before")
    status = given.pop("status_word", None)
    if status is not None:
        given["status"] = status
    return Rule(text=text, **given)


def _head(text: str, what: str, how: str) -> dict[str, object]:
    if what.isdigit() and 400 <= int(what) <= 599:
        return {"what": "status", "status": int(what), "share": _share(text, how)}
    if what in SHARED:
        status = {"brown-out": 503, "html": 200, "empty": 200}.get(what, 0)
        return {
            "what": "status" if what == "brown-out" else what,
            "status": status,
            "share": _share(text, how),
        }
    if what in ("latency", "slow-answer"):
        return {"what": what, "delay": _delay(text, how)}
    if what == "rate":
        number = how.removesuffix("/s")
        try:
            per_second = float(number)
        except ValueError:
            per_second = 0.0
        if per_second <= 0:
            raise _unread(text, f"{how!r} is no rate such as 300/s")
        return {"what": "status", "status": 429, "per_second": per_second}
    raise _unread(text, f"{what!r} is no fault")


def _words(text: str, words: list[str], names: Mapping[str, Collection[str]]) -> dict[str, object]:
    given: dict[str, object] = {}
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if word in ("before", "after"):
            given["point"] = word
        elif word == "on" and words:
            given["operations"] = _operations(text, words.pop(0), names)
        elif equals and name == "retry-after" and RETRY_AFTER.fullmatch(value):
            given["retry_after"] = value
        elif equals and name in WHOLE and value.isdigit() and int(value) > 0:
            given[WHOLE[name]] = int(value)
        else:
            raise _unread(text, f"{word!r} is not understood")
    return given


WHOLE = {
    "from": "first",
    "for": "count",
    "every": "every",
    "times": "times",
    "status": "status_word",
}


def _operations(text: str, listed: str, names: Mapping[str, Collection[str]]) -> frozenset[str]:
    found: set[str] = set()
    for name in listed.split(","):
        if name not in names:
            raise _unread(
                text, f"there is no operation {name!r}; there are {', '.join(sorted(names))}"
            )
        found.update(names[name])
    return frozenset(found)


def _share(text: str, how: str) -> float:
    if not how:
        return 1.0
    try:
        share = float(how.removesuffix("%")) / (100 if how.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise _unread(text, f"{how!r} is no share such as 5% or 0.05")
    return share


def _delay(text: str, how: str) -> Callable[[random.Random], float]:
    if drawn := DRAWN.fullmatch(how):
        kind, arguments = drawn[1], drawn[2].split(",")
        if kind == "uniform" and len(arguments) == 2:
            low, high = (_seconds(text, argument) for argument in arguments)
            return lambda chance: chance.uniform(low, high)
        if kind == "exponential" and len(arguments) == 1:
            mean = _seconds(text, arguments[0])
            return lambda chance: chance.expovariate(1 / mean) if mean else 0.0
        if kind == "lognormal" and len(arguments) == 2:
            median, sigma = _seconds(text, arguments[0]), _number(text, arguments[1])
            return lambda chance: median * chance.lognormvariate(0, sigma)
    seconds = _seconds(text, how)
    return lambda _: seconds


def _seconds(text: str, word: str) -> float:
    found = TIME.fullmatch(word)
    if found is None:
        raise _unread(text, f"{word!r} is no time such as 80ms or 2s")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def _number(text: str, word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise _unread(text, f"{word!r} is no number") from None


def _unread(text: str, why: str) -> FaultSyntaxError:
    example = (
        '"429:5% on profiles retry-after=2; cut-after:1%; latency:lognormal(80ms,0.5); rate:300/s"'
    )
    return FaultSyntaxError(f"fault {text!r}: {why}; a fault reads like {example}")
