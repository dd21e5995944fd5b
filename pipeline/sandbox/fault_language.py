"""The language of faults: text in, a `Plan` out, or an error that names the word.

    429:5% on profiles retry-after=2; cut-after:1%; latency:lognormal(80ms,0.5); rate:300/s

Rules are separated by `;`. A rule is WHAT[:HOW], and then words in any order.

    WHAT[:HOW]           what happens
    400 … 599[:SHARE]    that status instead of the answer
    cut-before[:SHARE]   the connection is reset, nothing was applied; also `cut`
    cut-after[:SHARE]    the connection is reset, the request was applied; also `lost`
    truncate[:SHARE]     half of the answer, then the end; the request was applied
    html[:SHARE]         200 with a page of some proxy; nothing was applied
    empty[:SHARE]        200 without a body; nothing was applied
    latency:TIME         the request takes that long
    slow-answer:TIME     the bytes of the answer take that long
    rate:N/s             429 for what is more than N requests in a second
    brown-out            503 for everything (with `from` and `for`)

    on NAME[,NAME]       only these operations: operationIds or short names, such as `profiles`
    before | after       whether the request was applied; else as above
    from=N for=N         from the Nth request on, for N requests
    every=N times=N      only each Nth request; N times at most
    retry-after=N        a Retry-After of N seconds; `date+N` says it as a date

SHARE is `5%` or `0.05`; without it, always. TIME is `80ms`, `2s`, `uniform(10ms,50ms)`,
`exponential(50ms)` or `lognormal(80ms,0.5)`: median and sigma.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pipeline.sandbox.faults import Kind, Plan, Rule

Names = Mapping[str, Collection[str]]
EXAMPLE = "429:5% on profiles retry-after=2; cut-after:1%; latency:lognormal(80ms,0.5); rate:300/s"
HEADS: Mapping[str, dict[str, Any]] = {
    "cut": {"kind": Kind.CUT},
    "cut-before": {"kind": Kind.CUT},
    "cut-after": {"kind": Kind.CUT, "after": True},
    "lost": {"kind": Kind.CUT, "after": True},
    "truncate": {"kind": Kind.TRUNCATE, "after": True},
    "html": {"kind": Kind.HTML},
    "empty": {"kind": Kind.EMPTY},
    "brown-out": {"kind": Kind.STATUS, "status": 503},
}
NUMBERS = {"from": "first", "for": "count", "every": "every", "times": "times"}
STATUS = re.compile(r"[45]\d\d")
TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
DRAWN = re.compile(r"(\w+)\(([^()]*)\)")
RETRY_AFTER = re.compile(r"(date\+)?\d{1,9}")


class UnreadableFaultError(ValueError):
    """Raised for a fault that cannot be read; the message names it and shows an example."""


def parse(text: str, names: Names, seed: int = 0) -> Plan:
    """Read *text* into a Plan; *names* gives the operationIds that a word after `on` stands for."""
    parts = [part.strip() for part in text.split(";")]
    return Plan(rules=tuple(_rule(part, names) for part in parts if part), seed=seed)


def _rule(text: str, names: Names) -> Rule:
    tight = re.sub(r"\s*,\s*", ",", text)  # so that a list is one word
    try:
        return Rule(text=text, **_given(tight.split(), names))
    except ValueError as error:
        raise UnreadableFaultError(f"fault {text!r}: {error}; for example: {EXAMPLE}") from error


def _given(words: list[str], names: Names) -> dict[str, Any]:
    given = {**_head(*words[0].split(":", 1)), **_words(words[1:], names)}
    if given["kind"] is Kind.TRUNCATE and not given["after"]:
        raise ValueError("half an answer needs a request that was applied")
    return given


def _head(what: str, how: str = "") -> dict[str, Any]:
    if STATUS.fullmatch(what):
        return {"kind": Kind.STATUS, "status": int(what), "share": _share(how)}
    if what in HEADS:
        return {**HEADS[what], "share": _share(how)}
    if what in (Kind.LATENCY.value, Kind.SLOW.value):
        return {"kind": Kind(what), "delay": _delay(how)}
    if what == "rate":
        if not NUMBER.fullmatch(how.removesuffix("/s")) or not float(how.removesuffix("/s")):
            raise ValueError(f"{how!r} is no rate such as 300/s")
        return {"kind": Kind.STATUS, "status": 429, "per_second": float(how.removesuffix("/s"))}
    raise ValueError(f"{what!r} is no fault")


def _words(words: list[str], names: Names) -> dict[str, Any]:
    given: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        name, _, value = word.partition("=")
        if word in ("before", "after"):
            given["after"] = word == "after"
        elif word == "on":
            given["operations"] = _operations(next(rest, ""), names)
        elif name in NUMBERS and value.isdigit() and int(value):
            given[NUMBERS[name]] = int(value)
        elif name == "retry-after" and RETRY_AFTER.fullmatch(value):
            given["retry_after"] = value
        else:
            raise ValueError(f"{word!r} is not understood")
    return given


def _operations(listed: str, names: Names) -> frozenset[str]:
    unknown = [name for name in listed.split(",") if name not in names]
    if unknown:
        raise ValueError(f"there is no operation {unknown[0]!r}; there are {', '.join(names)}")
    return frozenset(one for name in listed.split(",") for one in names[name])


def _share(how: str) -> float:
    if not how:
        return 1.0
    number = how.removesuffix("%")
    share = float(number) / (100 if how.endswith("%") else 1) if NUMBER.fullmatch(number) else -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"{how!r} is no share such as 5% or 0.05")
    return share


def _delay(how: str) -> Callable[[random.Random], float]:
    match DRAWN.fullmatch(how):
        case None:
            seconds = _seconds(how)
            return lambda _: seconds
        case found:
            shape, arguments = found[1], found[2].split(",")
    match shape, arguments:
        case "uniform", [least, most]:
            low, high = _seconds(least), _seconds(most)
            return lambda chance: chance.uniform(low, high)
        case "exponential", [average]:
            mean = _seconds(average)
            return lambda chance: mean * chance.expovariate(1)
        case "lognormal", [middle, sigma] if NUMBER.fullmatch(sigma):
            median, spread = _seconds(middle), float(sigma)
            return lambda chance: median * chance.lognormvariate(0, spread)
    raise ValueError(f"{how!r} is no time such as 80ms, 2s or lognormal(80ms,0.5)")


def _seconds(word: str) -> float:
    found = TIME.fullmatch(word)
    if found is None:
        raise ValueError(f"{word!r} is no time such as 80ms or 2s")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)
