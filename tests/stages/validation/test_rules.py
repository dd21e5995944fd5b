"""Every rule of a field: what it lets through, what it does not, and in which words."""

from collections.abc import Sequence

import polars as pl
import pytest

from pipeline.operations import Field, Kind, Place
from pipeline.stages import validation

DTYPES = {
    Kind.STRING: pl.String,
    Kind.INTEGER: pl.Int64,
    Kind.NUMBER: pl.Float64,
    Kind.BOOLEAN: pl.Boolean,
    Kind.TIME: pl.String,
    Kind.STRINGS: pl.List(pl.String),
    Kind.INTEGERS: pl.List(pl.Int64),
    Kind.NUMBERS: pl.List(pl.Float64),
    Kind.JSON: pl.String,
}


def told(
    field: Field, values: Sequence[object], cells: Sequence[object] | None = None, **words: str
) -> list[list[str]]:
    """The reasons for each value; *cells*: what it was read from, where that is another thing."""
    dtype = DTYPES[field.kind]
    typed = pl.DataFrame({field.name: values}, schema={field.name: dtype})
    read = typed if cells is None else pl.DataFrame({field.name: cells})
    checks = validation.rules(field, **words)
    return [
        list(validation.objections(checks, typed.slice(row, 1), read.slice(row, 1)))
        for row in range(len(values))
    ]


@pytest.mark.parametrize(
    ("field", "good", "bad", "says"),
    [
        (Field(name="f", required=True), ["x", " "], ["", None], "is empty"),
        (Field(name="f", required=True, length_min=1), ["x"], ["", None], "is empty"),
        (Field(name="f", place=Place.PATH), ["x"], ["", None], "is empty"),
        (
            Field(name="f", kind=Kind.INTEGER, required=True),
            [0],
            [None],
            "is empty",
        ),
        (Field(name="f"), ["a\tb\r\nc", "é", "\x80"], ["\0", "a\x1b[0m", "\x7f"], "control"),
        (Field(name="f", length_max=2), ["éé", "", None], ["ééé"], "is longer than 2 characters"),
        (Field(name="f", length_min=3), ["abc", None], ["ab"], "is shorter than 3 characters"),
        (Field(name="f", length_min=1), ["a", None], [""], "is shorter than 1 character"),
        (Field(name="f", choices=("a", "b")), ["a", None], ["A", "a ", ""], "is not one of a, b"),
        (Field(name="f", pattern="^[a-z]+$"), ["ab", None], ["a1", ""], "does not match ^[a-z]+$"),
        (Field(name="f", kind=Kind.INTEGER, minimum=0), [0, None], [-1], "is less than 0"),
        (
            Field(name="f", kind=Kind.INTEGER, maximum=999_999),
            [999_999],
            [10**6],
            "is more than 999999",
        ),
        (Field(name="f", kind=Kind.INTEGER, choices=("1", "2")), [1, None], [3], "not one of 1, 2"),
        (Field(name="f", kind=Kind.NUMBER, minimum=0.5), [0.5], [0.25], "is less than 0.5"),
        (Field(name="f", kind=Kind.NUMBER, choices=("0.5",)), [0.5], [1.0], "is not one of 0.5"),
        (Field(name="f", kind=Kind.BOOLEAN, choices=("true",)), [True], [False], "not one of true"),
        (
            Field(name="f", kind=Kind.STRINGS, elements_max=1),
            [["a"], [], None],
            [["a", "b"]],
            "has",
        ),
        (Field(name="f", kind=Kind.STRINGS, length_max=1), [["a", "b"]], [["a", "bb"]], "longer"),
        (Field(name="f", kind=Kind.STRINGS), [["a"], []], [["a", "\0"]], "has a control character"),
        (Field(name="f", kind=Kind.STRINGS, choices=("a",)), [["a"], []], [["a", "b"]], "one of a"),
        (
            Field(name="f", kind=Kind.STRINGS, pattern="a"),
            [["a"]],
            [["a", "b"]],
            "does not match a",
        ),
        (Field(name="f", kind=Kind.INTEGERS, minimum=1), [[1], None], [[1, 0]], "is less than 1"),
        (Field(name="f", kind=Kind.NUMBERS, maximum=1), [[1.0]], [[0.0, 1.5]], "is more than 1"),
        (Field(name="f", kind=Kind.TIME), ["2026-01-01T00:00:00Z", None], [], ""),
        (Field(name="f", kind=Kind.JSON), ["{}", None], [], ""),
    ],
)
def test_a_rule_lets_the_good_through_and_names_the_bad(
    field: Field, good: list[object], bad: list[object], says: str
) -> None:
    assert told(field, good) == [[] for _ in good]
    for reasons in told(field, bad):
        assert len(reasons) == 1
        assert says in reasons[0]


