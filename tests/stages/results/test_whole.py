"""Answers about a request as a whole: walked along paths, typed, and never the end of a run."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model import BatchId, BatchLine, Positions, RequestLine, State
from pipeline.operations import OPERATIONS, AnswerField, Kind, find
from pipeline.stages.results import of_batches, schema_of
from pipeline.stages.results.answers import decode_answers
from pipeline.stages.results.whole import parsed, value_of
from tests.stages.results.test_frames import rows_of

ANSWER = {
    "total": 5,
    "effects": [
        {"effectType": "rejectCoupon", "props": {"value": "A", "rejectionReason": "Expired"}},
        {"effectType": "setDiscount", "props": {"name": "x", "value": 3}},
        {"effectType": "updateAttribute", "props": {"value": {"deep": [1]}}},
        {"effectType": "rejectCoupon", "props": {"value": "B"}},
        5,
    ],
    "data": [{"integrationId": "a"}, {"integrationId": 7}],
}


@pytest.mark.parametrize(
    ("kind", "at", "found"),
    [
        (Kind.INTEGER, "total", 5),
        (Kind.NUMBER, "total", 5),
        (Kind.STRING, "total", None),
        (Kind.INTEGER, "total.of.it", None),
        (Kind.INTEGER, "nothing", None),
        (Kind.STRINGS, "nothing[].value", None),
        (Kind.STRINGS, "total[].value", []),
        (Kind.STRINGS, "effects[effectType=rejectCoupon].props.value", ["A", "B"]),
        (Kind.STRINGS, "effects[effectType=rejectCoupon].props.rejectionReason", ["Expired"]),
        (Kind.STRINGS, "data[].integrationId", ["a", None]),
        (Kind.JSON, "data", '[{"integrationId":"a"},{"integrationId":7}]'),
        (Kind.JSON, "effects[effectType=setDiscount].props", '[{"name":"x","value":3}]'),
    ],
)
def test_a_path_finds_what_stands_there(kind: Kind, at: str, found: object) -> None:
    assert value_of(AnswerField(name="x", kind=kind, at=at), ANSWER) == found


def test_nested_fields_make_objects() -> None:
    inner = (AnswerField(name="id", kind=Kind.STRING, at="integrationId"),)
    many = AnswerField(name="x", kind=Kind.JSON, at="data", fields=inner, many=True)
    assert value_of(many, ANSWER) == [{"id": "a"}, {"id": None}]
    assert value_of(many, {"data": {"integrationId": "a"}}) is None
    assert value_of(many, {"data": [3]}) == [None]


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff"])
def test_what_is_no_json_says_nothing(body: bytes) -> None:
    assert parsed(body) is None
    assert value_of(AnswerField(name="x", kind=Kind.JSON, at="a"), parsed(body)) is None


@pytest.mark.parametrize("total", [2**53 + 1, -(2**63), 2**64 - 1, 10**30, 0.1])
def test_a_number_is_a_float_however_large_an_integer_it_is_written_as(total: float) -> None:
    sessions = find("sessions")
    assert sessions is not None
    answer = json.dumps({"customerSession": {"id": 1, "total": total}}).encode()
    line = RequestLine(positions=Positions.span(0, 1), state=State.DELIVERED, answer=answer)
    assert decode_answers(sessions, [line])["total"].to_list() == [float(total)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from("id effects effectType props value data coupons attributes".split()),
            inner,
        )
    ),
    max_leaves=12,
)


@given(answers=st.lists(JSON, min_size=1, max_size=3), data=st.data())
def test_whatever_comes_the_results_have_their_schema(answers: list[Any], data: Any) -> None:
    operation = data.draw(st.sampled_from([o for o in OPERATIONS if not o.answer.rows_at]))
    lines = [
        RequestLine(
            positions=Positions.span(n, n + 1),
            state=State.DELIVERED,
            answer=json.dumps(answer).encode(),
        )
        for n, answer in enumerate(answers)
    ]
    batch = BatchLine(id=BatchId(1), file="part", start=0, rows=len(lines), requests=tuple(lines))
    results = of_batches(operation, [batch], rows_of([batch]))
    assert dict(results.schema) == schema_of(operation)
    assert results["status"].to_list() == ["delivered"] * len(answers)


def test_an_answer_is_for_all_rows_of_its_request_and_no_others() -> None:
    operation = find("coupon-reservations")
    assert operation is not None
    lines = [
        RequestLine(
            positions=Positions.of(places),
            state=State.DELIVERED,
            answer=json.dumps({"id": number, "reservationCounter": 3}).encode(),
        )
        for number, places in ((1, [0, 2]), (2, [1]))
    ]
    batch = BatchLine(id=BatchId(1), file="part", start=0, rows=3, requests=tuple(lines))
    results = of_batches(operation, [batch], rows_of([batch]))
    assert results["couponId"].to_list() == [1, 2, 1]
    assert results["reservationCounter"].to_list() == [3.0] * 3
