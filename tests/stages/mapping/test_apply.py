"""A mapping applied to a block: each cell under its field's name, in order, and nothing lost."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.job import Column
from pipeline.errors import JobError
from pipeline.operations import Kind, find
from pipeline.stages import mapping
from pipeline.stages.mapping import Mapped

CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def mapped(frame: pl.DataFrame, *wanted: Column, null_values: tuple[str, ...] = ("",)) -> Mapped:
    profiles = find("profiles")
    assert profiles is not None
    found = mapping.compile_mapping(wanted, profiles, frame.schema, null_values=null_values)
    return mapping.apply(found, frame)


ID = Column(field="integrationId", column="id")


@given(st.lists(st.tuples(CELLS, CELLS)))
def test_a_text_that_is_sent_is_the_cell_that_came(cells: list[tuple[str, str]]) -> None:
    frame = pl.DataFrame(cells, schema={"id": pl.String, "x": pl.String}, orient="row")
    found = mapped(frame, ID, Column(field="attributes.X", column="x"))
    expected = [(first or None, second or None) for first, second in cells]
    assert found.fields.select("integrationId", "attributes.X").rows() == expected
    assert found.cells.equals(found.fields)


def test_cells_are_as_they_came_and_fields_as_they_are_sent() -> None:
    frame = pl.DataFrame({"id": ["007", "8"], "n": ["+1", "x"]})
    found = mapped(frame, ID, Column(field="attributes.N", column="n", type=Kind.INTEGER))
    assert found.fields["attributes.N"].to_list() == [1, None]
    assert found.cells["attributes.N"].to_list() == ["+1", "x"]
    assert found.fields["silent"].to_list() == ["yes", "yes"]
    assert found.fields.columns == found.cells.columns


def test_only_the_cells_that_the_job_names_mean_no_value() -> None:
    frame = pl.DataFrame({"id": ["1", "2", "3"], "x": ["", r"\N", "a"]})
    x = Column(field="attributes.X", column="x")
    assert mapped(frame, ID, x).fields["attributes.X"].to_list() == [None, r"\N", "a"]
    null = mapped(frame, ID, x, null_values=(r"\N",))
    assert null.fields["attributes.X"].to_list() == ["", None, "a"]
    native = mapped(frame, ID, x, null_values=())
    assert native.fields["attributes.X"].to_list() == ["", r"\N", "a"]


def test_an_expression_sees_nulls_for_cells_without_a_value() -> None:
    frame = pl.DataFrame({"id": ["1", "2"], "nick": ["", "Al"], "name": ["Ada", "Alan"]})
    found = mapped(
        frame,
        ID,
        Column(field="attributes.Name", sql="coalesce(nick, name)"),
        Column(field="attributes.Blank", sql="trim(replace(nick, 'Al', ' '))"),
    )
    assert found.fields["attributes.Name"].to_list() == ["Ada", "Al"]
    assert found.fields["attributes.Blank"].to_list() == [None, None]


def test_a_cast_that_ends_the_frame_is_an_error_with_its_field() -> None:
    frame = pl.DataFrame({"id": ["1", "2"], "n": ["5", "many"]})
    with pytest.raises(JobError) as refused:
        mapped(frame, ID, Column(field="attributes.N", sql="CAST(n AS BIGINT)"))
    assert str(refused.value).startswith('attributes.N (sql "CAST(n AS BIGINT)") ends at a cell: ')
    assert '["many"]' in str(refused.value)
    assert "TRY_CAST" in refused.value.hint


def test_the_order_and_the_number_of_rows_are_kept() -> None:
    frame = pl.DataFrame({"id": [str(number) for number in range(1000)]})
    found = mapped(frame, ID, Column(field="attributes.Origin", value="shop"))
    assert found.fields["integrationId"].to_list() == frame["id"].to_list()
    assert found.fields["attributes.Origin"].to_list() == ["shop"] * 1000
    assert mapped(frame.clear(), ID).fields.height == 0


def test_a_column_may_feed_several_fields() -> None:
    frame = pl.DataFrame({"id": ["7"]})
    found = mapped(frame, ID, Column(field="attributes.Id", column="id", type=Kind.INTEGER))
    assert found.fields.select("integrationId", "attributes.Id").rows() == [("7", 7)]


def test_a_field_may_be_made_of_a_column_of_its_own_name() -> None:
    frame = pl.DataFrame({"integrationId": ["7"], "attributes.Tier": ["gold"]})
    found = mapped(frame, Column(field="attributes.Tier", sql='upper("attributes.Tier")'))
    assert found.fields["attributes.Tier"].to_list() == ["GOLD"]
