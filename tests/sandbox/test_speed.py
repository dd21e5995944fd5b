"""How fast the sandbox takes bulk profiles, and what a million weigh; measured, not asserted.

pytest -m bench -s tests/sandbox/test_speed.py
"""

import json
import random
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import pytest

from pipeline.sandbox.embedded import Embedded

ROWS, ROWS_IN_BODY, CONNECTIONS = 300_000, 1000, 4
TIERS = ["bronze", "silver", "gold", "platinum"]
ATTRIBUTES = {
    "FirstName": "string",
    "LastName": "string",
    "Email": "string",
    "SignupDate": "time",
    "IsVip": "boolean",
    "LifetimeValue": "number",
    "Orders": "number",
    "Tier": "string",
    "Birthday": "time",
}
VARIANTS = {
    "light": {"validate": "light"},
    "full": {"validate": "full"},
    "full, strict, nine declared attributes": {"validate": "full", "strict": "yes"},
}


def bodies() -> list[bytes]:
    """Return ROWS profiles with nine attributes, as bodies of 250 KB."""
    chance = random.Random(7)
    made = []
    for start in range(0, ROWS, ROWS_IN_BODY):
        rows = [
            {
                "integrationId": f"cust-{number:09}",
                "attributes": {
                    "FirstName": chance.choice(["Ada", "Zoë", "José", "Łukasz"]),
                    "LastName": chance.choice(["Müller", "Smith", "Nguyễn", 'O"Brien']),
                    "Email": f"user{number}@example.com",
                    "SignupDate": f"20{chance.randrange(10, 26)}-03-11T10:11:12Z",
                    "IsVip": chance.random() < 0.1,
                    "LifetimeValue": round(chance.random() * 1000, 2),
                    "Orders": chance.randrange(30),
                    "Tier": chance.choice(TIERS),
                    "Birthday": f"19{chance.randrange(50, 99)}-03-04T00:00:00Z",
                },
            }
            for number in range(start, start + ROWS_IN_BODY)
        ]
        body = {"customerProfiles": rows}
        made.append(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
    return made


def send(sandbox: Embedded, waiting: Iterator[bytes], lock: Lock) -> None:
    """Send bodies over one connection until there are no more."""
    host, port = sandbox.base_url.removeprefix("http://").split(":")
    head = (
        f"PUT /v2/customer_profiles?silent=yes HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: ApiKey-v1 {sandbox.api_key}\r\nContent-Length: "
    )
    with socket.create_connection((host, int(port))) as connection:
        while True:
            with lock:
                body = next(waiting, None)
            if body is None:
                return
            connection.sendall(f"{head}{len(body)}\r\n\r\n".encode() + body)
            assert b" 204 " in connection.recv(4096)


def took(sandbox: Embedded, made: list[bytes]) -> tuple[float, float]:
    """Send all bodies; return the seconds that passed and those that the sandbox worked."""
    waiting, lock, worked = iter(made), Lock(), worked_s(sandbox)
    started = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(lambda _: send(sandbox, waiting, lock), range(CONNECTIONS)))
    return time.perf_counter() - started, worked_s(sandbox) - worked


def worked_s(sandbox: Embedded) -> float:
    fields = Path(f"/proc/{sandbox.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def resident_mb(sandbox: Embedded) -> float:
    status = Path(f"/proc/{sandbox.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@pytest.mark.bench
@pytest.mark.timeout(600)
@pytest.mark.parametrize("variant", VARIANTS)
def test_how_fast_bulk_profiles_are_taken(
    tmp_path: Path, start: Callable[..., Embedded], variant: str
) -> None:
    path = tmp_path / "attributes.json"
    path.write_text(json.dumps([{"name": n, "type": kind} for n, kind in ATTRIBUTES.items()]))
    declared = {"attributes": str(path)} if "declared" in variant else {}
    sandbox = start(options={**VARIANTS[variant], **declared, "requests-kept": "0"})
    made, empty = bodies(), resident_mb(sandbox)
    lines = [f"\n{variant}, {ROWS} profiles"]
    for turn in ("made", "updated"):
        passed, worked = took(sandbox, made)
        speed, share = ROWS / passed, ROWS / worked
        lines.append(f"  {turn}: {speed:,.0f} rows/s, {share:,.0f} per second of its CPU")
    per_million = (resident_mb(sandbox) - empty) * 1_000_000 / ROWS
    lines.append(f"  {per_million:,.0f} MB per million profiles")
    print("\n".join(lines))  # noqa: T201 -- its product
