"""`analyst_single.py FILE URL THREADS`: the analyst's script for an operation of one row."""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import requests

file, url, threads = sys.argv[1:4]
own = threading.local()


def send(row: dict[str, Any]) -> None:
    if not hasattr(own, "session"):
        own.session = requests.Session()
    path = f"/v2/customer_profiles/{row.pop('customer_id')}"
    own.session.put(
        url + path,
        data=json.dumps({"attributes": {name: cell for name, cell in row.items() if cell}}),
        headers={"Content-Type": "application/json"},
        timeout=30,
    ).raise_for_status()


with ThreadPoolExecutor(int(threads)) as pool:
    list(pool.map(send, pl.read_csv(file).to_dicts()))
