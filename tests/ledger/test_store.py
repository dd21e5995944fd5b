"""The ledger on disk: what it refuses, what it remembers, and how it fails."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import InvariantBroken, RunError, StorageError
from pipeline.ledger import CHECKPOINT, SET_ASIDE, Ledger, schema
from pipeline.model import (
    ApiError,
    Aside,
    BatchId,
    Change,
    Positions,
    RequestLine,
    StagedPart,
    State,
    Status,
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with one part of two batches, ten and five rows."""
    made = Ledger.create(tmp_path / "ledger.sqlite")
    made.stage(StagedPart(file="part-1.parquet", batches=((10, 1), (5, 11))))
    yield made
    made.close()


def change(state: State, start: int = 0, stop: int = 10, batch: int = 1) -> Change:
    line = RequestLine(positions=Positions.span(start, stop), state=state)
    return Change(batch=BatchId(batch), line=line, attempts=1)


def split(*spans: tuple[int, int]) -> Change:
    """The ten rows of batch 1, split into *spans*."""
    return Change(
        batch=BatchId(1),
        line=RequestLine(positions=Positions.span(0, 10), state=State.SPLIT),
        children=tuple(
            RequestLine(positions=Positions.span(*span), state=State.PENDING) for span in spans
        ),
        attempts=1,
    )


def test_everything_that_is_known_of_a_request_comes_back(ledger: Ledger) -> None:
    line = RequestLine(
        positions=Positions.parse("0-3,5-10"),
        state=State.REFUSED,
        parent=Positions.span(0, 10),
        attempts=3,
        idempotency_key="key",
        digest="0af1",
        first_sent_at=1.25,
        sent_at=2.5,
        finished_at=1_790_000_000.123456,
        http_status=400,
        error=ApiError(title="title ✓", details='say "details"', pointer="/a/0"),
        answer=b"\x00\xffanswer" * 100,
    )
    ledger.commit([Change(batch=BatchId(1), line=line)])
    batch = ledger.batch(BatchId(1))
    assert batch is not None
    assert batch.requests == (line,)
    assert batch.unnamed == Positions.span(3, 5)


def test_a_batch_starts_where_the_one_before_it_ends(ledger: Ledger) -> None:
    ledger.stage(StagedPart(file="part-2.parquet", batches=((7, 16),)))
    found = ledger.open_batches(after=BatchId(0), limit=10)
    assert [(b.id, b.file, b.start, b.rows) for b in found] == [
        (1, "part-1.parquet", 0, 10),
        (2, "part-1.parquet", 10, 5),
        (3, "part-2.parquet", 0, 7),
    ]


def test_open_batches_are_read_in_pages(ledger: Ledger) -> None:
    assert [b.id for b in ledger.open_batches(after=BatchId(0), limit=1)] == [1]
    assert [b.id for b in ledger.open_batches(after=BatchId(1), limit=1)] == [2]
    assert ledger.open_batches(after=BatchId(2), limit=1) == []


def test_a_part_is_named_once(ledger: Ledger) -> None:
    with pytest.raises(InvariantBroken):
        ledger.stage(StagedPart(file="part-1.parquet", batches=((1, 16),)))
    assert ledger.totals().rows == 15


def test_a_checkpoint_is_named_with_its_part_or_not_at_all(ledger: Ledger) -> None:
    part = StagedPart(file="part-2.parquet", batches=((7, 16),))
    ledger.stage(part, "far")
    assert ledger.fact(CHECKPOINT) == "far"
    with pytest.raises(InvariantBroken):
        ledger.stage(part, "too far")
    assert ledger.fact(CHECKPOINT) == "far"
    ledger.stage(StagedPart(file="part-3.parquet", batches=((1, 23),)))
    assert ledger.fact(CHECKPOINT) == "far"


@pytest.mark.parametrize("status", SET_ASIDE)
def test_a_row_set_aside_has_its_result_at_once(ledger: Ledger, status: Status) -> None:
    part = StagedPart(aside=(Aside(status=status, file="aside-1.parquet", rows=4),))
    assert ledger.stage(part) == ()
    assert ledger.totals().of(status) == 4
    assert ledger.totals().rows == 19
    assert ledger.results_rows() == 4
    assert ledger.files("results") == ledger.files(status) == ["aside-1.parquet"]
    assert ledger.files("staged") == ["part-1.parquet"]


@pytest.mark.parametrize(
    "spans",
    [
        pytest.param([(0, 5)], id="rows forgotten"),
        pytest.param([(0, 5), (4, 10)], id="a row twice"),
        pytest.param([(0, 5), (5, 11)], id="a row of nobody"),
        pytest.param([], id="no children"),
    ],
)
def test_a_split_that_loses_or_doubles_rows_is_not_written(
    ledger: Ledger, spans: list[tuple[int, int]]
) -> None:
    with pytest.raises(InvariantBroken):
        ledger.commit([split(*spans)])
    assert ledger.open_batches(after=BatchId(0), limit=1)[0].requests == ()


