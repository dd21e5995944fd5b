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
import httpx
from httpx_aiohttp import AiohttpTransport


async def send(client: httpx.AsyncClient, rows: Iterator[dict[str, str]]) -> None:
    for row in rows:
        path = f"/v2/customer_profiles/{row.pop('customer_id')}"
        content = json.dumps({"attributes": {name: cell for name, cell in row.items() if cell}})
        answer = await client.put(
            path, content=content, headers={"Content-Type": "application/json"}
        )
        answer.raise_for_status()


async def main(rows: Iterator[dict[str, str]], url: str, in_flight: int) -> None:
    async with (
        httpx.AsyncClient(base_url=url, transport=AiohttpTransport()) as client,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(in_flight):
            tasks.start_soon(send, client, rows)


if __name__ == "__main__":
    with Path(sys.argv[1]).open(newline="", encoding="utf-8") as text:
        anyio.run(main, csv.DictReader(text), sys.argv[2], int(sys.argv[3]))
