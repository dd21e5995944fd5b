"""`transport.py FILE URL THREADS`: one-row requests by the loader's HTTP client alone.

No staging, no ledger, no results, no retries: bodies as the standard library makes them, THREADS
requests in flight. What the loader reaches of this is what its promises cost.
"""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio

from pipeline.config.secrets import Secret
from pipeline.model import Answer, Request
from pipeline.transport.client import Client

KEY = Secret("benchmark")


async def send(client: Client, rows: Iterator[dict[str, str]]) -> None:
    for row in rows:
        target = f"/v2/customer_profiles/{row.pop('customer_id')}"
        body = json.dumps({"attributes": {name: cell for name, cell in row.items() if cell}})
        answer = await client.send(Request(method="PUT", target=target, body=body.encode()))
        if not isinstance(answer, Answer):
            raise SystemExit(answer.what)


async def main(rows: Iterator[dict[str, str]], url: str, in_flight: int) -> None:
    async with (
        Client(url, KEY, connections_max=in_flight) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(in_flight):
            tasks.start_soon(send, client, rows)


if __name__ == "__main__":
    with Path(sys.argv[1]).open(newline="", encoding="utf-8") as text:
        anyio.run(main, csv.DictReader(text), sys.argv[2], int(sys.argv[3]))
