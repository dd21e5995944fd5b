"""The official OpenAPI document as the sandbox reads it: schemas, parameters, and shapes of errors.

`openapi.json` is made by `tests/data/reduce_openapi.py` and holds what the document says,
unmended. `openapi_beyond.json` is written by hand: the V1 operations that the document no longer
has, and the one operation of the Management API. This file knows nothing of state, faults or the
network.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

import jsonschema_rs
import orjson

Schema = dict[str, Any]


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(resources.files(__package__).joinpath(name).read_bytes())
    return found


@functools.cache
def official() -> dict[str, Any]:
    """Return the reduced official document."""
    return _read("openapi.json")


@functools.cache
def _components() -> dict[str, dict[str, Any]]:
    components = official()["components"]
    beyond = _read("openapi_beyond.json")["components"]["schemas"]
    return {**components, "schemas": {**beyond, **components["schemas"]}}


@functools.cache
def operations() -> dict[str, dict[str, Any]]:
    """Return each operation, official and beyond, by its operationId."""
    return {
        operation["operationId"]: operation
        for document in (_read("openapi_beyond.json"), official())
        for methods in document["paths"].values()
        for operation in methods.values()
    }


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    while reference := node.get("$ref"):
        _, _, section, name = reference.split("/")
        node = _components()[section][name]
    return node


def body_schema(operation: str) -> Schema | None:
    """Return the schema of the request body of *operation*, or None when it takes none."""
    body = operations()[operation].get("requestBody")
    if body is None:
        return None
    schema: Schema = _resolved(body)["content"]["application/json"]["schema"]
    return schema


@functools.cache
def takes_body(operation: str) -> bool:
    """Tell whether *operation* takes a request body."""
    return "requestBody" in operations()[operation]


def answers(operation: str, status: int) -> bool:
    """Tell whether *operation* documents the answer *status*."""
    return str(status) in operations()[operation]["responses"]


def answer_schema(operation: str, status: int) -> Schema | None:
    """Return the schema of the answer *status* of *operation*, or None when it has none."""
    answer = operations()[operation]["responses"].get(str(status), {})
    content = answer.get("content", {}).get("application/json", {})
    schema: Schema | None = content.get("schema")
    return schema


def validator(schema: Schema) -> jsonschema_rs.Draft202012Validator:
    """Return a compiled validator for *schema*, whose references lead into the document."""
    whole = {"components": _components(), **schema}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


@functools.cache
def body_validator(operation: str) -> jsonschema_rs.Draft202012Validator | None:
    """Return the compiled validator of the request body of *operation*, or None."""
    schema = body_schema(operation)
    return None if schema is None else validator(schema)


@functools.cache
def error_has_status(operation: str, status: int) -> bool:
    """Tell whether the error *status* of *operation* carries `StatusCode` (API.md §2.10)."""
    schema = answer_schema(operation, status)
    return schema is None or not schema.get("$ref", "").endswith("/ErrorResponse")


@functools.cache
def query_schemas(operation: str) -> dict[str, Schema]:
    """Return the schema of each query parameter of *operation* by its name."""
    parameters = operations()[operation].get("parameters", ())
    return {p["name"]: p["schema"] for p in parameters if p["in"] == "query"}