def test_only_a_split_has_children(ledger: Ledger) -> None:
    children = split((0, 5), (5, 10)).children
    line = RequestLine(positions=Positions.span(0, 10), state=State.REFUSED)
    with pytest.raises(InvariantBroken):
        ledger.commit([Change(batch=BatchId(1), line=line, children=children)])


def test_a_row_is_settled_once(ledger: Ledger) -> None:
    """Two requests that share a row would count it twice."""
    with pytest.raises(InvariantBroken):
        ledger.commit([change(State.DELIVERED, 0, 6), change(State.REFUSED, 5, 10)])
    assert ledger.totals().of(Status.PENDING) == 15


def test_what_has_its_results_is_not_changed_any_more(ledger: Ledger) -> None:
    ledger.commit([change(State.DELIVERED)])
    written = ledger.unwritten(rows_max=100, doubts=False)
    ledger.name_results("part-1.parquet", written, provisional=False)
    with pytest.raises(InvariantBroken, match="results are written"):
        ledger.commit([change(State.FAILED)])
    assert ledger.totals().of(Status.DELIVERED) == 10
    folded = ledger.batch(BatchId(1))
    assert folded is not None
    assert folded.requests == ()


def test_what_is_in_doubt_is_written_only_when_asked_for(ledger: Ledger) -> None:
    ledger.commit([change(State.IN_DOUBT), change(State.DELIVERED, 0, 5, 2)])
    assert [line.id for line in ledger.unwritten(rows_max=100, doubts=False)] == [2]
    doubtful = ledger.unwritten(rows_max=100, doubts=True)
    assert [line.id for line in doubtful] == [1]
    ledger.name_results("part-1.parquet", doubtful, provisional=True)
    assert [len(line.requests) for line in ledger.doubtful()] == [1]  # kept, for a settlement
    assert ledger.withdraw_provisional() == ["part-1.parquet"]
    ledger.commit([change(State.DELIVERED)])
    assert ledger.totals().of(Status.IN_DOUBT) == 0
    assert [line.id for line in ledger.unwritten(rows_max=100, doubts=False)] == [1, 2]


def test_retries_are_the_attempts_beyond_the_first(ledger: Ledger) -> None:
    line = RequestLine(positions=Positions.span(0, 10), state=State.DELIVERED, attempts=4)
    ledger.commit(
        [Change(batch=BatchId(1), line=line, attempts=4), change(State.DELIVERED, 0, 5, 2)]
    )
    totals = ledger.totals()
    assert (totals.batches, totals.requests, totals.retries) == (2, 2, 3)


def test_a_change_without_an_attempt_is_no_request(ledger: Ledger) -> None:
    line = RequestLine(positions=Positions.span(0, 10), state=State.SENDING)
    ledger.commit([Change(batch=BatchId(1), line=line)])
    assert ledger.totals().requests == 0


def test_a_fact_is_what_was_set_last(ledger: Ledger) -> None:
    assert ledger.fact("rows") is None
    ledger.set_fact("rows", "1")
    ledger.set_fact("rows", "2")
    assert ledger.fact("rows") == "2"


def test_two_threads_take_turns(ledger: Ledger) -> None:
    def write(batch: int, rows: int) -> None:
        for place in range(rows):
            ledger.commit([change(State.DELIVERED, place, place + 1, batch)])

    threads = [threading.Thread(target=write, args=args) for args in ((1, 10), (2, 5))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.totals().of(Status.DELIVERED) == 15


def test_a_ledger_is_for_its_owner_only(ledger: Ledger, tmp_path: Path) -> None:
    assert (tmp_path / "ledger.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_ledger_is_not_made_over_another(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        Ledger.create(tmp_path / "ledger.sqlite")


def test_every_commit_is_synced(ledger: Ledger) -> None:
    """FULL is 2: in WAL mode less than that may lose the last commits with the machine's power."""
    assert ledger._one("PRAGMA synchronous") == (2,)
    assert ledger._one("PRAGMA journal_mode") == ("wal",)


def test_a_reader_sees_a_run_and_cannot_change_it(ledger: Ledger, tmp_path: Path) -> None:
    reader = Ledger.open(tmp_path / "ledger.sqlite", readonly=True)
    try:
        ledger.commit([change(State.DELIVERED)])
        assert reader.totals().of(Status.DELIVERED) == 10
        with pytest.raises(StorageError):
            reader.set_fact("rows", "1")
    finally:
        reader.close()


@pytest.mark.parametrize("version", [0, schema.VERSION + 1])
def test_a_ledger_of_another_version_is_left_alone(tmp_path: Path, version: int) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger.create(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    with pytest.raises(RunError, match=f"version {version}"):
        Ledger.open(path)


def test_a_ledger_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="missing"):
        Ledger.open(tmp_path / "ledger.sqlite")


def test_a_ledger_that_is_something_else_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"a poem, not a database, and long enough to be looked at" * 50)
    with pytest.raises(StorageError, match="cannot be used"):
        Ledger.open(path)
