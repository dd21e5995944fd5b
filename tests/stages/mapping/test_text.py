"""Text becomes the value that it writes, or nothing: held against Python's own int and float."""

import json
import math
import re
from datetime import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.operations import Kind
from pipeline.stages.mapping import text
from pipeline.stages.mapping.reading import Reading

INT64 = range(-(2**63), 2**63)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMERIC = st.text("0123456789+-.eE, _xNanif", max_size=12)
WHOLE = st.integers(-(2**70), 2**70).map(str)
FLOATS = st.floats().map(repr)
OFFSETS = st.sampled_from(["Z", "+00:00", "-23:59", "+05:30"])


def read(cells: list[str | None], kind: Kind, **how: str) -> list[object]:
    frame = pl.DataFrame({"cell": cells}, schema={"cell": pl.String})
    expression = text.read(pl.col("cell"), Reading(kind=kind, **how))
    return frame.select(expression).to_series().to_list()


def python_int(cell: str) -> int | None:
    if re.fullmatch("[+-]?[0-9]+", cell, re.ASCII) is None or int(cell) not in INT64:
        return None
    return int(cell)


def python_float(cell: str) -> float | None:
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", cell, re.ASCII):
        return None
    value = float(cell)
    if not math.isfinite(value):
        return None
    rounded = re.fullmatch("[+-]?[0-9]+", cell) is not None and int(cell) != int(value)
    return None if rounded else value


@given(st.lists(TEXTS))
def test_a_string_is_the_cell_itself(cells: list[str]) -> None:
    assert read([*cells, None], Kind.STRING) == [*cells, None]


@given(st.lists(NUMERIC | WHOLE | TEXTS))
def test_an_integer_is_what_python_reads_in_64_bits(cells: list[str]) -> None:
    assert read(cells, Kind.INTEGER) == [python_int(cell) for cell in cells]


@given(st.lists(NUMERIC | WHOLE | FLOATS | TEXTS))
def test_a_number_is_what_python_reads_and_json_has(cells: list[str]) -> None:
    assert read(cells, Kind.NUMBER) == [python_float(cell) for cell in cells]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1e3", 1000.0),
        ("+1", 1.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("007", 7.0),
        ("-0.50", -0.5),
        ("9007199254740992", 2.0**53),
        ("9007199254740993", None),
        (str(2**100), 2.0**100),
        (str(2**100 + 1), None),
        ("1" + "0" * 40, None),
        ("NaN", None),
        ("inf", None),
        ("-Infinity", None),
        ("1e400", None),
        (" 1", None),
        ("1 ", None),
        ("1,5", None),
        ("1_000", None),
        ("0x1F", None),
        ("", None),
    ],
)
def test_these_are_numbers_and_those_are_not(cell: str, value: float | None) -> None:
    assert read([cell], Kind.NUMBER) == [value]


def test_a_boolean_has_few_spellings() -> None:
    cells = ["true", "True", "TRUE", "1", "false", "False", "FALSE", "0"]
    assert read(cells, Kind.BOOLEAN) == [True] * 4 + [False] * 4
    assert read(["yes", "no", "T", "tRUE", " true", "2", ""], Kind.BOOLEAN) == [None] * 7


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON_VALUES, max_size=5))
def test_json_objects_and_arrays_are_kept_as_they_are_written(values: list[object]) -> None:
    cells = [json.dumps(value) for value in values]
    expected = [
        cell.encode() if isinstance(value, list | dict) else None
        for cell, value in zip(cells, values, strict=True)
    ]
    assert read(cells, Kind.JSON) == expected


@pytest.mark.parametrize(
    "cell",
    ['{"a":', "nope", "", "1", '"{"', "null", '{"a":NaN}', "[1,]", "{'a':1}", "[1] x", "[" * 9999],
)
def test_what_is_no_json_object_or_array_spoils_nothing_but_itself(cell: str) -> None:
    assert read(['{"a": 1}', cell, " [1] "], Kind.JSON) == [b'{"a": 1}', None, b" [1] "]


@given(st.lists(st.lists(TEXTS, max_size=4)))
def test_a_json_array_of_strings_is_that_list(lists: list[list[str]]) -> None:
    assert read([json.dumps(one) for one in lists], Kind.STRINGS) == lists


@given(st.lists(st.lists(st.integers(-(2**64), 2**64), max_size=4)))
def test_a_json_array_of_integers_is_that_list_or_nothing(lists: list[list[int]]) -> None:
    expected = [one if all(number in INT64 for number in one) else None for one in lists]
    assert read([json.dumps(one, indent=1) for one in lists], Kind.INTEGERS) == expected


PLAIN = st.text("ab[]\"' ,").filter(lambda text: not text.lstrip().startswith("["))


@given(st.lists(PLAIN, min_size=1).filter(lambda elements: elements[0].strip() != ""))
def test_other_text_is_parted_at_the_separator(elements: list[str]) -> None:
    assert read([";".join(elements)], Kind.STRINGS, separator=";") == [elements]


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        (Kind.STRINGS, "a|b", ["a", "b"]),
        (Kind.STRINGS, "a||b", ["a", "", "b"]),
        (Kind.STRINGS, "[]", []),
        (Kind.STRINGS, '["a", 1]', None),
        (Kind.STRINGS, '["a"', None),
        (Kind.STRINGS, '["\\x"]', None),
        (Kind.STRINGS, '[["a"]]', None),
        (Kind.INTEGERS, "1|2", [1, 2]),
        (Kind.INTEGERS, "1|x", None),
        (Kind.INTEGERS, "[ ]", []),
        (Kind.INTEGERS, '["1"]', None),
        (Kind.INTEGERS, "[1.5]", None),
        (Kind.INTEGERS, "[1, null]", None),
        (Kind.NUMBERS, "[1e3, -0.5]", [1000.0, -0.5]),
        (Kind.NUMBERS, "[9007199254740993]", None),
        (Kind.NUMBERS, "1.5|nan", None),
        (Kind.TIMES, "2026-01-31|2026-02-01", ["2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z"]),
        (Kind.TIMES, '["2026-01-31T10:00:00+01:00"]', ["2026-01-31T10:00:00+01:00"]),
        (Kind.TIMES, '["2026-02-31"]', None),
    ],
)
def test_a_list_in_text(kind: Kind, cell: str, value: object) -> None:
    assert read([cell, None], kind) == [value, None]


@given(st.datetimes(min_value=datetime.fromisoformat("1000-01-01")), OFFSETS, st.integers(0, 9))
def test_a_time_with_an_offset_stays_as_it_came(moment: datetime, offset: str, digits: int) -> None:
    fraction = f".{moment.microsecond:06}123"[: digits + 1] if digits else ""
    cell = f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}{offset}"
    assert read([cell], Kind.TIME) == [cell]
