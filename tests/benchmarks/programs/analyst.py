"""`analyst.py FILE URL THREADS`: the script that somebody writes in an afternoon, with threads."""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import requests

file, url, threads = sys.argv[1:4]
own = threading.local()
frame = pl.read_csv(file)


def send(start: int) -> None:
    if not hasattr(own, "session"):
        own.session = requests.Session()
    profiles = [
        {
            "integrationId": row.pop("customer_id"),
            "attributes": {name: value for name, value in row.items() if value is not None},
        }
        for row in frame.slice(start, 1000).to_dicts()
    ]
    own.session.put(
        f"{url}/v2/customer_profiles?silent=yes",
        data=json.dumps({"customerProfiles": profiles}),
        headers={"Content-Type": "application/json"},
        timeout=30,
    ).raise_for_status()


with ThreadPoolExecutor(int(threads)) as pool:
    list(pool.map(send, range(0, len(frame), 1000)))
