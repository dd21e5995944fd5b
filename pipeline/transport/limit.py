"""How many requests the API takes at a time, and how many a second, found out while sending; pure.

Each answer is evidence. A refusal (429, 503, a time-out …) is blamed on one of two numbers. Were
more requests in flight than have been taken since the last trouble? Then on the `places`. Were as
many taken before? Then it is not how many that matters but how fast: on the `pace`. Latency is no
refusal, and lowers the places by and by (`crowd`). A number grows in peace, if it was reached:
never beyond what there is evidence for. While nothing at all is taken there is no evidence, and
little is sent. Knows neither requests nor connections; reads no clock.
"""

import math

from msgspec import Struct, field
from msgspec.structs import replace

from pipeline.transport import climb as climbs
from pipeline.transport import crowd
from pipeline.transport.climb import Climb
from pipeline.transport.crowd import Memory, Round

CEILING = 200
"""Requests in flight at most: connections that one host takes from one client, with room."""
CALM = 0.1
"""Weight of a round trip in the mean latency."""
AGES = 8.0
"""Times the mean: what takes longer counts as that."""
HUSH_S_MAX = 0.25
"""What lies between two requests doubles with each refusal in a row, up to this."""
FLOW_S = 0.5
"""What is taken per second is counted over one to two of these: before, it was another world."""
DOUBLINGS_MAX = 32
"""A float does not grow forever."""


class Tuning(Struct, frozen=True, kw_only=True):
    """The numbers of the policy, each with its reason; tests/pacing sees what they do."""

    start: float = 8.0
    """A guess that is wrong is doubled within a quarter of a second, or halved."""
    ceiling: float = float(CEILING)
    share: float = 1.0
    """Of what was found, this much is used."""
    hold_s: float = 60.0
    """For so long; then it is found anew, for some hundred requests."""
    fall_s: float = 0.1
    """Falls are at least so far apart: a limit on a rate refuses until its second is over."""
    horizon: float = 200.0
    """Answers until a number is back where trouble was met. Each return costs some refusals, …"""
    horizon_s: float = 15.0
    """… so that it takes no longer than this only where 200 answers would take minutes."""
    bill: float = 200.0
    """So many answers are waited for each refusal that a fall has cost, …"""
    bill_s: float = 5.0
    """… but no longer than this, …"""
    bill_max: int = 8
    """… and for no more than so many: a fall that costs more tells of another world."""
    rounds: float = 10.0
    """The horizon in round trips, where 200 answers are but a few."""
    beyond: float = 2.0
    """Horizons without trouble after which a search begins: the API is not what it was."""
    pauses: float = 50.0
    """The horizon in pauses that the API asked for with its refusal: 2 % of the time."""
    grace: float = 0.004
    """Refusals that are forgiven for each answer: the odd 503 of a gateway is no sign of load …"""
    grace_max: float = 2.0
    """… but no more than so many in a row."""
    spare: float = 0.04
    """Of what is not a 429 so much is forgiven: an API that fails one request in fifty whatever one
    does is not helped by a crawl; one that is overloaded soon fails more."""
    spare_max: float = 4.0
    settled: int = 10
    """Answers without trouble after which a fall is over."""
    round_s: float = 0.25
    """A search grows so often at most: limits on a rate are noticed late on a quick road."""
    places_growth: float = 2.0
    pace_growth: float = 1.25
    nearly: float = 0.75
    """A search counts its number as reached with so much of it: it does not wait for the last."""
    kept: float = 0.9
    """A pace grows when so much of it gets through."""
    sample: int = 32
    """Answers from which latency is judged, once the search is over."""


class Heard(Struct, frozen=True, kw_only=True):
    """What came of an attempt; times are of a clock that is never set back."""

    sent_at: float
    at: float
    in_flight: int
    """When it left, itself included."""
    paced: bool = False
    """Whether it had waited for its moment, as `interval_s` has it, and for nothing else."""
    trouble: bool = False
    """429, 503, a time-out: the API had no time for it."""
    failed: bool = False
    """Whether it was anything but a 429: a sign of load, or of nothing that we could change."""
    pause_s: float = 0.0
    """What it asked for in a Retry-After."""


class Flow(Struct, frozen=True):
    """What is taken per second: counts of this half second and of the one before."""

    begun: float = -math.inf
    since: float = -math.inf
    taken: int = 0
    before_since: float = -math.inf
    before: int = 0

    def rate(self, now: float) -> float:
        """Return the answers a second of late; in the first second, as if it were over."""
        return (self.before + self.taken) / max(
            now - self.before_since, 1.0 if self.before_since == self.begun else FLOW_S
        )


