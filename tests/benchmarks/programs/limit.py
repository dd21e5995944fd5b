"""`limit.py FILE URL THREADS`: read and encode, send nothing. Nobody who encodes can be quicker.

The bodies are those of the loader, byte for byte: polars' `write_json` of slices of 1000 rows, the
nulls stripped from the bytes. That is safe for this file (a raw quote cannot stand inside a JSON
string) when the first key goes last. Prints how many bytes it made.
"""

import io
import sys
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import polars as pl

BATCH_ROWS = 1000
AHEAD_MAX = 64
KEY = "customer_id"


def body(rows: pl.DataFrame, nullable: list[str], first: str) -> bytes:
    buffer = io.BytesIO()
    rows.write_json(buffer)
    text = buffer.getvalue()
    for name in nullable:
        if name != first:
            text = text.replace(f',"{name}":null'.encode(), b"")
    if first in nullable:
        null = f'{{"{first}":null'.encode()
        text = text.replace(null + b",", b"{").replace(null + b"}", b"{}")
    return b'{"customerProfiles":' + text + b"}"


def main(file: str, threads: int) -> int:
    made = 0
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(threads) as encoders:
        for block in pl.scan_csv(file).collect_batches(chunk_size=20_000, maintain_order=True):
            names = [name for name in block.columns if name != KEY]
            nullable = [name for name in names if block[name].null_count()]
            shaped = block.select(integrationId=KEY, attributes=pl.struct(names))
            for start in range(0, len(shaped), BATCH_ROWS):
                batch = shaped.slice(start, BATCH_ROWS)
                waiting.append(encoders.submit(body, batch, nullable, names[0]))
                if len(waiting) > AHEAD_MAX:
                    made += len(waiting.popleft().result())
        return made + sum(len(future.result()) for future in waiting)


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[3])))
