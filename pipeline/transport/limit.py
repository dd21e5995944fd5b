"""How many requests the API takes at a time, found out while sending; pure.

Each answer is evidence. A refusal (429, 503, a time-out …) says "too many"; so does latency, by and
by (`crowd`). Without either the limit grows, if it was reached: never beyond what there is evidence
for. At first it doubles; it falls a little, once a round trip; it comes back along a cubic, flat
where it fell and steep far from there. Knows neither requests nor connections; reads no clock.

It is a fraction: 5.7 are six places that rest a little, so that 5.7 of them are busy on average;
0.3 is one that rests most of the time. So 300 requests a second are a limit too, at any latency.
"""

import math
from dataclasses import dataclass, field, replace

from pipeline.transport import crowd
from pipeline.transport.crowd import Memory, Round

CEILING = 200
"""Requests in flight at most: connections that one host takes from one client, with room."""
EVEN, EVEN_SEARCHING = 1.2, 2.0
"""Where something was refused, requests leave at most so many times faster than answers come: a
burst after a pause is spread over the round trip, and a place that comes free hardly waits."""
BEYOND = 2.0
"""Horizons since a fall, the second of them beyond where it fell, after which a search begins."""
CALM = 0.1
"""Weight of a round trip in the mean latency, which sets the pace: an uneven one is refused."""
AGES = 8.0
"""Times the mean: what takes longer counts as that."""
HUSH_S_MAX = 0.25
"""The pace halves with each refusal in a row, down to this: while nothing is taken, little goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The numbers of the policy, each with its reason; tests/pacing sees what they do."""

    start: float = 8.0
    """A guess that is wrong is doubled within a round trip, or halved."""
    ceiling: float = float(CEILING)
    share: float = 1.0
    """Of what was found, this much is used."""
    hold_s: float = 60.0
    """For so long; then it is found anew, for some hundred requests."""
    decrease: float = 0.93
    """For the first trouble; what follows at once takes more: 0.93², 0.93³ …"""
    collapse: float = 0.5
    """One fall leaves so much at least; and where less is left of a good limit, a search begins."""
    fall_s: float = 0.1
    """Falls are at least so far apart: a limit on a rate refuses until its second is over."""
    fade: float = 0.6
    """What was carried in a second is what can be carried, for a while: so much is left of that
    belief after another second. A pause of ours is no weakness of theirs."""
    horizon: float = 200.0
    """Answers until the limit is back where trouble was met. Each return costs some refusals, …"""
    bill: float = 200.0
    """… and this many answers are waited for each, so that few in a hundred are refused, …"""
    horizon_max: float = 1500.0
    """… but no more than this: a fall that costs more tells of another world."""
    rounds: float = 10.0
    """The horizon in round trips, where 200 answers are but a few."""
    pauses: float = 20.0
    """The horizon in pauses that the API asked for with its refusal."""
    swell: float = 0.2
    """The limit grows past the last trouble by so much within one more horizon, slowly at first.
    Then it doubles: the API is not what it was."""
    settled: int = 10
    """Answers without trouble after which a fall is over."""
    round_s: float = 0.1
    """Doubling waits so long: limits on a rate are noticed late on a quick road. Twice as long
    after each search that had to be taken back, up to `patience` times."""
    patience: float = 16.0
    nearly: float = 0.75
    """A search counts its limit as reached with so much of it: it does not wait for the last."""
    sample: int = 32
    """Answers from which latency is judged, once the search is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of an attempt; times are of a clock that is never set back."""

    sent_at: float
    at: float
    in_flight: int
    """When it left, itself included."""
    trouble: bool = False
    """429, 503, a time-out: the API had no time for it."""
    pause_s: float = 0.0
    """What it asked for in a Retry-After."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What is taken per second: a count since `since`, and the best of before, fading."""

    since: float = 0.0
    taken: int = 0
    before: float = 0.0
    window_s: float = 1.0

    def rate(self, now: float, fade: float) -> float:
        """Return what can be carried, by what was: less and less, while nothing is."""
        best = max(self.before, self.taken / self.window_s)
        return best * float(fade ** ((now - self.since) / self.window_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What is known of the API; `value` requests may be in flight."""

    value: float
    searching: bool = True
    """Doubling: until there is trouble, and after a collapse."""
    held: bool = False
    """Whether only a share of it is used."""
    good: float
    """The limit that held when a fall was last over."""
    peak: float = math.inf
    """The limit before the last fall, and after it."""
    low: float = 0.0
    fell_at: float = -math.inf
    falls: int = 0
    """In a row."""
    failed: int = 0
    """Searches in a row that had to be taken back."""
    quiet: int = 0
    """Answers since the last fall, of requests that had reached the limit."""
    bill: int = 0
    """Refusals that the last fall has cost."""
    refused: int = 0
    """In a row, one after the other; when the last of them was heard; the pause it asked for."""
    refused_at: float = -math.inf
    pause_s: float = 0.0
    latency_s: float = 0.0
    """Smoothed; 0 before the first answer."""
    flow: Flow = field(default_factory=Flow)
    round: Round = field(default_factory=Round)
    memory: Memory = field(default_factory=dict)

    def used(self, tuning: Tuning) -> float:
        """Return how many of `value` we use."""
        return self.value * tuning.share if self.held else self.value


def begin(tuning: Tuning) -> Limit:
    """Return the limit of a road of which nothing is known."""
    return Limit(value=min(tuning.start, tuning.ceiling), good=tuning.start)


def places(limit: Limit, tuning: Tuning) -> int:
    """Return how many requests may be in flight."""
    return max(math.ceil(limit.used(tuning)), 1)


def rest_s(limit: Limit, tuning: Tuning) -> float:
    """Return how long a free place rests, so that as many are busy as the limit says."""
    if not limit.bill:
        return 0.0
    return limit.latency_s * (places(limit, tuning) / limit.used(tuning) - 1.0)


def interval_s(limit: Limit, tuning: Tuning) -> float:
    """Return what lies at least between two requests: nothing, while none has been refused."""
    if not limit.bill:
        return 0.0
    even = limit.latency_s / (limit.used(tuning) * (EVEN_SEARCHING if limit.searching else EVEN))
    hush = min(even * 2.0 ** min(limit.refused, 32), HUSH_S_MAX)
    return max(even, hush) if limit.refused else even


def learn(limit: Limit, heard: Heard, tuning: Tuning) -> Limit:
    """Return the limit after *heard*. What had left before the last fall says nothing of it."""
    if heard.trouble:
        return _after_trouble(limit, heard, tuning)
    limit = replace(limit, refused=0)
    if heard.sent_at < limit.fell_at:
        return limit
    full = limit.used(tuning) * (tuning.nearly if limit.searching else 1.0)
    reached = heard.in_flight >= math.floor(full)
    took_s = heard.at - heard.sent_at
    limit = replace(
        limit,
        quiet=limit.quiet + (reached and not limit.held),
        latency_s=_smoothed(limit, took_s),
        flow=_flown(limit, heard.at, tuning),
    )
    if not reached:
        return limit
    if heard.sent_at >= limit.round.since:
        limit = replace(limit, round=crowd.counted(limit.round, heard.sent_at, took_s))
    if _is_round_over(limit, heard.at, tuning):
        limit = _after_round(limit, heard.at, tuning)
    return limit if limit.searching else replace(limit, value=_regrown(limit, tuning))


def _after_trouble(limit: Limit, heard: Heard, tuning: Tuning) -> Limit:
    """Count a refusal; fall, unless it was caused before the last fall had its effect."""
    again = limit.quiet < tuning.settled
    limit = replace(limit, bill=limit.bill + 1 if again else 1)
    if heard.sent_at >= limit.refused_at:
        limit = replace(
            limit, refused=limit.refused + 1, refused_at=heard.at, pause_s=heard.pause_s
        )
    if heard.sent_at < limit.fell_at + tuning.fall_s:
        return limit
    share = max(tuning.decrease ** (limit.falls + 1), tuning.collapse)
    if limit.searching:
        share = tuning.collapse  # back to the half, which was taken
    carried = tuning.decrease * limit.flow.rate(heard.at, tuning.fade) * limit.latency_s
    least = limit.latency_s / (limit.latency_s + 1.0)  # about one a second
    kept = max(min(carried, tuning.decrease * limit.value), min(least or 1.0, limit.value))
    return _fallen(limit, max(limit.value * share, kept), heard.at, tuning)


def _is_round_over(limit: Limit, now: float, tuning: Tuning) -> bool:
    enough = max(limit.used(tuning), 1 if limit.searching else tuning.sample)
    patience = min(2.0**limit.failed, tuning.patience)
    return limit.round.answers >= enough and now - limit.round.since >= tuning.round_s * patience


def _after_round(limit: Limit, now: float, tuning: Tuning) -> Limit:
    """Take in the latency of a round trip; double, where a search goes on."""
    latency = limit.round.latency(limit.used(tuning))
    limit = replace(limit, memory=crowd.remembered(limit.memory, latency))
    if crowd.is_crowded(limit.memory, latency.octave):
        share = math.sqrt(tuning.collapse) if limit.searching else tuning.decrease
        limit = replace(limit, latency_s=limit.latency_s * share)
        return _fallen(limit, limit.value * share, now, tuning)
    settled = limit.quiet >= max(limit.value, tuning.settled) and not limit.searching
    along = limit.quiet / _horizon(limit, tuning)
    value = min(limit.value * (2.0 if limit.searching else 1.0), tuning.ceiling)
    is_over = limit.held and now - limit.fell_at > tuning.hold_s
    return replace(
        limit,
        value=value,
        good=limit.value if settled else limit.good,
        falls=0 if settled else limit.falls,
        failed=0 if along > 1.0 and not limit.searching else limit.failed,
        searching=limit.searching or along > BEYOND,
        held=tuning.share < 1.0 and (value >= tuning.ceiling or (limit.held and not is_over)),
        round=Round(since=now),
    )


def _fallen(limit: Limit, value: float, now: float, tuning: Tuning) -> Limit:
    """Fall to *value*. Where that is little of what was good, search anew; else come back."""
    was_search = limit.searching and limit.value > limit.low
    collapsed = value < limit.good * tuning.collapse and not was_search
    found = tuning.share < 1.0 and not limit.searching
    return replace(
        limit,
        value=value,
        searching=collapsed,
        held=(limit.held or found) and not collapsed,
        good=value if was_search else limit.good,
        peak=limit.value,
        low=value,
        fell_at=now,
        falls=limit.falls + 1,
        failed=limit.failed + was_search,
        quiet=0,
        round=Round(since=now),
    )


def _horizon(limit: Limit, tuning: Tuning) -> float:
    """Return how many answers the limit takes to come back to where it fell."""
    billed = min(max(tuning.bill * limit.bill, tuning.horizon), tuning.horizon_max)
    paused = limit.pause_s * limit.peak / limit.latency_s if limit.pause_s else 0.0
    return max(billed, tuning.rounds * limit.peak, tuning.pauses * paused)


def _regrown(limit: Limit, tuning: Tuning) -> float:
    """Return where the limit is, `quiet` answers after it fell."""
    beyond = limit.quiet / _horizon(limit, tuning) - 1.0
    rise = limit.peak - limit.low if beyond < 0 else tuning.swell * limit.peak
    return min(max(limit.peak + rise * beyond**3, limit.low), tuning.ceiling)


def _smoothed(limit: Limit, took_s: float) -> float:
    """Return the mean latency with one more answer in it; one that took ages does not upset it."""
    took_s = max(took_s, crowd.SECONDS_MIN)
    old_s = limit.latency_s or took_s
    weight = CALM / max(limit.value, 1.0)
    return old_s + weight * (min(took_s, AGES * old_s) - old_s)


def _flown(limit: Limit, now: float, tuning: Tuning) -> Flow:
    flow, window_s = limit.flow, max(1.0, limit.latency_s)
    if now - flow.since < window_s:
        return replace(flow, taken=flow.taken + 1, window_s=window_s)
    best = max(flow.taken / (now - flow.since), flow.rate(now, tuning.fade))
    return Flow(since=now, taken=1, before=best, window_s=window_s)
