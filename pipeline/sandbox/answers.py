"""Answers and the errors in them: what goes back over the wire, as values.

Shapes of errors are those of the official document (API.md §2.10): `ErrorResponse` and
`ErrorResponseWithStatus`. This file knows nothing of operations, state or the network.
"""

from collections.abc import Sequence
from typing import Any

import orjson
from msgspec import Struct

INVALID = "The submitted data was invalid"
ERRORS_MAX = 1000  # listed in one answer; a body of 1000 rows may have many more
CONFLICT = 409  # its documented body has an empty list of errors


Path = tuple[str | int, ...]  # steps into a JSON body


class Problem(Struct, frozen=True, kw_only=True):
    """One thing that is wrong: `path` leads into the body, `parameter` names one of the query."""

    title: str
    details: str = ""
    path: Path = ()
    parameter: str = ""


class Answer(Struct, frozen=True, kw_only=True):
    """What is sent back. `stored` tells whether the request changed the account."""

    status: int
    body: bytes = b""
    stored: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Refused(Exception):
    """Raised by an operation when the state of the account forbids the request."""

    def __init__(
        self, status: int, message: str = INVALID, problems: Sequence[Problem] = ()
    ) -> None:
        """Say *status*, the *message* of the body and the *problems* that it lists."""
        super().__init__(message)
        self.status, self.message, self.problems = status, message, tuple(problems)


def stored(status: int, value: object = None) -> Answer:
    """Answer *status* with *value* as JSON, or with no body, for a request that was applied."""
    return Answer(status=status, body=b"" if value is None else orjson.dumps(value), stored=True)


def read(value: object) -> Answer:
    """Answer 200 with *value* as JSON, for a request that changed nothing."""
    return Answer(status=200, body=orjson.dumps(value))


class ErrorStyle(Struct, frozen=True, kw_only=True):
    """How errors are told: see the switches `pointers` and `errors-listed`."""

    pointers: str = "indexed"
    listed: str = "all"

    def pointer(self, path: tuple[str | int, ...]) -> str:
        """Return *path* as a JSON pointer, or "" where this style gives none."""
        if self.pointers == "none" or not path:
            return ""
        if self.pointers == "relative" and len(path) > 1 and isinstance(path[1], int):
            path = path[2:]
        return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)

    def answer(self, refused: Refused, *, with_status: bool) -> Answer:
        """Return the error answer for *refused*; *with_status* is `ErrorResponseWithStatus`."""
        problems = refused.problems[: 1 if self.listed == "first" else ERRORS_MAX]
        body: dict[str, Any] = {"message": refused.message}
        if problems or refused.status == CONFLICT:
            body["errors"] = [self._error(problem) for problem in problems]
        if with_status:
            body["StatusCode"] = refused.status
        return Answer(status=refused.status, body=orjson.dumps(body))

    def _error(self, problem: Problem) -> dict[str, Any]:
        source: dict[str, str] = {}
        if problem.parameter:
            source["parameter"] = problem.parameter
        elif pointer := self.pointer(problem.path):
            source["pointer"] = pointer
        error: dict[str, Any] = {"title": problem.title, "source": source}
        if problem.details:
            error["details"] = problem.details
        return error