class Limit(Struct, frozen=True, kw_only=True):
    """What is known of the API."""

    places: Climb
    """Requests in flight."""
    pace: Climb | None = None
    """Requests a second; None: no refusal was to blame on it."""
    held_since: float | None = None
    """Since when only a share of both is used; None: all of them."""
    grace: float = 0.0
    """Refusals that may be forgiven; and how many were, since the last fall."""
    forgiven: int = 0
    spare: float = 2.0
    """Failures that may be forgiven besides."""
    taken_max: int = 0
    """Most that were in flight when a request left that was taken, since the last fall."""
    calm: int = 0
    """Answers since the last fall, to requests that left after it."""
    fell_at: float = -math.inf
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

    @property
    def held(self) -> bool:
        """Whether only a share is used."""
        return self.held_since is not None

    def used(self, tuning: Tuning) -> float:
        """Return how many of the places we use."""
        return self.places.value * tuning.share if self.held else self.places.value


def begin(tuning: Tuning) -> Limit:
    """Return the limit of a road of which nothing is known."""
    return Limit(places=Climb(min(tuning.start, tuning.ceiling)))


def places(limit: Limit, tuning: Tuning) -> int:
    """Return how many requests may be in flight."""
    return max(math.floor(limit.used(tuning)), 1)


def interval_s(limit: Limit, tuning: Tuning) -> float:
    """Return what lies at least between two requests: nothing, while no pace is known."""
    paced_s = 0.0
    if limit.pace is not None:
        paced_s = 1.0 / (limit.pace.value * (tuning.share if limit.held else 1.0))
    if not limit.refused:
        return paced_s
    even_s = paced_s or max(limit.latency_s, crowd.SECONDS_MIN) / limit.used(tuning)
    return max(paced_s, min(even_s * 2.0 ** min(limit.refused, DOUBLINGS_MAX), HUSH_S_MAX))


def learn(limit: Limit, heard: Heard, tuning: Tuning) -> Limit:
    """Return the limit after *heard*. What had left before the last fall says nothing of it."""
    if heard.trouble:
        return _refused(limit, heard, tuning)
    refused, flow = max(limit.refused - 1, 0), _flown(limit.flow, heard.at)
    if limit.held_since is not None and heard.at - limit.held_since > tuning.hold_s:
        limit = replace(limit, held_since=None)
    if heard.sent_at < limit.fell_at:
        return replace(limit, refused=refused, flow=flow)
    limit = replace(
        limit,
        refused=refused,
        flow=flow,
        calm=limit.calm + 1,
        grace=min(limit.grace + tuning.grace, tuning.grace_max),
        spare=min(limit.spare + tuning.spare, tuning.spare_max),
        taken_max=max(limit.taken_max, heard.in_flight),
        latency_s=_smoothed(limit, heard.at - heard.sent_at),
    )
    if limit.pace is not None and heard.paced and not (limit.held or limit.refused):
        limit = replace(limit, pace=_quickened(limit.pace, limit, heard.at, tuning))
    full = limit.used(tuning) * (tuning.nearly if limit.places.searching else 1.0)
    if heard.in_flight < math.floor(full):
        return limit
    return _widened(limit, heard, tuning)


def _refused(limit: Limit, heard: Heard, tuning: Tuning) -> Limit:
    """Count a refusal; fall, unless it was caused before the last fall had its effect."""
    limit = replace(limit, bill=limit.bill + (limit.calm < tuning.settled))
    if heard.sent_at >= limit.refused_at:
        more = interval_s(limit, tuning) < HUSH_S_MAX
        limit = replace(
            limit, refused=limit.refused + more, refused_at=heard.at, pause_s=heard.pause_s
        )
    if heard.sent_at < limit.fell_at + tuning.fall_s or not limit.calm:
        return limit
    if heard.failed and limit.spare >= 1.0 and not heard.pause_s:
        return replace(limit, spare=limit.spare - 1.0, forgiven=limit.forgiven + 1)
    if limit.grace >= 1.0 and not heard.pause_s:
        return replace(limit, grace=limit.grace - 1.0, forgiven=limit.forgiven + 1)
    known = True
    full = heard.in_flight >= places(limit, tuning) or not heard.paced
    crowded = full and heard.in_flight > limit.taken_max
    if crowded:
        known = not limit.places.searching
        lower = climbs.fallen(limit.places, max(limit.taken_max, 1.0), heard.at)
        limit = replace(limit, places=lower)
    if heard.paced or not crowded:
        known &= limit.pace is not None and not limit.pace.searching
        limit = replace(limit, pace=_slowed(limit, heard.at, tuning))
    return _fallen(limit, heard.at, tuning, known=known)


def _slowed(limit: Limit, now: float, tuning: Tuning) -> Climb:
    """Return the pace after a refusal; the first is what was taken, in a whole second at least."""
    rate = limit.flow.rate(now)
    if limit.pace is not None:
        return climbs.fallen(limit.pace, rate, now)
    if limit.flow.taken + limit.flow.before >= tuning.horizon:
        return climbs.fallen(Climb(rate), rate, now)
    return Climb(climbs.DECREASE * rate, grew_at=now)


