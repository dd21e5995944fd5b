"""The account's attributes: what `GET /v1/attributes` gives, and the checks that follow from it.

Facts in API.md §2.6 and §2.11. The declared attributes become one JSON schema for each place in a
body where attributes stand, so that checking a thousand rows is one call. Names that nobody
declared pass unless `strict` says otherwise. This file knows nothing of state or the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import jsonschema_rs
import orjson

from pipeline.sandbox.answers import Path, Problem
from pipeline.sandbox.store import ACCOUNT_ID

CREATED = "2020-06-10T09:05:27.993483Z"
SHOWN_MAX = 100  # characters of a wrong value
ANY = "*"  # every element of an array, in PLACES
PLACES: Mapping[str, Sequence[tuple[str, Path]]] = {  # entity, and where its attributes stand
    "updateCustomerProfilesV2": [("CustomerProfile", ("customerProfiles", ANY, "attributes"))],
    "updateCustomerProfileV2": [("CustomerProfile", ("attributes",))],
    "updateCustomerProfile": [("CustomerProfile", ("attributes",))],
    "createReferralsForMultipleAdvocates": [("Referral", ("attributes",))],
    "createReferral": [("Referral", ("attributes",))],
    "updateCustomerSessionV2": [
        ("CustomerSession", ("customerSession", "attributes")),
        ("CartItem", ("customerSession", "cartItems", ANY, "attributes")),
    ],
    "updateCustomerSession": [
        ("CustomerSession", ("attributes",)),
        ("CartItem", ("cartItems", ANY, "attributes")),
    ],
    "trackEvent": [("Event", ("attributes",))],
    "trackEventV2": [("Event", ("attributes",))],
    "trackEventV3": [("Event", ("attributes",))],
    "syncCatalog": [("CartItem", ("actions", ANY, "payload", "attributes"))],
}
TYPES: Mapping[str, tuple[dict[str, Any], str]] = {  # schema of a value, and how it is called
    "string": ({"type": "string"}, "a string"),
    "number": ({"type": "number"}, "a number"),
    "boolean": ({"type": "boolean"}, "a boolean"),
    "time": ({"type": "string", "format": "date-time"}, "a time"),
    "location": ({"type": "object"}, "a location"),  # [A] its form is not documented
}
Declared = Mapping[str, Any]
Validators = list[tuple[str, jsonschema_rs.Draft202012Validator]]


class Catalogue:
    """The attributes that the account declares."""

    def __init__(self, declared: Sequence[Declared], *, strict: bool, nulls: bool) -> None:
        """Take the *declared* attributes; *strict* refuses others, *nulls* lets any be null."""
        self._declared = [_complete(number, one) for number, one in enumerate(declared, 1)]
        self._strict, self._nulls = strict, nulls
        self._validators: dict[tuple[str, str], Validators] = {}

    @classmethod
    def read(cls, path: str, *, strict: bool, nulls: bool) -> Catalogue:
        """Read the catalogue from the file *path*: a list, or an object with it under `data`."""
        if not path:
            return cls((), strict=strict, nulls=nulls)
        try:
            found = orjson.loads(FilePath(path).read_bytes())
            listed = found["data"] if isinstance(found, dict) else found
            return cls(listed, strict=strict, nulls=nulls)
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise ValueError(
                f"{path}: no attributes as GET /v1/attributes gives them ({reason})"
            ) from error

    def page(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Return one page as `GET /v1/attributes` gives it."""
        found = [
            one
            for one in self._declared
            if query.get("entity") in (None, one["entity"])
            and query.get("type") in (None, one["type"])
            and query.get("search", "").lower() in one["name"].lower()
            and query.get("kind") in (None, "custom" if one["editable"] else "builtin")
        ]
        if order := query.get("sort"):
            key = order.removeprefix("-")
            found.sort(key=lambda one: str(one.get(key, "")), reverse=order.startswith("-"))
        skip, size = int(query.get("skip", 0)), int(query.get("pageSize", 1000))
        return {"totalResultSize": len(found), "data": found[skip : skip + size]}

    def problems(self, operation: str, body: object) -> Iterator[Problem]:
        """Yield what is wrong with the attributes in *body*, wherever its shape has some."""
        if not (self._declared or self._strict) or operation not in PLACES:
            return
        event_type = body.get("type", "") if isinstance(body, dict) else ""
        for entity, validator in self._compiled(operation, event_type):
            if validator.is_valid(body):
                continue
            at: Path | None = None
            for error in validator.iter_errors(body):
                if (path := tuple(error.instance_path)) != at:  # a wrong type is in no list either
                    yield from _told(error, path, entity)
                at = path

    def _compiled(self, operation: str, event_type: str) -> Validators:
        if event_type not in [one.get("eventType", "") for one in self._declared]:
            event_type = ""  # so that made-up types do not fill the memory
        key = (operation, event_type)
        if key not in self._validators:
            self._validators[key] = [
                (entity, _at(place, self._schema(entity, event_type)))
                for entity, place in PLACES[operation]
            ]
        return self._validators[key]

    def _schema(self, entity: str, event_type: str) -> dict[str, Any]:
        known = {
            one["name"]: _value_schema(one, nulls=self._nulls)
            for one in self._declared
            if one["entity"] == entity and one.get("eventType", "") in ("", event_type)
        }
        return {"properties": known, **({"additionalProperties": False} if self._strict else {})}


