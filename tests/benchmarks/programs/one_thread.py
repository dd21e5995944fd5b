"""`one_thread.py FILE URL THREADS`: the plainest script, row by row, request by request."""

import sys

import polars as pl
import requests

file, url = sys.argv[1:3]
session = requests.Session()


def send(profiles: list[dict[str, object]]) -> None:
    session.put(
        f"{url}/v2/customer_profiles?silent=yes", json={"customerProfiles": profiles}, timeout=30
    ).raise_for_status()


batch: list[dict[str, object]] = []
for row in pl.read_csv(file).iter_rows(named=True):
    key = row.pop("customer_id")
    attributes = {name: value for name, value in row.items() if value is not None}
    batch.append({"integrationId": key, "attributes": attributes})
    if len(batch) == 1000:
        send(batch)
        batch = []
if batch:
    send(batch)
