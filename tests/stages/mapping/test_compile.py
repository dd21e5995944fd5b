"""The job's columns and the source's columns: what is sent, from where, and all that is wrong."""

from collections.abc import Mapping as ReadOnly

import polars as pl
import pytest

from pipeline.config.job import Column
from pipeline.errors import JobError
from pipeline.operations import Field, Kind, Operation, Repeat, find
from pipeline.stages import mapping
from pipeline.stages.mapping import Mapping

TEXT, INT = pl.String(), pl.Int64()
CUSTOMERS = {"customer_id": TEXT, "spend": TEXT, "tier": TEXT, "since": TEXT}
ID = Column(field="integrationId", column="customer_id")


def operation(name: str) -> Operation:
    found = find(name)
    assert found is not None
    return found


PROFILES = operation("profiles")
LIMITED = Operation(
    name="limited",
    id="limited",
    method="PUT",
    path="/",
    summary="",
    source="",
    fields=(
        Field(name="code", length_max=10, pattern="^[A-Z]+$", choices=("A", "B")),
        Field(name="count", kind=Kind.INTEGER, minimum=0, maximum=100),
        Field(name="costs.*", kind=Kind.NUMBER, minimum=0),
    ),
    key="code",
    lanes=("code",),
    repeat=Repeat.SAFE,
    success=(200,),
)


def compiled(*wanted: Column, columns: ReadOnly[str, pl.DataType] = CUSTOMERS) -> Mapping:
    return mapping.compile_mapping(wanted, PROFILES, columns)


def problems(
    *wanted: Column, columns: ReadOnly[str, pl.DataType] = CUSTOMERS, of: Operation = PROFILES
) -> tuple[str, ...]:
    with pytest.raises(JobError) as refused:
        mapping.compile_mapping(wanted, of, columns)
    return refused.value.problems


def test_columns_named_as_fields_need_no_word_and_others_are_not_sent() -> None:
    columns = {"attributes.Tier": TEXT, "integrationId": TEXT, "note": TEXT}
    found = compiled(columns=columns)
    assert list(found.schema) == ["integrationId", "attributes.Tier", "silent"]
    assert [target.origin for target in found.targets[:2]] == ["", ""]


def test_an_alias_is_the_field_unless_the_field_is_there_itself() -> None:
    audiences = operation("audiences")
    by_alias = mapping.compile_mapping([], audiences, {"integrationId": TEXT, "audienceId": INT})
    assert list(by_alias.schema) == ["profileIntegrationId", "audienceId", "action"]
    assert by_alias.targets[0].cell.meta.root_names() == ["integrationId"]
    both = {"integrationId": TEXT, "audienceId": INT, "profileIntegrationId": TEXT}
    found = mapping.compile_mapping([], audiences, both)
    assert found.targets[0].cell.meta.root_names() == ["profileIntegrationId"]


def test_what_the_job_says_goes_before_names_and_defaults() -> None:
    columns = {"integrationId": TEXT, "id": TEXT, "attributes.Old": TEXT}
    wanted = (
        Column(field="integrationId", column="id"),
        Column(field="attributes.New", column="attributes.Old"),
        Column(field="silent", value="no"),
    )
    found = compiled(*wanted, columns=columns)
    assert list(found.schema) == ["integrationId", "attributes.New", "silent"]
    assert found.targets[0].cell.meta.root_names() == ["id"]
    assert mapping.constants(found).fields.to_dicts() == [{"silent": "no"}]


def test_fields_come_in_the_order_of_the_operation() -> None:
    wanted = (
        Column(field="silent", value="no"),
        Column(field="attributes.B", column="tier"),
        Column(field="attributes.A", column="spend"),
        ID,
    )
    assert list(compiled(*wanted).schema) == [
        "integrationId",
        "attributes.B",
        "attributes.A",
        "silent",
    ]


