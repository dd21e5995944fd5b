"""The laws of the limit that a figure of throughput would not show: what it must never do."""

import math
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.transport import limit as limits
from pipeline.transport.climb import Climb
from pipeline.transport.limit import CEILING, Heard, Limit, Tuning
from pipeline.transport.pace import LATE_S_MAX, Pace, asked, left
from tests.pacing.physics import Physics, Server
from tests.pacing.simulation import Adaptive, Run, run

TUNING = Tuning()


def carried(client: Adaptive, seconds: float = 60.0, **physics: float) -> Run:
    server = Server({0.0: Physics(**physics)}, random.Random(3))  # type: ignore[arg-type]
    return run(server, client, seconds, seed=3)


def settled_at(places: float, pace: float | None = None) -> Limit:
    """Numbers that have been found, answers that take 50 ms, and a long peace."""
    return replace(
        limits.begin(TUNING),
        places=Climb(places, searching=False, peak=places, low=places),
        pace=None if pace is None else Climb(pace, searching=False, peak=pace, low=pace),
        latency_s=0.05,
        calm=100,
        taken_max=math.floor(places),
        flow=limits.Flow(-9.0, -1.0, 800, -1.0, 0),
    )


def heard(limit: Limit, at: float, in_flight: int, **more: Any) -> Limit:
    answer = Heard(sent_at=at - 0.05, at=at, in_flight=in_flight, **more)
    return limits.learn(limit, answer, TUNING)


def test_it_does_not_grow_beyond_what_was_tried() -> None:
    """A thousand answers, and never more than two requests in flight: no evidence for nine."""
    limit = limits.begin(TUNING)
    for n in range(1000):
        limit = heard(limit, float(n), 2)
    assert limit.places.value == TUNING.start


def test_a_rate_of_ours_is_no_evidence_either() -> None:
    done = carried(Adaptive(rate=50.0), latency_s=0.05)
    assert {limit for _, limit in done.limits} == {TUNING.start}
    assert done.in_flight_max <= 4


def test_a_pace_that_was_not_what_held_it_back_does_not_grow() -> None:
    limit = settled_at(8.0, pace=300.0)
    for n in range(1000):
        limit = heard(limit, n / 300, 4, paced=False)
    assert limit.pace is not None
    assert limit.pace.value == 300.0
    assert heard(limit, 1000 / 300, 4, paced=True).pace != limit.pace


def test_a_pace_that_is_not_kept_does_not_grow() -> None:
    """A busy machine of ours sends a third of it: no evidence that all of it would be taken."""
    limit = settled_at(8.0, pace=300.0)
    for n in range(1000):
        limit = heard(limit, n / 100, 4, paced=True)
    assert limit.pace is not None
    assert limit.pace.value < 301.0


def test_more_than_were_ever_taken_are_too_many() -> None:
    limit = heard(settled_at(40.0), 1.0, 41, trouble=True)
    assert (limit.places.value, limit.pace) == (pytest.approx(38.0), None)


def test_as_many_as_were_taken_come_too_fast() -> None:
    limit = heard(settled_at(40.0), 1.0, 40, trouble=True)
    assert limit.places.value == 40.0
    assert limit.pace is not None
    assert limit.pace.value == pytest.approx(0.95 * 400.0)


def test_forty_refusals_of_one_round_trip_are_one_fall() -> None:
    limit = settled_at(40.0)
    for n in range(40):
        limit = heard(limit, 1.0 + n / 1000, 41, trouble=True)
    assert limit.places.value == pytest.approx(38.0)
    assert limit.bill == 40


def test_while_nothing_is_taken_nothing_is_learnt() -> None:
    limit = settled_at(40.0, pace=300.0)
    for n in range(100):
        limit = heard(limit, 1.0 + n, 40, trouble=True, paced=True)
    assert limit.places.value == 40.0
    assert limit.pace is not None
    assert limit.pace.value == pytest.approx(0.95 * 300.0)


def test_while_nothing_is_taken_little_is_sent() -> None:
    done = carried(Adaptive(), broken=1.0)
    assert not done.taken
    assert 60 <= len(done.refused) <= 400
    assert sum(at < 1.0 for at in done.sent) < 40


def test_after_a_silence_the_pace_comes_back_within_a_second() -> None:
    limit = settled_at(40.0, pace=300.0)
    for n in range(100):
        limit = heard(limit, 1.0 + n, 40, trouble=True)
    assert limits.interval_s(limit, TUNING) == limits.HUSH_S_MAX
    waited_s = 0.0
    while limit.refused:
        waited_s += limits.interval_s(limit, TUNING)
        limit = heard(limit, 101.0 + waited_s, 1)
    assert waited_s < 1.0


def test_a_refusal_once_in_a_while_is_forgiven() -> None:
    limit = settled_at(40.0)
    for n in range(3000):
        limit = heard(limit, n / 100, 20, trouble=n % 300 == 299)
    assert (limit.places.value, limit.pace) == (40.0, None)


