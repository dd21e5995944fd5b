"""The table of operations in Markdown, as the README has it: the records, and nothing else."""

from collections.abc import Iterable

from pipeline.operations.catalogue import OPERATIONS
from pipeline.operations.operation import Operation, Repeat

HEAD = (
    "name",
    "operation",
    "rows per request",
    "same for all rows of a request",
    "one at a time",
    "a repeat",
    "results",
)
REPEATS = {
    Repeat.SAFE: "changes nothing",
    Repeat.KEYED: "with the same key for 23 h",
    Repeat.NEVER: "never: in doubt",
}


def markdown() -> str:
    """Return a line for each operation: limits, lanes, what a repeat does, columns of results."""
    lines = [HEAD, ("---",) * len(HEAD), *map(_row, OPERATIONS)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _row(operation: Operation) -> tuple[str, ...]:
    marks = (("V1", operation.retired), ("asks first", operation.destructive))
    said = ", ".join(mark for mark, true in marks if true)
    return (
        f"`{operation.name}`" + (f" ({said})" if said else ""),
        f"{operation.id}: {operation.method} `{operation.path}`",
        f"{operation.rows_max:,}",
        _names(f.name for f in operation.constants),
        _names(operation.lanes),
        REPEATS[operation.repeat],
        _names(field.name for field in operation.answer.fields),
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
