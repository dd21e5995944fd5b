"""Expressions of a job file: one value out of each row alone, and nothing that reads a file."""

import polars as pl
import pytest

from pipeline.stages.mapping import sql

COLUMNS = {"a": pl.String(), "b": pl.Int64(), "attributes.X": pl.String(), "two words": pl.String()}
ROWS = pl.DataFrame(
    {"a": ["x", "y", None], "b": [3, 1, 2], "attributes.X": ["1"] * 3, "two words": ["z"] * 3}
)


@pytest.mark.parametrize(
    ("said", "values"),
    [
        ("upper(a)", ["X", "Y", None]),
        ("a || '-' || \"two words\"", ["x-z", "y-z", None]),
        ('"attributes.X"', ["1", "1", "1"]),
        ("coalesce(a, 'none')", ["x", "y", "none"]),
        ("CASE WHEN b > 1 THEN 'many' ELSE 'one' END", ["many", "one", "many"]),
        ("b IN (1, 2)", [False, True, True]),
        ("a = ANY(['x'])", [True, False, None]),
        ("TRY_CAST(a AS BIGINT)", [None, None, None]),
        ("CAST(b AS VARCHAR)", ["3", "1", "2"]),
        ("greatest(b, 2)", [3, 2, 2]),
        ("b AS c", [3, 1, 2]),
    ],
)
def test_an_expression_gives_a_value_for_each_row(said: str, values: list[object]) -> None:
    expression, dtype = sql.parse(said, COLUMNS)
    found = ROWS.select(expression).to_series()
    assert found.to_list() == values
    assert found.dtype == dtype


@pytest.mark.parametrize(
    "said",
    [
        "min(b)",
        "b - min(b)",
        "first(a)",
        "median(b)",
        "array_agg(a)",
        "sum(b) OVER ()",
        "sum(b) OVER (PARTITION BY a)",
        "lag(b) OVER (ORDER BY a)",
        "rank() OVER (ORDER BY b)",
        "CASE WHEN b > avg(b) THEN 1 END",
        "unnest(string_to_array(a, ','))",
    ],
)
def test_what_needs_other_rows_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="needs other rows"):
        sql.parse(said, COLUMNS)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("upper(c)", 'unable to find column "c"'),
        ("uper(a)", "uper"),
        ("a +", "."),
        ("", "."),
        ("a; b", "."),
        ("SELECT a", "."),
        ("a, b", "."),
        ("*", "."),
        ("COLUMNS(*)", "several columns"),
        ("'x'", "reads no column"),
        ("count(*)", "reads no column"),
        ("row_number() OVER ()", "reads no column"),
        ("(SELECT 1)", "."),
        ("EXISTS (SELECT a)", "."),
        ("a IN (SELECT b)", "."),
        ("read_csv('data.csv')", "read_csv"),
        ("regexp_like(a, '(')", "regex"),
    ],
)
def test_what_cannot_be_an_expression_is_refused(said: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        sql.parse(said, COLUMNS)


def test_the_refusal_is_one_short_line() -> None:
    many = {f"column_{number}": pl.String() for number in range(1000)}
    with pytest.raises(ValueError, match="unable to find column") as refused:
        sql.parse("nope", many)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) <= sql.SENTENCE_MAX
