"""What an attempt means: every status, every kind of broken answer, row by row of DESIGN §5."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model import Answer, Fault
from pipeline.operations import catalogue
from pipeline.operations.operation import Conflict, Missing, Repeat
from pipeline.transport.verdict import BY_CONFLICT, BY_MISSING, Judgement, Rule, judge, rule_of

RULE = Rule(repeat=Repeat.SAFE, success=frozenset({200, 204}))
ASKING = Rule(repeat=Repeat.NEVER, success=frozenset({200, 204}), needs_answer=True)
HTML = b"<html>Sign in</html>"


def answer(status: int, body: bytes = b"{}", retry_after: str = "") -> Answer:
    return Answer(status=status, body=body, retry_after=retry_after)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, Judgement.DONE),
        (201, Judgement.DONE),
        (204, Judgement.DONE),
        (301, Judgement.STOP),
        (302, Judgement.STOP),
        (303, Judgement.PERHAPS),
        (307, Judgement.STOP),
        (308, Judgement.STOP),
        (400, Judgement.REFUSED),
        (401, Judgement.STOP),
        (403, Judgement.STOP),
        (404, Judgement.REFUSED),
        (405, Judgement.STOP),
        (407, Judgement.STOP),
        (408, Judgement.PERHAPS),
        (409, Judgement.AGAIN),
        (410, Judgement.STOP),
        (413, Judgement.TOO_LARGE),
        (422, Judgement.REFUSED),
        (425, Judgement.AGAIN),
        (429, Judgement.AGAIN),
        (499, Judgement.REFUSED),
        (500, Judgement.PERHAPS),
        (502, Judgement.PERHAPS),
        (503, Judgement.PERHAPS),
        (504, Judgement.PERHAPS),
        (520, Judgement.PERHAPS),
        (101, Judgement.PERHAPS),
        (999, Judgement.PERHAPS),
    ],
)
def test_a_status_has_one_meaning(status: int, expected: Judgement) -> None:
    assert judge(answer(status), RULE).judgement is expected


def test_a_503_that_says_when_to_come_back_was_not_applied() -> None:
    assert judge(answer(503, retry_after="5"), RULE).judgement is Judgement.AGAIN
    assert judge(answer(500, retry_after="5"), RULE).judgement is Judgement.PERHAPS


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        (Missing.REFUSE, Judgement.REFUSED),
        (Missing.ISOLATE, Judgement.REFUSED),
        (Missing.DONE, Judgement.DONE),
        (Missing.STOP, Judgement.STOP),
    ],
)
def test_the_record_says_what_a_404_means(missing: Missing, expected: Judgement) -> None:
    rule = Rule(repeat=Repeat.SAFE, success=frozenset({200}), missing=missing)
    assert judge(answer(404), rule).judgement is expected


@pytest.mark.parametrize(
    ("conflict", "expected"),
    [(Conflict.RETRY, Judgement.AGAIN), (Conflict.DONE, Judgement.DONE)],
)
def test_the_record_says_what_a_409_means(conflict: Conflict, expected: Judgement) -> None:
    rule = Rule(repeat=Repeat.SAFE, success=frozenset({200}), conflict=conflict)
    there = answer(409, b'{"message": "An advanced event already exists"}')
    assert judge(there, rule).judgement is expected


@pytest.mark.parametrize(
    "message", ["Too many requests are updating this profile at the same time", "Limit reached", ""]
)
def test_a_409_that_does_not_say_so_means_that_nothing_exists(message: str) -> None:
    rule = Rule(repeat=Repeat.SAFE, success=frozenset({200}), conflict=Conflict.DONE)
    body = b'{"message": "%s"}' % message.encode()
    assert judge(answer(409, body), rule).judgement is Judgement.AGAIN


def test_the_tables_are_whole() -> None:
    assert set(BY_MISSING) == set(Missing)
    assert set(BY_CONFLICT) == set(Conflict)


@pytest.mark.parametrize("body", [b"", HTML])
def test_nobody_is_erased_because_a_gateway_says_404(body: bytes) -> None:
    rule = Rule(repeat=Repeat.SAFE, success=frozenset({204}), missing=Missing.DONE)
    assert judge(answer(404, body), rule).judgement is Judgement.REFUSED


def test_nothing_exists_already_because_a_gateway_says_409() -> None:
    rule = Rule(repeat=Repeat.NEVER, success=frozenset({204}), conflict=Conflict.DONE)
    assert judge(answer(409, HTML), rule).judgement is Judgement.PERHAPS


@pytest.mark.parametrize(
    ("status", "body", "needs_answer", "expected"),
    [
        (204, b"", False, Judgement.DONE),
        (204, b"", True, Judgement.DONE),  # documented, and by its definition without a body
        (200, b"", False, Judgement.DONE),
        (200, b"", True, Judgement.PERHAPS),
        (202, b"", False, Judgement.PERHAPS),  # not documented, and the API has not spoken
        (202, b"{}", False, Judgement.DONE),
        (200, HTML, False, Judgement.PERHAPS),
        (200, HTML, True, Judgement.PERHAPS),
        (200, b'{"data": [', True, Judgement.PERHAPS),
        (200, b'{"data": []}', True, Judgement.DONE),
        (200, b"[]", True, Judgement.DONE),
        (200, b'"OK"', True, Judgement.PERHAPS),
        (200, b"\xff\xfe", False, Judgement.PERHAPS),
    ],
)
def test_a_success_must_be_the_apis_own(
    status: int, body: bytes, needs_answer: bool, expected: Judgement
) -> None:
    rule = Rule(repeat=Repeat.SAFE, success=frozenset({200, 204}), needs_answer=needs_answer)
    assert judge(answer(status, body), rule).judgement is expected


@pytest.mark.parametrize("status", [400, 401, 413, 429, 500])
@pytest.mark.parametrize("body", [b"", HTML, b'{"message": "cut o'])
def test_a_body_that_is_not_the_apis_is_judged_by_its_status(status: int, body: bytes) -> None:
    judged = judge(answer(status, body), RULE)
    assert judged.judgement is judge(answer(status), RULE).judgement
    assert str(status) in judged.reason


@pytest.mark.parametrize(
    ("sent", "status", "expected"),
    [
        (False, None, Judgement.AGAIN),
        (True, None, Judgement.PERHAPS),
        (True, 200, Judgement.PERHAPS),
        (True, 204, Judgement.PERHAPS),
        (True, 302, Judgement.STOP),
        (True, 400, Judgement.PERHAPS),  # which rows? and of a bulk, perhaps not all
        (True, 401, Judgement.STOP),
        (True, 404, Judgement.PERHAPS),
        (True, 413, Judgement.TOO_LARGE),
        (True, 429, Judgement.AGAIN),
        (True, 500, Judgement.PERHAPS),
        (True, 503, Judgement.PERHAPS),
    ],
)
def test_a_fault_is_judged_by_how_far_it_came(
    sent: bool, status: int | None, expected: Judgement
) -> None:
    fault = Fault(what="the answer broke off", sent=sent, status=status)
    judged = judge(fault, RULE)
    assert (judged.judgement, judged.whole) == (expected, False)
    assert judged.reason == "the answer broke off"


def test_a_reason_quotes_the_api_briefly() -> None:
    judged = judge(answer(429, b'{"message": "slow down"}', "7"), RULE)
    assert judged.reason == "429 Too Many Requests: slow down"
    assert (judged.retry_after, judged.whole) == ("7", True)
    long = judge(answer(400, b'{"message": "' + b"x" * 5000 + b'"}'), RULE)
    assert len(long.reason) < 300


def test_a_success_that_lacks_its_body_says_so() -> None:
    judged = judge(answer(202, b""), ASKING)
    assert judged.judgement is Judgement.PERHAPS
    assert judged.reason == "202 Accepted (without the body that the API sends)"
    assert judge(answer(500, b""), ASKING).reason == "500 Internal Server Error"


def test_a_stop_says_whose_move_it_is() -> None:
    assert "the API refused the key" in judge(answer(401), RULE).reason
    assert "base URL" in judge(answer(302, HTML), RULE).reason


@pytest.mark.parametrize("operation", catalogue.OPERATIONS, ids=lambda o: o.name)
def test_a_rule_is_what_the_record_says(operation: catalogue.Operation) -> None:
    rule = rule_of(operation, needs_answer=True)
    assert (rule.repeat, rule.missing, rule.conflict) == (
        operation.repeat,
        operation.missing,
        operation.conflict,
    )
    assert rule.success == set(operation.success)
    assert rule.needs_answer
    assert rule_of(operation, repeat=Repeat.KEYED).repeat is Repeat.KEYED


@given(
    status=st.integers(100, 999),
    body=st.binary(max_size=60) | st.sampled_from([b"{}", b'{"message": 5}', b"null", HTML]),
    retry_after=st.text(max_size=5),
)
def test_no_answer_is_beyond_judgement(status: int, body: bytes, retry_after: str) -> None:
    for rule in (RULE, ASKING):
        judged = judge(Answer(status=status, body=body, retry_after=retry_after), rule)
        assert bool(judged.reason) == (judged.judgement is not Judgement.DONE)