def test_the_schema_has_the_dtype_of_each_kind() -> None:
    dtypes = {
        Kind.STRING: pl.String,
        Kind.TIME: pl.String,
        Kind.INTEGER: pl.Int64,
        Kind.NUMBER: pl.Float64,
        Kind.BOOLEAN: pl.Boolean,
        Kind.STRINGS: pl.List(pl.String),
        Kind.TIMES: pl.List(pl.String),
        Kind.INTEGERS: pl.List(pl.Int64),
        Kind.NUMBERS: pl.List(pl.Float64),
        Kind.JSON: pl.Binary,
    }
    wanted = [Column(field=f"attributes.{k.name}", column="spend", type=k) for k in Kind]
    found = compiled(ID, *wanted)
    assert {k: found.schema[f"attributes.{k.name}"] for k in Kind} == dtypes
    empty = pl.DataFrame(schema=CUSTOMERS)
    assert dict(mapping.apply(found, empty).fields.schema) == found.schema


def test_an_attribute_without_a_type_has_that_of_its_source() -> None:
    columns = {"customer_id": TEXT, "attributes.N": INT, "attributes.T": pl.Date()}
    sql = Column(field="attributes.S", sql="TRY_CAST(customer_id AS DOUBLE)")
    found = compiled(ID, sql, columns=columns)
    kinds = {target.name: target.field.kind for target in found.targets}
    assert kinds["attributes.N"] is Kind.INTEGER
    assert kinds["attributes.T"] is Kind.TIME
    assert kinds["attributes.S"] is Kind.NUMBER


@pytest.mark.parametrize(
    ("value", "kind", "sent"),
    [
        ("cdnow", Kind.STRING, "cdnow"),
        (7, Kind.INTEGER, 7),
        (0.5, Kind.NUMBER, 0.5),
        (False, Kind.BOOLEAN, False),
        (["a", "b"], Kind.STRINGS, ["a", "b"]),
        ([1, 2], Kind.INTEGERS, [1, 2]),
        ([1, 2.5], Kind.NUMBERS, [1.0, 2.5]),
        ({"lat": 1}, Kind.JSON, b'{"lat": 1}'),
        ([{"a": 1}, "b"], Kind.JSON, b'[{"a": 1}, "b"]'),
        ([], Kind.JSON, b"[]"),
    ],
)
def test_a_constant_has_the_type_it_is_written_in(value: object, kind: Kind, sent: object) -> None:
    found = compiled(ID, Column(field="attributes.C", value=value))
    target = found.targets[1]
    assert (target.field.kind, target.constant) == (kind, True)
    rows = pl.DataFrame({name: ["1", "2"] for name in CUSTOMERS})
    assert mapping.apply(found, rows).fields["attributes.C"].to_list() == [sent, sent]


def test_all_problems_are_told_at_once_with_what_was_meant() -> None:
    told = problems(
        Column(field="integrationID", column="customer_id", where='job.toml: columns."x"'),
        Column(field="attributes.9th", column="tier"),
        Column(field="attributes.A", column="teir"),
        Column(field="attributes.B", sql="upper(teir)"),
        Column(field="attributes.C", sql="max(tier)"),
        Column(field="attributes.D", column="tier", format="%Y"),
        Column(field="attributes.E", column="since", type=Kind.TIME, format="%H:%M"),
        Column(field="attributes.F", column="tier", pattern="("),
        Column(field="attributes.F", column="spend"),
        Column(field="attributes.G", value="x", type=Kind.NUMBER),
        Column(field="silent", value="yes", type=Kind.BOOLEAN),
    )
    expected = [
        'columns."x": profiles has no field "integrationID" (did you mean "integrationId"?)',
        '"9th" cannot be the name of an attribute',
        'the source has no column "teir" (did you mean "tier"?)',
        'sql "upper(teir)": unable to find column "teir"',
        'sql "max(tier)": it needs other rows too',
        'format is for type "time", and this is of type "string"',
        'format "%H:%M" does not tell year, month and day',
        "pattern: not a regular expression: (",
        "attributes.F is mapped twice",
        "'x' is not a number",
        'it is of type "string" in the API, not "boolean"',
        "integrationId is required, and nothing is mapped to it",
    ]
    assert len(told) == len(expected)
    for sentence, words in zip(told, expected, strict=True):
        assert words in sentence


