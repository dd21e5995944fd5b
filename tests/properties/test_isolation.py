"""One bad row never sinks its batch: the delivery against an API that refuses what it is told to.

End to end from drafts to the last recorded change, in memory. Beside each row's verdict the number
of requests is bounded: isolation that asks for each row alone would be right, and useless.
"""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import anyio
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.errors import PipelineError, ServiceError
from pipeline.model import BatchId, BatchLine, RequestLine, State
from pipeline.operations import Operation, find
from pipeline.stages.delivery import (
    Delivery,
    Draft,
    LaneKeys,
    Proof,
    deliver,
    drafts,
    lane_keys,
)
from pipeline.stages.delivery.isolation import HOPELESS_REQUESTS, REQUESTS_MAX
from pipeline.stages.delivery.verdicts import NOT_ISOLATED
from tests.fakes.simulated_api import NAMING, Api, Books, ports


def operation(name: str) -> Operation:
    found = find(name)
    assert found is not None
    return found


PROFILES, AUDIENCES = operation("profiles"), operation("audiences")


@dataclass(slots=True)
class Load:
    """What a delivery of some batches has come to."""

    api: Api
    books: Books = field(default_factory=Books)
    proof: Proof = field(default_factory=Proof)
    batches: list[BatchLine] = field(default_factory=list)
    stopped: PipelineError | None = None

    def leaves(self, index: int = 0) -> dict[int, RequestLine]:
        return self.books.leaves(self.batches[index])


def frame_of(operation: Operation, keys: Sequence[str], more: Mapping[str, object]) -> pl.DataFrame:
    return pl.DataFrame({operation.key: keys, **more}, schema_overrides={operation.key: pl.String})


def carry(api: Api, *frames: pl.DataFrame, proven: bool = False) -> Load:
    """Deliver a batch of each of *frames*, one request at a time."""
    load = Load(api, proof=Proof(proven=proven))
    delivery = Delivery(
        operation=api.operation,
        run="run",
        ports=ports(api.exchange, load.books),
        concurrency=1,
        proof=load.proof,
    )

    async def supply() -> AsyncIterator[Draft]:
        known: list[LaneKeys] = []
        for number, frame in enumerate(frames, 1):
            batch = BatchLine(id=BatchId(number), file="part", start=0, rows=len(frame))
            load.batches.append(batch)
            known.append(lane_keys(api.operation, frame, known))
            for draft in drafts(batch, frame, known[-1]):
                yield draft

    async def run() -> None:
        try:
            await deliver(delivery, supply())
        except PipelineError as error:
            load.stopped = error

    anyio.run(run)
    return load


def batch(rows: int, bad: Mapping[int, str], naming: str = "all", *, proven: bool = False) -> Load:
    """Deliver one batch of profiles, in which the rows at *bad* are refused with their words."""
    keys = [f"p{place}" for place in range(rows)]
    words = {keys[place]: text for place, text in bad.items()}
    api = Api(operation=PROFILES, bad=words, naming=naming)
    return carry(api, frame_of(PROFILES, keys, {}), proven=proven)


def check_verdicts(load: Load, rows: int, bad: Mapping[int, str]) -> None:
    """Exactly the bad rows are refused, with the API's words; all others are delivered, once."""
    leaves = load.leaves()
    assert sorted(leaves) == list(range(rows))
    assert sorted(load.api.delivered) == sorted(f"p{n}" for n in range(rows) if n not in bad)
    for place, line in leaves.items():
        if place in bad:
            assert line.state is State.REFUSED
            assert line.error.title == "Invalid"
            assert line.error.details == bad[place]
        else:
            assert line.state is State.DELIVERED


@st.composite
def few_bad(draw: st.DrawFn) -> tuple[int, dict[int, str]]:
    """A batch and its few bad rows, fewer than a sample has, each with words of its own."""
    rows = draw(st.integers(2, 60) | st.sampled_from([997, 1000]))
    most = min((rows - 1) // 2, 5)
    places = draw(st.sets(st.integers(0, rows - 1), max_size=most))
    return rows, {place: f"value {place} of it" for place in places}


@pytest.mark.parametrize("naming", NAMING)
@given(case=few_bad(), proven=st.booleans())
@example(case=(1000, {0: "a", 499: "a", 999: "a"}), proven=False)
@example(case=(1000, {0: "a", 249: "a", 499: "a", 749: "a", 999: "a"}), proven=False)
@example(case=(9, {0: "a", 4: "a", 8: "a"}), proven=False)
@settings(max_examples=60)
def test_exactly_the_bad_rows_are_refused(
    naming: str, case: tuple[int, dict[int, str]], proven: bool
) -> None:
    rows, bad = case
    load = batch(rows, bad, naming, proven=proven)
    assert load.stopped is None
    check_verdicts(load, rows, bad)
    bound = 2 * len(bad) * math.log2(rows) + len(bad) + 4
    assert load.api.requests <= bound


@pytest.mark.parametrize("naming", NAMING)
@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9, 10, 11, 30, 1000])
def test_a_batch_in_which_everything_is_bad_costs_fewer_than_ten_requests(
    naming: str, rows: int
) -> None:
    load = batch(rows, dict.fromkeys(range(rows), "nope"), naming)
    assert load.api.requests <= HOPELESS_REQUESTS < 10
    leaves = load.leaves()
    assert sorted(leaves) == list(range(rows))
    for line in leaves.values():
        assert line.state in (State.REFUSED, State.FAILED)
        if line.state is State.FAILED:
            assert line.error.title == NOT_ISOLATED
            assert "nope" in line.error.details


