"""A job file becomes the job that it describes, and the command line wins over it."""

from pathlib import Path

import pytest

from pipeline.config.csv import CsvOptions
from pipeline.config.job import Allowance, Column, Delivery, Job, Limits
from pipeline.config.toml import Overrides, job_from, load_job
from pipeline.operations import Kind, find

FULL = """
operation = "referrals"
source    = ["../data/a.csv", "../data/b*.csv", "/abs/c.csv", "s3://bucket/d.csv", "-"]
name      = "nightly.1"
runs_dir  = "../kept"
zone      = "Europe/Berlin"
[columns]
integrationId   = "id"
campaignId      = { sql = "campaign + 1" }
expiryDate      = { column = "until", type = "time", format = "%d.%m.%Y" }
startDate       = { value = 2035-06-30T12:00:00Z }
usageLimit      = { required = true, min = 1, max = 5, one_of = [1, 5] }
validCharacters = { column = "chars", separator = "/" }
"attributes.A"  = { type = "string", length_max = 9, pattern = "^x", one_of = ["xy"] }
"attributes.B"  = { value = { deep = [1, 2.5, "x", true] } }
[csv]
delimiter = ";"
header = false
column_names = ["id", "campaign"]
null_values = ["", "NULL"]
[options]
silent = false
referralPattern = "A-##"
[delivery]
concurrency = "adaptive"
rate = 200
max_share = 0.5
[limits]
max_rejected = 7
max_refused = "1%"
tolerate = "2.5%"
"""

AT = "jobs/full.toml: columns."
FULL_COLUMNS = (
    Column(field="advocateProfileIntegrationId", column="id", where=f"{AT}integrationId"),
    Column(field="campaignId", sql="campaign + 1", where=f"{AT}campaignId"),
    Column(
        field="expiryDate",
        column="until",
        type=Kind.TIME,
        format="%d.%m.%Y",
        where=f"{AT}expiryDate",
    ),
    Column(field="startDate", value="2035-06-30T12:00:00Z", where=f"{AT}startDate"),
    Column(
        field="usageLimit",
        column="usageLimit",
        required=True,
        minimum=1,
        maximum=5,
        one_of=(1, 5),
        where=f"{AT}usageLimit",
    ),
    Column(
        field="validCharacters",
        column="chars",
        separator="/",
        where=f"{AT}validCharacters",
    ),
    Column(
        field="attributes.A",
        column="attributes.A",
        type=Kind.STRING,
        length_max=9,
        pattern="^x",
        one_of=("xy",),
        where=f'{AT}"attributes.A"',
    ),
    Column(
        field="attributes.B",
        value={"deep": [1, 2.5, "x", True]},
        where=f'{AT}"attributes.B"',
    ),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "full.toml").write_text(FULL)
    return tmp_path


def job_of(folder: Path, text: str, overrides: Overrides | None = None) -> Job:
    (folder / "jobs" / "job.toml").write_text(text)
    return load_job(Path("jobs/job.toml"), overrides or Overrides())


def column_of(job: Job, field: str) -> Column:
    return next(column for column in job.columns if column.field == field)


def test_every_key_of_a_job_file_finds_its_place(folder: Path) -> None:
    operation = find("referrals")
    assert operation
    assert folder.is_dir()
    assert load_job(Path("jobs/full.toml"), Overrides()) == Job(
        name="nightly.1",
        operation=operation,
        sources=("data/a.csv", "data/b*.csv", "/abs/c.csv", "s3://bucket/d.csv", "-"),
        columns=FULL_COLUMNS,
        csv=CsvOptions(
            delimiter=";",
            header=False,
            column_names=("id", "campaign"),
            null_values=("", "NULL"),
        ),
        options={"silent": "no", "referralPattern": "A-##"},
        zone="Europe/Berlin",
        delivery=Delivery(concurrency="adaptive", rate=200, max_share=0.5),
        limits=Limits(
            max_rejected=Allowance.parse(7),
            max_refused=Allowance.parse("1%"),
            tolerate=Allowance.parse("2.5%"),
        ),
        runs_dir=Path("kept"),
        file=Path("jobs/full.toml"),
    )


def test_what_is_not_said_has_its_default(folder: Path) -> None:
    operation = find("profiles")
    assert operation
    job = job_of(folder, 'operation = "updateCustomerProfilesV2"\nsource = "a.csv"')
    assert job == Job(
        name="job", operation=operation, sources=("jobs/a.csv",), file=Path("jobs/job.toml")
    )


