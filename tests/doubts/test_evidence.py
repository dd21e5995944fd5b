"""What is read from an inventory: a table of what was found, and what it means."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.model import Positions, RequestLine, State
from pipeline.operations import find
from pipeline.stages.delivery.evidence import (
    QUIET_S,
    SKEW_S,
    Absent,
    Applied,
    Found,
    Open,
    Sent,
    settle,
)

REFERRALS = find("referrals")
assert REFERRALS is not None
assert REFERRALS.evidence is not None
EVIDENCE = REFERRALS.evidence
SENT_AT = 1_700_000_000.0  # 2023-11-14T22:13:20Z
CONSTANTS = {
    "campaignId": 7,
    "usageLimit": 1,
    "startDate": "2024-01-01T00:00:00+01:00",
    "attributes": {"Tier": "gold"},
}
SENT = Sent(constants=CONSTANTS, since=SENT_AT, until=SENT_AT + 5)
LATER = SENT_AT + 3600


def code(name: str, **more: Any) -> Found:
    """A referral as the API shows it: with more than was sent, and times in its own zone."""
    return {
        "code": name,
        "campaignId": 7,
        "created": "2023-11-14T22:13:22.5Z",
        "usageLimit": 1,
        "startDate": "2023-12-31T23:00:00Z",
        "attributes": {"Tier": "gold", "Origin": "default"},
        "batchId": "b1",
    } | more


def found(shown: dict[str, list[Found] | None], *claimed: str, now: float = LATER) -> str:
    """The codes by key that settle it, "absent", or why it stays open."""
    match settle(EVIDENCE, SENT, shown, claimed, now=now):
        case Applied(by_key=by_key):
            return " ".join(f"{key}={one['code']}" for key, one in by_key.items())
        case Absent():
            return "absent"
        case Open(words=words):
            return words


EARLIER = {"created": "2023-11-14T21:00:00Z"}


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        pytest.param({"a": [code("A")], "b": [code("B")]}, "a=A b=B", id="one each"),
        pytest.param({"a": [], "b": []}, "absent", id="nothing"),
        pytest.param({"a": [code("A", **EARLIER)]}, "absent", id="of an earlier time"),
        pytest.param({"a": [code("A", campaignId=8)]}, "absent", id="of another campaign"),
        pytest.param({"a": [code("A"), code("Z", **EARLIER)]}, "a=A", id="and an earlier one"),
        pytest.param(
            {"a": [code("A"), code("X", batchId="b2")], "b": [code("B")]},
            "a=A b=B",
            id="the batch that all of them share",
        ),
        pytest.param(
            {"a": [code("A", batchId=None)], "b": [code("B", batchId=None)]},
            "a=A b=B",
            id="an API that names no batches",
        ),
    ],
)
def test_what_is_clear_is_settled(shown: dict[str, list[Found] | None], expected: str) -> None:
    assert found(shown) == expected


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param({"a": [code("A")], "b": []}, id="one has none"),
        pytest.param({"a": [code("A")], "b": None}, id="the API would not say"),
        pytest.param({"a": [code("A"), code("B")]}, id="two of one batch"),
        pytest.param({"a": [code("A"), code("B", batchId="b2")]}, id="two of two batches"),
        pytest.param({"a": [code("A")], "b": [code("B", batchId="b2")]}, id="no batch in common"),
        pytest.param({"a": [code("A", usageLimit=5)]}, id="another limit"),
        pytest.param({"a": [code("A", attributes={})]}, id="other attributes"),
        pytest.param({"a": [code("A", startDate="2024-01-01T00:00:00Z")]}, id="another start"),
        pytest.param({"a": [code("A", created="soon", usageLimit=5)]}, id="of an unknown time"),
    ],
)
def test_what_can_be_read_in_two_ways_stays_open(shown: dict[str, list[Found] | None]) -> None:
    assert "of" in found(shown)
    assert isinstance(settle(EVIDENCE, SENT, shown, (), now=LATER), Open)


def test_a_code_that_another_request_has_made_says_nothing() -> None:
    assert found({"a": [code("A")]}, "A") == "absent"
    assert found({"a": [code("A"), code("B")]}, "A") == "a=B"


def test_what_may_still_come_is_not_absent() -> None:
    assert found({"a": []}, now=SENT.until + QUIET_S) == "absent"
    assert "nothing is there" in found({"a": []}, now=SENT.until + QUIET_S - 1)
    assert "nothing is there" in found({"a": []}, now=SENT.until - 3600)  # a clock set back


@given(seconds=st.floats(-1e6, 1e6))
def test_the_window_is_the_requests_time_and_a_skew(seconds: float) -> None:
    moment = SENT_AT + seconds
    sent = replace(SENT, since=moment, until=moment)
    inside = abs(SENT_AT + 2.5 - moment) <= SKEW_S
    finding = settle(EVIDENCE, sent, {"a": [code("A")]}, (), now=moment + 3600)
    assert isinstance(finding, Applied if inside else Absent)


def test_a_request_that_a_crash_cut_short_may_have_ended_just_now() -> None:
    line = RequestLine(positions=Positions.span(0, 1), state=State.SENDING, first_sent_at=SENT_AT)
    assert Sent.of(line, {}, now=LATER) == Sent(constants={}, since=SENT_AT, until=LATER)
    done = replace(line, finished_at=SENT_AT + 1)
    assert Sent.of(done, {}, now=LATER).until == SENT_AT + 1
