"""`dlt_destination.py FILE URL THREADS`: dlt with a destination of one's own, batches of 1000."""

import os
import sys
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import polars as pl
import requests

file, url = sys.argv[1:3]
session = requests.Session()


def plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


def send(rows: list[dict[str, Any]], _table: object) -> None:
    profiles = [
        {
            "integrationId": row["customer_id"],
            "attributes": {
                name: plain(value)
                for name, value in row.items()
                if name != "customer_id" and value is not None
            },
        }
        for row in rows
    ]
    session.put(
        f"{url}/v2/customer_profiles?silent=yes", json={"customerProfiles": profiles}, timeout=30
    ).raise_for_status()


def customers() -> Iterator[list[dict[str, Any]]]:
    frame = pl.read_csv(file)
    for start in range(0, len(frame), 5000):
        yield frame.slice(start, 5000).to_dicts()


with tempfile.TemporaryDirectory() as folder:
    # dlt reads these when it is imported: its folders, and that it tells nobody of this.
    os.environ.update(
        RUNTIME__DLTHUB_TELEMETRY="false", DLT_DATA_DIR=folder, DLT_PROJECT_DIR=folder
    )
    import dlt

    destination = dlt.destination(
        send,
        batch_size=1000,
        name="talon_one",
        skip_dlt_columns_and_tables=True,
        naming_convention="direct",
    )
    pipeline = dlt.pipeline("benchmark", destination=destination(), pipelines_dir=folder)
    pipeline.run(dlt.resource(customers, name="customers"), table_name="customers")
