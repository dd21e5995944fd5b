"""Cart item catalogs: one type of action in a request, each SKU once (API.md §6, syncCatalog)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.sandbox.answers import Answer, Problem, Refused, stored
from pipeline.sandbox.call import Account, Call, Keys, Operation
from pipeline.sandbox.store import ACCOUNT_ID, Entity, rfc3339

Articles = dict[str, Entity]


def sync(call: Call, account: Account) -> Answer:
    """Carry out all actions of the body, or none; every sync makes the next version."""
    store, catalog_id = account.store, call.path["catalogId"]
    if not catalog_id.isdigit():
        details = "catalogId must be a whole number"
        problem = Problem(title="Invalid type", details=details, parameter="catalogId")
        raise Refused(400, problems=[problem])
    if not account.switches.exists("catalogs", catalog_id):
        raise Refused(404, f"Catalog {catalog_id} was not found")
    known = store.catalogs.get(catalog_id) or _new(account, int(catalog_id))
    _check(call.body["actions"], known["items"])
    for action in call.body["actions"]:
        _carry_out(known["items"], action)
    known["modified"] = rfc3339(store.now)
    known["version"] += 1
    store.catalogs[catalog_id] = known
    return stored(200, {name: value for name, value in known.items() if name != "items"})


def _check(actions: list[Mapping[str, Any]], articles: Articles) -> None:
    """Refuse mixed types, a SKU twice, and one that must or must not be there; change nothing."""
    if len({action["type"] for action in actions}) > 1:
        raise _refused("Mixed actions", "one request holds one type of action only", "actions")
    skus = set[str]()
    for index, action in enumerate(actions):
        wish = action["payload"]
        if (sku := wish.get("sku")) is None:
            continue
        if sku in skus:
            raise _refused("Duplicate", f"SKU {sku!r} is given twice", "actions", index)
        skus.add(sku)
        match action["type"]:
            case "ADD" if sku in articles and not wish.get("replaceIfExists"):
                raise _refused("Exists", f"SKU {sku!r} is there already", "actions", index)
            case "PATCH" if sku not in articles and not wish.get("createIfNotExists"):
                raise _refused("Unknown", f"SKU {sku!r} is not there", "actions", index)
            case "ADD_PRICE_ADJUSTMENT" if sku not in articles:
                raise _refused("Unknown", f"SKU {sku!r} is not there", "actions", index)


def _carry_out(articles: Articles, action: Mapping[str, Any]) -> None:
    wish, sku = action["payload"], action["payload"].get("sku", "")
    match action["type"]:
        case "ADD":
            price = wish.get("price", articles.get(sku, {}).get("price"))
            articles[sku] = {"sku": sku, "price": price, **_set(wish)}
        case "PATCH":
            _patch([articles.setdefault(sku, {"sku": sku, "attributes": {}})], wish)
        case "PATCH_MANY":
            _patch(_chosen(articles, wish), wish)
        case "REMOVE":
            articles.pop(sku, None)
        case "REMOVE_MANY":
            for article in _chosen(articles, wish):
                del articles[article["sku"]]
        case "ADD_PRICE_ADJUSTMENT":
            articles[sku].setdefault("adjustments", []).extend(wish["adjustments"])


def _set(wish: Mapping[str, Any]) -> Entity:
    return {"attributes": wish.get("attributes", {}), "product": wish.get("product")}


def _patch(articles: list[Entity], wish: Mapping[str, Any]) -> None:
    for article in articles:
        article["attributes"] = {**article["attributes"], **wish.get("attributes", {})}
        article.update({name: wish[name] for name in ("price", "product") if name in wish})


def _chosen(articles: Articles, wish: Mapping[str, Any]) -> list[Entity]:
    """Return the articles that pass every filter; all of them without one (the document warns)."""
    filters = wish.get("filters", ())
    return [
        article for article in articles.values() if all(_passes(article, one) for one in filters)
    ]


COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "LT": lambda have, want: have < want,
    "LE": lambda have, want: have <= want,
    "GT": lambda have, want: have > want,
    "GE": lambda have, want: have >= want,
}


def _passes(article: Entity, wanted: Mapping[str, Any]) -> bool:
    have, want = article["attributes"].get(wanted["attr"]), wanted["value"]
    if have is None:
        return False
    if wanted["op"] == "EQ":
        return str(have) == str(want)
    if wanted["op"] == "IN":
        return str(have) in (str(want).split(",") if not isinstance(want, list) else map(str, want))
    try:
        return COMPARED[wanted["op"]](float(have), float(want))
    except (TypeError, ValueError):
        return False


def _new(account: Account, catalog_id: int) -> Entity:
    return {
        "id": catalog_id,
        "created": rfc3339(account.store.now),
        "accountId": ACCOUNT_ID,
        "name": f"Catalog {catalog_id}",
        "description": "",
        "createdBy": 1,
        "version": 0,
        "items": {},
    }


def _refused(title: str, details: str, *path: str | int) -> Refused:
    return Refused(400, problems=[Problem(title=title, details=details, path=path)])


def _skus(call: Call) -> Keys:
    skus = [sku for a in call.body["actions"] if (sku := a["payload"].get("sku")) is not None]
    return (("catalog", [call.path["catalogId"]]), ("item", skus))


OPERATIONS = (
    Operation(
        name="syncCatalog",
        method="PUT",
        path="/v1/catalogs/{catalogId}/sync",
        act=sync,
        keys=_skus,
        aliases=("catalog",),
        rows="actions",
    ),
)