@pytest.mark.parametrize("naming", NAMING)
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 8, 50, 1000])
def test_a_job_in_which_everything_is_bad_stops_after_fewer_than_ten_requests(
    naming: str, rows: int
) -> None:
    frames = [
        frame_of(PROFILES, [f"{number}-{place}" for place in range(rows)], {})
        for number in range(30)
    ]
    bad = {key: f'"{key}" is not on the list' for frame in frames for key in frame["integrationId"]}
    load = carry(Api(operation=PROFILES, bad=bad, naming=naming), *frames)
    assert load.api.requests <= 10
    assert isinstance(load.stopped, ServiceError)
    assert "is not on the list" in str(load.stopped)
    assert "retry" in load.stopped.hint
    assert not load.books.leaves(BatchLine(id=BatchId(30), file="", start=0, rows=rows))


def test_a_job_goes_on_when_causes_differ() -> None:
    frames = [frame_of(PROFILES, [f"p{n}"], {}) for n in range(20)]
    words = ["too short", "too long"]
    bad = {f"p{n}": words[n % 2] for n in range(20)}
    load = carry(Api(operation=PROFILES, bad=bad), *frames)
    assert load.stopped is None
    assert load.api.requests == 20


def test_a_job_that_has_delivered_a_row_is_not_condemned() -> None:
    frames = [frame_of(PROFILES, [f"p{n}"], {}) for n in range(20)]
    load = carry(Api(operation=PROFILES, bad={f"p{n}": "same" for n in range(1, 20)}), *frames)
    assert load.stopped is None
    assert load.api.delivered == ["p0"]


def test_what_cannot_be_isolated_within_the_budget_is_failed_by_name() -> None:
    """Every third row is bad: to find each would take more requests than a batch may cost."""
    bad = dict.fromkeys(range(0, 1000, 3), "odd")
    load = batch(1000, bad, "nothing", proven=True)
    assert load.api.requests == REQUESTS_MAX
    leaves = load.leaves()
    assert sorted(leaves) == list(range(1000))
    failed = [place for place, line in leaves.items() if line.state is State.FAILED]
    assert failed
    for place, line in leaves.items():
        if line.state is State.FAILED:
            assert line.error.title == NOT_ISOLATED
            assert "odd" in line.error.details
        else:
            assert line.state is (State.REFUSED if place in bad else State.DELIVERED)
    delivered = {f"p{n}" for n, line in leaves.items() if line.state is State.DELIVERED}
    assert set(load.api.delivered) == delivered


@given(st.integers(1, 40), st.integers(1, 40))
def test_what_is_too_large_is_split_until_it_is_taken(rows: int, rows_max: int) -> None:
    api = Api(operation=PROFILES, rows_max=rows_max)
    load = carry(api, frame_of(PROFILES, [f"p{n}" for n in range(rows)], {}))
    check_verdicts(load, rows, {})
    assert api.delivered == [f"p{n}" for n in range(rows)]  # in order


def test_a_row_that_is_too_large_by_itself_is_refused() -> None:
    load = carry(Api(operation=PROFILES, rows_max=0), frame_of(PROFILES, ["p0", "p1"], {}))
    assert {line.state for line in load.leaves().values()} == {State.REFUSED}


@given(st.data())
def test_a_missing_audience_takes_its_own_rows_with_it_and_no_others(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 80))
    ids = data.draw(st.lists(st.integers(1, 6), min_size=rows, max_size=rows))
    missing = data.draw(st.frozensets(st.integers(1, 6), max_size=2))
    api = Api(operation=AUDIENCES, missing=missing)
    keys = [f"p{n}" for n in range(rows)]
    load = carry(api, frame_of(AUDIENCES, keys, {"audienceId": ids, "action": ["add"] * rows}))
    leaves = load.leaves()
    assert sorted(leaves) == list(range(rows))
    for place, line in leaves.items():
        assert line.state is (State.REFUSED if ids[place] in missing else State.DELIVERED)
        if line.state is State.REFUSED:
            assert line.error.title == "audience not found"
            assert line.http_status == 404
    assert sorted(api.delivered) == sorted(
        key for key, audience in zip(keys, ids, strict=True) if audience not in missing
    )
    assert api.requests <= 1 + 2 * len(set(ids))


def test_one_missing_audience_of_many_is_found_by_halving() -> None:
    ids = list(range(1, 1001))
    api = Api(operation=AUDIENCES, missing=frozenset({700}))
    keys = [f"p{n}" for n in range(1000)]
    load = carry(api, frame_of(AUDIENCES, keys, {"audienceId": ids, "action": ["add"] * 1000}))
    assert [place for place, line in load.leaves().items() if line.state is State.REFUSED] == [699]
    assert api.requests <= 2 * math.log2(1000) + 5


def test_a_job_of_missing_audiences_stops_with_its_cause() -> None:
    ids = list(range(1, 101))
    frames = [
        frame_of(AUDIENCES, [f"{b}-{n}" for n in range(100)], {"audienceId": ids, "action": "add"})
        for b in range(5)
    ]
    load = carry(Api(operation=AUDIENCES, missing=frozenset(ids)), *frames)
    assert load.api.requests < 10
    assert "audience not found" in str(load.stopped)
