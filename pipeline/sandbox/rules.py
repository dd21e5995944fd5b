"""What a request must fulfil before anything is looked up: the document's schema, limits and attributes.

Pure: a parsed body in, problems out. Fast where all is well (one call into a compiled validator),
exact where it is not (API.md §2.10 for titles and pointers). Never looks at the state of the account.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema_rs

from pipeline.sandbox import document
from pipeline.sandbox.answers import Problem
from pipeline.sandbox.attributes import Catalogue
from pipeline.sandbox.call import Call, Operation

ROWS_MAX = 1000  # "up to 1000": prose only for profiles and audiences (API.md §3.10, §3.12)
ID_FIELDS = {  # [A] an id is never empty (API.md §2.4); the document declares no minimum
    "customerProfiles": "integrationId",
    "data": "profileIntegrationId",
}
ENTITIES = {  # whose attributes stand in a body, and where; a row's come before its neighbours'
    "updateCustomerProfilesV2": "CustomerProfile",
    "createReferralsForMultipleAdvocates": "Referral",
    "createReferral": "Referral",
}


def rows(operation: Operation, body: Any) -> list[Any]:
    """Return the rows in *body*, or [] when it has none."""
    found = body.get(operation.rows) if operation.rows and isinstance(body, dict) else None
    return found if isinstance(found, list) else []


def too_many(operation: Operation, body: Any) -> bool:
    """Tell whether *body* holds more rows than a request may."""
    return len(rows(operation, body)) > ROWS_MAX


def query_problems(operation: Operation, query: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with the *query*, by the types that the document gives."""
    for name, schema in document.query_types(operation.name).items():
        value = query.get(name)
        if value is None:
            continue
        if schema["type"] == "boolean" and value.lower() not in ("true", "false"):
            yield Problem(
                title="Invalid type", details=f"{name} must be true or false", parameter=name
            )
        elif name == "silent" and value.lower() not in ("yes", "no"):
            yield Problem(
                title="enum",
                details=f'{name} must be one of the following: "yes", "no"',
                parameter=name,
            )


def body_problems(operation: Operation, call: Call, catalogue: Catalogue) -> Iterator[Problem]:
    """Yield what is wrong with the body, schema first; attributes only of a body of the right shape."""
    validator = document.body_validator(operation.name)
    if validator is None:
        return
    if not validator.is_valid(call.body):
        yield from map(_told, validator.iter_errors(call.body))
        return
    yield from _empty_ids(operation, call.body)
    if entity := ENTITIES.get(operation.name):
        yield from _attributes(operation, entity, call.body, catalogue)


def light_problems(operation: Operation, call: Call) -> Iterator[Problem]:
    """Yield what is wrong with the shape of a bulk body: only its rows and their ids."""
    field = ID_FIELDS[operation.rows]
    if not isinstance(call.body, dict) or not isinstance(call.body.get(operation.rows, []), list):
        yield Problem(
            title="Invalid type",
            details=f"{operation.rows} must be an array",
            path=(operation.rows,),
        )
        return
    for index, row in enumerate(call.body.get(operation.rows, ())):
        key = row.get(field) if isinstance(row, dict) else None
        if not isinstance(key, str) or not 0 < len(key) <= ROWS_MAX:
            details = f"{field} must be a string of 1 to 1000 characters"
            yield Problem(
                title="Invalid type", details=details, path=(operation.rows, index, field)
            )


def repeated(operation: Operation, call: Call) -> Iterator[Problem]:
    """Yield one problem for each row whose key an earlier row of the same request has."""
    field, seen = ID_FIELDS.get(operation.rows), set()
    for index, row in enumerate(rows(operation, call.body)):
        key = row if field is None else (row[field], row.get("audienceId"))
        if key in seen:
            yield Problem(
                title="Duplicate", details=f"{key!r} is given twice", path=(operation.rows, index)
            )
        seen.add(key)


def _empty_ids(operation: Operation, body: Any) -> Iterator[Problem]:
    field = ID_FIELDS.get(operation.rows)
    for index, row in enumerate(rows(operation, body)):
        if not (row if field is None else row[field]):
            path = (operation.rows, index) if field is None else (operation.rows, index, field)
            yield Problem(title="minLength", details="an id must not be empty", path=path)


def _attributes(
    operation: Operation, entity: str, body: Any, catalogue: Catalogue
) -> Iterator[Problem]:
    if catalogue.idle:
        return
    if operation.rows == "customerProfiles":
        for index, row in enumerate(rows(operation, body)):
            if attributes := row.get("attributes"):
                yield from catalogue.problems(
                    entity, attributes, (operation.rows, index, "attributes")
                )
    elif attributes := body.get("attributes"):
        yield from catalogue.problems(entity, attributes, ("attributes",))


_TITLES = {"Type": "Invalid type", "Enum": "enum", "Format": "Invalid type"}
_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def _told(error: jsonschema_rs.ValidationError) -> Problem:
    """Say *error* in the API's words (API.md §2.10); its titles are known for three kinds only."""
    kind = type(error.kind).__name__.rpartition("_")[2]
    path = tuple(error.instance_path)
    if kind == "Enum":
        allowed = ", ".join(f'"{value}"' for value in error.kind.options)
        details = f"{path[-1] if path else 'body'} must be one of the following: {allowed}"
    else:
        details = error.message[:300]
    if kind == "Required":
        path = (*path, error.kind.property)
    return Problem(title=_TITLES.get(kind, kind[:1].lower() + kind[1:]), details=details, path=path)
