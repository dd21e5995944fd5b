"""The rows to mend: as they came, with their reasons, and with their own numbers when fed back."""

from pathlib import Path

import polars as pl
import pytest

from pipeline.config.csv import CsvOptions
from pipeline.errors import StorageError
from pipeline.stages.results import Origin, Parts, write_failures
from pipeline.stages.source import open_source

SOURCE = {"id": ["007", "", 'é,"x"\n'], "row": ["own", "column", "called row"]}


class Run:
    """Parts of a run with nine rows: three rejected, and six in a batch each."""

    def __init__(self, folder: Path, statuses: list[str]) -> None:
        self.folder = folder
        rejected = pl.DataFrame(
            {
                "row": pl.Series([2, 5, 9], dtype=pl.UInt64),
                "file": ["a.csv", "a.csv", "b.csv"],
                "line": pl.Series([3, 7, 10], dtype=pl.UInt64),
                "reasons": [["is empty"], ["a", "b"], ["cannot be read"]],
                "raw": [None, None, "a;broken;line"],
                "source": pl.DataFrame(SOURCE).to_struct(),
            }
        ).with_columns(pl.when(pl.col("raw").is_null()).then(pl.col("source")).alias("source"))
        numbers = [1, 3, 4, 6, 7, 8]
        staged = pl.DataFrame(
            {
                "row": pl.Series(numbers, dtype=pl.UInt64),
                "file": ["a.csv"] * 6,
                "line": pl.Series([n + 1 for n in numbers], dtype=pl.UInt64),
                "batch": pl.Series(range(1, 7), dtype=pl.UInt32),
                "integrationId": [f"sent {n}" for n in numbers],
                "source": pl.DataFrame(
                    {"id": [f"0{n}" for n in numbers], "row": ["x"] * 6}
                ).to_struct(),
            }
        )
        results = staged.select("row", pl.col("file").alias("source"), "batch").with_columns(
            status=pl.Series(statuses),
            stage=pl.lit("delivery"),
            http_status=pl.lit(400, pl.UInt16),
            error_title=pl.lit("Invalid"),
            error_details=pl.Series([None, "why", None, "why", None, None], dtype=pl.String),
            error_pointer=pl.lit("/customerProfiles/0"),
        )
        refused = results[:3].with_columns(
            row=rejected["row"],
            status=pl.lit("rejected"),
            stage=pl.Series(["validation", "validation", "source"]),
            http_status=pl.lit(None, pl.UInt16),
            error_title=pl.lit("rejected before sending"),
        )
        self.parts = Parts(
            results=(self.put(results, "part-1"), self.put(refused, "rejected", "results")),
            staged=(self.put(staged[:4], "staged-1"), self.put(staged[4:], "staged-2")),
            rejected=(self.put(rejected, "rejected"),),
        )

    def put(self, frame: pl.DataFrame, name: str, place: str = "") -> Path:
        path = self.folder / place / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        frame.write_parquet(path)
        return path

    @property
    def failures(self) -> Path:
        return self.folder / "failures.parquet"


ORIGIN = Origin(run="r1", files=("a.csv", "b.csv"), is_text=True)
MIXED = ["delivered", "refused", "in_doubt", "failed", "delivered", "pending"]


def test_rejected_refused_and_failed_rows_are_there_and_no_others(tmp_path: Path) -> None:
    run = Run(tmp_path, MIXED)
    assert write_failures(run.parts, run.failures, origin=ORIGIN) == 5
    written = pl.read_parquet(run.failures)
    assert written.select("_row", "_status", "_file").rows() == [
        (2, "rejected", "a.csv"),
        (3, "refused", "a.csv"),
        (5, "rejected", "a.csv"),
        (6, "failed", "a.csv"),
        (9, "rejected", "b.csv"),
    ]
    assert written["id"].to_list() == ["007", "03", "", "06", None]
    assert written["row"].to_list() == ["own", "x", "column", "x", None]  # the source's own
    assert written["_raw"].to_list() == [None, None, None, None, "a;broken;line"]
    assert written["_reasons"].to_list() == [
        ["is empty"],
        ["Invalid: why"],
        ["a", "b"],
        ["Invalid: why"],
        ["cannot be read"],
    ]
    told = written.select("_run", "_stage", "_http_status", "_error_title", "_error_pointer")
    assert told.rows()[:2] == [
        ("r1", "validation", None, "rejected before sending", "/customerProfiles/0"),
        ("r1", "delivery", 400, "Invalid", "/customerProfiles/0"),
    ]


def test_they_stand_in_the_order_of_the_source_however_the_parts_are_cut(tmp_path: Path) -> None:
    """A later row of a key must come after an earlier one when both are sent again."""
    run = Run(tmp_path, ["refused"] * 6)
    first, second = (pl.read_parquet(path) for path in run.parts.staged)
    rows = pl.concat([first, second])
    run.put(rows[[0, 5, 2]], "staged-1")
    run.put(rows[[4, 1, 3]], "staged-2")
    write_failures(run.parts, run.failures, origin=ORIGIN)
    assert pl.read_parquet(run.failures)["_row"].to_list() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    backwards = Origin(run="r1", files=("b.csv", "a.csv"))
    write_failures(run.parts, run.failures, origin=backwards)
    assert pl.read_parquet(run.failures)["_row"].to_list() == [9, 1, 2, 3, 4, 5, 6, 7, 8]


def test_fed_back_they_keep_their_numbers(tmp_path: Path) -> None:
    run = Run(tmp_path, MIXED)
    write_failures(run.parts, run.failures, origin=ORIGIN)
    source = open_source([str(run.failures)], CsvOptions())
    blocks = list(source.blocks())
    rows = [(block.file, row) for block in blocks for row in block.row]
    assert rows == [("a.csv", 2), ("a.csv", 3), ("a.csv", 5), ("a.csv", 6), ("b.csv", 9)]
    assert [n for block in blocks for n in block.line] == [3, 4, 7, 7, 10]
    assert set(source.columns) == {"id", "row"}
    assert [value for block in blocks for value in block.frame["id"]] == [
        "007",
        "03",
        "",
        "06",
        None,
    ]


def test_without_failures_there_is_no_file_and_none_is_left(tmp_path: Path) -> None:
    run = Run(tmp_path, ["delivered"] * 6)
    run.failures.write_text("of an earlier end")
    parts = Parts(results=run.parts.results, staged=run.parts.staged, rejected=())
    assert write_failures(parts, run.failures, origin=ORIGIN) == 0
    assert not run.failures.exists()


def test_a_run_without_any_part_has_no_failures(tmp_path: Path) -> None:
    path = tmp_path / "failures.parquet"
    assert write_failures(Parts(results=(), staged=(), rejected=()), path, origin=ORIGIN) == 0


@pytest.mark.parametrize("lost", ["part-1", "staged-1", "rejected"])
@pytest.mark.parametrize("how", ["gone", "cut"])
def test_a_part_that_is_gone_or_cut_is_named(tmp_path: Path, lost: str, how: str) -> None:
    run = Run(tmp_path, MIXED)
    path = tmp_path / f"{lost}.parquet"
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StorageError, match=f"{lost}.parquet"):
        write_failures(run.parts, run.failures, origin=ORIGIN)
