"""What an answer says of the rows of its request; pure.

Reads the error bodies of API.md §2.10 in every form that it lists: pointers with an index, pointers
relative to one row, pointers at what is constant for the request, none at all, and bodies that are
not the API's. Never decides what is done about it.
"""

import re
from collections.abc import Sequence
from typing import Any

import orjson
from msgspec import Struct

from pipeline.model import Answer, ApiError
from pipeline.operations import Operation

TEXT_MAX = 2000
"""Characters kept of each text of an error: enough for a person, bounded in the ledger."""
ERRORS_MAX = 10_000
"""Errors read of one answer: ten for each row of a full request."""


class Refusal(Struct, frozen=True, kw_only=True):
    """How a refused request divides: rows named by the API, or all of them, or unknown.

    `named`: index of the row within the request → the first error that names it. `everything`:
    the error is about what all rows share. `first`: the error to show where nothing better is.
    """

    named: dict[int, ApiError]
    everything: bool
    first: ApiError


def read_refusal(operation: Operation, answer: Answer, rows: int) -> Refusal:
    """Read *answer*, a 4xx to a request of *rows* rows of *operation*. Never raises for data."""
    errors = errors_of(answer)
    constants = {field.path.lstrip("/").split(".")[0] for field in operation.constants}
    named: dict[int, ApiError] = {}
    everything = rows == 1 or not operation.bulk
    for error in errors:
        index = row_named(operation, error.pointer)
        if index is not None and index < rows:
            named.setdefault(index, error)
        elif operation.bulk and _root(error.pointer) in constants:
            everything = True
    return Refusal(named=named, everything=everything, first=errors[0])


def row_named(operation: Operation, pointer: str) -> int | None:
    """Return the index of the row that *pointer* names in the body, or None.

    API.md §2.10: `/customerProfiles/17/attributes/Name`, `customerProfiles[17].attributes`,
    `customerProfiles.17`.
    """
    if not operation.envelope:
        return None
    found = re.match(rf"/?{re.escape(operation.envelope)}[/.\[](\d{{1,9}})(?![\w-])", pointer)
    return int(found[1]) if found else None


def errors_of(answer: Answer) -> Sequence[ApiError]:
    """Return the errors that *answer* lists, at least one: what is not the API's is shown, cut."""
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:  # also of what is nested too deeply
        body = None
    if not isinstance(body, dict):
        text = answer.body[: TEXT_MAX * 4].decode(errors="replace").strip()
        return (ApiError(title=f"HTTP {answer.status}", details=text[:TEXT_MAX]),)
    message = _text(body.get("message")) or f"HTTP {answer.status}"
    errors = body.get("errors")
    found = [
        _error(error, message)
        for error in (errors if isinstance(errors, list) else [])[:ERRORS_MAX]
        if isinstance(error, dict)
    ]
    return found or (ApiError(title=message),)


def cause_of(error: ApiError) -> str:
    """Return what makes two errors the same cause: their words without values and numbers."""
    words = re.sub(r'"[^"]*"|\([^)]*\)|\d+', "…", f"{error.title}: {error.details}")
    return f"{words} {re.sub(r'[0-9]+', '…', error.pointer)}"


def _error(error: dict[str, Any], message: str) -> ApiError:
    source = error.get("source")
    source = source if isinstance(source, dict) else {}
    pointer = source.get("pointer") or source.get("parameter") or source.get("line")
    return ApiError(
        title=_text(error.get("title")) or message,
        details=_text(error.get("details")),
        pointer=_text(pointer),
    )


def _text(value: object) -> str:
    return str(value)[:TEXT_MAX] if value not in (None, "") else ""


def _root(pointer: str) -> str:
    return re.split(r"[/.\[]", pointer.lstrip("/"), maxsplit=1)[0]
