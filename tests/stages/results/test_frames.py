"""Settled batches to results: each row gets its own outcome and its own answer, whatever came."""

import json
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InvariantBroken
from pipeline.model import (
    ApiError,
    BatchId,
    BatchLine,
    Positions,
    RequestLine,
    State,
    Status,
    Totals,
)
from pipeline.operations import find
from pipeline.stages.results import check_balance, of_batches, of_rejected, schema_of

PROFILES, REFERRALS = find("profiles"), find("referrals")
assert PROFILES is not None
assert REFERRALS is not None
LEAVES = (State.DELIVERED, State.REFUSED, State.FAILED, State.IN_DOUBT)


def rows_of(batches: Sequence[BatchLine]) -> pl.DataFrame:
    numbers = [(batch.id, n) for batch in batches for n in range(batch.rows)]
    return pl.DataFrame(
        {
            "row": range(1, len(numbers) + 1),
            "file": ["a.csv"] * len(numbers),
            "line": [None] * len(numbers),
            "key": [f"k{batch}-{n}" for batch, n in numbers],
            "batch": [batch for batch, _ in numbers],
        },
        schema={
            "row": pl.UInt64, "file": pl.String, "line": pl.UInt64, "key": pl.String,
            "batch": pl.UInt32,
        },
    )  # fmt: skip


def batch_of(number: int, *lines: RequestLine) -> BatchLine:
    rows = len({place for line in lines for place in line.positions})
    return BatchLine(id=BatchId(number), file="part", start=0, rows=rows, requests=lines)


@st.composite
def settled(draw: st.DrawFn, number: int) -> tuple[BatchLine, list[int]]:
    """A batch whose rows are in leaves in any way; and which leaf each row is in."""
    leaf_of = draw(st.lists(st.integers(0, 5), min_size=1, max_size=30))
    order = draw(st.permutations(sorted(set(leaf_of))))
    lines = [RequestLine(positions=Positions.span(0, len(leaf_of)), state=State.SPLIT)]
    lines += [
        RequestLine(
            positions=Positions.of(n for n, leaf in enumerate(leaf_of) if leaf == which),
            state=draw(st.sampled_from(LEAVES)),
            attempts=which,
            error=ApiError(title=f"title {number}-{which}", details="d", pointer=f"/x/{which}"),
            http_status=400 + which,
            sent_at=1_790_000_000.0 + which,
        )
        for which in order
    ]
    return batch_of(number, *lines), leaf_of


@given(st.data())
def test_each_row_has_the_outcome_of_its_own_leaf(data: st.DataObject) -> None:
    drawn = [data.draw(settled(number)) for number in range(3, 3 + data.draw(st.integers(1, 4)))]
    batches = [batch for batch, _ in drawn]
    rows = rows_of(batches)
    results = of_batches(PROFILES, batches, rows)
    assert dict(results.schema) == schema_of(PROFILES)
    assert results["row"].to_list() == rows["row"].to_list()
    assert results["key"].to_list() == rows["key"].to_list()
    expected = [
        (next(line for line in batch.requests[1:] if place in set(line.positions)), which)
        for batch, leaf_of in drawn
        for place, which in enumerate(leaf_of)
    ]
    for result, (line, which) in zip(results.to_dicts(), expected, strict=True):
        assert result["status"] == line.state.value
        assert result["error_title"] == line.error.title
        assert result["error_pointer"] == f"/x/{which}"
        assert result["http_status"] == 400 + which
        assert result["attempts"] == which
        assert result["sent_at"].timestamp() == line.sent_at
        assert result["finished_at"] is None
        assert result["stage"] == "delivery"


def referral(key: str, **more: object) -> dict[str, object]:
    return {
        "advocateProfileIntegrationId": key,
        "code": f"code of {key}",
        "id": 7,
        "usageCounter": 0,
        "batchId": "b",
        "importId": 5,
        **more,
    }


def codes(answer: bytes, rows: int) -> list[str | None]:
    """The codes that the rows of one delivered batch of referrals get of *answer*."""
    line = RequestLine(positions=Positions.span(0, rows), state=State.DELIVERED, answer=answer)
    batch = batch_of(1, line)
    results = of_batches(REFERRALS, [batch], rows_of([batch]))
    assert len(results) == rows
    assert results["status"].to_list() == ["delivered"] * rows
    return results["code"].to_list()


@given(st.permutations(range(8)), st.sets(st.integers(0, 7)))
def test_an_answer_goes_to_the_row_that_it_names_in_whatever_order(
    order: list[int], left_out: set[int]
) -> None:
    keys = [f"k1-{n}" for n in order if n not in left_out]
    body = json.dumps({"data": [referral(key) for key in [*keys, "a stranger"]]}).encode()
    assert codes(body, 8) == [None if n in left_out else f"code of k1-{n}" for n in range(8)]


def test_answers_of_two_requests_are_kept_apart() -> None:
    """The same advocate in two campaigns: each row has the code of its own request."""
    lines = [
        RequestLine(
            positions=Positions.span(0, 1),
            state=State.DELIVERED,
            answer=json.dumps({"data": [referral("same", code=code)]}).encode(),
        )
        for code in ("first", "second")
    ]
    batches = [batch_of(number, line) for number, line in enumerate(lines, 1)]
    rows = rows_of(batches).with_columns(key=pl.lit("same"))
    assert of_batches(REFERRALS, batches, rows)["code"].to_list() == ["first", "second"]


