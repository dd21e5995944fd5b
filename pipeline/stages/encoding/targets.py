"""Path and query of each request, percent-encoded; see `operations.Place`."""

import json
import re
from urllib.parse import quote

import polars as pl

from pipeline.errors import InvariantBroken
from pipeline.operations import Operation, Place
from pipeline.stages.encoding.objects import columns_of

IN_PATH, IN_QUERY = frozenset({Place.PATH}), frozenset({Place.QUERY})


def to_targets(operation: Operation, frame: pl.DataFrame) -> list[str]:
    """Return path and query for each row of *frame*, every value percent-encoded by itself.

    Options without a value are left out; the elements of a list are joined by commas (API.md §2.2).
    """
    segments = {
        route.field.path: [_segment(route.column, value) for value in series.to_list()]
        for route, series in columns_of(operation, frame, IN_PATH)
    }
    options = [
        [_option(route.field.path, value) for value in series.to_list()]
        for route, series in columns_of(operation, frame, IN_QUERY)
    ]
    literals_and_names = re.split(r"\{(.+?)\}", operation.path)
    if missing := set(literals_and_names[1::2]) - segments.keys():
        raise InvariantBroken(f"{operation.name}: no column for {', '.join(sorted(missing))}")
    parts = [
        segments[part] if index % 2 else [part] * frame.height
        for index, part in enumerate(literals_and_names)
    ]
    paths = map("".join, zip(*parts, strict=True))
    queries = ("&".join(filter(None, of_row)) for of_row in zip(*options, strict=True))
    if not options:
        return list(paths)
    return [f"{p}?{q}" if q else p for p, q in zip(paths, queries, strict=True)]


def _option(name: str, value: object) -> str:
    return "" if value is None else f"{name}={_quoted(value)}"


def _segment(column: str, value: object) -> str:
    """Return *value* as a segment of a path. It cannot be empty: that names the collection."""
    text = "" if value is None else _quoted(value)
    if not text:
        raise InvariantBroken(f"{column} is part of the path and is empty")
    # "." and ".." are resolved on the way, and then name something else.
    return text if text.strip(".") else text.replace(".", "%2E")


def _quoted(value: object) -> str:
    if isinstance(value, list):
        return ",".join(_quoted(element) for element in value)
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    return quote(text, safe="")
