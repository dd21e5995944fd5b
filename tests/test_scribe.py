"""Results as they are written: which rows go into which file."""

import polars as pl
import pytest

from pipeline.events import Event, ResultsWritten
from pipeline.ledger import Ledger
from pipeline.model import BatchId, Change, Positions, RequestLine, StagedPart, State
from pipeline.operations import Operation, find
from pipeline.parts import write_part
from pipeline.run_folder import RunFolder
from pipeline.scribe import RESULTS_ROWS, Scribe

BATCH_ROWS, PART_BATCHES = 1000, 25
PROFILES = find("profiles")
assert isinstance(PROFILES, Operation)


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
def scribe(folder: RunFolder, ledger: Ledger, told: list[Event]) -> Scribe:
    return Scribe(operation=PROFILES, ledger=ledger, folder=folder, tell=told.append)


def stage(of: Scribe, parts: int, *, batches: int = PART_BATCHES) -> None:
    """Stage *parts* parts of so many full batches each."""
    height = BATCH_ROWS * batches
    for part in range(parts):
        first = part * height + 1
        rows = pl.DataFrame(
            {
                "row": range(first, first + height),
                "file": ["c.csv"] * height,
                "line": range(first + 1, first + 1 + height),
                "key": [f"c{number}" for number in range(first, first + height)],
                "batch": [part * batches + n // BATCH_ROWS + 1 for n in range(height)],
            }
        )
        file = f"part-{part + 1:06}.parquet"
        write_part(rows, of.folder.staged / file)
        firsts = range(first, first + height, BATCH_ROWS)
        of.ledger.stage(StagedPart(file=file, batches=tuple((BATCH_ROWS, n) for n in firsts)))


def settle(of: Scribe, batches: range) -> None:
    line = RequestLine(positions=Positions.span(0, BATCH_ROWS), state=State.DELIVERED)
    of.ledger.commit([Change(batch=BatchId(number), line=line) for number in batches])


def written(told: list[Event], folder: RunFolder) -> list[pl.DataFrame]:
    names = [event.part for event in told if isinstance(event, ResultsWritten)]
    return [pl.read_parquet(folder.results / name) for name in names]


def test_each_staged_part_is_read_for_one_file_of_results(
    scribe: Scribe, folder: RunFolder, told: list[Event]
) -> None:
    stage(scribe, 5)
    settle(scribe, range(1, 5 * PART_BATCHES + 1))
    scribe.write_results(least=1)
    files = written(told, folder)
    part_of = [(frame["batch"] - 1) // PART_BATCHES for frame in files]
    assert [sorted(parts.unique()) for parts in part_of] == [[0, 1], [2, 3], [4]]
    assert max(map(len, files)) <= RESULTS_ROWS
    rows = pl.concat(files)
    assert rows["row"].to_list() == list(range(1, len(rows) + 1))
    assert rows["key"].to_list() == [f"c{row}" for row in rows["row"]]
    assert rows["status"].unique().to_list() == ["delivered"]


def test_less_than_a_file_waits_for_more_until_all_is_to_be_written(
    scribe: Scribe, folder: RunFolder, told: list[Event]
) -> None:
    stage(scribe, 2)
    settle(scribe, range(1, 2 * PART_BATCHES + 1))
    scribe.write_results()
    assert not told
    scribe.write_results(least=1)
    assert [len(frame) for frame in written(told, folder)] == [2 * PART_BATCHES * BATCH_ROWS]


def test_a_part_that_is_larger_than_a_file_makes_several(
    scribe: Scribe, folder: RunFolder, told: list[Event]
) -> None:
    batches = RESULTS_ROWS // BATCH_ROWS + 5
    stage(scribe, 1, batches=batches)
    settle(scribe, range(1, batches + 1))
    scribe.write_results(least=1)
    assert [len(frame) for frame in written(told, folder)] == [RESULTS_ROWS, 5 * BATCH_ROWS]


def test_what_is_left_of_a_part_is_written_when_it_is_settled(
    scribe: Scribe, folder: RunFolder, told: list[Event]
) -> None:
    stage(scribe, 3)
    late = 7
    settle(scribe, range(1, late))
    settle(scribe, range(late + 1, 3 * PART_BATCHES + 1))
    scribe.write_results(least=1)
    settle(scribe, range(late, late + 1))
    scribe.write_results(least=1)
    rows = pl.concat(written(told, folder))
    assert sorted(rows["row"]) == list(range(1, 3 * PART_BATCHES * BATCH_ROWS + 1))
    assert rows[-BATCH_ROWS:]["batch"].unique().to_list() == [late]