def test_a_row_that_is_answered_twice_has_the_first() -> None:
    body = {"data": [referral("k1-0", code="first"), referral("k1-0", code="second")]}
    assert codes(json.dumps(body).encode(), 1) == ["first"]


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b'{"data": [{"advocateProfileIntegrationId": "k1-0", "code": "cut',
        b"[]",
        b'"text"',
        b"{}",
        b'{"data": null}',
        b'{"data": []}',
        b'{"data": {"not": "a list"}}',
        b'{"data": ["not an object", null]}',
        b"\xff\xfe",
        b"null",
    ],
)
def test_what_cannot_be_read_is_null_and_the_row_delivered_all_the_same(answer: bytes) -> None:
    assert codes(answer, 2) == [None, None]


def test_an_answer_that_cannot_be_read_spoils_no_other() -> None:
    answers = [b"<html>", json.dumps({"data": [referral("k2-0")]}).encode(), b"{", b"\xff"]
    batches = [
        batch_of(n, RequestLine(positions=Positions.span(0, 1), state=State.DELIVERED, answer=text))
        for n, text in enumerate(answers, 1)
    ]
    results = of_batches(REFERRALS, batches, rows_of(batches))
    assert results["code"].to_list() == [None, "code of k2-0", None, None]


@pytest.mark.parametrize(
    "odd", [{"id": "seven"}, {"id": 7.5}, {"id": 2**70}, {"usageCounter": None}, {"batchId": 12}]
)
def test_a_field_of_another_type_does_not_take_the_code_with_it(odd: dict[str, object]) -> None:
    body = json.dumps({"data": [referral("k1-0", **odd), referral("k1-1")]}).encode()
    assert codes(body, 2) == ["code of k1-0", "code of k1-1"]


def test_a_field_that_the_api_added_later_does_no_harm() -> None:
    body = {"data": [referral("k1-0", brandNew={"deep": [1]})], "more": True}
    assert codes(json.dumps(body).encode(), 1) == ["code of k1-0"]


def test_rejected_rows_have_their_reasons_and_no_batch() -> None:
    rejected = pl.DataFrame(
        {
            "row": [4, 9],
            "file": ["a.csv", "a.csv"],
            "line": [5, 12],
            "reasons": [["is empty", "is too long"], ["the line could not be read"]],
            "at": ["validation", "source"],
        }
    )
    results = of_rejected(PROFILES, rejected, stage=pl.col("at"))
    assert dict(results.schema) == schema_of(PROFILES)
    assert results["error_details"].to_list() == [
        "is empty; is too long",
        "the line could not be read",
    ]
    assert results["stage"].to_list() == ["validation", "source"]
    assert set(results["status"]) == {"rejected"}
    assert results["batch"].null_count() == results["key"].null_count() == 2


# ── the balance ──────────────────────────────────────────────────────────────────────────────────


def totals(**counts: int) -> Totals:
    by_status = {Status(name): rows for name, rows in counts.items()}
    return Totals(rows=sum(counts.values()), by_status=by_status)


def test_a_run_balances_when_each_row_has_one_outcome() -> None:
    check_balance(totals(delivered=7, rejected=2, in_doubt=1), rows_read=10, rows_written=10)
    check_balance(totals(), rows_read=0, rows_written=0)


@pytest.mark.parametrize(
    ("counted", "read", "written"),
    [
        (totals(delivered=9), 10, 10),
        (totals(delivered=10), 10, 9),
        (totals(delivered=10), 10, 11),
        (totals(delivered=10), 9, 10),
        (totals(delivered=9, pending=1), 10, 10),
        (Totals(rows=10, by_status={Status.DELIVERED: 9}), 10, 10),
    ],
)
def test_one_row_too_few_or_too_many_is_our_fault(counted: Totals, read: int, written: int) -> None:
    with pytest.raises(InvariantBroken, match="do not add up"):
        check_balance(counted, rows_read=read, rows_written=written)


@pytest.mark.parametrize(
    ("name", "state", "status"),
    [
        ("profiles", State.SENDING, "pending"),
        ("referrals", State.SENDING, "in_doubt"),
        ("referrals", State.PENDING, "pending"),
    ],
)
def test_a_row_without_a_verdict_is_pending_or_in_doubt_if_it_was_sent(
    name: str, state: State, status: str
) -> None:
    operation = find(name)
    assert operation is not None
    done = RequestLine(positions=Positions.span(1, 2), state=State.REFUSED)
    open_line = RequestLine(positions=Positions.span(2, 3), state=state)
    batch = BatchLine(id=BatchId(1), file="p", start=0, rows=4, requests=(done, open_line))
    rows = pl.DataFrame(
        {"row": [1, 2, 3, 4], "file": "a.csv", "line": None, "key": "k", "batch": 1}
    )
    found = of_batches(operation, [batch], rows)
    assert found["status"].to_list() == ["pending", "refused", status, "pending"]
