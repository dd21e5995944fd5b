"""The official OpenAPI document as the sandbox reads it: schemas, parameters, and shapes of errors.

`openapi.json` is made by `tests/data/reduce_openapi.py` and holds what the document says, unmended.
What the document does not say, or says only in prose, stands here in literals with its source. This
file knows nothing of state, faults or the network.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

import jsonschema_rs
import orjson


@functools.cache
def official() -> dict[str, Any]:
    """Return the reduced official document."""
    return orjson.loads(resources.files(__package__).joinpath("openapi.json").read_bytes())  # type: ignore[no-any-return]


@functools.cache
def operations() -> dict[str, dict[str, Any]]:
    """Return each operation of the document by its operationId."""
    return {
        operation["operationId"]: operation
        for methods in official()["paths"].values()
        for operation in methods.values()
    }


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    while reference := node.get("$ref"):
        _, _, section, name = reference.split("/")
        node = official()["components"][section][name]
    return node


def body_schema(operation: str) -> dict[str, Any] | None:
    """Return the schema of the request body of *operation*, or None when it takes none."""
    body = operations().get(operation, {}).get("requestBody")
    if body is None:
        return None
    schema: dict[str, Any] = _resolved(body)["content"]["application/json"]["schema"]
    return schema


@functools.cache
def takes_body(operation: str) -> bool:
    """Tell whether *operation* takes a request body."""
    return body_schema(operation) is not None


def answer_schema(operation: str, status: int) -> dict[str, Any] | None:
    """Return the schema of the answer *status* of *operation*, or None when it has none."""
    answer = operations()[operation]["responses"].get(str(status), {})
    schema: dict[str, Any] | None = (
        answer.get("content", {}).get("application/json", {}).get("schema")
    )
    return schema


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """Return a compiled validator for *schema*, whose references lead into the document."""
    whole = {"components": official()["components"], **schema}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


@functools.cache
def body_validator(operation: str) -> jsonschema_rs.Draft202012Validator | None:
    """Return the compiled validator of the request body of *operation*, or None."""
    schema = body_schema(operation)
    return None if schema is None else validator(schema)


@functools.cache
def error_has_status(operation: str, status: int) -> bool:
    """Tell whether the error *status* of *operation* carries `StatusCode` (API.md §2.10)."""
    if operation not in operations():
        return True
    schema = answer_schema(operation, status)
    return schema is None or not schema.get("$ref", "").endswith("/ErrorResponse")


@functools.cache
def query_types(operation: str) -> dict[str, dict[str, Any]]:
    """Return the schema of each query parameter of *operation* by its name."""
    parameters = operations().get(operation, {}).get("parameters", ())
    return {p["name"]: p["schema"] for p in parameters if p["in"] == "query"}
