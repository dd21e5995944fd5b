"""The job files of the repository: right, runnable from anywhere, and teaching the truth."""

import re
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest
from msgspec.structs import replace

from pipeline.config import schema
from pipeline.config.job import Allowance, Job
from pipeline.config.toml import Overrides, load_job
from pipeline.operations import OPERATIONS, Place

CONFIG = Path(__file__).resolve().parents[2] / "config"
FILES = sorted(CONFIG.glob("*.toml"))


def columns_in(source: str) -> list[str]:
    if source.endswith(".parquet"):
        names: list[str] = pyarrow.parquet.read_schema(source).names
        return names
    return Path(source).read_bytes().split(b"\n", 1)[0].decode().strip().split(",")


def uncommented(text: str) -> str:
    """The job file with each key that is commented out taken at its word."""
    return re.sub(r"^# (?=\[\w+\]$|\w+ +=)", "", text, flags=re.MULTILINE)


def test_there_is_one_for_each_operation() -> None:
    assert {path.stem for path in FILES} == {"messy", *(o.name for o in OPERATIONS)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_job_file_reads_what_is_there(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job = load_job(path, Overrides())
    (source,) = job.sources
    named = {column.column for column in job.columns if column.column}
    assert named <= set(columns_in(source))
    said = {column.field for column in job.columns} | set(job.options) | set(columns_in(source))
    fields = [f for f in job.operation.fields if f.required and f.default is None]
    lines = {f.name for f in fields if f.place is Place.LINE}
    required = {f.name for f in fields if not f.is_family} - (set() if lines & said else lines)
    assert required <= said
    assert Job.from_json(job.to_json()) == job


def test_profiles_toml_shows_every_key_there_is() -> None:
    text = (CONFIG / "profiles.toml").read_text()
    names = {
        name
        for table in (
            schema.JOB_KEYS,
            schema.COLUMN_KEYS,
            schema.CSV_KEYS,
            schema.DELIVERY_KEYS,
            schema.LIMITS_KEYS,
        )
        for name in table
    }
    assert {name for name in names if not re.search(rf"\b{name}\b(\]|\s+=)", text)} == set()


def test_the_defaults_that_profiles_toml_shows_are_the_defaults(tmp_path: Path) -> None:
    text = (CONFIG / "profiles.toml").read_text()
    (tmp_path / "profiles.toml").write_text(uncommented(text))
    plain = (tmp_path / "plain").with_suffix(".toml")
    plain.write_text(text)
    said = load_job(tmp_path / "profiles.toml", Overrides())
    silent = load_job(plain, Overrides())
    assert said.limits.tolerate == Allowance.parse(10)
    assert said.runs_dir is not None
    assert said.delivery == replace(silent.delivery, rate=200)
    for key in ("name", "zone", "csv", "sources"):
        default = "profiles" if key == "name" else getattr(silent, key)
        assert getattr(said, key) == default, key
