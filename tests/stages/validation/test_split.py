"""Good and rejected rows together are all rows, each once, in order, and no rejection is mute."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model import FILE, KEY, LINE, ROW, SOURCE
from pipeline.operations import Field, Kind
from pipeline.stages import validation
from pipeline.stages.validation import Check, Checked

FIELDS = (
    Field(name="id", required=True, length_max=3),
    Field(name="n", kind=Kind.INTEGER, minimum=0),
    Field(name="tier", choices=("gold", "tin")),
)
SCHEMA = {"id": pl.String, "n": pl.Int64, "tier": pl.String}
REJECTED = [ROW, FILE, LINE, "reasons", "raw", SOURCE]

ROWS = st.tuples(
    st.none() | st.text("ab\0é", max_size=5),
    st.none() | st.sampled_from(["7", "-1", "x", "99999999999999999999"]),
    st.none() | st.sampled_from(["gold", "tin", "Gold", ""]),
)


def checks(*fields: Field) -> tuple[Check, ...]:
    return tuple(check for field in fields for check in validation.rules(field, expects="good"))


def split(rows: list[tuple[str | None, ...]], *fields: Field) -> Checked:
    cells = pl.DataFrame(rows, schema=dict.fromkeys(SCHEMA, pl.String), orient="row")
    places = pl.DataFrame(
        {
            ROW: pl.Series([10 + 2 * index for index in range(len(rows))], dtype=pl.UInt64),
            FILE: pl.Series(["a.csv"] * len(rows), dtype=pl.String),
            LINE: pl.Series([None] * len(rows), dtype=pl.UInt64),
            SOURCE: cells.to_struct(),
        }
    )
    return validation.split(
        checks(*fields),
        rows=places,
        fields=cells.cast(SCHEMA, strict=False),
        cells=cells,
        key="id",
    )


def is_good(row: tuple[str | None, ...]) -> bool:
    """The rules once more, in plain Python."""
    key, number, tier = row
    return (
        bool(key)
        and len(key) <= 3
        and "\0" not in key
        and number in (None, "7")
        and tier in (None, "gold", "tin")
    )


@given(st.lists(ROWS))
def test_good_and_rejected_rows_part_all_rows_in_order(rows: list[tuple[str | None, ...]]) -> None:
    checked = split(rows, *FIELDS)
    places = {10 + 2 * index: row for index, row in enumerate(rows)}
    good = [place for place, row in places.items() if is_good(row)]
    assert checked.good[ROW].to_list() == good
    assert checked.rejected[ROW].to_list() == [place for place in places if place not in good]
    assert all(checked.rejected["reasons"].list.len() > 0)
    for part in (checked.good, checked.rejected):
        cells = part[SOURCE].struct.unnest().rows()
        assert cells == [places[place] for place in part[ROW]]


@given(st.lists(ROWS))
def test_the_columns_do_not_depend_on_the_data(rows: list[tuple[str | None, ...]]) -> None:
    checked, empty = split(rows, *FIELDS), split([], *FIELDS)
    assert checked.good.schema == empty.good.schema
    assert checked.rejected.schema == empty.rejected.schema


def test_a_good_row_has_its_place_its_key_its_fields_and_its_source() -> None:
    good = split([("a1", "7", None)], *FIELDS).good
    assert good.to_dicts() == [
        {
            ROW: 10,
            FILE: "a.csv",
            LINE: None,
            KEY: "a1",
            "id": "a1",
            "n": 7,
            "tier": None,
            SOURCE: {"id": "a1", "n": "7", "tier": None},
        }
    ]
    assert good.schema[ROW] == pl.UInt64


def test_a_rejected_row_has_every_reason_in_the_order_of_the_fields() -> None:
    rejected = split([("good", "7", "tin"), ("abcd", "-1", "Gold")], *FIELDS).rejected
    assert rejected.columns == REJECTED
    assert rejected["reasons"].to_list() == [
        ['id: "good" is longer than 3 characters'],
        [
            'id: "abcd" is longer than 3 characters',
            'n: "-1" is less than 0',
            'tier: "Gold" is not one of gold, tin',
        ],
    ]
    assert rejected["raw"].to_list() == [None, None]


def test_without_checks_every_row_is_good() -> None:
    assert split([(None, "x", "y")]).good.height == 1


def test_a_hundred_checks_are_all_told() -> None:
    many = [Field(name="tier", choices=(str(number),)) for number in range(100)]
    (reasons,) = split([("a", "7", "tin")], *many).rejected["reasons"].to_list()
    assert reasons == [f'tier: "tin" is not one of {number}' for number in range(100)]


def test_the_key_is_text_whatever_the_field_is() -> None:
    fields = pl.DataFrame({"id": [7]})
    rows = pl.DataFrame({ROW: [1], FILE: ["f"], LINE: [2], SOURCE: [{"id": 7}]})
    found = validation.split([], rows=rows, fields=fields, cells=fields, key="id")
    assert found.good[KEY].to_list() == ["7"]


def test_constants_are_judged_without_a_row() -> None:
    fields = pl.DataFrame({"tier": ["iron"]})
    assert validation.objections(checks(*FIELDS), fields, fields) == (
        'tier: "iron" is not one of gold, tin',
    )
    gold = pl.DataFrame({"tier": ["gold"]})
    assert validation.objections(checks(*FIELDS), gold, gold) == ()
    assert validation.objections(checks(*FIELDS), pl.DataFrame(), pl.DataFrame()) == ()


def test_lines_that_could_not_be_parsed_are_rejected_rows_too() -> None:
    checked = split([("abcd", "7", None)], *FIELDS)
    broken = pl.DataFrame(
        {ROW: [3], LINE: [4], "reason": ["4 columns, expected 6"], "raw": ["a,b,c,d"]},
        schema={ROW: pl.UInt64, LINE: pl.UInt64, "reason": pl.String, "raw": pl.String},
    )
    found = validation.unreadable(broken, file="a.csv", source=checked.rejected.schema[SOURCE])
    assert found.row(0) == (3, "a.csv", 4, ["4 columns, expected 6"], "a,b,c,d", None)
    assert found.schema == checked.rejected.schema
    assert pl.concat([checked.rejected, found]).height == 2
