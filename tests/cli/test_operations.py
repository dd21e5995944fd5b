"""`operations` shows the table of operations, and job files that work as they are."""

import json
import tomllib
from pathlib import Path

import pytest

from pipeline.operations import OPERATIONS, Operation
from tests.cli.shell import Shell

VALUES = {
    "string": "abcd-1",
    "integer": "7",
    "number": "7.5",
    "boolean": "true",
    "time": "2035-06-30T23:59:59Z",
    "json": "{}",
}
EACH = [pytest.param(operation, id=operation.name) for operation in OPERATIONS]


def test_the_list_names_every_operation(shell: Shell) -> None:
    lines = shell("operations").stdout.splitlines()
    assert [line.split()[0] for line in lines[1 : len(OPERATIONS) + 1]] == [
        operation.name for operation in OPERATIONS
    ]
    listed = json.loads(shell("operations", "--json").stdout)["operations"]
    assert [one["id"] for one in listed] == [operation.id for operation in OPERATIONS]


@pytest.mark.parametrize("operation", EACH)
def test_an_operation_is_shown_with_all_its_fields(shell: Shell, operation: Operation) -> None:
    shown = shell("operations", operation.id).stdout
    for field in operation.fields:
        assert f"\n{field.name} " in shown
    assert f"{operation.method} {operation.path}" in shown


@pytest.mark.parametrize("operation", EACH)
def test_the_example_job_works_as_it_is(shell: Shell, operation: Operation, tmp_path: Path) -> None:
    text = shell("operations", operation.name, "--job").stdout
    (tmp_path / "job.toml").write_text(text)
    job = tomllib.loads(text)
    cells = {}
    for name, column in job["columns"].items():
        field = operation.field(name)
        assert field is not None
        cells[column] = field.choices[0] if field.choices else VALUES[field.kind.split()[-1]]
    lines = [",".join(cells), ",".join(cells.values())]
    (tmp_path / job["source"]).write_text("\n".join(lines) + "\n")
    shown = shell("preview", tmp_path / "job.toml", "--json")
    assert shown.exit_code == 0, shown.output
    values = json.loads(shown.stdout)
    assert values["rejected"] == []
    assert len(values["requests"]) == 1


@pytest.mark.parametrize("operation", EACH)
def test_what_the_example_leaves_commented_can_be_switched_on(
    shell: Shell, operation: Operation
) -> None:
    text = shell("operations", operation.name, "--job").stdout
    _, _, table = text.partition("[columns]")
    lines = [line.removeprefix("# ") for line in table.splitlines()]
    job = tomllib.loads("[columns]" + "\n".join(lines))
    said = {**job["columns"], **job.get("options", {})}
    assert len(said) == len(operation.fields)
    assert all(operation.field(name.replace(".NAME", ".Name")) for name in said)
