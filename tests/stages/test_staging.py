"""Staging, interrupted anywhere and gone through again: the same batches, nothing lost or twice.

A crash comes as an exception out of a durable step: before a file is whole, between the files of a
part, or before the ledger has named it. What the ledger names is the truth; what it does not name
is deleted before the next try, as the journey does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.batches import Batches
from pipeline.errors import LimitError, StorageError
from pipeline.ledger import Ledger
from pipeline.model import Aside, StagedPart, Status
from pipeline.parts import write_part
from pipeline.stages.staging import FIRST_PART_ROWS, PART_ROWS, Before, Folders, Part, Stager


class Crashed(Exception):
    """The process is gone."""


def batch(first: int, rows: int) -> pl.DataFrame:
    numbers = range(first, first + rows)
    return pl.DataFrame(
        {"row": numbers, "key": [f"k{n}" for n in numbers]}, schema_overrides={"row": pl.UInt64}
    )


def rejects(first: int, rows: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    rejected = batch(first, rows)
    return rejected, rejected.with_columns(status=pl.lit("rejected"))


def source(sizes: list[int], every: int) -> Iterator[tuple[pl.DataFrame, pl.DataFrame | None]]:
    """Batches of *sizes*; after each the rows that were rejected meanwhile, some."""
    row = 1
    for number, rows in enumerate(sizes, 1):
        bad = (number % every) * 700
        yield batch(row, rows), batch(row + rows, bad) if bad else None
        row += rows + bad


class Disk:
    """The folders of a run and its ledger; `crash_at` counts the durable steps down."""

    def __init__(self, path: Path) -> None:
        self.folders = Folders(
            staged=path / "staged", rejected=path / "rejected", results=path / "results"
        )
        for folder in (self.folders.staged, self.folders.rejected, self.folders.results):
            folder.mkdir(parents=True, exist_ok=True)
        self.path = path / "ledger.sqlite"
        if not self.path.exists():
            Ledger.create(self.path).close()

    @contextmanager
    def opened(self) -> Iterator[Ledger]:
        ledger = Ledger.open(self.path)
        try:
            for kind in ("staged", "rejected", "results"):
                for path in getattr(self.folders, kind).iterdir():
                    if path.name not in ledger.files(kind):
                        path.unlink()
            yield ledger
        finally:
            ledger.close()

    def stage(self, sizes: list[int], every: int, steps: int | None) -> bool:
        """Stage; die before the ledger names part number *steps*. Returns whether it lived."""
        with self.opened() as ledger:
            before = Before(
                batches=tuple(ledger.staged_batches()),
                rejected_rows=ledger.totals().of(Status.REJECTED),
                parts=len(ledger.files("staged")),
                rejected_parts=len(ledger.files("rejected")),
            )
            stager = Stager(folders=self.folders, before=before)
            for part in parts_of(stager, sizes, every):
                if steps is not None and steps <= 0:
                    return False
                part.write()
                ledger.stage(part.named)
                steps = None if steps is None else steps - 1
        return True

    def read(self, kind: str) -> list[pl.DataFrame]:
        with self.opened() as ledger:
            return [pl.read_parquet(getattr(self.folders, kind) / f) for f in ledger.files(kind)]


def one(rows: pl.DataFrame) -> Batches:
    return Batches(rows=rows, sizes=[len(rows)])


def parts_of(stager: Stager, sizes: list[int], every: int) -> Iterator[Part]:
    for good, bad in source(sizes, every):
        if bad is not None:
            yield from stager.reject(*rejects(bad["row"][0], len(bad)))
        yield from stager.add([one(good)])
    yield from stager.close()


SIZES = st.lists(st.sampled_from([1, 1000, 9_000, 20_000, 60_000]), min_size=1, max_size=12)


@given(sizes=SIZES, every=st.integers(1, 4), crashes=st.lists(st.integers(0, 3), max_size=4))
@settings(max_examples=25)
def test_an_interrupted_staging_ends_as_one_that_was_not(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], every: int, crashes: list[int]
) -> None:
    disk = Disk(tmp_path_factory.mktemp("run"))
    for steps in crashes:
        disk.stage(sizes, every, steps)
    assert disk.stage(sizes, every, None)
    staged = pl.concat(disk.read("staged"))
    expected = [good for good, _ in source(sizes, every)]
    assert staged["row"].to_list() == pl.concat(expected)["row"].to_list()
    assert staged["batch"].rle().struct.field("len").to_list() == sizes
    assert staged["batch"].unique(maintain_order=True).to_list() == list(range(1, len(sizes) + 1))
    bad = [rows for _, rows in source(sizes, every) if rows is not None]
    wanted = pl.concat(bad)["row"].to_list() if bad else []
    for kind in ("rejected", "results"):
        assert [row for frame in disk.read(kind) for row in frame["row"]] == wanted
    with disk.opened() as ledger:
        totals = ledger.totals()
        assert (totals.of(Status.PENDING), totals.of(Status.REJECTED)) == (sum(sizes), len(wanted))
        for line in ledger.open_batches(after=0, limit=100):  # type: ignore[arg-type]
            part = pl.read_parquet(disk.folders.staged / line.file)
            assert set(part.slice(line.start, line.rows)["batch"]) == {line.id}


@pytest.mark.parametrize(
    ("sizes", "what"),
    [
        ([PART_ROWS, 10, PART_ROWS], "a batch is shorter"),
        ([PART_ROWS], "batches are missing"),
        ([1, PART_ROWS, 20, 30], "a batch more, before the others"),
    ],
)
def test_a_source_that_has_changed_is_noticed(tmp_path: Path, sizes: list[int], what: str) -> None:
    disk = Disk(tmp_path)
    disk.stage([PART_ROWS, 20, PART_ROWS, 30], 1, 2)
    with pytest.raises(LimitError, match="other batches"):
        disk.stage(sizes, 1, None)


def test_a_source_with_fewer_bad_rows_is_noticed(tmp_path: Path) -> None:
    """A row that was rejected before and is good now would be answered twice."""
    disk = Disk(tmp_path)
    folders = disk.folders
    with disk.opened() as ledger:
        first = Stager(folders=folders)
        first_good = one(batch(3, 1))
        for part in (*first.reject(*rejects(1, 2)), *first.add([first_good]), *first.close()):
            part.write()
            ledger.stage(part.named)
    before = Before(batches=((1, 3),), rejected_rows=2, parts=1, rejected_parts=1)
    again = Stager(folders=folders, before=before)
    parts = [*again.reject(*rejects(1, 1)), *again.add([one(batch(3, 1))])]
    assert parts == []
    with pytest.raises(LimitError):
        list(again.close())


def test_a_part_is_of_useful_size(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.stage([1000] * 120, 1, None)
    full, rest = divmod(120_000 - FIRST_PART_ROWS, PART_ROWS)
    sizes = [FIRST_PART_ROWS] + [PART_ROWS] * full + [rest]
    assert [len(frame) for frame in disk.read("staged")] == sizes


def test_a_part_of_long_rows_has_fewer(tmp_path: Path) -> None:
    stager = Stager(folders=Disk(tmp_path).folders)
    long = batch(1, 1000).with_columns(note=pl.Series([f"{n:04000}" for n in range(1000)]))
    parts = [part for _ in range(30) for part in stager.add([one(long)])]
    assert [len(part.rows) for part in parts if part.rows is not None] == [
        5_000,
        8_000,
        8_000,
        8_000,
    ]


def test_rejected_rows_do_not_wait_for_ever(tmp_path: Path) -> None:
    """Many parts of good rows, and a bad one at the start: it is written before the end."""
    stager = Stager(folders=Disk(tmp_path).folders)
    parts = list(stager.reject(*rejects(1, 1)))
    for number in range(10):
        parts += stager.add([one(batch(2 + number * PART_ROWS, PART_ROWS))])
    assert [aside.rows for part in parts for aside in part.named.aside] == [1]
    parts += [*stager.reject(*rejects(10**6, 2)), *stager.close()]
    asides = [aside for part in parts for aside in part.named.aside]
    assert [aside.rows for aside in asides] == [1, 2]
    assert len({aside.file for aside in asides}) == 2


def test_rejected_rows_that_are_written_already_are_not_written_again(tmp_path: Path) -> None:
    """Whatever the blocks of the source are: another version may read larger ones."""
    disk = Disk(tmp_path)
    stager = Stager(folders=disk.folders, before=Before(rejected_rows=2, rejected_parts=1))
    (part,) = [*stager.reject(*rejects(1, 3)), *stager.close()]
    part.write()
    (aside,) = part.named.aside
    for folder in (disk.folders.rejected, disk.folders.results):
        assert pl.read_parquet(folder / aside.file)["row"].to_list() == [3]


def test_a_source_without_rows_makes_no_part(tmp_path: Path) -> None:
    assert list(Stager(folders=Disk(tmp_path).folders).close()) == []


def test_only_rejected_rows_make_a_part_without_batches(tmp_path: Path) -> None:
    stager = Stager(folders=Disk(tmp_path).folders)
    parts = [*stager.reject(*rejects(1, 3)), *stager.close()]
    aside = Aside(status=Status.REJECTED, file="rejected-000001.parquet", rows=3)
    assert [part.named for part in parts] == [StagedPart(aside=(aside,))]


def test_a_part_that_cannot_be_written_is_a_clear_end(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot write .*part\.parquet"):
        write_part(batch(1, 3), tmp_path / "missing" / "part.parquet")


def test_a_full_disk_is_a_clear_end_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    (tmp_path / ".part.parquet.partial").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="No space left"):
        write_part(batch(1, 1000), path)
    assert list(tmp_path.iterdir()) == []
