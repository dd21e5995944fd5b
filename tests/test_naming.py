"""Parts are written and named in their order, while the next is made; a failure comes out."""

import threading
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.errors import LimitError, StorageError
from pipeline.ledger import Ledger
from pipeline.model import StagedPart
from pipeline.naming import Namer
from pipeline.parts import Repeats
from pipeline.stages.staging import Part

BOUND_S = 10.0


def part(folder: Path, number: int) -> Part:
    file = f"part-{number}.parquet"
    rows = pl.DataFrame({"row": [number]})
    named = StagedPart(file=file, batches=((1, number),))
    return Part(named=named, rows=rows, files=((rows, folder / file, Repeats()),))


def test_parts_are_durable_when_they_are_named_and_named_in_their_order(
    tmp_path: Path, ledger: Ledger
) -> None:
    told: list[str] = []

    def staged(file: str, rows: pl.DataFrame | None) -> None:
        assert (tmp_path / file).exists()
        assert ledger.files("staged")[-1] == file
        told.append(file)

    with Namer(ledger, staged) as namer:
        namer.name((part(tmp_path, number) for number in range(1, 30)), Checkpoint)
    assert told == ledger.files("staged") == [f"part-{number}.parquet" for number in range(1, 30)]


def test_the_next_part_is_made_while_one_is_written_and_no_other(
    tmp_path: Path, ledger: Ledger
) -> None:
    """The third is asked for when the first is named, not before."""
    asked: list[int] = []
    go_on, first_seen = threading.Event(), threading.Event()

    def staged(file: str, _rows: pl.DataFrame | None) -> None:
        first_seen.set()
        assert go_on.wait(BOUND_S)

    def parts() -> Iterator[Part]:
        for number in range(1, 4):
            asked.append(number)
            if number == 2:
                assert first_seen.wait(BOUND_S)  # the first is in its thread
            if number == 3:
                assert go_on.is_set()
            yield part(tmp_path, number)

    timer = threading.Timer(0.05, go_on.set)
    timer.start()
    with Namer(ledger, staged) as namer:
        namer.name(parts(), Checkpoint)
    timer.join()
    assert asked == [1, 2, 3]


def test_each_part_has_the_checkpoint_of_when_it_came(tmp_path: Path, ledger: Ledger) -> None:
    named: list[str | None] = []
    stage = ledger.stage

    def listening(one: StagedPart, checkpoint: str | None = None) -> object:
        named.append(checkpoint)
        return stage(one, checkpoint)

    ledger.stage = listening  # type: ignore[method-assign,assignment]
    came = 0

    def parts() -> Iterator[Part]:
        nonlocal came
        for came in range(1, 6):
            yield part(tmp_path, came)

    with Namer(ledger, lambda _file, _rows: None) as namer:
        namer.name(parts(), lambda: Checkpoint(rows=came))
    assert named == [Checkpoint(rows=number).to_json() for number in range(1, 6)]


def test_a_part_that_cannot_be_written_ends_it_and_names_nothing(
    tmp_path: Path, ledger: Ledger
) -> None:
    gone = part(tmp_path / "gone", 1)
    with pytest.raises(StorageError), Namer(ledger, lambda _file, _rows: None) as namer:
        namer.name([gone], Checkpoint)
    assert ledger.files("staged") == []
    with pytest.raises(StorageError), Namer(ledger, lambda _file, _rows: None) as namer:
        namer.name([gone, part(tmp_path, 2)], Checkpoint)
    assert ledger.files("staged") == []


def stopped(tmp_path: Path, ledger: Ledger) -> None:
    with Namer(ledger, lambda _file, _rows: None) as namer:
        namer.name([part(tmp_path / "gone", 1)], Checkpoint)
        raise LimitError("too many", hint="fewer")


def test_what_stopped_it_is_told_and_not_what_came_after(tmp_path: Path, ledger: Ledger) -> None:
    with pytest.raises(LimitError):
        stopped(tmp_path, ledger)
