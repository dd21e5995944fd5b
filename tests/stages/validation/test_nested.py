"""Lists of objects in one cell: limits of their elements, in JSON text and in nested columns."""

import json

import polars as pl
import pytest

from pipeline.operations import Field, Kind, find
from pipeline.stages import validation

LINE = {"sku": "A", "quantity": 1, "price": 2.5}


def cart() -> Field:
    sessions = find("sessions")
    field = sessions.field("cartItems") if sessions else None
    assert field is not None
    return field


def told(value: object, dtype: pl.DataType | None = None) -> list[str]:
    """What is said of one cart: as JSON text, or as a native column of *dtype*."""
    cell = value if dtype else json.dumps(value).encode()
    typed = pl.DataFrame({"cartItems": [cell]}, schema={"cartItems": dtype or pl.Binary()})
    return list(validation.objections(validation.rules(cart()), typed, typed))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], ""),
        ([LINE, LINE], ""),
        ([LINE | {"unknown": {"kept": True}}], ""),
        ({"sku": "A"}, "is not a list"),
        ([LINE, "A"], "element 2 is not an object"),
        ([{"quantity": 1}], "element 1: sku: is missing"),
        ([LINE | {"sku": None}], "element 1: sku: is missing"),
        ([LINE, LINE | {"sku": ""}], 'element 2: sku: "" is empty'),
        ([LINE | {"sku": 5}], "element 1: sku: 5 is not a string"),
        ([LINE | {"quantity": 0}], "element 1: quantity: 0 is less than 1"),
        ([LINE | {"quantity": 1.5}], "element 1: quantity: 1.5 is not an integer"),
        ([LINE | {"quantity": True}], "element 1: quantity: true is not an integer"),
        ([LINE | {"price": "2,5"}], 'element 1: price: "2,5" is not a number'),
        ([LINE | {"attributes": 3}], "element 1: attributes: 3 is not an object or a list"),
        ([LINE] * 1001, "has more than 1000 elements"),
        ([LINE | {"quantity": 5_001}] * 2, "quantity of all elements adds up to more than 10000"),
    ],
)
def test_a_cart_in_json_text(value: object, says: str) -> None:
    assert told(value) == ([f"cartItems: {says}"] if says else [])


def test_a_cart_in_a_nested_column() -> None:
    dtype = pl.List(pl.Struct({"sku": pl.String(), "quantity": pl.Int64(), "price": pl.Float64()}))
    assert told([LINE, LINE], dtype) == []
    assert told(None, dtype) == []
    assert told([LINE | {"sku": None}], dtype) == ["cartItems: element 1: sku: is missing"]
    (fault,) = told([LINE, LINE | {"quantity": -2}], dtype)
    assert fault == "cartItems: element 2: quantity: -2 is less than 1"


def test_each_row_has_its_own_fault_and_nulls_have_none() -> None:
    carts = [json.dumps([LINE]).encode(), None, b'[{"sku": "A"}]', b"[3]"]
    typed = pl.DataFrame({"cartItems": carts}, schema={"cartItems": pl.Binary()})
    rows = [
        list(validation.objections(validation.rules(cart()), typed.slice(n, 1), typed.slice(n, 1)))
        for n in range(4)
    ]
    assert [len(reasons) for reasons in rows] == [0, 0, 1, 1]


@pytest.mark.parametrize(("dry", "refused"), [(True, False), (False, True), (None, True)])
def test_a_field_that_needs_a_flag_is_bad_without_it(dry: bool | None, refused: bool) -> None:
    field = Field(name="now", kind=Kind.TIME, only_with="dry")
    frame = pl.DataFrame(
        {"now": ["2030-01-01T00:00:00Z", None], "dry": [dry, None]},
        schema={"now": pl.String, "dry": pl.Boolean},
    )
    for known in (True, False):
        check = validation.only_with(field, "dry", known=known)
        found = validation.objections([check], frame.head(1), frame.head(1))
        assert found == (("now: is taken only with dry = true",) if refused or not known else ())
        assert validation.objections([check], frame.tail(1), frame.tail(1)) == ()