def test_the_command_line_wins(folder: Path) -> None:
    assert folder.is_dir()
    file = load_job(Path("jobs/full.toml"), Overrides())
    job = load_job(
        Path("jobs/full.toml"),
        Overrides(
            name="other",
            zone="UTC",
            runs_dir="mine",
            concurrency=9,
            max_share=1.0,
            rate=2.5,
            max_refused="3",
            csv={"encoding": "cp1252"},
            columns={
                "advocateProfileIntegrationId": "customer",
                "referralPattern": {"sql": "upper(p)"},
                "attributes.C": "c",
            },
            options={"silent": "true", "usageLimit": "3", "attributes.B": '{"x": 1}'},
            first=20,
        ),
    )
    assert (job.name, job.zone, job.runs_dir, job.first) == ("other", "UTC", Path("mine"), 20)
    assert job.delivery == Delivery(concurrency=9, rate=2.5)
    assert job.limits.max_refused == Allowance.parse(3)
    assert job.limits.max_rejected == file.limits.max_rejected
    assert (job.csv.delimiter, job.csv.encoding) == (";", "cp1252")
    assert job.options == {"silent": "yes", "usageLimit": 3, "attributes.B": {"x": 1}}
    fields = [column.field for column in job.columns]
    assert len(fields) == len(set(fields))
    assert "usageLimit" not in fields, "an option takes the place of a column"
    assert column_of(job, "advocateProfileIntegrationId").column == "customer"
    assert column_of(job, "referralPattern").sql == "upper(p)"
    assert column_of(job, "attributes.C").where == 'argument columns."attributes.C"'
    assert column_of(job, "campaignId") == column_of(file, "campaignId")


def test_a_column_of_the_command_line_replaces_the_whole_column(folder: Path) -> None:
    text = 'operation = "profiles"\nsource = "a"\n[columns]\nintegrationId = { sql = "a || b" }'
    job = job_of(folder, text, Overrides(columns={"integrationId": "id"}))
    assert (job.columns[0].column, job.columns[0].sql) == ("id", None)


def test_sources_need_no_file() -> None:
    job = job_from(["x/../a.csv", Path("b.csv")], Overrides(to="profiles"))
    assert job.sources == ("x/../a.csv", "b.csv"), "as given"
    assert (job.name, job.file, job.columns) == ("profiles", None, ())


def test_a_job_file_is_known_by_its_end(folder: Path) -> None:
    assert folder.is_dir()
    assert job_from(["jobs/full.toml"], Overrides()) == load_job(
        Path("jobs/full.toml"), Overrides()
    )


@pytest.mark.parametrize(
    ("said", "sent"),
    [("true", "yes"), ("false", "no"), ('"yes"', "yes"), ('"no"', "no")],
)
def test_a_switch_is_sent_as_the_api_has_it(folder: Path, said: str, sent: str) -> None:
    job = job_of(folder, f'operation = "profiles"\nsource = "a"\n[options]\nsilent = {said}')
    assert job.options == {"silent": sent}


def test_a_field_that_can_be_a_constant_is_an_option(folder: Path) -> None:
    text = 'operation = "audiences"\nsource = "a"\n[options]\naudienceId = 101\naction = "delete"'
    assert job_of(folder, text).options == {"audienceId": 101, "action": "delete"}


@pytest.mark.parametrize(
    ("file", "name"),
    [("nightly load.toml", "nightly-load"), ("é.toml", "profiles"), (".hidden.toml", "hidden")],
)
def test_a_job_is_called_like_its_file(folder: Path, file: str, name: str) -> None:
    (folder / file).write_text('\ufeffoperation = "profiles"\r\nsource = "a"\r\n')
    assert load_job(Path(file), Overrides()).name == name


def test_a_link_in_a_path_is_followed_as_the_system_does(folder: Path) -> None:
    (folder / "far" / "jobs").mkdir(parents=True)
    (folder / "far" / "jobs" / "job.toml").write_text('operation = "profiles"\nsource = "../a.csv"')
    (folder / "near").symlink_to(folder / "far" / "jobs")
    (source,) = load_job(Path("near/job.toml"), Overrides()).sources
    assert (folder / source).resolve() == (folder / "far" / "a.csv").resolve()
