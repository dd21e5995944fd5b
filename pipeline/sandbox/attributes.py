"""The account's attributes: what `GET /v1/attributes` gives, and the checks that follow from it.

Facts in API.md §2.6 and §2.11. Names that nobody declared are taken unless `strict` says otherwise.
This file knows nothing of state or the network.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from pipeline.sandbox.answers import Problem

CREATED = "2020-06-10T09:05:27.993483Z"
TIME = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt ]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]\d\d:\d\d)"
)
CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "string": (lambda value: isinstance(value, str), "a string"),
    "number": (
        lambda value: isinstance(value, int | float) and not isinstance(value, bool),
        "a number",
    ),
    "boolean": (lambda value: isinstance(value, bool), "a boolean"),
    "time": (lambda value: isinstance(value, str) and TIME.fullmatch(value) is not None, "a time"),
    "location": (
        lambda value: isinstance(value, dict),
        "a location",
    ),  # [A] its form is not documented
}


class Catalogue:
    """The attributes that the account declares, by entity and name."""

    def __init__(
        self,
        declared: Sequence[Mapping[str, Any]] = (),
        *,
        strict: bool = False,
        null: str = "unset",
    ) -> None:
        """Take the *declared* attributes; *strict* refuses others; *null* is the switch of that name."""
        self._listed = [
            _complete(number, attribute) for number, attribute in enumerate(declared, 1)
        ]
        self._known: dict[str, dict[str, dict[str, Any]]] = {}
        for attribute in self._listed:
            self._known.setdefault(attribute["entity"], {})[attribute["name"]] = attribute
        self._strict, self._null_refused = strict, null == "refuse"
        self.idle = not (strict or self._listed or self._null_refused)  # nothing can be wrong

    @classmethod
    def read(cls, path: str, *, strict: bool, null: str) -> Catalogue:
        """Read the catalogue from the file *path*: a list, or an object with it under `data`."""
        if not path:
            return cls(strict=strict, null=null)
        try:
            found = orjson.loads(Path(path).read_bytes())
            declared = found["data"] if isinstance(found, dict) else found
            return cls(declared, strict=strict, null=null)
        except (OSError, ValueError, KeyError, TypeError) as error:
            msg = f"{path}: no list of attributes as GET /v1/attributes gives it: {error}"
            raise ValueError(msg) from error

    def page(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return one page as `GET /v1/attributes` gives it."""
        found = [a for a in self._listed if query.get("entity") in (None, a["entity"])]
        found = [a for a in found if query.get("type") in (None, a["type"])]
        found = [a for a in found if query.get("search", "").lower() in a["name"].lower()]
        if order := query.get("sort"):
            key = order.removeprefix("-")
            found.sort(key=lambda a: str(a.get(key, "")), reverse=order.startswith("-"))
        skip, size = int(query.get("skip", 0)), int(query.get("pageSize", 1000))
        return {"totalResultSize": len(found), "data": found[skip : skip + size]}

    def problems(
        self, entity: str, attributes: Mapping[str, Any], path: tuple[str | int, ...]
    ) -> Iterator[Problem]:
        """Yield what is wrong with *attributes* of an *entity*, which stand at *path* in the body."""
        if self.idle:
            return
        known = self._known.get(entity, {})
        for name, value in attributes.items():
            where = (*path, name)
            declared = known.get(name)
            if declared is None:
                if self._strict:
                    details = f'The attribute "{name}" is not defined on {entity} entities.'
                    yield Problem(title="Unknown", details=details, path=where)
            elif value is None:
                if self._null_refused:
                    yield _wrong_type(
                        name, value, CHECKS.get(declared["type"], (None, "a list"))[1], where
                    )
            else:
                yield from _value_problems(declared, value, where)


def _value_problems(
    declared: Mapping[str, Any], value: Any, where: tuple[str | int, ...]
) -> Iterator[Problem]:
    name, kind = declared["name"], declared["type"]
    if kind.startswith("(list "):
        inner, (good, says) = kind[6:-1], CHECKS[kind[6:-1]]
        if not isinstance(value, list) or not all(map(good, value)):
            yield _wrong_type(name, value, f"a list of {inner} ({says} each)", where)
            return
        values = value
    else:
        good, says = CHECKS[kind]
        if not good(value):
            yield _wrong_type(name, value, says, where)
            return
        values = [value]
    if declared["restrictedBySuggestions"] and not set(map(str, values)) <= set(
        declared["suggestions"]
    ):
        allowed = ", ".join(f'"{one}"' for one in declared["suggestions"])
        yield Problem(
            title="enum", details=f"{name} must be one of the following: {allowed}", path=where
        )


def _wrong_type(name: str, value: Any, wanted: str, where: tuple[str | int, ...]) -> Problem:
    shown = orjson.dumps(value).decode()[:100]
    return Problem(
        title="Invalid type",
        details=f'Value of "{name}" attribute ({shown}) is not {wanted}',
        path=where,
    )


def _complete(number: int, attribute: Mapping[str, Any]) -> dict[str, Any]:
    """Return *attribute* with every field that the catalogue always has (API.md §2.11)."""
    name, kind = attribute["name"], attribute["type"]
    if kind.removeprefix("(list ").removesuffix(")") not in CHECKS:
        msg = f"attribute {name!r} has the unknown type {kind!r}"
        raise ValueError(msg)
    return {
        "id": number,
        "created": CREATED,
        "accountId": 31,
        "title": name,
        "description": "",
        "suggestions": [],
        "hasAllowedList": False,
        "restrictedBySuggestions": False,
        "editable": True,
        **attribute,
        "entity": attribute.get("entity", "CustomerProfile"),
    }