def test_every_problem_of_one_column_is_told() -> None:
    wrong = Column(field="attributes.A", column="tier", minimum=1, format="%Y", pattern="(")
    assert len(problems(ID, wrong)) == 3


def test_an_unknown_zone_is_a_problem_with_a_name() -> None:
    with pytest.raises(JobError, match='no time zone "Mars/Olympus"'):
        mapping.compile_mapping([ID], PROFILES, CUSTOMERS, zone="Mars/Olympus")


def test_a_column_that_no_attribute_can_be_called_is_named() -> None:
    (told,) = problems(ID, columns=CUSTOMERS | {"attributes.First Name": TEXT})
    assert told.startswith('column "attributes.First Name" of the source: "First Name" cannot')


def test_a_float_is_no_id() -> None:
    (told,) = problems(ID, columns=CUSTOMERS | {"customer_id": pl.Float64()})
    assert "007 and 1e5" in told


def test_the_hint_says_where_the_fields_are_listed() -> None:
    with pytest.raises(JobError) as refused:
        mapping.compile_mapping([], PROFILES, CUSTOMERS)
    assert "pipeline operations profiles" in refused.value.hint
    assert refused.value.exit_code == 2


def limited(column: Column) -> Field:
    columns = {"c": TEXT}
    found = mapping.compile_mapping([column], LIMITED, columns)
    return found.targets[0].field


def test_the_narrower_limit_holds() -> None:
    count = limited(Column(field="count", column="c", minimum=-5, maximum=50, required=True))
    assert (count.minimum, count.maximum, count.required) == (0, 50, True)
    code = limited(Column(field="code", column="c", length_max=20, one_of=("B",)))
    assert (code.length_max, code.choices, code.pattern) == (10, ("B",), "^[A-Z]+$")
    cost = limited(Column(field="costs.shipping", column="c", minimum=2))
    assert (cost.name, cost.kind, cost.minimum) == ("costs.shipping", Kind.NUMBER, 2)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (Column(field="code", column="c", one_of=("C",)), 'the API takes A, B, not "C"'),
        (Column(field="code", column="c", pattern="x"), "the API has one for this field already"),
        (Column(field="code", column="c", minimum=1), "min and max are for numbers"),
        (Column(field="count", column="c", length_max=1), "length_max and pattern are for strings"),
        (Column(field="count", column="c", one_of=(1.5,)), 'one_of: "1.5" is not of type'),
        (Column(field="count", column="c", one_of=(2**63,)), "is not of type"),
        (Column(field="costs.a", column="c", one_of=("x",)), 'one_of: "x" is not of type'),
        (Column(field="costs.a", column="c", type=Kind.STRING), 'of type "number" in the API'),
        (Column(field="count", value=2**63), "is not an integer"),
    ],
)
def test_a_limit_that_cannot_be_meant_is_a_problem(column: Column, says: str) -> None:
    (told,) = problems(column, columns={"c": TEXT}, of=LIMITED)
    assert says in told


@pytest.mark.parametrize(
    ("columns", "said"),
    [(["a;b;c"], '";"'), (["a\tb"], r'"\t"'), (["a|b"], '"|"'), (["a"], ""), (["a;b", "c"], "")],
)
def test_a_source_that_was_not_cut_is_told_what_it_may_be_cut_at(
    columns: list[str], said: str
) -> None:
    with pytest.raises(JobError) as told:
        mapping.compile_mapping([ID], PROFILES, dict.fromkeys(columns, TEXT))
    hint = told.value.hint or ""
    assert (f"delimiter = {said} under" in hint) if said else ("lists the fields" in hint)


def test_json_has_no_choices() -> None:
    wrong = Column(field="attributes.J", column="tier", type=Kind.JSON, one_of=("a",))
    assert "one_of is not for type" in problems(ID, wrong)[0]