def _widened(limit: Limit, heard: Heard, tuning: Tuning) -> Limit:
    """Take in an answer to a request that had reached the places: more of them, sooner or later."""
    now = heard.at
    if heard.sent_at >= limit.round.since:
        counted = crowd.counted(limit.round, heard.sent_at, now - heard.sent_at)
        limit = replace(limit, round=counted)
    searching = _is_searching(limit.places, limit.places.quiet, limit, tuning)
    if not (limit.held or searching):
        grown = climbs.risen(limit.places, _horizon(limit, tuning), now)
        limit = replace(limit, places=_capped(grown, tuning))
    enough = max(limit.used(tuning), 1 if searching else tuning.sample)
    least_s = tuning.round_s if searching else tuning.fall_s
    if limit.round.answers < enough or now - limit.round.since < least_s:
        return limit
    return _after_round(limit, now, tuning)


def _after_round(limit: Limit, now: float, tuning: Tuning) -> Limit:
    """Take in the latency of a round trip; double, where a search goes on."""
    latency = limit.round.latency(limit.used(tuning))
    limit = replace(limit, memory=crowd.remembered(limit.memory, latency))
    if crowd.is_crowded(limit.memory, latency):
        searching = limit.places.searching
        share = math.sqrt(climbs.COLLAPSE) if searching else climbs.DECREASE
        lower = climbs.fallen(limit.places, limit.places.value * share, now)
        limit = replace(limit, places=lower, latency_s=limit.latency_s * share)
        return _fallen(limit, now, tuning, known=not searching)
    grown = limit.places
    if _is_searching(grown, grown.quiet, limit, tuning):
        grown = _capped(climbs.searched(grown, tuning.places_growth, now), tuning)
    limit = replace(limit, places=grown, round=Round(since=now))
    return _held(limit, now, tuning) if grown.value >= tuning.ceiling else limit


def _held(limit: Limit, now: float, tuning: Tuning) -> Limit:
    """Return the limit, found: from now on a share of it is used, for a while."""
    if tuning.share >= 1.0 or limit.held:
        return limit
    return replace(limit, held_since=now)


def _fallen(limit: Limit, now: float, tuning: Tuning, *, known: bool) -> Limit:
    """Begin anew to count. A number that was *known* has been found again: it can be held."""
    limit = _held(limit, now, tuning) if known else limit
    return replace(
        limit,
        fell_at=now,
        bill=limit.forgiven + 1,
        forgiven=0,
        calm=0,
        taken_max=0,
        round=Round(since=now),
    )


def _quickened(pace: Climb, limit: Limit, now: float, tuning: Tuning) -> Climb:
    """Let the pace grow, if it is kept: a machine of ours that is too busy is no evidence."""
    searching = _is_searching(pace, limit.calm, limit, tuning)
    if limit.flow.rate(now) < (tuning.nearly if searching else tuning.kept) * pace.value:
        return pace
    if not searching:
        return climbs.risen(pace, _horizon(limit, tuning), now)
    if now - pace.grew_at < tuning.round_s:
        return pace
    return climbs.searched(pace, tuning.pace_growth, now)


def _is_searching(climb: Climb, peace: int, limit: Limit, tuning: Tuning) -> bool:
    """Whether nothing is known of where trouble is, or, after so much *peace*, no more."""
    return climb.searching or peace > tuning.beyond * _horizon(limit, tuning)


def _capped(climb: Climb, tuning: Tuning) -> Climb:
    return climb if climb.value <= tuning.ceiling else replace(climb, value=tuning.ceiling)


def _horizon(limit: Limit, tuning: Tuning) -> float:
    """Return how many answers a number takes to come back to where it fell."""
    a_second = limit.pace.value if limit.pace else limit.places.value / limit.latency_s
    base = min(tuning.horizon, tuning.horizon_s * a_second)
    billed = min(tuning.bill * min(limit.bill, tuning.bill_max), tuning.bill_s * a_second)
    paused = tuning.pauses * limit.pause_s * a_second
    return max(base, billed, tuning.rounds * limit.places.value, paused)


def _smoothed(limit: Limit, took_s: float) -> float:
    """Return the mean latency with one more answer in it; one that took ages does not upset it."""
    took_s = max(took_s, crowd.SECONDS_MIN)
    old_s = limit.latency_s or took_s
    weight = CALM / max(limit.places.value, 1.0)
    return old_s + weight * (min(took_s, AGES * old_s) - old_s)


def _flown(flow: Flow, now: float) -> Flow:
    if not flow.taken:
        return Flow(now, now, 1, now, 0)
    if now - flow.since < FLOW_S:
        return Flow(flow.begun, flow.since, flow.taken + 1, flow.before_since, flow.before)
    return Flow(flow.begun, now, 1, flow.since, flow.taken)
