"""What a part does not say twice is there all the same for whoever reads it: each cell as it came.

The reference is the source itself, read by nobody of ours: the cells that the test has written.
"""

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.batches import Batches, one_by_one
from pipeline.config.toml import Overrides, job_from, load_job
from pipeline.errors import StorageError
from pipeline.model import KEY, SOURCE
from pipeline.parts import Repeats, read_part, scan_part, write_part
from pipeline.run_folder import RunFolder
from tests.properties.interrupted import Staging

COLUMNS = ("id", "note", "number", "shout", "other")
JOB = """\
operation = "profiles"
source    = {source}

[columns]
integrationId          = "id"
"attributes.Note"      = "note"
"attributes.Number"    = {{ column = "number", type = "number" }}
"attributes.Shout"     = {{ sql = "upper(shout)" }}
"""
CELLS = st.one_of(
    st.sampled_from(["", "NULL", "none", " ", "x"]), st.text('aB\u00e9,;"', max_size=4)
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "note": CELLS,
            "number": st.sampled_from(["", "NULL", "1", "1.50", "007", "1e3"]),
            "shout": CELLS,
            "other": CELLS,
        }
    ),
    min_size=1,
    max_size=40,
)


def staged(folder: Path, source: Path, more: str) -> list[Path]:
    """Stage *source*, and return the parts."""
    path = folder / "job.toml"
    path.write_text(JOB.format(source=f'"{source}"') + more)
    run = RunFolder(path=folder / "run")
    staging = Staging(job=load_job(path, Overrides()), folder=run).begin()
    assert staging.process()
    return sorted(staging.folder.staged.iterdir())


def cells_of(part: Path) -> list[dict[str, Any]]:
    return read_part(part)[SOURCE].struct.unnest().to_dicts()


@given(rows=ROWS, nulls=st.sampled_from([None, [""], ["NULL"], ["", "NULL"], []]))
@settings(max_examples=60)
def test_every_cell_of_a_csv_file_is_read_again_as_it_came(
    rows: list[dict[str, str]], nulls: Sequence[str] | None
) -> None:
    numbers = {"1", "1.50", "007", "1e3", *(["", "NULL"] if nulls and len(nulls) > 1 else [])}
    numbers |= set(nulls if nulls is not None else [""])
    given_ = [{"id": f"k{n}", **row} for n, row in enumerate(rows) if row["number"] in numbers]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "source.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(given_)
        more = "" if nulls is None else f"\n[csv]\nnull_values = {list(nulls)!r}\n"
        parts = staged(folder, folder / "source.csv", more + '\n[limits]\nempty = "ok"\n')
        assert [row for part in parts for row in cells_of(part)] == given_
        for part in parts:
            assert read_part(part)[KEY].equals(read_part(part)["integrationId"])


@given(rows=st.lists(st.one_of(st.none(), CELLS), min_size=1, max_size=20))
@settings(max_examples=20)
def test_a_null_of_a_typed_file_stays_one_and_an_empty_text_too(rows: list[str | None]) -> None:
    frame = pl.DataFrame(
        {
            "id": [f"k{n}" for n in range(len(rows))],
            "note": rows,
            "number": [float(n) for n in range(len(rows))],
            "shout": rows,
            "other": rows,
        },
        schema_overrides=dict.fromkeys(("note", "shout", "other"), pl.String),
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame.write_parquet(folder / "source.parquet")
        (part,) = staged(folder, folder / "source.parquet", "")
        assert cells_of(part) == frame.to_dicts()


def test_what_says_the_same_is_written_once(tmp_path: Path) -> None:
    source = tmp_path / "source.csv"
    source.write_text("id,note,number,shout,other\nk1,a,1,b,c\n")
    (part,) = staged(tmp_path, source, "")
    schema = pl.read_parquet_schema(part)
    assert KEY not in schema
    own = schema[SOURCE]
    assert isinstance(own, pl.Struct)
    assert [field.name for field in own.fields] == ["number", "shout", "other"]


def test_rows_that_make_one_request_keep_each_cell_too(tmp_path: Path) -> None:
    """Though what they say beside their lines may stand in one of them only."""
    source = tmp_path / "source.csv"
    rows = [
        ("s1", "p", "a", "1"),
        ("s1", "", "b", "02"),
        ("s2", "", "c", "3"),
        ("s2", "q", "d", "4"),
    ]
    head = ("customerSessionId", "profileId", "cartItem.sku", "cartItem.quantity")
    source.write_text("\n".join(",".join(row) for row in (head, *rows)))
    run = RunFolder(path=tmp_path / "run")
    job = job_from([str(source)], Overrides(to="sessions"))
    staging = Staging(job=job, folder=run).begin()
    assert staging.process()
    (part,) = sorted(run.staged.iterdir())
    assert [tuple(row.values()) for row in cells_of(part)] == rows


FRAME = pl.DataFrame(
    {
        "row": [1, 2],
        "key": ["a", "b"],
        "field": ["a", "b"],
        "note": ["x", None],
        "source": [{"id": "a", "note": "x"}, {"id": "b", "note": "-"}],
    }
)
BOTH = Repeats(key="field", columns={"id": "field", "note": "note"}, blank="-")


@pytest.mark.parametrize(
    "repeats",
    [Repeats(), BOTH, Repeats(key="field"), Repeats(columns={"id": "field", "note": None})],
)
def test_whoever_reads_a_part_finds_every_column(tmp_path: Path, repeats: Repeats) -> None:
    path = tmp_path / "part.parquet"
    write_part(repeats.left_out(FRAME), path, repeats)
    assert read_part(path).select(FRAME.columns).equals(FRAME)
    assert scan_part(path).select(FRAME.columns).collect().equals(FRAME)
    assert read_part(path, ["key", "row"]).equals(FRAME.select("key", "row"))
    assert read_part(path, ["source"]).equals(FRAME.select("source"))
    assert set(read_part(path, without=["key", "source"]).columns) == {"row", "field", "note"}


def test_a_part_of_which_nothing_is_left_out_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    FRAME.write_parquet(path)  # as other versions wrote them
    assert Repeats.of(path) == Repeats()
    assert read_part(path).equals(FRAME)


def test_a_part_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    with pytest.raises(StorageError, match=r"part\.parquet"):
        read_part(path)
    path.write_bytes(b"PAR1")
    with pytest.raises(StorageError, match=r"part\.parquet"):
        read_part(path, ["row"])


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.integers(0, 8))
def test_batches_are_taken_apart_where_they_meet(sizes: list[int], known: int) -> None:
    rows = pl.DataFrame({"row": range(1, sum(sizes) + 1)})
    batches = Batches(rows=rows, sizes=sizes)
    each = [batch["row"].to_list() for batch in one_by_one([batches])]
    assert [len(batch) for batch in each] == sizes
    assert [row for batch in each for row in batch] == rows["row"].to_list()
    assert batches.firsts == [batch[0] for batch in each]
    known = min(known, len(sizes))
    rest = [batch["row"].to_list() for batch in one_by_one([batches.behind(known)])]
    assert rest == each[known:]
