"""A job survives run.json, and an allowance allows exactly what it says."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.csv import CsvOptions
from pipeline.config.job import Allowance, Column, Delivery, Job, JsonValue, Limits, runs_dir
from pipeline.errors import RunError
from pipeline.operations import OPERATIONS, Kind, find

texts = st.text(st.characters(codec="utf-8"), max_size=20)
scalars = texts | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
percentages = st.decimals(0, 100, places=2).map(lambda d: f"{d}%")
allowances = (st.integers(0, 10**18 - 1) | percentages).map(Allowance.parse)
paths = texts.filter(lambda text: "\0" not in text).map(Path)
columns = st.builds(
    Column,
    field=texts,
    column=st.none() | texts,
    sql=st.none() | texts,
    value=values,
    type=st.none() | st.sampled_from(Kind),
    format=st.none() | texts,
    required=st.booleans(),
    one_of=st.lists(scalars, max_size=3).map(tuple),
    minimum=st.none() | st.integers(),
    maximum=st.none() | st.floats(allow_nan=False),
    length_max=st.none() | st.integers(1),
    pattern=st.none() | texts,
    separator=texts,
    where=texts,
)
jobs = st.builds(
    Job,
    name=texts,
    operation=st.sampled_from(OPERATIONS),
    sources=st.lists(texts, min_size=1, max_size=3).map(tuple),
    columns=st.lists(columns, max_size=3).map(tuple),
    csv=st.builds(
        CsvOptions,
        delimiter=texts,
        header=st.booleans(),
        column_names=st.lists(texts, max_size=3).map(tuple),
        null_values=st.lists(texts, max_size=3).map(tuple),
    ),
    options=st.dictionaries(texts, values, max_size=3),
    zone=texts,
    delivery=st.builds(
        Delivery,
        concurrency=st.just("adaptive") | st.integers(1, 99),
        rate=st.none() | st.floats(0.1, 1e4),
        max_share=st.floats(0.1, 1.0),
    ),
    limits=st.builds(
        Limits,
        max_rejected=st.none() | allowances,
        max_refused=st.none() | allowances,
        tolerate=st.none() | allowances,
    ),
    runs_dir=st.none() | paths,
    file=st.none() | paths,
    first=st.none() | st.integers(1),
)


@given(jobs)
def test_a_job_comes_back_from_json_as_it_was(job: Job) -> None:
    back = Job.from_json(json.loads(json.dumps(job.to_json())))
    assert back == job
    assert [type(column.type) for column in back.columns] == [type(c.type) for c in job.columns]


def kept() -> dict[str, object]:
    operation = find("profiles")
    assert operation is not None
    return Job(name="n", operation=operation, sources=("a.csv",)).to_json()


def test_a_kept_job_names_its_operation_as_users_do() -> None:
    assert kept()["operation"] == "profiles"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("operation", "gone"),
        ("operation", None),
        ("csv", []),
        ("csv", {"unheard": 1}),
        ("columns", [{"field": "x"}]),
        ("columns", [1]),
        ("limits", {"tolerate": "lots"}),
        ("unheard", 1),
    ],
)
def test_what_is_not_a_kept_job_is_refused(key: str, value: object) -> None:
    with pytest.raises(RunError, match="the job kept with this run cannot be read"):
        Job.from_json(kept() | {key: value})
    with pytest.raises(RunError):
        Job.from_json({})


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_number_allows_up_to_itself(rows: int, bad: int, total: int) -> None:
    assert Allowance.parse(rows).allows(bad, total) == (bad <= rows)
    assert Allowance.parse(str(rows)) == Allowance.parse(rows)


@given(st.decimals(0, 100, places=3), st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_share_allows_exactly_its_part(percent: object, bad: int, total: int) -> None:
    allowance = Allowance.parse(f"{percent}%")
    assert allowance.allows(bad, total) == (bad <= Fraction(str(percent)) * total / 100)
    assert allowance.allows(0, total)


@given(st.integers(0, 100))
def test_a_share_is_not_rounded_away(percent: int) -> None:
    assert Allowance.parse(f"{percent}%").allows(percent, 100)
    assert not Allowance.parse(f"{percent}%").allows(percent + 1, 100)


@pytest.mark.parametrize(
    ("said", "shown"), [(0, "0"), (10, "10"), ("7", "7"), ("1%", "1%"), ("0.5 %", "0.5%")]
)
def test_an_allowance_shows_itself_as_it_was_said(said: int | str, shown: str) -> None:
    assert str(Allowance.parse(said)) == shown
    assert Allowance.parse(Allowance.parse(said).to_json()) == Allowance.parse(said)


@pytest.mark.parametrize(
    "said",
    [
        -1,
        True,
        1.5,
        None,
        "",
        "%",
        "-1%",
        "101%",
        "1e2",
        "1,5%",
        "٣%",
        "1%%",
        "9" * 19,
        Fraction(1),
        [],
    ],
)
def test_what_is_no_allowance_is_refused(said: object) -> None:
    with pytest.raises(ValueError, match="neither a number of rows nor a share"):
        Allowance.parse(said)


def test_an_allowance_is_one_of_two_things() -> None:
    for wrong in ({}, {"rows": 1, "percent": Allowance.parse("1%").percent}):
        with pytest.raises(ValueError, match="a number of rows or a percentage"):
            Allowance(**wrong)


def test_the_folder_of_runs_is_the_chosen_one_else_of_the_environment_else_here() -> None:
    environ = {"PIPELINE_RUNS_DIR": "elsewhere"}
    assert runs_dir(Path("chosen"), environ) == Path.cwd() / "chosen"
    assert runs_dir(None, environ) == Path.cwd() / "elsewhere"
    assert runs_dir(None, {"PIPELINE_RUNS_DIR": ""}) == runs_dir(None, {}) == Path.cwd() / "runs"
