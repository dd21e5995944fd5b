"""Typed columns: each dtype as the kind that fits it, exactly, or refused with a reason."""

import math
from datetime import UTC, date, datetime, time
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.operations import Kind
from pipeline.stages.mapping import native
from pipeline.stages.mapping.reading import Reading

NAN, INF = math.nan, math.inf


def read(values: list[object], dtype: pl.DataType, kind: Kind) -> list[object]:
    frame = pl.DataFrame({"": values}, schema={"": dtype}, strict=False)
    return frame.select(native.read(pl.col(""), dtype, Reading(kind=kind))).to_series().to_list()


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        (pl.String(), Kind.STRING),
        (pl.Categorical(), Kind.STRING),
        (pl.Enum(["a"]), Kind.STRING),
        (pl.Binary(), Kind.STRING),
        (pl.Null(), Kind.STRING),
        (pl.Int8(), Kind.INTEGER),
        (pl.UInt64(), Kind.INTEGER),
        (pl.Float32(), Kind.NUMBER),
        (pl.Decimal(10, 2), Kind.NUMBER),
        (pl.Boolean(), Kind.BOOLEAN),
        (pl.Date(), Kind.TIME),
        (pl.Datetime("ns", "UTC"), Kind.TIME),
        (pl.List(pl.String), Kind.STRINGS),
        (pl.List(pl.Int64), Kind.INTEGERS),
        (pl.Array(pl.Float64, 2), Kind.NUMBERS),
        (pl.List(pl.Date), Kind.TIMES),
        (pl.List(pl.Struct({"a": pl.Int64})), Kind.JSON),
        (pl.List(pl.List(pl.Int64)), Kind.JSON),
        (pl.Struct({"a": pl.Int64}), Kind.JSON),
    ],
)
def test_a_column_has_the_kind_that_fits_its_dtype(dtype: pl.DataType, kind: Kind) -> None:
    assert native.natural(dtype) is kind
    assert read([None], dtype, kind) == [None]


NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("dtype", "kind", "values", "expected"),
    [
        (pl.Int64(), Kind.STRING, [7, -(2**63), None], ["7", str(-(2**63)), None]),
        (pl.UInt64(), Kind.STRING, [2**64 - 1], [str(2**64 - 1)]),
        (pl.Decimal(38, 0), Kind.STRING, [Decimal(10**30)], [str(10**30)]),
        (pl.Categorical(), Kind.STRING, ["a", None], ["a", None]),
        (pl.Enum(["a", "b"]), Kind.STRING, ["b"], ["b"]),
        (pl.Null(), Kind.NUMBER, [None], [None]),
        (pl.UInt64(), Kind.INTEGER, [2**63 - 1, 2**63], [2**63 - 1, None]),
        (pl.Float64(), Kind.INTEGER, [45.0, 4.5, NAN, INF, 2.0**60], [45, None, None, None, None]),
        (pl.Decimal(10, 2), Kind.INTEGER, [Decimal("2.00"), Decimal("2.50")], [2, None]),
        (pl.String(), Kind.INTEGER, ["007", "x", None], [7, None, None]),
        (pl.Float64(), Kind.NUMBER, [0.1, NAN, INF, -INF, None], [0.1, None, None, None, None]),
        (pl.Float32(), Kind.NUMBER, [0.5, NAN], [0.5, None]),
        (pl.Int64(), Kind.NUMBER, [2**53, 2**53 + 1], [2.0**53, None]),
        (pl.Int64(), Kind.NUMBER, [2**63 - 1, -(2**63)], [None, -(2.0**63)]),
        (pl.Decimal(10, 2), Kind.NUMBER, [Decimal("12.50")], [12.5]),
        (pl.Decimal(38, 0), Kind.NUMBER, [Decimal(2**53 + 1), Decimal(2**60)], [None, 2.0**60]),
        (pl.Decimal(38, 2), Kind.NUMBER, [Decimal("9007199254740993.25")], [None]),
        (pl.Categorical(), Kind.NUMBER, ["1.5", "NaN"], [1.5, None]),
        (pl.Boolean(), Kind.BOOLEAN, [True, False, None], [True, False, None]),
        (pl.Int8(), Kind.BOOLEAN, [1, 0, 2, None], [True, False, None, None]),
        (pl.String(), Kind.BOOLEAN, ["true", "yes"], [True, None]),
        (pl.Date(), Kind.TIME, [date(2026, 7, 1)], ["2026-07-01T00:00:00Z"]),
        (pl.Datetime("ns", "UTC"), Kind.TIME, [NOON], ["2026-07-01T12:00:00Z"]),
        (pl.String(), Kind.TIME, ["2026-07-01", "x"], ["2026-07-01T00:00:00Z", None]),
        (pl.List(pl.String), Kind.STRINGS, [["a", ""], [], None], [["a", ""], [], None]),
        (pl.List(pl.String), Kind.STRINGS, [["a", None]], [None]),
        (pl.List(pl.Int8), Kind.STRINGS, [[7]], [["7"]]),
        (pl.Array(pl.Int8, 2), Kind.INTEGERS, [[1, 2]], [[1, 2]]),
        (pl.List(pl.Float64), Kind.NUMBERS, [[0.5, NAN], [0.5]], [None, [0.5]]),
        (pl.List(pl.Date), Kind.TIMES, [[date(2026, 7, 1)]], [["2026-07-01T00:00:00Z"]]),
        (pl.String(), Kind.STRINGS, ["a|b"], [["a", "b"]]),
        (pl.String(), Kind.JSON, ['{"a": 1}', "{"], [b'{"a": 1}', None]),
    ],
)
def test_a_value_is_sent_exactly_or_not_at_all(
    dtype: pl.DataType, kind: Kind, values: list[object], expected: list[object]
) -> None:
    assert read(values, dtype, kind) == expected


