"""What a request must fulfil before anything is looked up: schema, limits, ids.

Pure: a parsed body in, problems out. Fast where all is well (one call into a compiled validator),
exact where it is not (titles and pointers: API.md §2.10). Never looks at the state of the account.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import jsonschema_rs

from pipeline.sandbox import document
from pipeline.sandbox.answers import Path, Problem
from pipeline.sandbox.call import Operation

ROWS_MAX = 1000  # prose only for profiles and audiences (API.md §3.10, §3.12)
INT64 = range(-(2**63), 2**63)
ID_FIELDS = {  # of a row that is an object; an id is never empty ([A], API.md §2.4)
    "customerProfiles": "integrationId",
    "data": "profileIntegrationId",
}
NUMBERS = {  # int64 in the API; JSON and the schema know no bound
    "updateCustomerProfileAudiences": "audienceId",
    "createReferralsForMultipleAdvocates": "campaignId",
    "createReferral": "campaignId",
}


def rows(operation: Operation, body: object) -> list[Any]:
    """Return the rows in *body*, or [] when it has none."""
    found = body.get(operation.rows) if operation.rows and isinstance(body, dict) else None
    return found if isinstance(found, list) else []


def query_problems(operation: str, query: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what is wrong with the *query*, where *operation* documents that anything can be."""
    if not document.answers(operation, 400):
        return
    for name, schema in document.query_schemas(operation).items():
        value = query.get(name)
        if value is None:
            continue
        if schema["type"] == "boolean" and value.lower() not in ("true", "false"):
            yield Problem(title="Invalid type", details=f"{name} is no boolean", parameter=name)
        elif schema["type"] == "integer" and not _whole(value, schema):
            yield Problem(title="Invalid type", details=f"{name} is out of range", parameter=name)
        elif schema.get("format") == "date-time" and not _moment(value):
            yield Problem(title="Invalid type", details=f"{name} is no time", parameter=name)
        elif name == "silent" and value.lower() not in ("yes", "no"):
            details = 'silent must be one of the following: "yes", "no"'
            yield Problem(title="enum", details=details, parameter=name)


def _whole(value: str, schema: Mapping[str, Any]) -> bool:
    if not (value.isascii() and value.isdigit()):
        return False
    least, most = schema.get("minimum", 0), schema.get("maximum", INT64.stop)
    return bool(least <= int(value) <= most)


def _moment(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def body_problems(operation: Operation, body: object) -> Iterator[Problem]:
    """Yield what is wrong with the body: what its schema says, then what only prose does."""
    validator = document.body_validator(operation.name)
    if validator is None:
        return
    if not validator.is_valid(body):
        yield from map(_told, validator.iter_errors(body))
    yield from _empty_ids(operation, body)
    yield from _wide_numbers(operation, body)


def repeated(operation: Operation, body: object) -> Iterator[Problem]:
    """Yield one problem for each row whose key an earlier row of the same request has."""
    field, seen = ID_FIELDS.get(operation.rows), set[object]()
    if operation.rows == "actions":
        return  # a catalog refuses them by itself
    for index, row in enumerate(rows(operation, body)):
        key = row if field is None else (row[field], row.get("audienceId"))
        if key in seen:
            details = f"{row if field is None else row[field]!r} is given twice"
            yield Problem(title="Duplicate", details=details, path=(operation.rows, index))
        seen.add(key)


def _wide_numbers(operation: Operation, body: object) -> Iterator[Problem]:
    """Yield the numbers that no int64 can hold; what is no number at all is the schema's to say."""
    field = NUMBERS.get(operation.name)
    if field is None or not isinstance(body, dict):
        return
    holders: list[tuple[Path, Any]] = [((), body)]
    holders += [((operation.rows, index), row) for index, row in enumerate(rows(operation, body))]
    for path, holder in holders:
        number = holder.get(field) if isinstance(holder, dict) else None
        if isinstance(number, float) or (isinstance(number, int) and number not in INT64):
            details = f"{field} is no int64"
            yield Problem(title="Invalid type", details=details, path=(*path, field))


def _empty_ids(operation: Operation, body: object) -> Iterator[Problem]:
    name, field = operation.rows, ID_FIELDS.get(operation.rows, "")
    ids = [row.get(field) if isinstance(row, dict) else row for row in rows(operation, body)]
    if "" not in ids:
        return
    for index, one in enumerate(ids):
        if one == "":
            path: Path = (name, index, field) if field else (name, index)
            yield Problem(title="minLength", details="an id must not be empty", path=path)


TITLES = {"type": "Invalid type", "format": "Invalid type"}  # documented ones
DETAILS_MAX = 300


def _told(error: jsonschema_rs.ValidationError) -> Problem:
    """Say *error* in the API's words; for kinds of error without a known title, the schema's."""
    told = error.kind.as_dict()
    kind = error.kind.name
    path: Path = tuple(error.instance_path)
    details = error.message[:DETAILS_MAX]
    if kind == "enum":
        allowed = ", ".join(f'"{value}"' for value in told["options"])
        details = f"{path[-1] if path else 'body'} must be one of the following: {allowed}"
    elif kind == "required":
        path = (*path, told["property"])
    if path[:1] == ("customerSession",) and len(path) > 1:
        path = path[1:]  # the documented pointers lead into the session (API.md §2.10)
    return Problem(title=TITLES.get(kind, kind), details=details, path=path)
