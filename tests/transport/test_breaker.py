"""When nothing gets through: the breaker as a pure state, its clock a number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.transport.breaker import (
    Breaker,
    GiveUp,
    Go,
    Patience,
    Pause,
    Probe,
    Sign,
    gate,
    learn,
    patience_left,
)

PATIENCE = Patience(failures_max=5)


def after(*signs: Sign, start: Breaker | None = None, now: float = 100.0) -> Breaker:
    state = start or Breaker(answered=True)
    for sign in signs:
        state = learn(state, sign, "503", now, PATIENCE)
    return state


def test_it_stays_closed_while_anything_gets_through() -> None:
    state = after(*([Sign.ANSWERED] * 4 + [Sign.THROUGH]) * 10)
    assert not state.is_open
    assert gate(state, 100.0, PATIENCE) == Go()


def test_it_opens_when_nothing_does_and_asks_for_one_probe_after_a_pause() -> None:
    state = after(*[Sign.SILENT] * 5)
    assert gate(state, 100.0, PATIENCE) == Pause(1.0)
    assert gate(state, 100.25, PATIENCE) == Pause(0.75)
    assert gate(state, 101.0, PATIENCE) == Probe()


def test_pauses_double_with_each_probe_that_fails_up_to_half_a_minute() -> None:
    state, pauses = after(*[Sign.SILENT] * 5), []
    for _ in range(9):
        pauses.append(state.pause_s)
        state = after(Sign.SILENT, start=state, now=state.probe_at)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30, 30]


def test_what_was_under_way_when_it_opened_does_not_lengthen_the_pause() -> None:
    state = after(*[Sign.SILENT] * 5)
    assert after(*[Sign.SILENT] * 20, start=state, now=100.5).pause_s == state.pause_s


def test_one_success_closes_it() -> None:
    state = after(Sign.THROUGH, start=after(*[Sign.SILENT] * 5), now=200.0)
    assert state == Breaker(answered=True)
    assert gate(state, 200.0, PATIENCE) == Go()


def test_it_gives_up_after_a_quarter_of_an_hour() -> None:
    state = after(*[Sign.ANSWERED] * 5)
    assert isinstance(gate(state, 100.0 + 899.0, PATIENCE), Probe)
    given_up = gate(state, 100.0 + 900.0, PATIENCE)
    assert given_up == GiveUp("nothing has got through for 15 minutes; the last: 503")


def test_a_lone_request_that_fails_slowly_does_not_end_the_run() -> None:
    assert gate(after(*[Sign.ANSWERED] * 4), 100.0 + 5000.0, PATIENCE) == Go()


def test_an_address_that_never_answered_is_given_up_in_seconds() -> None:
    state = after(*[Sign.SILENT] * 3, start=Breaker())
    assert gate(state, 109.9, PATIENCE) == Go()
    given_up = gate(state, 110.0, PATIENCE)
    assert given_up == GiveUp("nothing has ever come back from the API: 503")


def test_one_lost_packet_is_not_a_verdict() -> None:
    assert gate(after(Sign.SILENT, start=Breaker()), 1000.0, PATIENCE) == Go()


def test_any_answer_buys_patience() -> None:
    state = after(Sign.ANSWERED, Sign.SILENT, Sign.SILENT, Sign.SILENT, start=Breaker())
    assert gate(state, 111.0, PATIENCE) == Go()


def test_nobody_waits_beyond_the_runs_patience() -> None:
    state = after(*[Sign.SILENT] * 5, start=Breaker())
    assert patience_left(state, 103.0, PATIENCE) == pytest.approx(7.0)
    assert patience_left(Breaker(), 103.0, PATIENCE) == float("inf")
    assert gate(state, 100.2, PATIENCE) == Pause(pytest.approx(0.8))


@given(
    st.lists(st.tuples(st.sampled_from(Sign), st.floats(0, 100, allow_nan=False)), max_size=80),
    st.floats(0, 1e6, allow_nan=False),
)
def test_it_always_moves_on(signs: list[tuple[Sign, float]], start: float) -> None:
    """Obeyed, it comes to an attempt or to its end within its patience: no pause is for nothing."""
    state, now = Breaker(), start
    for sign, gap in signs:
        state, now = learn(state, sign, "why", now, PATIENCE), now + gap
    waited = 0.0
    for _ in range(10):
        match gate(state, now, PATIENCE):
            case Pause(seconds):
                assert seconds > 0
                now, waited = now + seconds, waited + seconds
            case _:
                assert waited <= PATIENCE.pause_max_s + 1
                return
    pytest.fail("it pauses forever")
