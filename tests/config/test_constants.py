"""A constant is sent exactly as it was written, or the job is refused."""

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.constants import as_sent, expectation, fits, from_text
from pipeline.config.problems import shown
from pipeline.operations import Field, Kind

NOON = dt.datetime(2035, 6, 30, 12, tzinfo=dt.UTC)
NAIVE = NOON.replace(tzinfo=None)
DEEP = "[" * 40 + "]" * 40

things = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.datetimes(timezones=st.none() | st.just(dt.UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(things, st.sampled_from(Kind))
def test_what_is_taken_can_be_sent(value: object, kind: Kind) -> None:
    field = Field(name="x", kind=kind)
    taken = True
    try:
        sent = as_sent(value, field, kind)
    except ValueError:
        taken = False
    if taken:
        assert json.loads(json.dumps(sent, allow_nan=False)) == sent
        assert sent is not None
        assert as_sent(sent, field, kind) == sent
    assert expectation(field, kind)


@pytest.mark.parametrize(
    ("value", "kind", "sent"),
    [
        ("00042", Kind.STRING, "00042"),
        ("", Kind.STRING, ""),
        (2**63 - 1, Kind.INTEGER, 2**63 - 1),
        (2**53, Kind.NUMBER, 2**53),
        (2.5, Kind.NUMBER, 2.5),
        (False, Kind.BOOLEAN, False),
        (NOON, Kind.TIME, "2035-06-30T12:00:00Z"),
        (
            NOON.replace(tzinfo=dt.timezone(dt.timedelta(hours=2))),
            Kind.TIME,
            "2035-06-30T12:00:00+02:00",
        ),
        ("2035-06-30T12:00:00.5-01:00", Kind.TIME, "2035-06-30T12:00:00.5-01:00"),
        ([1, 2], Kind.INTEGERS, [1, 2]),
        ((1, 2), Kind.JSON, [1, 2]),
        ({"at": NOON}, Kind.JSON, {"at": "2035-06-30T12:00:00Z"}),
    ],
)
def test_a_value_of_its_kind_is_sent_as_it_is(value: object, kind: Kind, sent: object) -> None:
    taken = as_sent(value, Field(name="x", kind=kind), kind)
    assert taken == sent
    assert type(taken) is type(sent)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, Kind.JSON),
        (NAIVE, Kind.TIME),
        (NAIVE, Kind.JSON),
        (dt.date(2035, 6, 30), Kind.TIME),
        ("2035-06-30", Kind.TIME),
        ("2035-06-30 12:00:00Z", Kind.TIME),
        ("2035-06-31T12:00:00Z", Kind.TIME),
        ("2035-W26-6T12:00:00Z", Kind.TIME),
        (2**63, Kind.INTEGER),
        (1.0, Kind.INTEGER),
        (True, Kind.NUMBER),
        (2**53 + 1, Kind.NUMBER),
        (float("inf"), Kind.NUMBER),
        (1, Kind.BOOLEAN),
        ("\ud800", Kind.STRING),
        ("a", Kind.STRINGS),
        ([None], Kind.STRINGS),
        (json.loads(DEEP), Kind.JSON),
        (object(), Kind.JSON),
    ],
)
def test_a_value_of_another_kind_is_refused(value: object, kind: Kind) -> None:
    with pytest.raises(ValueError, match=r"."):
        as_sent(value, Field(name="x", kind=kind), kind)


def test_a_list_keeps_to_its_number_of_elements() -> None:
    field = Field(name="x", kind=Kind.STRINGS, elements_max=1)
    assert as_sent(["a"], field, field.kind) == ["a"]
    with pytest.raises(ValueError, match="too long"):
        as_sent(["a", "b"], field, field.kind)


def test_an_element_fits_where_its_list_would() -> None:
    assert fits("a", Kind.STRINGS)
    assert not fits(1, Kind.STRINGS)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("true", Field(name="x", choices=("yes", "no")), True),
        ("no", Field(name="x", choices=("yes", "no")), "no"),
        ("true", Field(name="x"), "true"),
        ("45", Field(name="x"), "45"),
        ("45", Field(name="x", kind=Kind.INTEGER), 45),
        ("00045", Field(name="x", kind=Kind.INTEGER), "00045"),
        ("true", Field(name="x", kind=Kind.BOOLEAN), True),
        ('["a"]', Field(name="x", kind=Kind.STRINGS), ["a"]),
        ("gold", Field(name="x", kind=Kind.JSON), "gold"),
        ("[" * 100_000, Field(name="x", kind=Kind.JSON), "[" * 100_000),
    ],
    ids=range(10),
)
def test_a_text_of_the_command_line_is_read_as_its_field_takes_it(
    text: str, field: Field, value: object
) -> None:
    read = from_text(text, field)
    assert read == value
    assert type(read) is type(value)


def test_a_message_shows_no_more_than_a_line() -> None:
    assert shown("x" * 78) == '"' + "x" * 78 + '"'
    assert shown("x" * 5_000) == '"' + "x" * 78 + "…"
    assert shown({"key": "value"}) == "a table"