def test_a_refusal_that_asks_for_quiet_is_not_forgiven() -> None:
    limit = replace(settled_at(40.0), grace=TUNING.grace_max)
    assert heard(limit, 1.0, 41, trouble=True) == replace(
        heard(limit, 1.0, 41, trouble=True), places=limit.places
    )
    assert heard(limit, 1.0, 41, trouble=True, pause_s=1.0).places.value < 40.0


def test_when_it_is_does_not_matter() -> None:
    """The clock may begin at any number: it says how long, not when."""
    limits_found = []
    for begins in (0.0, 1e6):
        limit = limits.begin(TUNING)
        for n in range(400):
            limit = heard(limit, begins + n / 256, 8, trouble=n % 50 == 49)
        limits_found.append((limit.places.value, limit.pace and limit.pace.value))
    assert limits_found[0] == pytest.approx(limits_found[1])


@given(
    st.lists(
        st.tuples(st.floats(0.0, 2.0), st.floats(0.0, 90.0), st.integers(1, 300), st.booleans()),
        max_size=200,
    )
)
def test_whatever_is_heard_the_limit_is_one_that_can_be_kept(
    story: list[tuple[float, float, int, bool]],
) -> None:
    limit, now = limits.begin(TUNING), 0.0
    for gap_s, took_s, in_flight, trouble in story:
        now += gap_s
        answer = Heard(
            sent_at=now - took_s, at=now, in_flight=in_flight, trouble=trouble, paced=True
        )
        limit = limits.learn(limit, answer, TUNING)
        assert 1 <= limits.places(limit, TUNING) <= CEILING
        assert 0.0 <= limits.interval_s(limit, TUNING) < 1e6
        assert limit.pace is None or limit.pace.value > 0.0


# ── leaving room for others ──────────────────────────────────────────────────────────────────────


def test_of_what_was_found_half_is_used() -> None:
    done = carried(Adaptive(Tuning(share=0.5)), seconds=120.0, latency_s=0.1, at_once=40)
    used = [limit for at, limit in done.limits if at > 20.0]
    assert sum(used) / len(used) == pytest.approx(20.0, rel=0.15)
    assert done.taken_between(20, 120) / 100 == pytest.approx(200.0, rel=0.15)


def test_of_a_rate_half_is_used_and_it_is_found_anew() -> None:
    phases = {0.0: Physics(latency_s=0.02, rate=300.0), 30.0: Physics(latency_s=0.02, rate=600.0)}
    client = Adaptive(Tuning(share=0.5))
    done = run(Server(phases, random.Random(3)), client, 180.0, seed=3)
    assert done.taken_between(15, 30) / 15 == pytest.approx(150.0, rel=0.15)
    assert done.taken_between(140, 180) / 40 == pytest.approx(300.0, rel=0.3)


def test_where_nothing_refuses_half_of_our_own_ceiling_is_used() -> None:
    done = carried(Adaptive(Tuning(share=0.5)), latency_s=0.5)
    assert done.limits_between(50, 60)[-1] == CEILING / 2


def test_a_share_is_found_anew_when_the_api_takes_more() -> None:
    phases = {0.0: Physics(at_once=20), 30.0: Physics(at_once=60)}
    client = Adaptive(Tuning(share=0.5))
    done = run(Server(phases, random.Random(3)), client, 240.0, seed=3)
    used = done.limits_between(200, 240)
    assert sum(used) / len(used) > 20.0


# ── the pace ─────────────────────────────────────────────────────────────────────────────────────


def gaps(times: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(times)]


@pytest.mark.parametrize("rate", [3.0, 40.0, 300.0])
def test_a_rate_is_kept_evenly(rate: float) -> None:
    done = carried(Adaptive(rate=rate), seconds=20.0, latency_s=0.02)
    assert min(gaps(done.sent)) >= 1 / rate - 1e-3
    assert len(done.sent) == pytest.approx(20.0 * rate, rel=0.02)


@given(st.lists(st.floats(0.0, 10.0), min_size=1, max_size=50), st.floats(0.001, 1.0))
def test_after_a_pause_there_is_no_burst(idle: list[float], interval_s: float) -> None:
    pace, now, sent = Pace(), 0.0, []
    for idle_s in idle:
        now = max(pace.at, now + idle_s)
        pace = left(pace, interval_s, now)
        sent.append(now)
    assert all(gap >= interval_s - LATE_S_MAX - 1e-9 for gap in gaps(sent))
    spans = [(i, j) for i in range(len(sent)) for j in range(i + 1, len(sent))]
    assert all(sent[j] - sent[i] >= (j - i) * interval_s - LATE_S_MAX - 1e-9 for i, j in spans)


def test_a_timer_that_rings_late_does_not_slow_the_pace() -> None:
    pace, now = Pace(), 0.0
    for _ in range(1000):
        now = max(pace.at, now) + 0.001
        pace = left(pace, 0.01, now)
    assert now == pytest.approx(10.0, rel=0.01)


def test_quiet_that_was_asked_for_is_kept_and_never_shortened() -> None:
    assert asked(Pace(at=1.0), 5.0).at == 5.0
    assert asked(Pace(at=9.0), 5.0).at == 9.0
