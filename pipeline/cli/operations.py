"""`operations`: what can be loaded, read from the table of operations.

Shows facts of the table; adds none.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from msgspec.structs import asdict

from pipeline.cli import options, tables
from pipeline.cli.console import Console
from pipeline.errors import JobError

if TYPE_CHECKING:
    from pipeline.operations import Field, Operation

EPILOG = """\b
Examples:
  pipeline operations
  pipeline operations referrals
  pipeline operations profiles --job > profiles.toml
  pipeline operations --markdown
"""
REPEATS = {
    "safe": "changes nothing: it is repeated after any doubtful answer",
    "keyed": "is recognised by its key for 24 hours, and repeated within them",
    "never": "would do it twice: what was sent and not answered stays in doubt",
}
EXAMPLES = {"string": "text", "integer": 1, "number": 1.5, "boolean": True}
NO_LIMITS = (None, None)


@click.command(epilog=EPILOG)
@click.argument("name", required=False)
@click.option("--job", "as_job", is_flag=True, help="Print an example job file, and nothing else.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the list for a document.")
@options.output
def operations(*, name: str | None, as_job: bool, as_markdown: bool, console: Console) -> None:
    """List what can be loaded; or all about one operation.

    NAME is one of the list, or the operationId of the API's documentation. Shows its fields, their
    limits, and a job file that works.
    """
    from pipeline.operations import OPERATIONS
    from pipeline.operations.table import markdown

    if as_markdown and name is not None:
        raise click.UsageError("--markdown is for the list: leave NAME out")
    if name is None and as_markdown:
        console.say(markdown().rstrip())
        return
    if name is None:
        console.give({"operations": [_facts(operation) for operation in OPERATIONS]})
        console.say(tables.table(("name", "rows/request", "what it does"), _listed(OPERATIONS)))
        console.say("\n`pipeline operations NAME` shows its fields and an example job file.")
        return
    operation = _find(name)
    console.give({**_facts(operation), "job": example(operation)})
    console.say(example(operation) if as_job else _described(operation))


def example(operation: Operation) -> str:
    """Return a job file that works as it is, for a CSV file with the columns that it names."""
    needed = [f for f in operation.fields if f.required and f.default is None and not f.is_family]
    others = [f for f in operation.fields if f not in needed]
    named = [f for f in others if f.place != "query"]
    constant = [f for f in others if f.place == "query"]
    lines = [
        f"# {operation.summary}",
        f'operation = "{operation.name}"',
        f'source    = "{operation.name}.csv"',
        "",
        "[columns]  # field of the API = column of the source",
        *(f"{_key(field)} = {json.dumps(_column(field))}" for field in needed),
        *(f"# {_key(field)} = {json.dumps(_column(field))}  # {_says(field)}" for field in named),
    ]
    if constant:
        lines += ["", "[options]  # the same for every row"]
        lines += [f"# {_key(field)} = {_value(field)}  # {_says(field)}" for field in constant]
    return "\n".join(lines)


def _find(name: str) -> Operation:
    from pipeline.config.hints import closest
    from pipeline.operations import find, names

    operation = find(name)
    if operation is None:
        near = closest(name, names())
        raise JobError(
            f'there is no operation "{name}"{near}', hint="`pipeline operations` lists them"
        )
    return operation


def _facts(operation: Operation) -> dict[str, object]:
    """Return what `--json` says of an operation: the table of operations as it is."""
    return asdict(operation)


def _listed(operations: tuple[Operation, ...]) -> list[tuple[str, ...]]:
    return [(o.name, f"{o.rows_max:,}", o.summary + _marks(o)) for o in operations]


def _marks(operation: Operation) -> str:
    marks = {
        "destructive": operation.destructive,
        "no longer in the API's documentation": operation.retired,
        f"faster: {operation.in_bulk}": bool(operation.in_bulk),
    }
    said = ", ".join(mark for mark, true in marks.items() if true)
    return f" ({said})" if said else ""


def _described(operation: Operation) -> str:
    results = [f"{field.name} ({field.kind})" for field in operation.answer.fields]
    facts = (
        ("operation", f"{operation.id}: {operation.method} {operation.path}"),
        ("rows", f"{operation.rows_max:,} in a request at most"),
        ("one at a time", f"of the same {' or '.join(operation.lanes)}" if operation.lanes else ""),
        ("a repeat", REPEATS[operation.repeat]),
        ("results", ", ".join(results) or "the outcome of each row"),
    )
    head = ("field", "type", "one per", "needed", "limits", "about")
    fields = [
        (f.name, f.kind, _per(operation, f), _needed(f), _limits(f), f.about)
        for f in operation.fields
    ]
    return (
        f"{operation.name}: {operation.summary}{_marks(operation)}\n"
        f"{tables.facts(facts)}\n\n{tables.table(head, fields)}\n\n"
        f"An example job file:\n\n{example(operation)}"
    )


def _needed(field: Field) -> str:
    if field.default is not None:
        return f"else {field.default}"
    return "yes" if field.required and not field.is_family else ""


def _per(operation: Operation, field: Field) -> str:
    """Say whether rows of one request may differ in *field*."""
    return "request" if field in operation.constants else "row"


def _limits(field: Field) -> str:
    """Return the limits of *field* in words."""
    spans = (
        (field.minimum, field.maximum, ""),
        (field.length_min, field.length_max, " characters"),
        (None, field.elements_max, " elements"),
    )
    said = [_span(least, most) + unit for least, most, unit in spans if (least, most) != NO_LIMITS]
    if field.choices:
        said.insert(0, " | ".join(field.choices))
    if field.pattern:
        said.append(f"like {field.pattern}")
    return ", ".join(said)


def _span(least: float | None, most: float | None) -> str:
    if most is None:
        return f"from {least:,}"
    if least is None:
        return f"up to {most:,}"
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _says(field: Field) -> str:
    limits = _limits(field)
    return f"{field.kind}{f', {limits}' if limits else ''}: {field.about}".rstrip(": ")


def _key(field: Field) -> str:
    name = field.name.replace(".*", ".NAME")
    return name if name.isalnum() else json.dumps(name)


def _column(field: Field) -> str:
    """Return what an export may call the column of *field*: campaign_id for campaignId."""
    name = "name" if field.is_family else field.name
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def _value(field: Field) -> str:
    if field.default is not None:
        return json.dumps(field.default)
    return json.dumps(field.choices[0] if field.choices else EXAMPLES.get(field.kind, []))