def _at(place: Path, schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """Compile *schema* for what stands at *place* in a body."""
    for step in reversed(place):
        schema = {"items": schema} if step == ANY else {"properties": {step: schema}}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def _value_schema(one: Declared, *, nulls: bool) -> dict[str, Any]:
    kind = _single(one["type"])
    schema = dict(TYPES[kind][0])
    if one["restrictedBySuggestions"]:
        read = float if kind == "number" else str
        schema["enum"] = [read(suggestion) for suggestion in one["suggestions"]]
    if kind != one["type"]:
        schema = {"type": "array", "items": schema}
    if nulls:
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    return schema


def _told(error: jsonschema_rs.ValidationError, path: Path, entity: str) -> Iterator[Problem]:
    """Say *error* at *path* in the API's words (API.md §2.10)."""
    kind, told = error.kind.name, error.kind.as_dict()
    if path[:1] == ("customerSession",):
        path = path[1:]  # the documented pointers lead into the session
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    if kind == "additionalProperties":
        for unknown in told["unexpected"]:
            details = f'The attribute "{unknown}" is not defined on {entity} entities.'
            yield Problem(title="Unknown", details=details, path=(*path, unknown))
    elif kind == "enum":
        allowed = ", ".join(f'"{value}"' for value in told["options"] if value is not None)
        details = f"{name} must be one of the following: {allowed}"
        yield Problem(title="enum", details=details, path=path)
    else:
        shown = orjson.dumps(error.instance).decode()[:SHOWN_MAX]
        wanted = "a time" if kind == "format" else f"a {_json_type(told)}"
        details = f'Value of "{name}" attribute ({shown}) is not {wanted}'
        yield Problem(title="Invalid type", details=details, path=path)


def _json_type(told: Mapping[str, Any]) -> str:
    types = [one for one in told.get("types", ()) if one != "null"]
    return {"array": "list", "object": "location"}.get(types[0], types[0]) if types else "value"


def _single(kind: str) -> str:
    return kind.removeprefix("(list ").removesuffix(")")


def _complete(number: int, declared: Declared) -> dict[str, Any]:
    """Return the attribute with every field that the catalogue always has (API.md §2.11)."""
    name, kind = declared["name"], declared["type"]
    if _single(kind) not in TYPES:
        raise ValueError(f"attribute {name!r} has the unknown type {kind!r}")
    return {
        "id": number,
        "created": CREATED,
        "accountId": ACCOUNT_ID,
        "entity": "CustomerProfile",
        "title": name,
        "description": "",
        "suggestions": [],
        "hasAllowedList": False,
        "restrictedBySuggestions": False,
        "editable": True,
        **declared,
    }
