"""The messy sample, mapped and validated as its README maps it: each row as it is said there.

Rows whose line cannot be parsed, or decoded, are the source's business and left out here.
"""

import csv
import importlib.util
import io
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from pipeline.config.job import Column
from pipeline.model import FILE, LINE, ROW, SOURCE
from pipeline.operations import Kind, find
from pipeline.stages import mapping, validation
from pipeline.stages.validation import Checked

SCRIPT = Path(__file__).parents[3] / "sample_data" / "messy.py"
DAY = "%Y-%m-%d"
WANTED = (
    Column(field="integrationId", column="customer_id"),
    Column(field="attributes.FirstPurchase", column="first_purchase", type=Kind.TIME, format=DAY),
    Column(field="attributes.LastPurchase", column="last_purchase", type=Kind.TIME, format=DAY),
    Column(field="attributes.Orders", column="orders", type=Kind.INTEGER, minimum=0),
    Column(field="attributes.Spend", column="spend", type=Kind.NUMBER),
    Column(field="attributes.Tier", column="tier", one_of=("bronze", "silver", "gold", "platinum")),
)


def load_messy() -> ModuleType:
    """Import the script messy.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("messy_rows", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parsed(raw: bytes, width: int) -> list[str] | None:
    """The cells of a line, None for one that cannot be parsed."""
    try:
        lines = list(csv.reader(io.StringIO(raw.decode("utf-8"), newline="")))
    except UnicodeDecodeError:
        return None
    return lines[0] if len(lines) == 1 and len(lines[0]) == width else None


@pytest.fixture(scope="module")
def messy() -> ModuleType:
    return load_messy()


@pytest.fixture(scope="module")
def checked(messy: ModuleType) -> Checked:
    header = messy.HEADER.decode().strip().split(",")
    cells = {
        number: line
        for number, row in enumerate(messy.ROWS, 1)
        if (line := parsed(row.raw(number), len(header))) is not None
    }
    frame = pl.DataFrame(
        list(cells.values()), schema=dict.fromkeys(header, pl.String), orient="row"
    )
    profiles = find("profiles")
    assert profiles is not None
    found = mapping.compile_mapping(WANTED, profiles, frame.schema, null_values=("",))
    checks = [
        check
        for target in found.targets
        for check in validation.rules(target.field, origin=target.origin, expects=target.expects)
    ]
    mapped = mapping.apply(found, frame)
    rows = pl.DataFrame({ROW: list(cells), SOURCE: frame.to_struct()}).with_columns(
        pl.lit("customers_messy.csv").alias(FILE), pl.lit(None, dtype=pl.UInt64).alias(LINE)
    )
    return validation.split(
        checks, rows=rows, fields=mapped.fields, cells=mapped.cells, key="integrationId"
    )


def test_a_rejected_row_is_rejected_for_the_fields_that_are_to_blame(
    messy: ModuleType, checked: Checked
) -> None:
    blamed = {
        number: tuple(dict.fromkeys(reason.split(" (")[0] for reason in reasons))
        for number, reasons in checked.rejected.select(ROW, "reasons").rows()
    }
    expected = {
        number: messy.ROWS[number - 1].faults
        for number in sorted([*checked.rejected[ROW], *checked.good[ROW]])
        if messy.ROWS[number - 1].sent is None
    }
    assert blamed == expected
    assert len(blamed) > 30


def test_a_delivered_row_is_sent_as_it_is_said(messy: ModuleType, checked: Checked) -> None:
    columns = [column.field for column in WANTED]
    for number, *values in checked.good.select(ROW, *columns).rows():
        expected = messy.ROWS[number - 1].profile(number)
        sent = dict(zip(columns, values, strict=True))
        attributes = {
            name.removeprefix("attributes."): value
            for name, value in sent.items()
            if name != "integrationId" and value is not None
        }
        assert {"integrationId": sent["integrationId"], "attributes": attributes} == {
            "attributes": {},
            **expected,
        }
    assert checked.good.height > 30
