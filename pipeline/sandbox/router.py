"""Which operation a request means: by method and raw path segments, decoded after splitting.

API.md §2.2. Nothing here looks into a body.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote

from pipeline.sandbox.call import Operation

PathValues = dict[str, str]


class Router:
    """All routes, by number of segments."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        """Take the *operations* to be found."""
        self._routes: dict[int, list[tuple[list[str], Operation]]] = {}
        for operation in operations:
            template = operation.path.split("/")
            self._routes.setdefault(len(template), []).append((template, operation))

    def find(
        self, method: str, raw_path: str
    ) -> tuple[Operation, PathValues] | tuple[None, list[str]]:
        """Return the operation and the values in its path; or None and the methods the path takes.

        A path that ends in / is that of the collection: what an empty id comes to (API.md §2.2).
        """
        segments = raw_path.removesuffix("/").split("/")
        methods = []
        for template, operation in self._routes.get(len(segments), ()):
            values = _values(template, segments)
            if values is None:
                continue
            if operation.method == method:
                return operation, values
            methods.append(operation.method)
        return None, methods


def _values(template: list[str], segments: list[str]) -> PathValues | None:
    values: PathValues = {}
    for want, have in zip(template, segments, strict=True):
        if want.startswith("{"):
            if not have:
                return None
            values[want[1:-1]] = unquote(have)
        elif want != have:
            return None
    return values


def query_of(raw: bytes) -> dict[str, str]:
    """Return the decoded query; the first value of a name that is given twice."""
    query: dict[str, str] = {}
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True):
        query.setdefault(name, value)
    return query