@given(st.lists(st.binary(max_size=6) | st.text(max_size=4).map(lambda t: t.encode("utf-8"))))
def test_bytes_are_text_if_and_only_if_they_are_utf8(values: list[bytes]) -> None:
    expected = []
    for value in values:
        try:
            expected.append(value.decode("utf-8"))
        except UnicodeDecodeError:
            expected.append(None)
    assert read(values, pl.Binary(), Kind.STRING) == expected


@pytest.mark.parametrize(
    "value", ["c080", "e08080", "eda080", "f08080 80", "f4908080", "f5808080", "80", "c3"]
)
def test_overlong_bytes_and_surrogates_are_not_utf8(value: str) -> None:
    assert read([bytes.fromhex(value)], pl.Binary(), Kind.STRING) == [None]


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_an_integer_is_a_number_if_a_float_holds_it(values: list[int]) -> None:
    expected = [float(value) if int(float(value)) == value else None for value in values]
    assert read(values, pl.Int64(), Kind.NUMBER) == expected


@pytest.mark.parametrize(
    ("dtype", "kind", "says"),
    [
        (pl.Float64(), Kind.STRING, "007 and 1e5 have lost their form"),
        (pl.Decimal(10, 2), Kind.STRING, "Decimal"),
        (pl.Boolean(), Kind.STRING, "Boolean"),
        (pl.Date(), Kind.STRING, 'cannot be sent as type "string"'),
        (pl.Boolean(), Kind.INTEGER, 'type "integer"'),
        (pl.Boolean(), Kind.NUMBER, 'type "number"'),
        (pl.Float64(), Kind.BOOLEAN, 'type "boolean"'),
        (pl.Int64(), Kind.TIME, 'type "time"'),
        (pl.Time(), Kind.TIME, "Time"),
        (pl.Int64(), Kind.INTEGERS, 'type "list integer"'),
        (pl.Int64(), Kind.JSON, 'type "json"'),
        (pl.List(pl.Boolean), Kind.STRINGS, "Boolean"),
        (pl.Struct({"when": pl.Date}), Kind.JSON, "Date inside a nested column"),
        (pl.List(pl.Struct({"raw": pl.Binary})), Kind.JSON, "Binary inside a nested column"),
    ],
)
def test_a_pair_that_leaves_a_doubt_is_refused(dtype: pl.DataType, kind: Kind, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        native.read(pl.col(""), dtype, Reading(kind=kind))


def test_nested_columns_stay_nested_in_what_json_has() -> None:
    dtype = pl.Struct({"lat": pl.Float64, "of": pl.List(pl.Struct({"p": pl.Decimal(9, 2)}))})
    values = [
        {"lat": 1.5, "of": [{"p": Decimal("2.50")}]},
        {"lat": NAN, "of": []},
        {"lat": None, "of": None},
        None,
    ]
    assert read(values, dtype, Kind.JSON) == [
        {"lat": 1.5, "of": [{"p": 2.5}]},
        None,
        {"lat": None, "of": None},
        None,
    ]


def test_a_nan_deep_inside_is_found() -> None:
    dtype = pl.List(pl.Struct({"a": pl.List(pl.Float64), "b": pl.Categorical}))
    values = [[{"a": [1.0], "b": "x"}], [{"a": [], "b": None}, {"a": [0.0, INF], "b": "y"}]]
    assert read(values, dtype, Kind.JSON) == [[{"a": [1.0], "b": "x"}], None]


def test_a_time_of_day_is_no_time() -> None:
    assert native.natural(pl.Time()) is Kind.STRING
    with pytest.raises(ValueError, match="Time"):
        read([time(10)], pl.Time(), Kind.STRING)
