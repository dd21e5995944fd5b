"""Catalogs: one type of action in a request, all of it or nothing."""

from typing import Any

import pytest

from tests.sandbox.door import Desk
from tests.sandbox.speech import articles, catalog


def test_a_catalog_adds_patches_and_removes() -> None:
    desk = Desk()
    assert (
        catalog(desk, ("ADD", {"sku": "S", "price": 3, "attributes": {"size": 44}})).body["version"]
        == 1
    )
    catalog(desk, ("PATCH", {"sku": "S", "attributes": {"colour": "red"}}))
    catalog(desk, ("PATCH", {"sku": "T", "price": 1, "createIfNotExists": True}))
    catalog(desk, ("ADD", {"sku": "S", "replaceIfExists": True, "attributes": {"size": 46}}))
    assert articles(desk)["S"] == {
        "sku": "S",
        "price": 3,
        "attributes": {"size": 46},
        "product": None,
    }
    adjustment = {"priceType": "p", "referenceId": "r", "price": 2}
    catalog(desk, ("ADD_PRICE_ADJUSTMENT", {"sku": "S", "adjustments": [adjustment]}))
    assert catalog(desk, ("REMOVE", {"sku": "T"})).body["version"] == 6
    assert list(articles(desk)) == ["S"]


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ([], ["44", "45", "46"]),
        ([{"attr": "size", "op": "GT", "value": "44"}], ["45", "46"]),
        (
            [{"attr": "size", "op": "GE", "value": 45}, {"attr": "size", "op": "LT", "value": 46}],
            ["45"],
        ),
        ([{"attr": "size", "op": "LE", "value": 44}], ["44"]),
        ([{"attr": "size", "op": "EQ", "value": 46}], ["46"]),
        ([{"attr": "size", "op": "IN", "value": "44,46"}], ["44", "46"]),
        ([{"attr": "size", "op": "GT", "value": "big"}], []),
        ([{"attr": "width", "op": "EQ", "value": 1}], []),
    ],
)
def test_filters_choose_the_articles(filters: list[dict[str, Any]], left: list[str]) -> None:
    desk = Desk()
    sizes = (44, 45, 46)
    catalog(desk, *(("ADD", {"sku": str(n), "attributes": {"size": n}}) for n in sizes))
    catalog(desk, ("PATCH_MANY", {"filters": filters, "price": 9}))
    assert [sku for sku, one in articles(desk).items() if one["price"] == 9] == left
    catalog(desk, ("REMOVE_MANY", {"filters": filters}))
    assert list(articles(desk)) == [str(n) for n in sizes if str(n) not in left]


@pytest.mark.parametrize(
    "actions",
    [
        [("ADD", {"sku": "N"}), ("REMOVE", {"sku": "S"})],
        [("ADD", {"sku": "N"}), ("ADD", {"sku": "N"})],
        [("ADD", {"sku": "N"}), ("ADD", {"sku": "S"})],
        [("PATCH", {"sku": "S"}), ("PATCH", {"sku": "N"})],
        [("ADD_PRICE_ADJUSTMENT", {"sku": "N", "adjustments": []})],
    ],
)
def test_a_catalog_does_all_actions_or_none(actions: list[tuple[str, dict[str, Any]]]) -> None:
    desk = Desk()
    catalog(desk, ("ADD", {"sku": "S", "price": 3}))
    before = {**articles(desk)}
    assert catalog(desk, *actions).status == 400
    assert articles(desk) == before


@pytest.mark.parametrize(
    ("switches", "expected"), [({}, 200), ({"catalogs": "1,2"}, 404), ({"catalogs": "7"}, 200)]
)
def test_a_catalog_exists_as_the_account_says(switches: dict[str, str], expected: int) -> None:
    assert catalog(Desk(**switches), ("REMOVE", {"sku": "S"})).status == expected


@pytest.mark.parametrize("catalog_id", ["x", "-1", "1.5"])
def test_the_id_of_a_catalog_is_a_number(catalog_id: str) -> None:
    action = {"type": "REMOVE", "payload": {"sku": "S"}}
    reply = Desk().ask("PUT", f"/v1/catalogs/{catalog_id}/sync", {"actions": [action]})
    assert reply.status == 400
