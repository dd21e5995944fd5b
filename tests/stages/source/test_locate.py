"""A source is found, or it is said why not."""

import os
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from pipeline.config.csv import CsvOptions
from pipeline.errors import InputError
from pipeline.stages.source.locate import Source, open_source
from pipeline.stages.source.stored import Stored


@pytest.fixture(autouse=True)
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with some exports, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "b.csv": "id,tier\n3,gold\n",
        "a.csv": "tier,id\nsilver,1\nbronze,2\n",
        "other.csv": "id,level\n1,2\n",
        ".hidden.csv": "id,tier\n9,gold\n",
        "old/a.csv": "id,tier\n7,gold\n",
        "[1].csv": "id,tier\n8,gold\n",
    }.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(content)
    pl.DataFrame({"id": ["1"], "tier": ["gold"]}).write_parquet("t.parquet")
    pl.DataFrame({"id": [1], "tier": ["gold"]}).write_parquet("i.parquet")
    return tmp_path


def source(*names: str, **options: object) -> Source:
    return open_source(names, CsvOptions(**options))


def refusal(*names: str, **options: object) -> tuple[str, str]:
    with pytest.raises(InputError) as refused:
        source(*names, **options)
    return str(refused.value), refused.value.hint


def cells(found: Source) -> list[tuple[object, ...]]:
    return [row for block in found.blocks() for row in block.frame.rows()]


def test_files_are_read_as_one_in_order_with_the_first_ones_columns() -> None:
    found = source("b.csv", "a.csv")
    assert found.files == ("b.csv", "a.csv")
    assert list(found.columns) == ["id", "tier"]
    assert cells(found) == [("3", "gold"), ("1", "silver"), ("2", "bronze")]
    blocks = list(found.blocks())
    assert [(block.file, block.row.to_list()) for block in blocks] == [
        ("b.csv", [1]),
        ("a.csv", [1, 2]),
    ]
    assert blocks[-1].share_read == 1


def test_a_pattern_is_its_files_by_name_without_hidden_ones() -> None:
    assert source("[ab].csv").files == ("a.csv", "b.csv")
    assert source("o*/*.csv", "b.csv").files == ("old/a.csv", "b.csv")
    assert source("**/[ab].csv").files == ("a.csv", "b.csv", "old/a.csv")
    assert source("[1].csv").files == ("[1].csv",), "a file that exists is no pattern"


def test_paths_stay_as_they_were_given(exports: Path) -> None:
    assert source(f"{exports}/a.csv").files == (f"{exports}/a.csv",)
    assert source(f"file://{exports}/a.csv").files == (f"{exports}/a.csv",)


def test_what_is_not_there_is_named_with_what_is_near() -> None:
    assert refusal("othr.csv") == ("othr.csv does not exist", "did you mean other.csv?")
    assert refusal("new/a.csv")[1] == "there is no directory new"
    assert refusal("*.tsv")[0] == "no file matches *.tsv"
    assert refusal()[0] == "no source was named"


def test_what_is_no_file_is_refused_with_what_could_be_given() -> None:
    assert refusal("old") == ("old is a directory", "name its files, or a pattern: 'old/*.csv'")
    os.mkfifo("pipe")
    assert "not a regular file" in refusal("pipe")[0]
    assert "standard input" in refusal("-")[0]
    for address in ("https://example.com/a.csv", "az://container/a.csv", "ftp://host/a.csv"):
        assert "cannot be read from" in refusal(address)[0]


def test_a_file_whose_name_is_no_text_is_refused_in_words(exports: Path) -> None:
    (exports / os.fsdecode(b"caf\xe9.tsv")).write_text("a\n1\n")
    what, hint = refusal("*.tsv")
    assert what.endswith("caf\ufffd.tsv is no name in UTF-8")
    assert hint == "rename it"


def test_a_file_named_twice_is_refused(exports: Path) -> None:
    assert "named twice" in refusal("a.csv", "*.csv")[0]
    assert "named twice" in refusal("a.csv", str(exports / "old" / ".." / "a.csv"))[0]


def test_other_columns_are_refused_with_the_difference() -> None:
    assert refusal("a.csv", "other.csv")[0] == (
        "other.csv has other columns than a.csv: 'tier' missing; 'level' added"
    )
    assert refusal("t.parquet", "i.parquet")[0] == (
        "i.parquet has other columns than t.parquet: 'id' is Int64 instead of String"
    )
    assert cells(source("t.parquet", "b.csv")) == [("1", "gold"), ("3", "gold")]


@pytest.mark.parametrize(
    ("content", "looks"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
        (b"PK\x03\x04\x14\x00", "an Excel workbook or another ZIP archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook"),
        (b"\n<!DOCTYPE html><html>", "an HTML page"),
        (b'<?xml version="1.0"?>', "XML"),
        (b'[{"id": 1}]', "a JSON array"),
        (b'{"id": 1}\n', "NDJSON"),
        (b"SQLite format 3\0", "an SQLite database"),
        ("id,tier\n".encode("utf-16"), "UTF-16 text"),
    ],
)
def test_a_file_that_is_not_csv_is_named_for_what_it_is(content: bytes, looks: str) -> None:
    Path("x.csv").write_bytes(content)
    message, hint = refusal("x.csv")
    assert message == f"x.csv looks like {looks}, not like CSV"
    assert hint


def test_a_format_under_the_name_of_another_is_refused() -> None:
    Path("t.parquet").rename("t.csv")
    assert refusal("t.csv") == (
        "t.csv looks like Parquet, not like CSV",
        "let its name end in .parquet",
    )
    Path("b.csv").rename("b.parquet")
    assert refusal("b.parquet")[0] == "b.parquet does not look like Parquet"


def test_a_header_that_starts_like_a_format_is_a_header() -> None:
    Path("p.csv").write_text("PAR1,PAR2\n1,2\n")
    assert cells(source("p.csv")) == [("1", "2")]


def test_utf_16_is_read_when_it_is_said() -> None:
    Path("x.csv").write_bytes("id,tier\n1,gold\n".encode("utf-16"))
    assert cells(source("x.csv", encoding="utf-16")) == [("1", "gold")]


def test_an_empty_file_is_refused_and_a_header_alone_is_not() -> None:
    Path("x.csv").write_bytes(b"")
    assert refusal("x.csv")[0] == "x.csv is empty"
    Path("x.csv").write_bytes(b"id,tier\n")
    assert cells(source("x.csv")) == []


def test_the_fingerprint_is_that_of_the_content(exports: Path) -> None:
    before = source("a.csv").fingerprint()
    Path("a.csv").rename("c.csv")
    assert source("c.csv").fingerprint() == before
    Path("c.csv").write_text("tier,id\nsilver,1\nbronze,3\n")
    assert source("c.csv").fingerprint() != before


def test_a_file_that_may_not_be_read_is_said_to_be_one() -> None:
    @dataclass
    class Locked:
        def open_input_file(self, path: str) -> pa.NativeFile:
            raise PermissionError(13, "Permission denied", path)

    with pytest.raises(InputError, match=r"^a\.csv cannot be read: permission denied$"):
        Stored(name="a.csv", path="a.csv", filesystem=Locked(), size=1).open()
