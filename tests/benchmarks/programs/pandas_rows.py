"""`pandas_rows.py FILE URL THREADS`: what many a notebook does, `iterrows` and requests."""

import sys

import pandas as pd
import requests

file, url = sys.argv[1:3]
session = requests.Session()


def send(profiles: list[dict[str, object]]) -> None:
    session.put(
        f"{url}/v2/customer_profiles?silent=yes", json={"customerProfiles": profiles}, timeout=30
    ).raise_for_status()


batch: list[dict[str, object]] = []
for _, cells in pd.read_csv(file).iterrows():
    row = cells.to_dict()
    key = row.pop("customer_id")
    attributes = {name: value for name, value in row.items() if not pd.isna(value)}
    batch.append({"integrationId": key, "attributes": attributes})
    if len(batch) == 1000:
        send(batch)
        batch = []
if batch:
    send(batch)