@pytest.mark.parametrize(
    ("kind", "cell", "reason"),
    [
        (Kind.NUMBER, "12,50", '"12,50" is not a number: JSON has a decimal point, no comma'),
        (Kind.NUMBER, "12.5 ", '"12.5 " is not a number'),
        (Kind.NUMBER, "NaN", '"NaN" is not a number in JSON'),
        (
            Kind.NUMBER,
            "9007199254740993",
            f'"{2**53 + 1}" cannot be sent exactly as a number; '  # noqa: ISC004 - one sentence
            'map it as type "integer" or "string"',
        ),
        (Kind.INTEGER, "4.5", '"4.5" is not a number'),
        (Kind.INTEGER, "9" * 20, f'"{"9" * 20}" is not an integer of 64 bits'),
        (Kind.BOOLEAN, "yes", '"yes" is not a number'),
    ],
)
def test_a_cell_that_could_not_be_read_is_explained_by_its_text(
    kind: Kind, cell: str, reason: str
) -> None:
    field = Field(name="f", kind=kind, required=True, minimum=0)
    assert told(field, [None], [cell], expects="a number") == [[f"f: {reason}"]]


def test_a_typed_cell_is_shown_as_text_too() -> None:
    field = Field(name="f", kind=Kind.NUMBER)
    inexact = told(field, [None], [2**53 + 1], expects="a number")[0][0]
    assert "cannot be sent exactly" in inexact
    assert told(field, [None], [float("nan")], expects="a number") == [
        ['f: "NaN" is not a number in JSON']
    ]
    assert told(field, [None], [b"\xff"], expects="text") == [['f: "ff" is not text']]
    assert told(field, [None], [[1.0]], expects="a number") == [['f: "[…]" is not a number']]


def test_a_reason_says_where_the_value_came_from() -> None:
    field = Field(name="attributes.Tier", choices=("gold",))
    assert told(field, ["tin"], origin='column "tier"') == [
        ['attributes.Tier (column "tier"): "tin" is not one of gold']
    ]
    assert told(field, ["tin"]) == [['attributes.Tier: "tin" is not one of gold']]
    empty = Field(name="id", required=True)
    assert told(empty, [None], origin='column "x"') == [['id (column "x"): is empty']]


def test_a_reason_quotes_a_piece_of_a_long_value_on_one_line() -> None:
    (reason,) = told(Field(name="f", length_max=1), ["x" * 81])[0]
    assert reason == f'f: "{"x" * 80}…" is longer than 1 character'
    (reason,) = told(Field(name="f", length_max=1), ["x" * 80])[0]
    assert reason == f'f: "{"x" * 80}" is longer than 1 character'
    (reason,) = told(Field(name="f", length_max=1), ["a\n\x1b[31m\u202eb"])[0][:1]
    assert '"a��[31m�b"' in reason


def test_a_long_list_of_choices_is_cut() -> None:
    field = Field(name="f", choices=tuple(str(number) for number in range(1000)))
    (reason,) = told(field, ["x"])[0]
    assert reason.endswith("…")
    assert len(reason) < 120


def test_every_reason_of_a_value_is_told() -> None:
    field = Field(name="f", required=True, length_max=2, choices=("a",), pattern="^a")
    words = ["control character", "longer than 2", "not one of a", "does not match ^a"]
    reasons = told(field, ["b\0c"])[0]
    assert [word in reason for word, reason in zip(words, reasons, strict=True)] == [True] * 4
