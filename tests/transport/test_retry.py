"""What comes after an attempt: laws over any history, then the moments that they are made of."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model import Verdict
from pipeline.operations.operation import Repeat
from pipeline.transport.retry import Policy, Settle, Tries, Wait, asked_wait, next_step
from pipeline.transport.verdict import Judged, Judgement, Rule

NOW = 1_790_000_000.0
HOUR_S = 3600.0
POLICY = Policy()
UNSETTLED = [Judgement.AGAIN, Judgement.PERHAPS]


def rule(repeat: Repeat) -> Rule:
    return Rule(repeat=repeat, success=frozenset({200}))


def tries(
    attempts: int = 1, *, perhaps: bool = False, elapsed_s: float = 0.0, key_age_s: float = 0.0
) -> Tries:
    return Tries(
        attempts=attempts,
        perhaps_applied=perhaps,
        elapsed_s=elapsed_s,
        now=NOW,
        key_age_s=key_age_s,
    )


def judged(judgement: Judgement, *, whole: bool = False, retry_after: str = "") -> Judged:
    return Judged(judgement=judgement, reason="why", whole=whole, retry_after=retry_after)


histories = st.builds(
    Tries,
    attempts=st.integers(0, 12),
    perhaps_applied=st.booleans(),
    elapsed_s=st.integers(0, 1200).map(float),
    now=st.just(NOW),
    key_age_s=st.none() | st.integers(-3, 30).map(lambda hours: hours * HOUR_S),
)
rules = st.sampled_from([rule(repeat) for repeat in Repeat])
judgements = st.builds(
    Judged,
    judgement=st.sampled_from([*Judgement, *UNSETTLED * 4]),  # mostly what is to be decided
    reason=st.just("why"),
    whole=st.booleans(),
    retry_after=st.sampled_from(["", "0", "7", "999999", "soon", "Sun, 06 Nov 2094 08:49:37 GMT"]),
)
jitters = st.floats(0, 1, exclude_max=True)


@given(histories, judgements, rules, jitters)
def test_a_wait_is_never_longer_than_its_bounds(
    past: Tries, judged: Judged, rule: Rule, jitter: float
) -> None:
    step = next_step(past, judged, rule, POLICY, jitter)
    if isinstance(step, Wait):
        assert 0 <= step.seconds <= POLICY.wait_max_s + POLICY.retry_after_max_s
        assert past.elapsed_s + step.seconds <= POLICY.time_max_s
        assert past.attempts < POLICY.attempts_max


@given(histories, judgements, jitters)
def test_never_means_never_after_perhaps(past: Tries, judged: Judged, jitter: float) -> None:
    step = next_step(past, judged, rule(Repeat.NEVER), POLICY, jitter)
    if past.perhaps_applied or judged.judgement is Judgement.PERHAPS:
        assert isinstance(step, Settle)


@given(histories, judgements, jitters)
def test_a_key_is_not_relied_on_after_23_hours_nor_on_a_broken_clock(
    past: Tries, judged: Judged, jitter: float
) -> None:
    step = next_step(past, judged, rule(Repeat.KEYED), POLICY, jitter)
    if isinstance(step, Wait) and past.key_age_s is not None:
        assert 0 <= past.key_age_s <= past.key_age_s + step.seconds <= 23 * HOUR_S
        assert not step.fresh_key


@given(histories, judgements, rules, jitters)
def test_what_was_perhaps_applied_is_never_called_failed_unless_harmless(
    past: Tries, judged: Judged, rule: Rule, jitter: float
) -> None:
    step = next_step(past, judged, rule, POLICY, jitter)
    perhaps = past.perhaps_applied or judged.judgement is Judgement.PERHAPS
    if isinstance(step, Settle) and perhaps and rule.repeat is not Repeat.SAFE:
        assert step.verdict not in (Verdict.FAILED, Verdict.STOP)
    if isinstance(step, Settle) and not perhaps:
        assert step.verdict is not Verdict.IN_DOUBT


@given(rules, st.lists(st.tuples(st.sampled_from(UNSETTLED), st.booleans(), jitters), min_size=60))
def test_every_request_comes_to_an_end(
    rule: Rule, attempts: list[tuple[Judgement, bool, float]]
) -> None:
    """However unlucky: within attempts and time, an attempt itself taking as long as it may."""
    elapsed_s, perhaps = 0.0, False
    for count, (judgement, whole, jitter) in enumerate(attempts, start=1):
        elapsed_s += 60.0
        perhaps |= judgement is Judgement.PERHAPS
        step = next_step(
            tries(count, perhaps=perhaps, elapsed_s=elapsed_s, key_age_s=elapsed_s),
            judged(judgement, whole=whole),
            rule,
            POLICY,
            jitter,
        )
        if isinstance(step, Settle):
            assert count <= POLICY.attempts_max
            assert elapsed_s <= POLICY.time_max_s + 60.0
            return
        elapsed_s += step.seconds
    pytest.fail("it goes on forever")


@pytest.mark.parametrize("repeat", list(Repeat))
@pytest.mark.parametrize(
    ("judgement", "verdict"),
    [
        (Judgement.DONE, Verdict.DELIVERED),
        (Judgement.REFUSED, Verdict.REFUSED),
        (Judgement.TOO_LARGE, Verdict.TOO_LARGE),
        (Judgement.STOP, Verdict.STOP),
    ],
)
def test_what_is_clear_is_settled(repeat: Repeat, judgement: Judgement, verdict: Verdict) -> None:
    step = next_step(tries(), judged(judgement), rule(repeat), POLICY, 0.5)
    assert isinstance(step, Settle)
    assert step.verdict is verdict


@pytest.mark.parametrize(
    ("repeat", "judgement", "whole", "expected"),
    [
        (Repeat.SAFE, Judgement.PERHAPS, True, Wait(seconds=0.25, fresh_key=True)),
        (Repeat.SAFE, Judgement.PERHAPS, False, Wait(seconds=0.25, fresh_key=False)),
        (Repeat.SAFE, Judgement.AGAIN, True, Wait(seconds=0.25, fresh_key=True)),
        (Repeat.KEYED, Judgement.PERHAPS, True, Wait(seconds=0.25, fresh_key=False)),
        (Repeat.KEYED, Judgement.PERHAPS, False, Wait(seconds=0.25, fresh_key=False)),
        (Repeat.NEVER, Judgement.AGAIN, True, Wait(seconds=0.25, fresh_key=False)),
        (
            Repeat.NEVER,
            Judgement.PERHAPS,
            True,
            Settle(verdict=Verdict.IN_DOUBT, reason="why; not to be repeated"),
        ),
    ],
)
def test_a_repeat_is_by_the_record(
    repeat: Repeat, judgement: Judgement, whole: bool, expected: Wait | Settle
) -> None:
    past = tries(perhaps=judgement is Judgement.PERHAPS)
    assert next_step(past, judged(judgement, whole=whole), rule(repeat), POLICY, 0.5) == expected


@pytest.mark.parametrize(
    ("repeat", "perhaps", "verdict"),
    [
        (Repeat.SAFE, False, Verdict.FAILED),
        (Repeat.SAFE, True, Verdict.FAILED),
        (Repeat.KEYED, False, Verdict.FAILED),
        (Repeat.KEYED, True, Verdict.IN_DOUBT),
        (Repeat.NEVER, False, Verdict.FAILED),
        (Repeat.NEVER, True, Verdict.IN_DOUBT),
    ],
)
def test_when_tries_are_spent_certainty_decides(
    repeat: Repeat, perhaps: bool, verdict: Verdict
) -> None:
    past = tries(POLICY.attempts_max, perhaps=perhaps)
    step = next_step(past, judged(Judgement.AGAIN), rule(repeat), POLICY, 0.5)
    assert isinstance(step, Settle)
    assert step.verdict is verdict


def test_a_request_has_a_quarter_of_an_hour() -> None:
    early, late = (
        next_step(tries(elapsed_s=s), judged(Judgement.AGAIN), rule(Repeat.SAFE), POLICY, 0.5)
        for s in (899.7, 899.8)
    )
    assert early == Wait(seconds=0.25)
    assert late == Settle(verdict=Verdict.FAILED, reason="why; given up after 900 s")


@pytest.mark.parametrize("age_s", [-1.0, 23 * HOUR_S + 1])
def test_a_key_that_cannot_be_relied_on_leaves_it_in_doubt(age_s: float) -> None:
    past = tries(perhaps=True, key_age_s=age_s)
    step = next_step(past, judged(Judgement.PERHAPS), rule(Repeat.KEYED), POLICY, 0.5)
    assert isinstance(step, Settle)
    assert step.verdict is Verdict.IN_DOUBT
    assert "clock" in step.reason or "23 h" in step.reason


def test_a_refused_key_does_not_hide_a_doubt() -> None:
    past = tries(2, perhaps=True)
    verdicts = {
        repeat: next_step(past, judged(Judgement.STOP), rule(repeat), POLICY, 0.5)
        for repeat in (Repeat.SAFE, Repeat.KEYED)
    }
    assert verdicts[Repeat.SAFE] == Settle(verdict=Verdict.STOP, reason="why")
    assert verdicts[Repeat.KEYED] == Settle(verdict=Verdict.IN_DOUBT, reason="why")


def test_waits_double_up_to_their_ceiling() -> None:
    waits = [
        next_step(tries(n), judged(Judgement.AGAIN), rule(Repeat.SAFE), POLICY, 0.999)
        for n in range(1, POLICY.attempts_max)
    ]
    assert [round(w.seconds, 1) for w in waits if isinstance(w, Wait)] == [
        0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 59.9, 59.9,
    ]  # fmt: skip


@pytest.mark.parametrize(("asked", "waited_s"), [("7", 7.25), ("999999", 300.25), ("0", 0.25)])
def test_retry_after_is_waited_and_cut(asked: str, waited_s: float) -> None:
    step = next_step(
        tries(), judged(Judgement.AGAIN, retry_after=asked), rule(Repeat.NEVER), POLICY, 0.5
    )
    assert step == Wait(seconds=waited_s)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", None),
        ("120", 120.0),
        (" 1.5 ", 1.5),
        ("-3", None),
        ("soon", None),
        ("1e9", None),
        ("٣", None),
        ("9" * 400, None),
        (format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True), 90.0),
        (format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True), 0.0),
        ("Sun Nov  6 08:49:37 1994", 0.0),
        ("Sun, 99 Nov 2026 08:49:37 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert asked_wait(text, NOW) == seconds


@given(st.text(max_size=40))
def test_no_retry_after_is_too_odd(text: str) -> None:
    asked = asked_wait(text, NOW)
    assert asked is None or 0 <= asked < float("inf")
